# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SYN_SENT is set by connect(): the SYN leaves a moment later, much later, or never."""
import errno
import os
import socket
import time

import pytest

from lib import env, netns, traffic
from lib.env import MS, SECOND
from lib.traffic import connect, listener, port_of, waiting

TCP_REPAIR = 19


def idle(seconds):
    """So that what is timed from connect() is seen to be wrong."""
    time.sleep(seconds)


def last(pair, ip, d):
    """A handshake that comes after all before it: what has no record by then has none."""
    sock, error = connect(pair.client, ip, pair.address(ip, 999))
    sock.close()
    assert error == errno.ECONNREFUSED
    return d.handshake(netns=pair.client.inode, outcome="refused", remote={"port": 999})


def records(pair, d):
    return [r for r in d.feed.records("handshake", netns=pair.client.inode) if r["remote"]["port"] != 999]


def test_begins_at_its_syn(pair, ip, keep, audited):
    books = audited(pair.client)
    server = keep(listener(pair.server, ip))
    sock = keep(waiting(pair.client, ip, pair.address(ip, port_of(server))))
    idle(0.1)
    before = time.monotonic_ns()
    sock.send(b"hello")
    record = books.d.handshake(netns=pair.client.inode)
    assert record["outcome"] == "established" and record["retransmits"] == 0
    assert record["mono_ns"] - record["latency_ns"] >= before
    assert record["process"]["pid"] == os.getpid()
    assert not record["partial"]
    books.check()
    assert books.sum(pair.client, "ActiveOpens") == books.sum(pair.client, "ActiveOpens", "observed") == 1


@pytest.mark.parametrize("end", ["established", "cancelled"])
def test_begins_at_its_syn_though_that_is_lost(pair, ip, keep, daemon, end):
    """After a retransmission the first SYN's time is the kernel's own, to a millisecond."""
    pair.server.lose(f"{netns.SYN} {netns.first(1) if end == 'established' else ''}")
    d = daemon("--events", "handshake,retransmit")
    server = keep(listener(pair.server, ip))
    sock = keep(waiting(pair.client, ip, pair.address(ip, port_of(server))))
    idle(0.1)
    before = time.monotonic_ns()
    sock.send(b"hello")
    again = d.feed.wait_for(lambda _: d.feed.records("retransmit", netns=pair.client.inode), what="a SYN sent again",
                            timeout=10 * env.SLOW)[0]
    if end == "cancelled":
        sock.close()
    record = d.handshake(netns=pair.client.inode)
    begin = record["mono_ns"] - record["latency_ns"]
    assert record["outcome"] == end and record["retransmits"] >= 1
    assert before - MS <= begin < again["mono_ns"] - 900 * MS
    assert again["elapsed_ns"] == again["mono_ns"] - begin


def test_never_sent_is_no_handshake(pair, ip, keep, audited):
    books = audited(pair.client)
    for how in ("close", "shutdown"):
        sock = keep(waiting(pair.client, ip, pair.address(ip, 80)))
        if how == "shutdown":
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
    last(pair, ip, books.d)
    assert not records(pair, books.d)
    books.check()
    assert books.sum(pair.client, "ActiveOpens") == books.sum(pair.client, "ActiveOpens", "observed") == 1


def test_waiting_sockets_are_audited(pair, ip, keep, audited):
    """The kernel counts them when their SYN leaves, and connect() of some was before the daemon."""
    pair.server.lose(f"tcp dport 80 {netns.SYN}")
    server = keep(listener(pair.server, ip))
    to = pair.address(ip, port_of(server))
    early = [keep(waiting(pair.client, ip, to)) for _ in range(20)]
    books = audited(pair.client)
    socks = [keep(waiting(pair.client, ip, to)) for _ in range(20)]
    unanswered = [keep(waiting(pair.client, ip, pair.address(ip, 80))) for _ in range(20)]
    last(pair, ip, books.d)
    books.d.feed.wait_for(lambda _: books.sum(pair.client, "ActiveOpens"), what="an audit with SYNs that wait")
    assert books.sum(pair.client, "ActiveOpens", "observed") == 1
    for sock in unanswered:
        sock.send(b"hello")
    books.d.feed.wait_for(lambda _: books.sum(pair.client, "ActiveOpens") == 21, what="an audit with SYNs under way")
    assert books.sum(pair.client, "ActiveOpens", "observed") == 1
    for sock in (*early, *socks[:10]):
        sock.send(b"hello")
    for sock in (*socks[10:], *unanswered):
        sock.close()
    books.d.handshakes(30, netns=pair.client.inode, outcome="established")
    books.check()
    assert books.sum(pair.client, "ActiveOpens") == 51
    assert books.sum(pair.client, "ActiveOpens", "observed") == 31


def test_without_a_cookie(pair, ip, keep, daemon):
    """TCP_FASTOPEN_CONNECT without a cookie: a plain SYN leaves at once, and asks for one."""
    pair.client.sysctl("net.ipv4.tcp_fastopen", 1)
    d = daemon()
    server = keep(listener(pair.server, ip))
    sock = keep(traffic.client(pair.client, ip))
    sock.setsockopt(socket.IPPROTO_TCP, traffic.TCP_FASTOPEN_CONNECT, 1)
    assert sock.connect_ex(pair.address(ip, port_of(server))) == 0
    record = d.handshake(netns=pair.client.inode)
    assert record["outcome"] == "established" and not record["partial"]
    assert 0 < record["latency_ns"] < SECOND * env.SLOW


def no_syn(record, number, outcome):
    assert record["outcome"] == outcome
    assert record["errno"] == number
    assert record["errno_name"] == (errno.errorcode[number] if number else None)
    assert record["local"]["port"] > 0 and record["latency_ns"] is None
    assert record["cause"]["code"] == "send_failed" and record["cause"]["certainty"] == "proven"


@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])  # not `ip`, for which far away is filtered out
def test_route_gone_at_the_first_send(pair, family, keep, audited):
    """What connect() looked up is not there any more when the SYN is to leave."""
    books = audited(pair.client)
    far = {4: "10.77.0.1", 6: "fd77::1"}[family]
    route = f"{far} via {pair.server.addr[family]}"
    pair.client.ip(f"route add {route}")
    sock = keep(waiting(pair.client, family, (far, 80)))
    pair.client.ip(f"route del {route}")
    with pytest.raises(ConnectionAbortedError):  # send() does not hand tcp_connect()'s error on
        sock.send(b"hello")
    last(pair, family, books.d)
    [record] = records(pair, books.d)
    no_syn(record, errno.EHOSTUNREACH, "unreachable")
    books.check()
    assert books.sum(pair.client, "ActiveOpens") == books.sum(pair.client, "ActiveOpens", "observed") == 1


def test_no_route_for_the_port(pair, keep, audited):
    """IPv4 looks for a route again once it has a port: a rule about ports forbids it."""
    pair.client.ip("rule add priority 1 ipproto tcp sport 32768-60999 dport 80 prohibit")
    books = audited(pair.client)
    sock, error = connect(pair.client, 4, pair.address(4, 80))
    keep(sock)
    assert error == errno.EACCES
    last(pair, 4, books.d)
    [record] = records(pair, books.d)
    no_syn(record, None, "cancelled")
    books.check()
    assert books.sum(pair.client, "ActiveOpens") == books.sum(pair.client, "ActiveOpens", "observed") == 1


def test_bound_port_in_use(pair, ip, keep, audited):
    """The second to the same destination has no port. The socket shows that it did not get it: IPv6 of 7.2 does not."""
    books = audited(pair.client)
    server = keep(listener(pair.server, ip))
    to = pair.address(ip, port_of(server))
    keep(connect(pair.client, ip, to, bind_port=7001)[0])
    sock = keep(traffic.client(pair.client, ip, bind_port=7001))
    for _ in range(2):
        assert sock.connect_ex(to) == errno.EADDRNOTAVAIL
    last(pair, ip, books.d)
    for record in books.d.handshakes(2, netns=pair.client.inode, outcome="no_port"):
        assert (record["errno"], record["local"]["port"]) == (errno.EADDRNOTAVAIL, 7001)
        assert (record["cause"]["code"], record["cause"]["certainty"]) == \
            ("ports_exhausted", "proven" if ip == 4 else "probable")
    books.check()
    assert books.sum(pair.client, "ActiveOpens") == books.sum(pair.client, "ActiveOpens", "observed") == 2


def test_no_port_on_a_used_socket(pair, ip, keep, daemon):
    """What an earlier attempt left in the socket is not this one's."""
    pair.client.sysctl("net.ipv4.ip_local_port_range", "40000 40001")
    d = daemon()
    server = keep(listener(pair.server, ip))
    to = pair.address(ip, port_of(server))
    used = keep(traffic.client(pair.client, ip))
    assert used.connect_ex(pair.address(ip, 999)) == errno.ECONNREFUSED
    for _ in range(2):
        keep(connect(pair.client, ip, to)[0])
    assert used.connect_ex(to) == errno.EADDRNOTAVAIL
    record = d.handshake(netns=pair.client.inode, outcome="no_port")
    assert record["local"]["port"] == 0 and record["retransmits"] == 0
    assert (record["cause"]["code"], record["cause"]["certainty"]) == ("ports_exhausted", "proven")


def test_repair_opens_nothing(pair, ip, keep, audited):
    """TCP_REPAIR: a connection is restored, and nothing is sent."""
    books = audited(pair.client)
    for _ in range(20):
        sock = keep(traffic.client(pair.client, ip))
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        sock.bind((pair.client.addr[ip], 0))
        assert sock.connect_ex(pair.address(ip, 80)) == 0
        sock.close()
    last(pair, ip, books.d)
    assert not records(pair, books.d)
    books.check()
    assert books.sum(pair.client, "ActiveOpens") == books.sum(pair.client, "ActiveOpens", "observed") == 1
