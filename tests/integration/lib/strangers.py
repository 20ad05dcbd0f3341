# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that nobody wrote for this suite, each as a host meets it: scans, health checks, benchmarks, forged SYNs."""
import shutil
import signal
import socket
import struct
import subprocess
import threading

from . import env, netns
from .traffic import listener, port_of, until_listening

PROGRAMS = ("nmap", "haproxy", "ab", "redis-server", "redis-benchmark", "mptcpize", "hping3", "curl")
SHARE = 1 if env.SLOW < 4 else 4  # a slow machine gets so many times less to do

HAPROXY_CONF = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen front
    bind {local}:8080
    server up {remote}:80 check inter {inter}ms
    server down {remote}:9999 check inter {inter}ms
"""


def missing():
    """The programs that are not installed here."""
    return [name for name in PROGRAMS if not shutil.which(name)]


class Server:
    """One that runs until it is closed."""

    def __init__(self, ns, port, *argv):
        self.process = ns.popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                text=True)
        until_listening(ns, port, self.process)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10 * env.SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stderr.close()


def redis(ns):
    return Server(ns, 6379, "redis-server", "--port", "6379", "--bind", ns.addr[4], "--protected-mode", "no",
                  "--save", "", "--appendonly", "no")


class Checks:
    """haproxy's health checks, where it does not run itself: each ends with a RST instead of the final ACK."""

    def __init__(self, ns, remote):
        self._ns, self._remote = ns, remote
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _check(self, port):
        with self._ns.socket() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.connect_ex((self._remote, port))

    def _run(self):
        while not self._end.wait(0.05 * SHARE):
            for port in (80, 9999):
                self._check(port)

    def close(self):
        self._end.set()
        self._thread.join(60 * env.SLOW)


def haproxy_runs():
    """Debian's needs an instruction that QEMU's CPU of the guests does not have (CMPXCHG16B: tests/vm/vmtest)."""
    return subprocess.run(["haproxy", "-v"], capture_output=True, check=False).returncode == 0


def haproxy(ns, remote, directory):
    """It forwards, and asks two servers for their health, one of which is down: each check ends with a RST."""
    if not haproxy_runs():
        return Checks(ns, remote)
    conf = directory / "haproxy.cfg"
    conf.write_text(HAPROXY_CONF.format(local=ns.addr[4], remote=remote, inter=50 * SHARE))
    return Server(ns, 8080, "haproxy", "-db", "-f", str(conf))


def mptcp(ns):
    """A listener that nobody accepts from; None on a kernel without MPTCP."""
    try:
        return listener(ns, 4, proto=netns.IPPROTO_MPTCP)
    except OSError:
        return None


class Crowd:
    """All of them at once, against a server's namespace, each with a bounded amount of work."""

    def __init__(self, client, server, mptcp_listener=None):
        self.client, self.remote = client, server.addr[4]
        self.mptcp_port = mptcp_listener and port_of(mptcp_listener)
        self.sockets = []
        web = f"http://{self.remote}/"
        front = f"http://{client.addr[4]}:8080/" if haproxy_runs() else web
        self.children = [self._run(*argv) for argv in (
            ("nmap", "-sT", "-n", "-Pn", "-T5", "--max-retries", "0", "-p", f"1-{200 // SHARE}", self.remote),
            ("nmap", "-sS", "-n", "-Pn", "-T5", "--max-retries", "0", "-p", f"1-{400 // SHARE}", self.remote),
            ("ab", "-q", "-n", str(400 // SHARE), "-c", "10", web),
            ("ab", "-q", "-n", str(200 // SHARE), "-c", "5", front),
            ("redis-benchmark", "-h", self.remote, "-n", str(400 // SHARE), "-c", "10", "-k", "0", "-t", "ping", "-q"),
            ("hping3", "-q", "-S", "-p", "80", "--rand-source", "-i", "u2000", "-c", str(1000 // SHARE), self.remote),
            *(("mptcpize", "run", "curl", "-s", "-o", "/dev/null", web)
              for _ in range(4 if mptcp_listener else 0)))]

    def _run(self, *argv):
        return self.client.popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 text=True)

    def connect(self, count):
        """Fast Open to the web server, and MPTCP where there is a listener for it."""
        for _ in range(count):
            fast = self.client.socket()
            self.sockets.append(fast)
            fast.sendto(b"GET / HTTP/1.0\r\n\r\n", socket.MSG_FASTOPEN, (self.remote, 80))
            if self.mptcp_port:
                many = self.client.socket(proto=netns.IPPROTO_MPTCP)
                self.sockets.append(many)
                many.connect((self.remote, self.mptcp_port))

    def wait(self, timeout):
        """Until each has done its work; hping3 counts the answers that did not come as a failure."""
        for child in self.children:
            error = child.communicate(timeout=timeout * env.SLOW)[1]
            assert child.returncode == 0 or child.args[0] == "hping3", f"{' '.join(child.args)}: {error}"

    def close(self):
        for sock in self.sockets:
            sock.close()
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.communicate()
