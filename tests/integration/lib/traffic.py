# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Listeners and connections, in this process or in one of their own."""
import errno
import json
import os
import select
import signal
import socket
import struct
import subprocess

from . import env

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
NAME = {4: "ipv4", 6: "ipv6"}
TCP_FASTOPEN = 23
TCP_FASTOPEN_CONNECT = 30
WITHOUT_COOKIES = 5  # net.ipv4.tcp_fastopen: TFO_CLIENT_ENABLE, TFO_CLIENT_NO_COOKIE
TCPI_RTT = 68  # offset of tcpi_rtt, in µs, in struct tcp_info


def listener(ns, ip, port=0, backlog=128, v6only=True, fastopen=0, addr="", proto=0):
    """A socket of this process that listens and accepts only if the test does."""
    sock = ns.socket(FAMILY[ip], proto=proto)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ip == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    if fastopen:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, fastopen)
    sock.bind((addr, port))
    sock.listen(backlog)
    return sock


def port_of(sock):
    return sock.getsockname()[1]


def rtt_ns(sock):
    """TCP's own measurement (TCP_INFO); of the handshake, until something else is acknowledged."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCPI_RTT + 4)
    return struct.unpack_from("=I", info, TCPI_RTT)[0] * 1000


def client(ns, ip, bind_port=0):
    sock = ns.socket(FAMILY[ip])
    if bind_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", bind_port))
    return sock


def connect(ns, ip, address, blocking=True, bind_port=0, timeout=8.0):
    """connect() and return (socket, errno or 0). Never blocks for longer than `timeout`."""
    sock = client(ns, ip, bind_port)
    if blocking:
        return sock, sock.connect_ex(address)
    sock.setblocking(False)
    error = sock.connect_ex(address)
    if error == errno.EINPROGRESS:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        assert poll.poll(timeout * 1000 * env.SLOW), f"connect to {address}: no end"
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return sock, error


def start(ns, ip, address, bind_port=0):
    """A connect() under way, on a non-blocking socket."""
    sock = client(ns, ip, bind_port)
    sock.setblocking(False)
    error = sock.connect_ex(address)
    assert error in (0, errno.EINPROGRESS), os.strerror(error)
    return sock


def finish(sock, timeout=8.0):
    """Wait for the end of what start() began; its errno."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    assert poll.poll(timeout * 1000 * env.SLOW), "connect: no end"
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def waiting(ns, ip, address):
    """A socket whose connect() leaves the SYN to the first send(), for it needs no cookie."""
    ns.sysctl("net.ipv4.tcp_fastopen", WITHOUT_COOKIES)
    sock = client(ns, ip)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    sock.setblocking(False)
    assert sock.connect_ex(address) == 0
    return sock


class Agent:
    """lib/agent.py running in a namespace; gone when closed."""

    def __init__(self, ns, wait=True, **options):
        self.process = ns.popen([env.PYTHON, "-SE", env.AGENT, json.dumps(options)], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        self.pid = self.process.pid
        self.ports = []
        if wait:
            self.wait_ready()

    def wait_ready(self):
        line = self.process.stdout.readline()
        assert line, f"agent: {self.process.stderr.read()}"
        self.ports = json.loads(line)["ports"]

    @property
    def port(self):
        return self.ports[0]

    def tell(self, command):
        """Have it do something, and wait until it is done."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        assert select.select([self.process.stdout], [], [], 60 * env.SLOW)[0], f"agent: no end of {command}"
        line = self.process.stdout.readline()
        assert line == "done\n", f"agent: {line!r} {self.process.stderr.read()}"

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(5 * env.SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


def until_listening(ns, port, process):
    """Wait until it does, on an IPv4 address."""
    def listening():
        assert process.poll() is None, process.stderr.read()
        with ns.inside(), open("/proc/thread-self/net/tcp") as file:
            lines = [line.split() for line in file]
        return any(line[1].endswith(f":{port:04X}") and line[3] == "0A" for line in lines)
    env.poll_until(listening, 10, f"{' '.join(process.args[:3])} listening")


NGINX_CONF = """
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    {more}
    server {{ listen 80{options}; listen [::]:80{options}; location / {{ return 200 "shaken\\n"; }} }}
}}
"""

# A client of HTTP that keeps its connections for later, and does not look at them meanwhile.
KEEPS = """
import http.client, sys, time
kept = [http.client.HTTPConnection(sys.argv[1]) for _ in range(int(sys.argv[2]))]
for connection in kept:
    connection.request("GET", "/")
    connection.getresponse().read()
print(flush=True)
time.sleep(600)
"""


class Nginx:
    """With one worker, which accepts."""

    def __init__(self, ns, directory, options="", more=""):
        conf = directory / "nginx.conf"
        conf.write_text(NGINX_CONF.format(dir=directory, options=options and " " + options, more=more))
        self.process = ns.popen(["/usr/sbin/nginx", "-c", str(conf), "-p", str(directory)],
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                start_new_session=True)
        self.pid = self.process.pid  # the master: it listens and owns the sockets

        until_listening(ns, 80, self.process)

    def worker(self):
        def children():
            with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
                return file.read().split()
        return int(env.poll_until(children, 10, "nginx's worker")[0])

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5 * env.SLOW)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.process.stderr.close()


WRK = """function delay() return math.random(20, 80) end -- ms, before the next request"""


def wrk(ns, directory, address, seconds, clients=32):
    """wrk in a namespace: a connection for each request."""
    script = directory / "delay.lua"
    script.write_text(WRK)
    return ns.popen(["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "-s", str(script),
                     "-H", "Connection: close", f"http://{address}/"],
                    stdout=subprocess.PIPE, text=True)
