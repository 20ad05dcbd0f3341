# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Network namespaces of one test, held by file descriptors only.

Nothing is mounted and nothing has a name, so whatever happens to the test, closing the
descriptor (at the latest when pytest ends) takes the namespace, its links, its sysctls and its
firewall away.
"""
import contextlib
import ctypes
import errno
import fcntl
import itertools
import os
import socket
import struct
import subprocess
import threading

from . import env

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCETHTOOL = 0x8914, 0x8946
IFF_UP = 1
# include/uapi/linux/ethtool.h
ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO = 0x17, 0x1F, 0x24

IPPROTO_MPTCP = 262


def _call(function, *args):
    if function(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{function.__name__}: {os.strerror(error)}")


class Netns:
    def __init__(self, name):
        self.name = name
        self.addr = {}  # 4 and 6, once linked
        result = {}

        def create():
            try:
                _call(_libc.unshare, CLONE_NEWNET)
                result["fd"] = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                result["error"] = error

        thread = threading.Thread(target=create)
        thread.start()
        thread.join()
        if "error" in result:
            raise result["error"]
        self.fd = result["fd"]
        self.inode = os.fstat(self.fd).st_ino
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        self._loop = None
        self._up("lo")

    def _up(self, interface):
        """Without ip(8): every namespace does this, and a process is dear in a guest."""
        with self.socket(kind=socket.SOCK_DGRAM) as sock:
            request = struct.pack("16sH14x", interface.encode(), IFF_UP)
            fcntl.ioctl(sock, SIOCSIFFLAGS, request)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @contextlib.contextmanager
    def inside(self):
        """Run the calling thread in this namespace; sockets and children made there stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call(_libc.setns, self.fd, CLONE_NEWNET)
            try:
                yield self
            finally:
                _call(_libc.setns, home, CLONE_NEWNET)
        finally:
            os.close(home)

    def run(self, *argv, stdin=None, check=True):
        with self.inside():
            done = subprocess.run(argv, input=stdin, text=True, capture_output=True,
                                  timeout=30 * env.SLOW)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)} in {self.name}: {done.stderr.strip()}")
        return done

    def popen(self, argv, **kwargs):
        with self.inside():
            return subprocess.Popen(argv, **kwargs)

    def ip(self, *lines):
        """Run lines of ip(8) in one go."""
        self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def nft(self, *rules, hook="input"):
        """Append rules, in the given order, to the chain of a hook."""
        text = f"table inet t {{ chain {hook} {{ type filter hook {hook} priority 0; }}; }}\n"
        text += "".join(f"add rule inet t {hook} {rule}\n" for rule in rules)
        self.run("nft", "-f", "-", stdin=text)

    def lose(self, *rules):
        """Lose segments that match as they come."""
        self.nft(*(f"{rule} {LOST}" for rule in rules), hook="prerouting")

    def nft_flush(self):
        self.run("nft", "flush", "ruleset")

    def sysctl(self, name, value, optional=False):
        """Set it; an `optional` one is of newer kernels, and left alone where it is not."""
        path = "/proc/sys/" + name.replace(".", "/")
        with self.inside():
            if optional and not os.path.exists(path):
                return
            with open(path, "w") as file:
                file.write(str(value))

    def receive_on_all_cpus(self, interface="lo"):
        """RPS: another CPU's softirq takes what is received, and interrupts the task that runs there, as a
        network card's does. The switch is in the namespace's own sysfs."""
        script = f"mount -t sysfs sysfs /sys && for q in /sys/class/net/{interface}/queues/rx-*; do " \
                 f"echo {(1 << os.cpu_count()) - 1:x} >$q/rps_cpus; done"
        self.run("unshare", "--mount", "sh", "-c", script)

    def _counters(self, name, group):
        with self.inside(), open(f"/proc/thread-self/net/{name}") as file:
            lines = [line.split() for line in file if line.startswith(group)]
        return {name: int(value) for name, value in zip(lines[0][1:], lines[1][1:])}

    def snmp(self):
        """The Tcp: counters of /proc/net/snmp."""
        return self._counters("snmp", "Tcp:")

    def counters(self):
        """Those and the TcpExt: counters of /proc/net/netstat, what nstat(8) shows."""
        return {**self.snmp(), **self._counters("netstat", "TcpExt:")}

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        with self.inside():
            return socket.socket(family, kind, proto)

    def no_offload(self, interface):
        """Whole frames with real checksums, as a wire would carry them."""
        with self.socket(kind=socket.SOCK_DGRAM) as sock:
            for command in (ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM):
                value = ctypes.create_string_buffer(struct.pack("II", command, 0))
                request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
                fcntl.ioctl(sock, SIOCETHTOOL, request)


NETWORK = {4: "10.9.0.0/24", 6: "fd09::/64"}  # of every link that the tests make


def _addresses(ns, interface, host, rtt_ms=0):
    ns.addr = {4: f"10.9.0.{host}", 6: f"fd09::{host}"}
    ns.sysctl(f"net.ipv6.conf.{interface}.accept_ra", 0)
    for ip in (4, 6):  # a lost question about a neighbour costs 50 ms, not 1 s
        ns.sysctl(f"net.ipv{ip}.neigh.{interface}.retrans_time_ms", 50 + 2 * rtt_ms)
    ns.ip(f"address add {ns.addr[4]}/24 dev {interface}",
          f"address add {ns.addr[6]}/64 dev {interface} nodad",
          f"link set {interface} up")


_index = itertools.count(10)


def join(left, left_if, right, right_if):
    """A veth pair between two namespaces, both ends still down.

    The two get different numbers, because the kernel takes up to a second to notice that a link
    is up if its own number is that of its peer (linkwatch_urgent_event()).
    """
    left.ip(f"link add {left_if} index {next(_index)} type veth "
            f"peer name {right_if} index {next(_index)} netns {right.path}")


def acquaint(client, server):
    """Wait until neighbours know each other, so that no test's first SYN waits for that."""
    for family, ip in ((socket.AF_INET, 4), (socket.AF_INET6, 6)):
        def answers(family=family, ip=ip):
            with client.socket(family) as sock:
                sock.settimeout(10 * env.SLOW)
                error = sock.connect_ex((server.addr[ip], 9))
            if error not in (errno.ECONNREFUSED, errno.EHOSTUNREACH):
                raise AssertionError(f"IPv{ip} of a new link: {os.strerror(error)}")
            return error == errno.ECONNREFUSED  # a busy machine may not answer all of three times
        env.poll_until(answers, 10, f"an answer over IPv{ip} of a new link")


def plain_pair():
    """Client and server joined by one veth pair."""
    client, server = Netns("client"), Netns("server")
    join(client, "c0", server, "s0")
    _addresses(client, "c0", 1)
    _addresses(server, "s0", 2)
    acquaint(client, server)
    return client, server


class DelayedLink:
    """client -c0- [m0 forwarder m1] -s0- server, every frame late by delay_ms in each direction."""

    def __init__(self, delay_ms):
        self.delay_ms = delay_ms
        self.client, self.server = Netns("client"), Netns("server")
        self.middle = Netns("forwarder")
        for name in ("all", "default"):
            self.middle.sysctl(f"net.ipv6.conf.{name}.disable_ipv6", 1)
        join(self.client, "c0", self.middle, "m0")
        join(self.server, "s0", self.middle, "m1")
        self.middle.ip("link set m0 up", "link set m1 up")
        for ns, interface, host in ((self.client, "c0", 1), (self.server, "s0", 2)):
            _addresses(ns, interface, host, 2 * delay_ms)
            ns.no_offload(interface)
        self.process = self.middle.popen(
            [env.tool("delaylink"), str(int(delay_ms * 1000)), "m0", "m1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise AssertionError(f"delaylink: {line!r} {self.process.stderr.read()}")
        acquaint(self.client, self.server)

    def close(self):
        self.process.stdin.close()  # its sign to stop
        try:
            self.process.wait(5 * env.SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        error = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        for ns in (self.client, self.server, self.middle):
            ns.close()
        assert self.process.returncode == 0, f"delaylink: {error}"


# Addresses that no namespace of the tests has a route to (RFC 5737, RFC 3849).
NOWHERE = {4: "198.51.100.7", 6: "2001:db8:ffff::7"}


def lost_source(ns, ip):
    """An address of `ns` to which its peers have no route back; a peer that filters by routes is out of the question."""
    ns.ip(f"address add {NOWHERE[ip]}/{32 if ip == 4 else 128} dev lo" + (" nodad" if ip == 6 else ""))
    return NOWHERE[ip]


# Packets of a handshake, for nft rules; `first(n)` of those that get there.
SYN = "tcp flags & (syn|ack|rst|fin) == syn"
SYNACK = "tcp flags & (syn|ack|rst|fin) == (syn|ack)"
ACK = "tcp flags & (syn|ack|rst|fin) == ack"


# What loses a segment on its way, for all that its host knows: the frame was for another host. A rule that says `drop`
# is this host's own deed, and the kernel reports it as that.
LOST = "meta pkttype set other"


def first(count):
    """Match exactly the first `count` packets that reach this expression, and no later one."""
    return f"numgen inc mod 4000000000 < {count}"
