# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What there is to see on the screen of top: trouble in one namespace, by our own sockets and real."""
import os
import signal
import socket
import subprocess

from . import env, netns
from .traffic import Agent, Nginx, listener, port_of, until_listening, wrk

REFUSED = 4242  # nobody listens there


class Incident:
    """In one namespace: a server that works, one that does not accept, and a port that is closed."""

    def __init__(self, ns, keep):
        self.ns = ns
        self.works = keep(listener(ns, 4))
        self.stalled = keep(Agent(ns, comm="sleepy", listen={"addr": "127.0.0.1", "backlog": 2}))
        self.keep = keep

    def connect(self, port, timeout=2.0):
        with self.ns.inside():
            sock = socket.socket()
        sock.settimeout(timeout)
        try:
            sock.connect(("127.0.0.1", port))
        except OSError:
            pass
        return sock

    def normal(self, count):
        for _ in range(count):
            self.connect(port_of(self.works)).close()
            self.works.accept()[0].close()

    def closed_port(self, count):
        for _ in range(count):
            self.connect(REFUSED).close()

    def stall(self, count=6):
        """The accept queue holds one more than its limit; the others wait."""
        for _ in range(count):
            with self.ns.inside():
                sock = self.keep(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", self.stalled.port))

    def happen(self):
        self.normal(20)
        self.closed_port(5)
        self.stall()


BLOCKED, CLOSED, STALLED = 81, 82, 8080  # the ports of what is wrong there
STALLED_BACKLOG = 5  # of Python's http.server
CURLS = f"""for n in $(seq 100); do
    curl -s http://127.0.0.1:{BLOCKED}/
    curl -s http://127.0.0.1:{CLOSED}/
done"""


class RealIncident:
    """Nobody's own sockets: wrk at nginx, and at a server that is stopped; curl at a port that a
    firewall blocks, where it times out, and at a closed one."""

    def __init__(self, ns, directory):
        self.ns, self.directory, self.processes = ns, directory, []
        ns.sysctl("net.ipv4.tcp_syn_retries", 1)  # it times out within seconds
        ns.lose(f"tcp dport {BLOCKED} {netns.SYN}")
        self.nginx = Nginx(ns, directory)

    def happen(self, seconds):
        self.stalled = self.start([env.PYTHON, "-m", "http.server", "--bind", "127.0.0.1",
                                   "--directory", str(self.directory), str(STALLED)])
        until_listening(self.ns, STALLED, self.stalled)
        os.kill(self.stalled.pid, signal.SIGSTOP)
        for address, clients in (("127.0.0.1", 8), (f"127.0.0.1:{STALLED}", 10)):
            self.processes.append(wrk(self.ns, self.directory, address, seconds, clients))
        self.start(["timeout", f"{seconds:g}", "sh", "-c", CURLS])

    def start(self, argv):
        self.processes.append(self.ns.popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True))
        return self.processes[-1]

    def close(self):
        for process in self.processes:
            process.terminate()
            process.send_signal(signal.SIGCONT)
        for process in self.processes:
            try:
                process.wait(5 * env.SLOW)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        self.nginx.close()
