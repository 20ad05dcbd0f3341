# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Active handshakes: every way an attempt can begin and end, and none mistaken for another."""
import errno
import os
import socket
import subprocess
import time

import pytest

from lib import env, ftrace, netns, pcap, traffic
from lib.env import MS, SECOND
from lib.evidence import capabilities
from lib.traffic import NAME, connect, listener, port_of

pytestmark = pytest.mark.sanitize

ME = {"pid": os.getpid(), "uid": 0}


def own_comm():
    with open("/proc/self/comm") as file:
        return file.read().strip()


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "nonblocking"])
def test_established(pair, ip, keep, daemon, blocking):
    d = daemon()
    server = keep(listener(pair.server, ip))
    to = pair.address(ip, port_of(server))
    sock, error = connect(pair.client, ip, to, blocking)
    keep(sock)
    assert error == 0
    local, remote = sock.getsockname(), sock.getpeername()
    active = d.handshake(role="active", netns=pair.client.inode, remote={"port": to[1]})
    passive = d.handshake(role="passive", netns=pair.server.inode, local={"port": to[1]})
    for record in (active, passive):
        assert record["outcome"] == "established"
        assert "errno" not in record and "errno_name" not in record
        assert record["family"] == NAME[ip]
        assert record["retransmits"] == 0 and record["retransmit_wait_ns"] == 0
        assert 0 < record["latency_ns"] < SECOND
        assert not any(record[flag] for flag in ("fastopen", "syncookie", "simultaneous",
                                                 "partial"))
        assert record["process"] == {**ME, "comm": own_comm()}
    here = {"addr": local[0], "port": local[1]}
    there = {"addr": remote[0], "port": remote[1]}
    assert (active["local"], active["remote"]) == (here, there)
    assert (passive["local"], passive["remote"]) == (there, here)
    assert active["conn"] == passive["conn"]
    assert passive["accept_queue"] == {"len": 0, "max": 128}
    assert active["mono_ns"] <= passive["mono_ns"] + 100 * MS


def test_curl_to_nginx(ip, tmp_path, delayed, keep, daemon):
    """Both sides by name, with the time from the segment that a capture shows to the state that ftrace does."""
    link = delayed(20)
    trace = ftrace.established(80, keep)  # before the daemon's programs
    wire = {"active": keep(pcap.Capture(link.client, "c0", tmp_path / "c.pcap")),
            "passive": keep(pcap.Capture(link.server, "s0", tmp_path / "s.pcap"))}
    nginx = keep(traffic.Nginx(link.server, tmp_path))
    d = daemon("--port", "80")
    host = link.server.addr[ip] if ip == 4 else f"[{link.server.addr[ip]}]"
    curl = link.client.popen(["curl", "-sS", f"http://{host}/"], stdout=subprocess.PIPE)
    answer = curl.communicate(timeout=20 * env.SLOW)[0]
    assert answer == b"shaken\n"
    active = d.handshake(role="active", netns=link.client.inode)
    passive = d.handshake(role="passive", netns=link.server.inode)
    assert active["process"] == {"pid": curl.pid, "comm": "curl", "uid": 0}
    assert passive["process"] == {"pid": nginx.pid, "comm": "nginx", "uid": 0}
    assert active["outcome"] == passive["outcome"] == "established"
    assert active["conn"] == passive["conn"]
    for record in (active, passive):
        assert link.rtt_ns <= record["latency_ns"]
        assert abs(record["rtt_ns"] - record["latency_ns"]) < 2 * MS * env.SLOW
        [(port, seen)] = pcap.handshakes(wire[record["role"]].stop(80, 1), 80).items()
        begin, end = ("syn", "synack") if record is active else ("synack", "ack")
        stamped, taken = seen[end] - seen[begin], None
        if trace:  # how long the machine took from the stamp to TCP is not the daemon's
            taken = trace.times()[record["role"]][port] - (seen[begin] - pcap.clock_offset())
        assert abs(record["latency_ns"] - (taken or stamped)) < 2 * MS * env.SLOW


def test_mapped_address_is_ipv4(pair, keep, daemon):
    """An AF_INET6 socket that speaks IPv4, on both ends."""
    d = daemon()
    server = keep(listener(pair.server, 6, v6only=False, addr="::"))
    sock = keep(pair.client.socket(socket.AF_INET6))
    sock.connect(("::ffff:" + pair.server.addr[4], port_of(server)))
    active = d.handshake(role="active", netns=pair.client.inode)
    passive = d.handshake(role="passive", netns=pair.server.inode)
    for record, local, remote in ((active, pair.client, pair.server),
                                  (passive, pair.server, pair.client)):
        assert record["family"] == "ipv4"
        assert record["local"]["addr"] == local.addr[4]
        assert record["remote"]["addr"] == remote.addr[4]
        assert record["process"]["pid"] == os.getpid()
    assert active["conn"] == passive["conn"]


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "nonblocking"])
def test_refused(pair, ip, keep, daemon, blocking):
    d = daemon()
    sock, error = connect(pair.client, ip, pair.address(ip, 999), blocking)
    keep(sock)
    assert error == errno.ECONNREFUSED
    record = d.handshake(netns=pair.client.inode)
    assert record["outcome"] == "refused"
    assert (record["errno"], record["errno_name"]) == (111, "ECONNREFUSED")
    assert record["role"] == "active" and record["family"] == NAME[ip]
    assert record["local"]["addr"] == pair.client.addr[ip] and record["local"]["port"] > 0
    assert record["remote"] == {"addr": pair.server.addr[ip], "port": 999}
    assert record["latency_ns"] > 0 and record["retransmits"] == 0
    assert record["process"]["pid"] == os.getpid()
    assert not d.feed.records(role="passive", netns=pair.server.inode)


def test_timeout(pair, ip, keep, daemon):
    pair.client.sysctl("net.ipv4.tcp_syn_retries", 1)
    pair.server.lose(f"{netns.SYN}")
    d = daemon()
    before = pair.client.snmp()["RetransSegs"]
    sock, error = connect(pair.client, ip, pair.address(ip, 80), timeout=20)
    keep(sock)
    assert error == errno.ETIMEDOUT
    record = d.handshake(netns=pair.client.inode)
    assert record["outcome"] == "timeout"
    assert (record["errno"], record["errno_name"]) == (110, "ETIMEDOUT")
    # tcp_syn_retries is a time rather than a number: one kernel sends one more, another two
    assert record["retransmits"] == pair.client.snmp()["RetransSegs"] - before
    assert record["retransmits"] in (1, 2)
    assert record["retransmit_wait_ns"] == record["latency_ns"]
    assert 1.9 * SECOND < record["latency_ns"] < 4 * SECOND * env.SLOW
    assert record["local"]["port"] > 0 and record["remote"]["port"] == 80


def test_neighbour_does_not_answer(pair, ip, keep, daemon):
    name = f"net.ipv{ip}.neigh.c0."
    pair.client.sysctl(name + "retrans_time_ms", 100)
    pair.client.sysctl(name + "mcast_solicit", 2)
    d = daemon()
    nobody = {4: "10.9.0.77", 6: "fd09::77"}[ip]
    sock, error = connect(pair.client, ip, (nobody, 80), timeout=20)
    keep(sock)
    assert error == errno.EHOSTUNREACH
    record = d.handshake(netns=pair.client.inode)
    assert record["outcome"] == "unreachable"
    assert (record["errno"], record["errno_name"]) == (113, "EHOSTUNREACH")
    assert record["remote"] == {"addr": nobody, "port": 80}


def take_error(sock, seconds):
    """SO_ERROR as soon as the kernel has set it, which is before the socket's state changes."""
    deadline = time.monotonic() + seconds
    while not (error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
        assert time.monotonic() < deadline, "connect: no end"
    return error


def neighbour_gone(pair, ip):
    pair.client.sysctl(f"net.ipv{ip}.neigh.c0.retrans_time_ms", 50)
    pair.client.sysctl(f"net.ipv{ip}.neigh.c0.mcast_solicit", 2)
    return {4: "10.9.0.77", 6: "fd09::77"}[ip], 80


def port_closed(pair, ip):
    return pair.address(ip, 999)


@pytest.mark.parametrize("peer, number, outcome", [(neighbour_gone, errno.EHOSTUNREACH, "unreachable"),
                                                   (port_closed, errno.ECONNREFUSED, "refused")])
def test_error_that_the_application_takes_first(ip, keep, delayed, audited, peer, number, outcome):
    """The kernel ended these, not the application."""
    shown_by = "tcp_receive_reset" if outcome == "refused" else "neigh_timer_handler" if ip == 6 else None  # IPv4: the error queue
    if shown_by and not capabilities()[shown_by]["ok"]:
        pytest.skip(f"evidence: {shown_by}: nothing else shows what it was")
    link = delayed(5)
    address = peer(link, ip)
    books = audited(link.client)
    for _ in range(20):
        sock = keep(traffic.start(link.client, ip, address))
        assert take_error(sock, 10 * env.SLOW) == number
        sock.close()
    records = books.d.handshakes(20, netns=link.client.inode, role="active")
    assert {(r["outcome"], r["errno"]) for r in records} == {(outcome, number)}
    books.check()
    assert books.sum(link.client, "AttemptFails", "observed") == 20


ICMP = {
    4: [("icmp type host-unreachable", errno.EHOSTUNREACH, "unreachable"),
        ("icmp type net-unreachable", errno.ENETUNREACH, "unreachable"),
        ("icmp type admin-prohibited", errno.EHOSTUNREACH, "unreachable"),
        ("icmp type prot-unreachable", errno.ENOPROTOOPT, "unreachable"),
        ("icmp type port-unreachable", errno.ECONNREFUSED, "refused"),
        ("tcp reset", errno.ECONNREFUSED, "refused")],
    6: [("icmpv6 type no-route", errno.ENETUNREACH, "unreachable"),
        ("icmpv6 type admin-prohibited", errno.EACCES, "unreachable"),
        ("icmpv6 type addr-unreachable", errno.EHOSTUNREACH, "unreachable"),
        ("icmpv6 type port-unreachable", errno.ECONNREFUSED, "refused"),
        ("tcp reset", errno.ECONNREFUSED, "refused")],
}


def test_rejected(pair, ip, keep, daemon):
    """Every kind of ICMP error, side by side; the socket tells the same as the record."""
    cases = dict(enumerate(ICMP[ip], 101))
    pair.server.nft(*[f"tcp dport {port} reject with {how}" for port, (how, _, _) in cases.items()])
    d = daemon()
    socks = {port: keep(traffic.start(pair.client, ip, pair.address(ip, port))) for port in cases}
    for port, (how, number, outcome) in cases.items():
        told = traffic.finish(socks[port], timeout=15)
        record = d.handshake(netns=pair.client.inode, remote={"port": port})
        assert record["outcome"] == outcome, how
        assert record["errno"] == number, how
        assert record["errno_name"] == errno.errorcode[number], how
        assert told == number, how


def test_no_route_is_no_handshake(pair, ip, keep, daemon):
    """connect() fails before there is an attempt; a later one proves that the feed runs."""
    d = daemon()
    far = {4: "192.0.2.1", 6: "2001:db8::1"}[ip]
    if ip == 4:
        pair.client.ip("route add blackhole 198.51.100.0/24", "route add prohibit 203.0.113.0/24")
        assert connect(pair.client, ip, ("198.51.100.1", 80))[1] == errno.EINVAL
        assert connect(pair.client, ip, ("203.0.113.1", 80))[1] == errno.EACCES
    sock, error = connect(pair.client, ip, (far, 80))
    keep(sock)
    assert error == errno.ENETUNREACH
    connect(pair.client, ip, pair.address(ip, 999))[0].close()
    d.handshake(netns=pair.client.inode)  # and there is no other one


def test_no_port(pair, ip, keep, daemon):
    pair.client.sysctl("net.ipv4.ip_local_port_range", "40000 40001")
    d = daemon()
    server = keep(listener(pair.server, ip))
    to = pair.address(ip, port_of(server))
    errors = []
    for _ in range(4):
        sock, error = connect(pair.client, ip, to)
        keep(sock)
        errors.append(error)
    assert errors == [0, 0, errno.EADDRNOTAVAIL, errno.EADDRNOTAVAIL]
    for record in d.handshakes(2, netns=pair.client.inode, outcome="no_port"):
        assert (record["errno"], record["errno_name"]) == (99, "EADDRNOTAVAIL")
        assert record["role"] == "active"
        assert record["remote"] == {"addr": to[0], "port": to[1]}
        assert record["local"]["port"] == 0
        assert record["latency_ns"] < SECOND
        assert record["process"]["pid"] == os.getpid()
    d.handshakes(2, netns=pair.client.inode, outcome="established")


def test_cancelled_by_a_timeout_of_the_application(pair, ip, keep, daemon):
    pair.server.lose(f"{netns.SYN}")
    d = daemon()
    sock = keep(traffic.client(pair.client, ip))
    sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        sock.connect(pair.address(ip, 80))
    sock.close()
    record = d.handshake(netns=pair.client.inode)
    assert record["outcome"] == "cancelled"
    assert (record["errno"], record["errno_name"]) == (None, None)
    assert 0.3 * SECOND <= record["latency_ns"] < 0.9 * SECOND * env.SLOW
    assert record["local"]["port"] > 0


def test_cancelled_by_curl(pair, ip, daemon):
    pair.server.lose(f"{netns.SYN}")
    d = daemon()
    before = pair.client.snmp()["RetransSegs"]
    host = pair.server.addr[ip] if ip == 4 else f"[{pair.server.addr[ip]}]"
    curl = pair.client.popen(["curl", "-s", "--connect-timeout", "1.5", f"http://{host}/"])
    assert curl.wait(20 * env.SLOW) == 28
    record = d.handshake(netns=pair.client.inode, timeout=10)
    assert record["outcome"] == "cancelled"
    assert (record["errno"], record["errno_name"]) == (None, None)
    assert record["process"] == {"pid": curl.pid, "comm": "curl", "uid": 0}
    # curl's clock starts before its first SYN
    assert record["retransmits"] == pair.client.snmp()["RetransSegs"] - before
    assert 1 * SECOND < record["latency_ns"] < 3 * SECOND * env.SLOW


@pytest.mark.parametrize("how", ["close", "shutdown", "disconnect"])
def test_cancelled_at_once(pair, ip, keep, daemon, how):
    pair.server.lose(f"{netns.SYN}")
    d = daemon()
    sock = keep(traffic.start(pair.client, ip, pair.address(ip, 80)))
    if how == "close":
        sock.close()
    elif how == "shutdown":
        sock.shutdown(socket.SHUT_RDWR)
    else:
        disconnect(sock)
    record = d.handshake(netns=pair.client.inode)
    assert record["outcome"] == "cancelled"
    assert record["retransmits"] == 0 and record["latency_ns"] < SECOND * env.SLOW
    assert record["remote"] == {"addr": pair.server.addr[ip], "port": 80}


def disconnect(sock):
    """connect(AF_UNSPEC)"""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.connect(sock.fileno(), bytes(16), 16) == 0, os.strerror(ctypes.get_errno())


def test_dropped_by_the_local_firewall(pair, ip, keep, daemon):
    """Nothing leaves the host, and the kernel goes on trying: it looks like loss, not refusal."""
    pair.client.sysctl("net.ipv4.tcp_syn_retries", 1)
    pair.client.nft(f"{netns.SYN} tcp dport {{ 80, 81 }} drop", hook="output")
    d = daemon()
    waiting = keep(traffic.start(pair.client, ip, pair.address(ip, 81)))
    sock = keep(traffic.client(pair.client, ip))
    sock.settimeout(1.5)
    with pytest.raises(TimeoutError):
        sock.connect(pair.address(ip, 80))
    sock.close()
    cancelled = d.handshake(netns=pair.client.inode, remote={"port": 80})
    assert cancelled["outcome"] == "cancelled" and cancelled["retransmits"] == 1
    traffic.finish(waiting, timeout=15)
    timeout = d.handshake(netns=pair.client.inode, remote={"port": 81})
    assert (timeout["outcome"], timeout["errno_name"]) == ("timeout", "ETIMEDOUT")
    assert timeout["retransmits"] in (1, 2)


def test_second_connect_on_the_same_socket(pair, ip, keep, daemon):
    """Two attempts of one socket, and of one kernel address, are two records."""
    d = daemon()
    server = keep(listener(pair.server, ip))
    sock = keep(traffic.client(pair.client, ip))
    assert sock.connect_ex(pair.address(ip, 999)) == errno.ECONNREFUSED
    assert sock.connect_ex(pair.address(ip, port_of(server))) == 0
    port = sock.getsockname()[1]
    refused = d.handshake(netns=pair.client.inode, remote={"port": 999})
    established = d.handshake(netns=pair.client.inode, remote={"port": port_of(server)})
    assert (refused["outcome"], established["outcome"]) == ("refused", "established")
    assert established["local"]["port"] == port
    assert refused["conn"] != established["conn"]
    passive = d.handshake(netns=pair.server.inode, role="passive")
    assert passive["conn"] == established["conn"]
    assert not refused["partial"] and not established["partial"]
    assert established["mono_ns"] - established["latency_ns"] >= refused["mono_ns"]


def test_reused_socket_addresses(pair, ip, daemon):
    """The slab gives the same address to one socket after another: each record is its own."""
    d = daemon()
    with listener(pair.server, ip, backlog=400) as server:
        wanted = []
        for number in range(300):
            port = port_of(server) if number % 3 else 999
            sock, error = connect(pair.client, ip, pair.address(ip, port))
            if error == 0:
                # linger 0: the socket is freed at once
                local = sock.getsockname()[1]
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
            wanted.append((port, "established" if error == 0 else "refused",
                           local if error == 0 else None))
    records = d.handshakes(300, timeout=20, netns=pair.client.inode, role="active")
    previous = 0
    for record, (port, outcome, local) in zip(records, wanted):
        assert (record["remote"]["port"], record["outcome"]) == (port, outcome)
        assert local in (None, record["local"]["port"])
        assert not record["partial"]
        begin = record["mono_ns"] - record["latency_ns"]
        assert previous <= begin, "it began before the one before it ended"
        previous = record["mono_ns"]
    assert len({record["conn"] for record in records}) == 300


def test_simultaneous_open(ip, delayed, keep, daemon):
    """Two SYNs that cross on the link (RFC 9293, figure 7)."""
    link = delayed(150)  # the second one must connect before the SYN of the first arrives
    d = daemon()
    left = keep(traffic.client(link.client, ip, bind_port=7001))
    right = keep(traffic.client(link.server, ip, bind_port=7002))
    for sock in (left, right):
        sock.setblocking(False)
    left.connect_ex((link.server.addr[ip], 7002))
    right.connect_ex((link.client.addr[ip], 7001))
    assert traffic.finish(left) == 0 and traffic.finish(right) == 0
    records = [d.handshake(netns=ns.inode, local={"port": port})
               for ns, port in ((link.client, 7001), (link.server, 7002))]
    for record in records:
        assert (record["role"], record["outcome"]) == ("active", "established")
        assert record["simultaneous"] is True and not record["partial"]
        assert record["process"]["pid"] == os.getpid()
        assert record["retransmits"] == 0
        assert link.rtt_ns - 10 * MS < record["latency_ns"] < link.rtt_ns + 50 * MS * env.SLOW
    assert records[0]["conn"] == records[1]["conn"]


def test_self_connect(lone, ip, keep, daemon):
    d = daemon()
    address = {4: "127.0.0.1", 6: "::1"}[ip]
    sock = keep(traffic.client(lone, ip))
    sock.bind((address, 7003))
    assert sock.connect_ex((address, 7003)) == 0
    record = d.handshake(netns=lone.inode)
    assert (record["role"], record["outcome"]) == ("active", "established")
    assert record["simultaneous"] is True
    assert record["local"] == record["remote"] == {"addr": address, "port": 7003}


def test_mptcp_shows_its_subflow_only(pair, keep, daemon):
    try:
        sock = pair.client.socket(proto=netns.IPPROTO_MPTCP)
    except OSError as error:
        pytest.skip(f"this kernel has no MPTCP: {error}")
    keep(sock)
    d = daemon()
    listening = keep(pair.server.socket(proto=netns.IPPROTO_MPTCP))
    listening.bind(("", 0))
    listening.listen(8)
    sock.connect(pair.address(4, port_of(listening)))
    active = d.handshake(netns=pair.client.inode)
    passive = d.handshake(netns=pair.server.inode)
    assert (active["role"], passive["role"]) == ("active", "passive")
    assert active["outcome"] == passive["outcome"] == "established"
    assert active["local"]["port"] == sock.getsockname()[1]
    assert active["conn"] == passive["conn"]
    assert active["process"]["pid"] == os.getpid()


def test_attempts_from_before_the_daemon(pair, ip, keep, daemon):
    """Their end is seen, their beginning was not: partial, and nothing is made up."""
    pair.server.lose(f"{netns.SYN}")
    begin = time.monotonic_ns()
    sock = keep(traffic.start(pair.client, ip, pair.address(ip, 80)))
    begun = time.monotonic_ns()
    d = daemon()
    sock.close()
    record = d.handshake(netns=pair.client.inode)
    assert record["partial"] is True and record["outcome"] == "cancelled"
    assert record["process"] is None and record["cgroup"] is None
    assert record["remote"] == {"addr": pair.server.addr[ip], "port": 80}
    # The socket itself may still tell when its SYN left.
    if record["latency_ns"] is not None:
        assert begin <= record["mono_ns"] - record["latency_ns"] <= begun
