# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""RSTs: who sent them to whom, in which phase, why, whose connection it was; by the kernel's books."""
import ctypes
import errno
import os
import select
import socket
import time

import pytest

from lib import env, kernel, netns
from lib.queues import pending, reset
from lib.scrape import Metrics, free_port
from lib.segments import ACK, RST, SYN, Sender
from lib.traffic import Agent, connect, finish, port_of, start

FLAGS = ("--events", "handshake,listener,reset,audit", "--listener-interval", "300ms")
COUNTERS = ("OutRsts", "AttemptFails", "EmbryonicRsts", "EstabResets")
FIN_WAIT2 = "05"
OURSELVES = object()  # the process of the test
SERVER = object()  # that of the server


class Stage:
    """A server that is a process of its own, a client that is this one, and a daemon that watches."""

    def __init__(self, pair, ip, keep, d, **options):
        self.pair, self.ip, self.keep, self.d = pair, ip, keep, d
        if ip == 6:
            options["v6only"] = 1
        self.agent = keep(Agent(pair.server, comm="server", listen={"family": ip, **options}))
        self.port = self.agent.port
        self.address = pair.address(ip, self.port)
        d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and
                                     r["netns"] == pair.server.inode], what="the server")
        self.raw = keep(Sender(pair.client, pair.server, ip))
        self.granted = d.feed.all[0]["capabilities"]
        self.before = {ns: ns.counters() for ns in (pair.client, pair.server)}

    # what the cases do
    def connected(self, accept=True):
        sock, error = connect(self.pair.client, self.ip, self.address)
        assert error == 0
        self.keep(sock)
        if accept:
            self.agent.tell("accept 1")
        return sock

    def half_open(self):
        """Established for the client; the server waits for its final ACK."""
        self.pair.server.lose(f"tcp dport {self.port} {netns.ACK}")
        sock = self.keep(start(self.pair.client, self.ip, self.address))
        assert finish(sock) == 0
        env.poll_until(lambda: pending(self.pair.server, self.port) == 1, what="a request")
        return sock

    # what they expect
    def resets(self, ns, **subset):
        return self.d.feed.records("reset", netns=ns.inode, **subset)

    def wait(self, ns, count=1, **subset):
        self.d.feed.wait_for(lambda all: len(self.resets(ns, **subset)) >= count,
                             what=f"{count} × {subset} in {ns.name}")
        return self.resets(ns, **subset)

    def expect(self, ns, count=1, reason=None, process=None, handshake=None, **subset):
        """`count` such records, and with them nothing else in that direction."""
        found = self.wait(ns, count, direction=subset["direction"])
        assert len(found) == count, found
        client = ns is self.pair.client
        for r in found:
            assert {key: r[key] for key in subset} == subset, r
            assert r["reason"] == (reason if kernel.reset_reasons() else None), r
            assert r["family"] == f"ipv{self.ip}"
            assert r["local"]["addr"] == ns.addr[self.ip], r
            assert r["remote"]["addr"] == (self.pair.server if client else
                                           self.pair.client).addr[self.ip], r
            self.expect_process(r, process)
            if handshake is None:
                assert "conn" not in r, r
            elif handshake is not True:
                assert r["conn"] == handshake["conn"]
        return found[0]

    def expect_process(self, r, process):
        pid = {OURSELVES: os.getpid(), SERVER: self.agent.pid, None: None}[process]
        assert (r["process"] and r["process"]["pid"]) == pid, r

    def counted(self, client=(), server=()):
        """What moved, and that each RST sent, and no other, was told."""
        for ns, wanted in ((self.pair.client, dict(client)), (self.pair.server, dict(server))):
            def moved(ns=ns):
                now = ns.counters()
                return {name: now[name] - self.before[ns][name] for name in COUNTERS
                        if now[name] != self.before[ns][name]}
            env.poll_until(lambda: moved() == wanted, what=f"{ns.name}: {wanted}, not {moved()}")
            assert len(self.resets(ns, direction="sent")) == wanted.get("OutRsts", 0)

    def finish(self):
        """No process is a bystander's; the audits balance."""
        for r in self.d.feed.records("reset"):
            if r["netns"] in (self.pair.client.inode, self.pair.server.inode):
                ours = r["netns"] == self.pair.client.inode
                assert r["process"] is None or r["process"]["pid"] == (
                    os.getpid() if ours else self.agent.pid), r
        self.d.stop()
        for audit in self.d.feed.records("audit", netns=self.pair.server.inode):
            assert audit["balanced"], audit

    def sees_all(self):
        """Are RSTs told that are sent for no connection at all?"""
        return self.granted["reset_hooks"]

    def sees_request_resets(self):
        """And those that were received for a pending request?"""
        return self.granted["ack_hooks"] or (self.granted["kfree_skb"] and self.granted["overflow_reason"])


@pytest.fixture
def stage(pair, ip, keep, daemon):
    made = []

    def make(*flags, **options):
        d = daemon(*FLAGS, "--remote", netns.NETWORK[ip], *flags)
        made.append(Stage(pair, ip, keep, d, **options))
        return made[0]
    yield make
    for one in made:
        if not one.d.stopped:
            one.finish()


def test_closed_port(stage, pair, ip):
    on = stage()
    sock, error = connect(pair.client, ip, pair.address(ip, 9))
    sock.close()
    assert error == errno.ECONNREFUSED
    handshake = on.d.handshake(netns=pair.client.inode)
    on.expect(pair.client, direction="received", phase="syn_sent", cause="refused",
              process=OURSELVES, handshake=handshake)
    if on.sees_all() or kernel.has("SKB_DROP_REASON_NO_SOCKET"):
        on.expect(pair.server, direction="sent", phase="none", reason="no_socket",
                  cause="port_closed", handshake=handshake)
        assert handshake["cause"]["code"] == "port_closed"
        assert handshake["cause"]["certainty"] == "proven"
        on.counted(client={"AttemptFails": 1}, server={"OutRsts": 1})


@pytest.mark.parametrize("flags", [ACK, SYN | ACK], ids=["ack", "syn_ack"])
def test_segment_of_no_connection(stage, pair, flags):
    on = stage()
    if not on.sees_all():
        pytest.skip("this kernel does not report RSTs that are sent without a socket")
    on.raw.send(flags, 5557, 9)
    on.expect(pair.server, direction="sent", phase="none", reason="no_socket",
              cause="no_connection")
    on.counted(server={"OutRsts": 1})


@pytest.mark.parametrize("flags", [ACK, SYN | ACK], ids=["ack", "syn_ack"])
def test_stray_segment_to_a_listener(stage, pair, flags):
    on = stage()
    on.raw.send(flags, 5556, on.port)
    on.expect(pair.server, direction="sent", phase="none", reason="tcp_flags",
              cause="no_connection", process=SERVER)
    on.counted(server={"OutRsts": 1})


def test_rst_to_nobody_is_not_answered(stage, pair):
    on = stage()
    for port in (9, on.port):
        on.raw.send(RST, 5555, port)
    env.poll_until(lambda: pair.server.counters()["InSegs"] >= on.before[pair.server]["InSegs"] + 2)
    on.counted()
    assert not on.resets(pair.server)


def test_close_with_unread_data(stage, pair):
    on = stage()
    sock = on.connected()
    sock.send(b"x")
    on.agent.tell("end close")
    r = on.expect(pair.server, direction="sent", phase="established", cause="abort",
                  reason="tcp_abort_on_close", process=SERVER)
    assert "nobody had read" in r["detail"]
    on.expect(pair.client, direction="received", phase="established", cause="peer")
    on.counted(client={"EstabResets": 1}, server={"OutRsts": 1, "EstabResets": 1})


def test_linger(stage, pair):
    on = stage()
    reset(on.connected())
    r = on.expect(pair.client, direction="sent", phase="established", reason="tcp_state",
                  cause="abort", process=OURSELVES)
    assert "SO_LINGER" in r["detail"]
    on.expect(pair.server, direction="received", phase="established", cause="peer", process=SERVER)
    on.counted(client={"OutRsts": 1, "EstabResets": 1}, server={"EstabResets": 1})


def test_disconnect(stage, pair):
    on = stage()
    sock = on.connected()
    unspecified = ctypes.create_string_buffer(16)
    assert ctypes.CDLL(None).connect(sock.fileno(), unspecified, 16) == 0
    r = on.expect(pair.client, direction="sent", phase="established", reason="tcp_state",
                  cause="abort", process=OURSELVES)
    assert "disconnected" in r["detail"]
    on.expect(pair.server, direction="received", phase="established", cause="peer", process=SERVER)


def test_listener_closed_with_a_full_queue(stage, pair):
    on = stage()
    for _ in range(3):
        on.connected(accept=False)
    on.d.handshakes(3, netns=pair.server.inode)
    on.agent.tell("close")
    # whose they were is told while the listener is known
    for r in on.wait(pair.server, 3, direction="sent"):
        assert (r["phase"], r["cause"]) == ("established", "abort")
        assert r["detail"] == "its listener was closed before accept() took it"
        assert r["reason"] == ("tcp_state" if kernel.reset_reasons() else None)
        assert "conn" not in r
    on.expect(pair.client, 3, direction="received", phase="established", cause="peer")
    on.counted(client={"EstabResets": 3}, server={"OutRsts": 3, "EstabResets": 3})


def test_listener_closed_with_requests(stage, pair):
    """They end without a RST; what comes for them later is of no connection."""
    on = stage()
    sock = on.half_open()
    on.agent.tell("close")
    env.poll_until(lambda: not pending(pair.server, on.port), what="no request")
    on.counted()
    pair.server.nft_flush()
    sock.send(b"x")
    on.expect(pair.client, direction="received", phase="established", cause="peer")
    if on.sees_all():
        on.expect(pair.server, direction="sent", phase="none", reason="no_socket",
                  cause="no_connection")
        on.counted(client={"EstabResets": 1}, server={"OutRsts": 1})


def test_data_after_close(stage, pair):
    """What is left of the server's socket is a timewait sock."""
    on = stage()
    sock = on.connected()
    on.agent.tell("end close")
    assert sock.recv(1) == b""
    env.poll_until(lambda: state_of(pair.server, on.port, port_of(sock)) == FIN_WAIT2)
    sock.send(b"x")
    on.expect(pair.client, direction="received", phase="closing", cause="peer")
    if on.sees_all():
        on.expect(pair.server, direction="sent", phase="closing", cause="late", process=SERVER,
                  reason="tcp_timewait_socket")
        on.counted(client={"EstabResets": 1}, server={"OutRsts": 1})


def test_data_after_shutdown(stage, pair):
    """The kernel treats it as if a RST had come; none has."""
    on = stage()
    sock = on.connected()
    on.agent.tell("end both")
    assert sock.recv(1) == b""
    sock.send(b"x")
    on.expect(pair.client, direction="received", phase="closing", cause="peer")
    on.expect(pair.server, direction="sent", phase="closing", cause="late", process=SERVER,
              reason="tcp_abort_on_data")
    on.counted(client={"EstabResets": 1}, server={"OutRsts": 1})
    assert not on.resets(pair.server, direction="received")


def test_received_in_close_wait(stage, pair):
    """And sent in FIN_WAIT2, though its socket is in CLOSE by then."""
    on = stage()
    sock = on.connected()
    sock.shutdown(socket.SHUT_WR)
    env.poll_until(lambda: state_of(pair.client, port_of(sock), on.port) == FIN_WAIT2)
    reset(sock)
    on.expect(pair.client, direction="sent", phase="closing", reason="tcp_state", cause="abort",
              process=OURSELVES)
    on.expect(pair.server, direction="received", phase="closing", cause="peer", process=SERVER)


def test_received_in_fin_wait(stage, pair):
    on = stage()
    sock = on.connected()
    sock.shutdown(socket.SHUT_WR)
    env.poll_until(lambda: state_of(pair.client, port_of(sock), on.port) == FIN_WAIT2)
    on.agent.tell("end reset")
    on.expect(pair.server, direction="sent", phase="closing", reason="tcp_state", cause="abort",
              process=SERVER)
    on.expect(pair.client, direction="received", phase="closing", cause="peer")


def test_address_used_again(pair, daemon):
    """A socket that takes the memory of one that was closed in FIN_WAIT, on the same CPU, was not closing."""
    d = daemon(*FLAGS)
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        with pair.client.inside(), socket.create_server(("127.0.0.1", 0)) as listening:
            for _ in range(40):
                first = socket.create_connection(listening.getsockname())
                other = listening.accept()[0]
                first.close()
                assert other.recv(1) == b""
                other.close()
                socks = []
                for _ in range(4):
                    socks.append(socket.create_connection(listening.getsockname()))
                    socks.append(listening.accept()[0])
                for sock in reversed(socks):
                    reset(sock)
    finally:
        os.sched_setaffinity(0, cpus)
    d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and r["event"] == "closed" and
                                 r["netns"] == pair.client.inode], what="the listener's end")
    resets = d.feed.records("reset", netns=pair.client.inode)
    assert resets and {r["phase"] for r in resets} == {"established"}


def state_of(ns, local, remote):
    """Of the connection of two ports; None if there is none."""
    for name in ("tcp", "tcp6"):
        with ns.inside(), open(f"/proc/thread-self/net/{name}") as file:
            for line in list(file)[1:]:
                fields = line.split()
                if (fields[1].endswith(f":{local:04X}") and fields[2].endswith(f":{remote:04X}")):
                    return fields[3]
    return None


def test_abort_on_overflow(stage, pair, ip, keep):
    pair.server.sysctl("net.ipv4.tcp_abort_on_overflow", 1)
    on = stage(backlog=1)
    sock = on.half_open()
    pair.server.nft_flush()
    for _ in range(2):
        on.connected(accept=False)
    on.d.handshakes(2, netns=pair.server.inode)
    sock.send(b"x")
    found = on.d.handshakes(3, netns=pair.client.inode)
    handshake = next(r for r in found if r["local"]["port"] == sock.getsockname()[1])
    on.expect(pair.server, direction="sent", phase="syn_recv", reason="invalid_syn",
              cause="abort_on_overflow", process=SERVER, handshake=handshake)
    on.expect(pair.client, direction="received", phase="established", cause="peer")
    on.counted(client={"EstabResets": 1}, server={"OutRsts": 1, "EmbryonicRsts": 1})


def test_bad_ack_in_syn_sent(stage, pair, ip, keep):
    """As of a server that takes the SYN for one of an old connection."""
    on = stage()
    pair.server.lose(f"tcp dport 7777 {netns.SYN}")
    sock = keep(start(pair.client, ip, pair.address(ip, 7777)))
    keep(Sender(pair.server, pair.client, ip)).send(SYN | ACK, 7777, port_of(sock), ack=12345)
    on.wait(pair.client, direction="sent")
    sock.close()
    handshake = on.d.handshake(netns=pair.client.inode)
    assert handshake["outcome"] == "cancelled"
    on.expect(pair.client, direction="sent", phase="syn_sent", cause="invalid", process=OURSELVES,
              reason="tcp_invalid_ack_sequence", handshake=handshake)
    on.counted(client={"OutRsts": 1})


@pytest.mark.parametrize("retransmitted", [False, True], ids=["at_once", "retransmitted"])
def test_reset_of_a_request(stage, pair, retransmitted):
    """The client gives up before its final ACK has come: a passive handshake that was reset."""
    port = free_port()
    metrics = Metrics(port)
    on = stage("--metrics", f"127.0.0.1:{port}")
    sock = on.half_open()
    if retransmitted:
        env.poll_until(lambda: pair.server.counters()["TCPSynRetrans"] >
                       on.before[pair.server]["TCPSynRetrans"])
    reset(sock)
    on.expect(pair.client, direction="sent", phase="established", reason="tcp_state",
              cause="abort", process=OURSELVES)
    env.poll_until(lambda: pair.server.counters()["EmbryonicRsts"] >
                   on.before[pair.server]["EmbryonicRsts"])
    if on.sees_request_resets():
        on.expect(pair.server, direction="received", phase="syn_recv", cause="peer",
                  process=SERVER)
        passive = on.d.handshake(netns=pair.server.inode)
        assert passive["outcome"] == "reset" and passive["role"] == "passive"
        assert (passive["retransmits"] > 0) is retransmitted
        assert passive["cause"]["code"] == "client_reset"
        assert metrics.scrape().one("tcpshake_failed_handshake_duration_seconds_count", role="passive",
                                    outcome="reset") == retransmitted  # else since when is not known
        active = on.d.handshake(netns=pair.client.inode)
        assert passive["conn"] == (active["conn"] if retransmitted else None), passive
    on.counted(client={"OutRsts": 1, "EstabResets": 1},
               server={"AttemptFails": 1, "EmbryonicRsts": 1})


def test_syn_inside_a_request(stage, pair):
    on = stage()
    pair.client.lose(f"tcp sport {on.port}")  # or its kernel would answer the SYN-ACK
    on.raw.send(SYN, 5560, on.port, seq=1000)
    env.poll_until(lambda: pending(pair.server, on.port) == 1, what="a request")
    on.raw.send(SYN, 5560, on.port, seq=1005)
    on.expect(pair.server, direction="sent", phase="syn_recv", reason="invalid_syn",
              cause="invalid", process=SERVER)
    on.counted(server={"OutRsts": 1, "AttemptFails": 1, "EmbryonicRsts": 1})


def test_inexact_reset_of_a_request(stage, pair):
    """In the request's window, but not next in it: the kernel takes it, or waits for one that is."""
    on = stage()
    pair.client.lose(f"tcp sport {on.port}")  # or its kernel would answer

    def send(flags, port, seq):
        """When it was sent, and whether it ended a request."""
        before, sent = pair.server.counters(), time.monotonic_ns()
        on.raw.send(flags, port, on.port, seq=seq)
        env.poll_until(lambda: pair.server.counters()["InSegs"] > before["InSegs"], what="the segment")
        return sent, pair.server.counters()["EmbryonicRsts"] > before["EmbryonicRsts"]
    for port, spoilt in ((5560, [(SYN, 1005)]), (5561, [(RST, 1005), (RST, 1001)])):
        on.raw.send(SYN, port, on.port, seq=1000)
        env.poll_until(lambda: pending(pair.server, on.port) == 1, what="a request")
        for flags, seq in spoilt:
            sent, ended = send(flags, port, seq)
            if ended:
                break
        assert ended
    on.expect(pair.server, direction="sent", phase="syn_recv", reason="invalid_syn",
              cause="invalid", process=SERVER)
    if on.sees_request_resets():
        r = on.expect(pair.server, direction="received", phase="syn_recv", cause="peer",
                      process=SERVER)
        assert r["mono_ns"] > sent and r["remote"]["port"] == 5561, (sent, r)  # the one that ended it
        on.d.handshake(netns=pair.server.inode, outcome="reset", role="passive")
    on.counted(server={"OutRsts": 1, "AttemptFails": 2, "EmbryonicRsts": 2})
    on.finish()
    told = on.resets(pair.server, direction="received")
    assert len(told) == (1 if on.sees_request_resets() else 0), told


def test_socket_destroyed(stage, pair):
    """Whoever destroys it is not whose it is."""
    on = stage()
    sock = on.connected()
    done = pair.client.run("ss", "-K", "-t", "sport", "=", str(port_of(sock)), check=False)
    if state_of(pair.client, port_of(sock), on.port):  # CONFIG_INET_DIAG_DESTROY
        assert "not supported" in done.stderr, done
        pytest.skip("this kernel destroys no sockets")
    r = on.expect(pair.client, direction="sent", phase="established", reason="tcp_state",
                  cause="abort")
    assert "destroyed" in r["detail"]
    on.expect(pair.server, direction="received", phase="established", cause="peer", process=SERVER)


def test_keepalive(stage, pair):
    """No answer to a keepalive: nobody has ended it, the kernel gives it up."""
    on = stage()
    sock = on.connected()
    pair.server.lose(f"tcp dport {on.port}")
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
        sock.setsockopt(socket.IPPROTO_TCP, option, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    poll = select.poll()
    poll.register(sock, 0)
    assert poll.poll(8000 * env.SLOW), "no end"
    r = on.expect(pair.client, direction="sent", phase="established", cause="abort",
                  reason="tcp_keepalive_timeout")
    assert "gave it up" in r["detail"]


def test_firewall_reject(stage, pair, ip):
    """A RST that no TCP has sent: received, not sent."""
    on = stage()
    pair.server.nft(f"tcp dport {on.port} reject with tcp reset")
    sock, error = connect(pair.client, ip, on.address)
    sock.close()
    assert error == errno.ECONNREFUSED
    handshake = on.d.handshake(netns=pair.client.inode)
    on.expect(pair.client, direction="received", phase="syn_sent", cause="refused",
              process=OURSELVES, handshake=handshake)
    on.counted(client={"AttemptFails": 1})
    assert not on.resets(pair.server)
