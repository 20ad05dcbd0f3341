# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How connections end: each way, on both sides, with tcpdump as the witness of who was first and how long it took.

A capture stamps a segment before TCP takes it, or after TCP has made it, and what the machine takes in between is no error
of the daemon. The same run shows how long that is: by how much the latency of each connection's handshake is longer than
between the capture's two stamps; and, for what is sent, from the call until the stamp.
"""
import ctypes
import os
import socket
import statistics
import struct
import subprocess
import time

import pytest

from lib import env, netns, pcap
from lib.scrape import Metrics, free_port
from lib.traffic import client, connect, finish, listener, port_of

TIMED = env.SLOW < 4  # an emulated CPU is away for milliseconds between a segment's stamp and its taking
REPEATS = 7 if TIMED else 2
BOUND = 50_000 * env.SLOW
DELAY_MS = 5 if TIMED else 20
CROSSING_MS = DELAY_MS if TIMED else 200  # both sides close within it
STATES = ("fin_wait1", "fin_wait2", "closing", "close_wait", "last_ack")
ONE_WAY = (2 * DELAY_MS + 10) / 1000 * min(env.SLOW, 4)  # a segment has arrived, surely
EVENTS = ("--events", "handshake,close,reset")


class Timed:
    """A socket that remembers when it was asked to end."""

    def __init__(self, sock):
        self.sock, self.ended = sock, []

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def close(self):
        self.ended.append(time.time_ns())
        self.sock.close()

    def shutdown(self, how):
        self.ended.append(time.time_ns())
        self.sock.shutdown(how)

    def disconnect(self):
        libc = ctypes.CDLL(None, use_errno=True)
        self.ended.append(time.time_ns())
        assert libc.connect(self.sock.fileno(), bytes(16), 16) == 0  # AF_UNSPEC

    def until(self, stamp):
        """From the call until a capture's stamp of what it sent."""
        return stamp - max(at for at in self.ended if at <= stamp)


# ---- the ways: `a` is the side that is first, `b` the other ----

def settle():
    time.sleep(ONE_WAY)


def by_close(a, b):
    a.close()
    settle()
    b.close()


def by_shutdown(a, b, how=socket.SHUT_WR):
    a.shutdown(how)
    settle()
    b.close()
    settle()
    a.close()


def by_shutdown_of_both_ways(a, b):
    by_shutdown(a, b, socket.SHUT_RDWR)


def half_closed(a, b):
    a.shutdown(socket.SHUT_WR)
    for _ in range(3):
        b.send(b"more")
        settle()
        assert a.recv(16)
    b.close()
    settle()
    a.close()


def crossing(a, b):
    a.shutdown(socket.SHUT_WR)
    b.shutdown(socket.SHUT_WR)
    time.sleep(2 * CROSSING_MS / 1000)
    settle()
    settle()
    a.close()
    b.close()


def unread(a, b):
    b.send(b"unread")
    settle()
    a.close()
    settle()
    b.close()


def lingering(a, b):
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    a.close()
    settle()
    b.close()


def unread_half_closed(a, b):
    a.shutdown(socket.SHUT_WR)
    settle()
    b.send(b"unread")
    settle()
    a.close()
    settle()
    b.close()


def disconnected(a, b):
    a.disconnect()
    settle()
    a.close()
    b.close()


# What each side's record says, with which call it began to end, and which states it was in; `rest`: time_wait. Of a socket that is
# closed in FIN_WAIT the kernel keeps a stub, whose end no tracepoint shows.
REMOTE = ("remote", "fin", "close", False, ("close_wait", "last_ack"))
ABORTED = ("remote", "reset", None, False, ())
CROSSED = ("both", "fin", "shutdown", True, ("fin_wait1", "closing"))
WAYS = {
    by_close: (("local", "fin", "close", None, ("fin_wait1",)), REMOTE),
    by_shutdown: (("local", "fin", "shutdown", True, ("fin_wait1", "fin_wait2")), REMOTE),
    by_shutdown_of_both_ways: (("local", "fin", "shutdown", True, ("fin_wait1", "fin_wait2")), REMOTE),
    half_closed: (("local", "fin", "shutdown", True, ("fin_wait1", "fin_wait2")), REMOTE),
    crossing: (CROSSED, CROSSED),
    unread: (("local", "reset", "close", False, ()), ABORTED),
    lingering: (("local", "reset", "close", False, ()), ABORTED),
    unread_half_closed: (("local", "reset", "shutdown", False, ("fin_wait1", "fin_wait2")),
                         ("remote", "reset", None, False, ("close_wait",))),
    disconnected: (("local", "reset", None, False, ()), ABORTED),
}


# ---- the witness ----

class Wire:
    """What one side's capture shows of one connection."""

    def __init__(self, segments, here, there):
        mine = [s for s in segments if {s.source, s.destination} == {here, there}]
        self.out = [s for s in mine if s.source == here]
        self.into = [s for s in mine if s.source == there]
        self.fin_out, self.fin_in = self.first(self.out, pcap.FIN), self.first(self.into, pcap.FIN)
        self.rst_out, self.rst_in = self.first(self.out, pcap.RST), self.first(self.into, pcap.RST)
        self.acked = None
        if self.fin_out:
            fin = next(s for s in self.out if s.flags & pcap.FIN)
            self.acked = next((s.when for s in self.into if s.flags & pcap.ACK and s.ack == (fin.seq + 1) % 2**32), None)

    @staticmethod
    def first(segments, flag):
        return next((s.when for s in segments if s.flags & flag), None)

    def begun(self, role):
        """The segment that comes and completes the handshake."""
        if role == "active":
            return self.first(self.into, pcap.SYN)
        return next(s.when for s in self.into if not s.flags & pcap.SYN)

    def leaves_first(self):
        """This side sent its FIN or RST without having got the other's."""
        sent = min(filter(None, (self.fin_out, self.rst_out)), default=None)
        got = min(filter(None, (self.fin_in, self.rst_in)), default=None)
        return sent is not None and (got is None or sent < got)

    def spent(self, state):
        """Between the two segments that lead into a state and out of it."""
        ends = {"fin_wait1": (self.fin_out, min(filter(None, (self.acked, self.fin_in)), default=None)),
                "fin_wait2": (self.acked, self.fin_in or self.rst_out),
                "closing": (self.fin_in, self.acked),
                "close_wait": (self.fin_in, self.fin_out or self.rst_in),
                "last_ack": (self.fin_out, self.acked)}
        start, end = ends[state]
        return end - start

    def ended(self, record):
        """The segment with which the record was made."""
        if record["how"] == "reset":
            return self.rst_out or self.rst_in
        if record["first"] == "local" and record["fin_wait2_ns"] is not None:
            return self.fin_in
        return self.acked


def first_by(mine, other):
    both = mine.leaves_first(), other.leaves_first()
    return {(True, True): "both", (True, False): "local", (False, True): "remote"}[both]


class Stage:
    """Captures on both sides of a delayed link, and a daemon."""

    def __init__(self, link, ip, tmp_path, keep, daemon):
        self.link, self.ip, self.keep = link, ip, keep
        self.listening = keep(listener(link.server, ip))
        self.port = port_of(self.listening)
        self.d = daemon(*EVENTS, "--port", str(self.port))
        self.captures = {role: keep(pcap.Capture(ns, interface, tmp_path / f"{role}.pcap", f"port {self.port}"))
                         for role, ns, interface in (("active", link.client, "c0"), ("passive", link.server, "s0"))}
        self.ports, self.socks = [], {}

    def connected(self):
        sock, error = connect(self.link.client, self.ip, (self.link.server.addr[self.ip], self.port))
        assert error == 0
        self.ports.append(port_of(sock))
        pair = Timed(self.keep(sock)), Timed(self.keep(self.listening.accept()[0]))
        self.socks[self.ports[-1]] = dict(zip(("active", "passive"), pair))
        return pair

    def records(self, kind, role, port):
        ns = self.link.client if role == "active" else self.link.server
        end = "local" if role == "active" else "remote"
        return self.d.feed.records(kind, netns=ns.inode, **{end: {"port": port}})

    def record(self, kind, role, port):
        return env.poll_until(lambda: self.records(kind, role, port), 10, f"a {role} {kind} record of {port}")[0]

    def wires(self):
        settle()
        time.sleep(0.3)  # tcpdump writes
        for capture in self.captures.values():
            capture.end()
        segments = {role: list(pcap.segments(capture.path)) for role, capture in self.captures.items()}
        return {port: {"active": Wire(segments["active"], port, self.port),
                       "passive": Wire(segments["passive"], self.port, port)} for port in self.ports}

    def lag(self, role, port, wire):
        """From the capture's stamp of a segment that comes until TCP has taken it, as the handshake shows it."""
        sent = wire.first(wire.out, pcap.SYN)
        latency = self.record("handshake", role, port)["latency_ns"]
        return max(0, latency - (wire.begun(role) - sent))

    def sending(self, role, port, wire):
        """From the call that ends this side until the capture's stamp of its FIN or RST; 0: it sent none."""
        return max((self.socks[port][role].until(stamp) for stamp in (wire.fin_out, wire.rst_out) if stamp), default=0)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("closer", ["client", "server"])
def test_way(delayed, ip, tmp_path, keep, daemon, way, closer):
    stage = Stage(delayed(CROSSING_MS if way is crossing else DELAY_MS), ip, tmp_path, keep, daemon)
    for _ in range(REPEATS):
        a, b = stage.connected()
        time.sleep((CROSSING_MS if way is crossing else 0) / 1000)
        settle()
        way(*((a, b) if closer == "client" else (b, a)))
    expected = dict(zip(("active", "passive") if closer == "client" else ("passive", "active"), WAYS[way]))
    for port in stage.ports:
        for role in expected:
            stage.record("close", role, port)
    wires = stage.wires()
    differences, lags, sending = {}, {}, {}
    for port in stage.ports:
        for role, (first, how, call, time_wait, states) in expected.items():
            record = stage.record("close", role, port)
            mine, other = wires[port][role], wires[port]["passive" if role == "active" else "active"]
            assert (record["first"], record["how"], record["call"], record["time_wait"]) == (first, how, call, time_wait), record
            assert first == first_by(mine, other)
            assert record["role"] == role
            assert record["conn"] == stage.record("handshake", role, port)["conn"]
            assert {state for state in STATES if record[f"{state}_ns"] is not None} == set(states), record
            lags.setdefault(role, []).append(stage.lag(role, port, mine))
            sending.setdefault(role, []).append(stage.sending(role, port, mine))
            for state in states:
                differences.setdefault((role, state), []).append(record[f"{state}_ns"] - mine.spent(state))
            lasted = mine.ended(record) - mine.begun(role)
            differences.setdefault((role, "duration"), []).append(record["duration_ns"] - lasted)
    for (role, what), found in differences.items():
        off, lag = statistics.median(abs(d) for d in found), statistics.median(lags[role])
        sent = statistics.median(sending[role])
        print(f"{way.__name__}, {closer}, ipv{ip}, {role}: {what} off by {off / 1000:.1f} us, "
              f"the capture is {lag / 1000:.1f} us ahead, and {sent / 1000:.1f} us behind the call")
        assert off < BOUND + lag + sent or not TIMED, (role, what, found, lags[role], sending[role])


def test_who_closed(delayed, keep, daemon, tmp_path):
    """The process, also of a connection that its peer aborts: who called connect()."""
    stage = Stage(delayed(DELAY_MS), 4, tmp_path, keep, daemon)
    a, b = stage.connected()
    settle()
    lingering(b, a)
    active, passive = (stage.record("close", role, stage.ports[0]) for role in ("active", "passive"))
    assert active["process"] == stage.record("handshake", "active", stage.ports[0])["process"]
    assert passive["process"]["pid"] == active["process"]["pid"]  # this one has both sides


# A process that has one side, and is killed. It waits for nothing but that.
HOLDS = """
import socket, sys, time
family, address = (socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET), (sys.argv[2], int(sys.argv[3]))
if sys.argv[1] == "active":
    held = socket.create_connection(address)
else:
    held = socket.create_server(address, family=family).accept()[0]
print(flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("side", ["active", "passive"])
@pytest.mark.parametrize("shut", [False, True], ids=["held", "shut"])
def test_process_ends(pair, ip, keep, daemon, side, shut):
    """Killed is closed: by the last descriptor, of which a child has none here; unless shutdown() was first."""
    listening = keep(listener(pair.server, ip)) if side == "active" else None
    port = port_of(listening) if listening else 7070
    d = daemon(*EVENTS, "--port", str(port))
    mine, ns = ("active", pair.client) if side == "active" else ("passive", pair.server)
    code = HOLDS.replace("print(", "held.shutdown(socket.SHUT_WR); print(") if shut else HOLDS
    process = ns.popen([env.PYTHON, "-c", code, mine, *map(str, pair.address(ip, port))], stdout=subprocess.PIPE)
    keep(process.stdout)
    if listening:
        other = keep(listening.accept()[0])
    else:
        env.poll_until(lambda: ns.run("ss", "-Htln").stdout, 10, "a listener")
        other, error = connect(pair.client, ip, pair.address(ip, port))
        assert error == 0
        keep(other)
    process.stdout.readline()
    process.kill()
    process.wait()
    assert other.recv(1) == b""
    other.close()
    record = ended(d, ns)[0]
    assert (record["role"], record["first"], record["call"]) == (side, "local", "shutdown" if shut else "close")
    assert record["process"]["pid"] == process.pid
    assert ended(d, pair.server if side == "active" else pair.client)[0]["call"] == "close"


def test_one_of_two_descriptors(pair, ip, keep, daemon):
    """The first close() ends nothing: the connection ends, closed, with the second. shutdown() needs only one."""
    listening = keep(listener(pair.server, ip))
    d = daemon(*EVENTS, "--port", str(port_of(listening)))
    for call in ("close", "shutdown"):
        sock, error = connect(pair.client, ip, pair.address(ip, port_of(listening)))
        assert error == 0
        child = keep(listening.accept()[0])
        double = keep(sock.dup())
        sock.close()
        child.settimeout(0.2)
        with pytest.raises(TimeoutError):
            child.recv(1)
        (double.close if call == "close" else lambda: double.shutdown(socket.SHUT_RDWR))()
        child.settimeout(5)
        assert child.recv(1) == b""
        child.close()
    assert [r["call"] for r in ended(d, pair.client, 2)] == ["close", "shutdown"]


def ended(d, ns, count=1, timeout=10):
    """The records of a namespace's ends."""
    return d.feed.wait_for(lambda all: (found := d.feed.records("close", netns=ns.inode))[count - 1:] and found, timeout,
                           f"{count} close records")


# ---- a peer that has vanished ----

def keepalive(sock, _ns):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
        sock.setsockopt(socket.IPPROTO_TCP, option, 1)


def user_timeout(sock, _ns):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 300)
    sock.send(b"lost")


def retransmissions(sock, ns):
    ns.sysctl("net.ipv4.tcp_retries2", 1)
    sock.send(b"lost")


def orphan(sock, ns):
    """Closed, and its FIN is never acknowledged."""
    ns.sysctl("net.ipv4.tcp_orphan_retries", 1)
    sock.close()


@pytest.mark.parametrize("way", [keepalive, user_timeout, retransmissions, orphan], ids=lambda way: way.__name__)
@pytest.mark.parametrize("side", ["active", "passive"])
def test_peer_vanished(pair, ip, keep, daemon, way, side):
    listening = keep(listener(pair.server, ip))
    d = daemon(*EVENTS, "--port", str(port_of(listening)))
    sock, error = connect(pair.client, ip, pair.address(ip, port_of(listening)))
    assert error == 0
    child = keep(listening.accept()[0])
    keep(sock)
    for ns in (pair.client, pair.server):
        ns.lose("meta l4proto tcp")
    mine, ns = (sock, pair.client) if side == "active" else (child, pair.server)
    began = time.monotonic_ns()
    way(mine, ns)
    record = ended(d, ns, timeout=60)[0]
    took = time.monotonic_ns() - began
    assert (record["how"], record["time_wait"], record["role"]) == ("timeout", False, side), record
    assert record["duration_ns"] >= took - env.SECOND
    if way is orphan:
        assert record["call"] == "close" and record["first"] == "local" and took - env.SECOND < record["fin_wait1_ns"] <= took
    else:
        assert "first" not in record and record["call"] is None and not any(record[f"{state}_ns"] for state in STATES)


# ---- what was not seen, and what is none ----

def test_there_before(pair, ip, keep, daemon):
    """Of a connection that was there before the daemon: what is seen from then on, and null for all else."""
    listening = keep(listener(pair.server, ip))
    sock, error = connect(pair.client, ip, pair.address(ip, port_of(listening)))
    assert error == 0
    child = keep(listening.accept()[0])
    sock.shutdown(socket.SHUT_WR)
    d = daemon(*EVENTS, "--port", str(port_of(listening)))
    child.close()
    active, passive = ended(d, pair.client)[0], ended(d, pair.server)[0]
    assert (active["how"], active["time_wait"], passive["how"]) == ("fin", True, "fin")
    for record in (active, passive):
        assert record["role"] is record["first"] is record["conn"] is record["duration_ns"] is None
        assert record["call"] is None
        assert all(record[f"{state}_ns"] is None for state in STATES)
    sock.close()


def test_handshakes_that_fail_are_none(pair, ip, daemon):
    d = daemon(*EVENTS, "--port", "9")
    for _ in range(3):
        connect(pair.client, ip, pair.address(ip, 9))[0].close()
    d.handshakes(3, netns=pair.client.inode, outcome="refused")
    d.stop()
    assert not d.feed.records("close", netns=pair.client.inode)


def test_simultaneous_open(delayed, ip, keep, daemon):
    """Both are clients: one name joins all four records."""
    link = delayed(150)  # as in test_active.py
    d = daemon(*EVENTS, "--port", "7001")
    left, right = keep(client(link.client, ip, bind_port=7001)), keep(client(link.server, ip, bind_port=7002))
    for sock in (left, right):
        sock.setblocking(False)
    left.connect_ex((link.server.addr[ip], 7002))
    right.connect_ex((link.client.addr[ip], 7001))
    assert finish(left) == 0 and finish(right) == 0
    for sock in (left, right):
        sock.shutdown(socket.SHUT_WR)
    closed = ended(d, link.client) + ended(d, link.server)
    opened = d.handshakes(2, simultaneous=True)
    assert len({r["conn"] for r in opened + closed}) == 1
    assert {(r["role"], r["first"], r["how"]) for r in closed} == {("active", "both", "fin")}


def test_self_connect(lone, ip, keep, daemon):
    """One socket is both sides: its FIN comes back to it."""
    d = daemon(*EVENTS, "--port", "7003")
    address = {4: "127.0.0.1", 6: "::1"}[ip]
    sock = keep(client(lone, ip))
    sock.bind((address, 7003))
    assert sock.connect_ex((address, 7003)) == 0
    sock.close()
    record = ended(d, lone)[0]
    assert (record["how"], record["role"]) == ("fin", "active")
    assert record["conn"] == d.handshake(netns=lone.inode)["conn"]


def test_unaccepted(pair, ip, keep, daemon):
    """A listener is closed with a connection that nobody accepted: the kernel resets it."""
    listening = listener(pair.server, ip)
    d = daemon(*EVENTS, "--port", str(port_of(listening)))
    sock, error = connect(pair.client, ip, pair.address(ip, port_of(listening)))
    assert error == 0
    keep(sock)
    d.handshake(role="passive", netns=pair.server.inode)
    listening.close()
    for ns, first in ((pair.server, "local"), (pair.client, "remote")):
        record = ended(d, ns)[0]
        assert (record["first"], record["how"], record["call"]) == (first, "reset", None)


def test_no_room_for_time_wait(pair, ip, keep, daemon):
    """tcp_max_tw_buckets of 0: the connection is closed by FIN, and there is no TIME_WAIT."""
    pair.client.sysctl("net.ipv4.tcp_max_tw_buckets", 0)
    listening = keep(listener(pair.server, ip))
    d = daemon(*EVENTS, "--port", str(port_of(listening)))
    for way in (by_close, by_shutdown):
        sock, error = connect(pair.client, ip, pair.address(ip, port_of(listening)))
        assert error == 0
        way(sock, listening.accept()[0])
    found = ended(d, pair.client, 2)
    assert [(r["first"], r["how"], r["time_wait"]) for r in found] == 2 * [("local", "fin", False)]


@pytest.mark.parametrize("way", [by_shutdown, unread_half_closed], ids=lambda way: way.__name__)
def test_long_chains(lone, keep, daemon, way):
    """A stub is the first in its bucket of the kernel's table. That there is none, is not seen of a long one: as limits.md has it."""
    if not os.path.exists("/proc/sys/net/ipv4/tcp_child_ehash_entries"):
        pytest.skip("kernel: a namespace has no table of connections of its own")
    lone.sysctl("net.ipv4.tcp_child_ehash_entries", 16)
    with lone.inside():
        crowded = keep(netns.Netns("lone"))
    listening = keep(listener(crowded, 4, backlog=200))
    d = daemon(*EVENTS, "--port", str(port_of(listening)))

    def connected():
        sock, error = connect(crowded, 4, ("127.0.0.1", port_of(listening)))
        assert error == 0
        return keep(sock), keep(listening.accept()[0])
    for _ in range(200):  # 25 in each bucket, about
        last = connected()
    way(*last)
    record = next(r for r in ended(d, crowded, 2) if r["role"] == "active")
    assert (record["first"], record["call"], record["how"], record["time_wait"]) == (
        "local", "shutdown", "fin", True if way is by_shutdown else None), record


# ---- the stream ----

def programs(metrics):
    return {labels["program"] for labels, _ in metrics.scrape().all("tcpshake_bpf_runs_total")}


def test_off_by_default(pair, ip, keep, daemon):
    """Without --events close: no record, nothing counted, and the programs that there were before; with it that, and what takes over."""
    listening = keep(listener(pair.server, ip))
    ports = free_port(), free_port()
    flags = ("--port", str(port_of(listening)), "--metrics")
    d = daemon(*flags, f"127.0.0.1:{ports[0]}")
    daemon(*EVENTS, *flags, f"127.0.0.1:{ports[1]}")
    without, with_it = (programs(keep(Metrics(port))) for port in ports)
    assert len(without) > 5 and not any(name.startswith("close_") for name in without)
    more = with_it - without
    assert more - {"close_takeover"} in ({"close_state"}, {"close_state_classic"}) and without <= with_it
    assert ("close_takeover" in more) == ("state_takeover" in without)  # 5.10 skips nothing
    assert d.feed.all[0]["capabilities"]["connection_ends"] is False  # nobody knows: it was not asked for
    assert d.feed.all[0]["refused"]["connection_ends"] == {"error": "not tried", "without": "no `close` records"}
    sock, error = connect(pair.client, ip, pair.address(ip, port_of(listening)))
    assert error == 0
    by_close(sock, listening.accept()[0])
    d.handshakes(2, netns=lambda inode: inode in (pair.client.inode, pair.server.inode))
    d.stop()
    assert not d.feed.records("close")
    assert d.feed.all[-1]["totals"]["close"] == dict.fromkeys(("seen", "delivered", "filtered", "limited", "lost"), 0)


def test_refused(pair, ip, keep, daemon):
    """Evidence that the kernel refuses costs these records, says so, and costs nothing else."""
    listening = keep(listener(pair.server, ip))
    d = daemon(*EVENTS, "--port", str(port_of(listening)), env={**os.environ, "TCPSHAKE_REFUSE": "connection_ends"})
    assert d.feed.all[0]["refused"]["connection_ends"]["without"] == "no `close` records"
    sock, error = connect(pair.client, ip, pair.address(ip, port_of(listening)))
    assert error == 0
    by_close(sock, listening.accept()[0])
    d.handshakes(2, netns=lambda inode: inode in (pair.client.inode, pair.server.inode))
    d.stop()
    assert not d.feed.records("close") and d.feed.all[-1]["totals"]["close"]["seen"] == 0


def test_limit(pair, daemon, keep):
    """--limit close=N: the rest is counted, and reported as a loss."""
    listening = keep(listener(pair.server, 4))
    d = daemon(*EVENTS, "--port", str(port_of(listening)), "--limit", "close=5", losses=True)
    for _ in range(60):
        sock, error = connect(pair.client, 4, pair.address(4, port_of(listening)))
        assert error == 0
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        listening.accept()[0].close()
    d.handshakes(120, netns=lambda inode: inode in (pair.client.inode, pair.server.inode))
    d.stop()
    total = d.feed.all[-1]["totals"]["close"]
    assert total["limited"] > 0 and total["delivered"] == len(d.feed.records("close")) >= 5
    assert sum(r["count"] for r in d.feed.records("loss", what="close", why="rate_limit")) == total["limited"]
