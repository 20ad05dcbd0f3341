# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SYNs and SYN-ACKs that go out again: when, how often, whose; in all what the kernel counts."""
import os

import pytest

from lib import env, netns
from lib.queues import Crowd
from lib.traffic import Agent, connect, finish, listener, port_of, start

FLAGS = ("--events", "handshake,listener,retransmit,audit", "--listener-interval", "300ms")
RETRIES = 2
SLACK = 300 * env.MS * env.SLOW  # a timer may come late; never early but for a tick
TICK = 12 * env.MS


@pytest.fixture
def watch(pair, ip, keep, daemon):
    """A daemon that audits both namespaces, since somebody lives there."""
    pair.client.sysctl("net.ipv4.tcp_syn_retries", RETRIES)
    pair.client.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0, optional=True)  # 6.5
    pair.server.sysctl("net.ipv4.tcp_synack_retries", RETRIES)
    for ns in (pair.client, pair.server):
        keep(Agent(ns, comm="resident", listen={"port": 7}))
    d = daemon(*FLAGS, "--remote", netns.NETWORK[ip])
    d.feed.wait_for(lambda all: {r["netns"] for r in all if r["type"] == "listener"} >=
                    {pair.client.inode, pair.server.inode}, what="the residents")
    return d


def retransmits(d, ns, **subset):
    return d.feed.records("retransmit", netns=ns.inode, **subset)


def check_books(d, pair, before):
    """As many as the kernel counted, in both namespaces; every audit balances."""
    d.stop()
    for ns in (pair.client, pair.server):
        counted = ns.counters()["TCPSynRetrans"] - before[ns]
        assert len(retransmits(d, ns)) == counted
        audits = d.feed.records("audit", netns=ns.inode)
        assert (audits or not counted) and all(a["balanced"] for a in audits), audits
    total = d.feed.all[-1]["totals"]["retransmit"]
    assert total["limited"] == total["lost"] == 0  # others' are filtered


def syn_retrans(pair):
    return {ns: ns.counters()["TCPSynRetrans"] for ns in (pair.client, pair.server)}


def check_elapsed(records):
    """The timer doubles from 1 s on: 1, 3, 7… seconds after the first."""
    for attempt, r in enumerate(records, 1):
        assert r["attempt"] == attempt
        due = ((1 << attempt) - 1) * env.SECOND
        assert due - TICK <= r["elapsed_ns"] <= due + SLACK * attempt, r


def test_off_by_default(pair, ip, keep, daemon):
    d = daemon("--remote", netns.NETWORK[ip])
    pair.server.lose(f"tcp dport 80 {netns.SYN}")
    before = syn_retrans(pair)
    keep(start(pair.client, ip, pair.address(ip, 80)))
    env.poll_until(lambda: syn_retrans(pair) != before)
    d.stop()
    assert not d.feed.records("retransmit")
    assert d.feed.all[-1]["totals"]["retransmit"]["seen"] > 0


def test_syn(pair, ip, keep, watch):
    pair.server.lose(f"tcp dport 80 {netns.SYN}")
    before = syn_retrans(pair)
    sock = keep(start(pair.client, ip, pair.address(ip, 80)))
    handshake = watch.handshake(12, netns=pair.client.inode)
    assert handshake["outcome"] == "timeout"
    found = retransmits(watch, pair.client)
    assert len(found) == handshake["retransmits"] == RETRIES
    for r in found:
        assert r["segment"] == "syn" and "acked" not in r and "listener" not in r
        assert r["conn"] == handshake["conn"]
        assert r["process"]["pid"] == os.getpid()
        assert r["local"] == {"addr": pair.client.addr[ip], "port": port_of(sock)}
        assert r["remote"] == {"addr": pair.server.addr[ip], "port": 80}
    check_elapsed(found)
    check_books(watch, pair, before)


def test_syn_ack(pair, ip, keep, watch):
    """Its final ACK never comes."""
    before = syn_retrans(pair)
    crowd = Crowd(pair, ip, keep, 4)
    sock = crowd.late(1)[0]
    active = watch.handshake(netns=pair.client.inode)
    watch.feed.wait_for(lambda all: len(retransmits(watch, pair.server)) >= RETRIES, 12,
                        "SYN-ACKs sent again")
    found = retransmits(watch, pair.server)
    for r in found:
        assert r["segment"] == "syn_ack" and r["acked"] is False
        assert r["conn"] == active["conn"]
        assert r["process"] == crowd.process
        assert r["listener"]["port"] == crowd.port
        assert r["local"] == {"addr": pair.server.addr[ip], "port": crowd.port}
        assert r["remote"] == {"addr": pair.client.addr[ip], "port": port_of(sock)}
    check_elapsed(found)
    check_books(watch, pair, before)


def test_acked(pair, ip, keep, watch):
    """Its final ACK has come, but the accept queue was full."""
    before = syn_retrans(pair)
    crowd = Crowd(pair, ip, keep, 1)
    late = crowd.late(1)
    crowd.find_acks()
    crowd.fill()
    late[0].send(b"x")
    env.poll_until(lambda: pair.server.counters()["ListenOverflows"] >= 1)
    watch.feed.wait_for(lambda all: retransmits(watch, pair.server, acked=True), 12,
                        "a SYN-ACK sent again after its ACK")
    crowd.leave()
    check_books(watch, pair, before)


def test_answer_to_a_repeated_syn(pair, ip, keep, watch):
    """The SYN-ACK is lost: both sides send theirs again."""
    pair.client.lose(f"{netns.SYNACK} {netns.first(1)}")
    before = syn_retrans(pair)
    server = keep(listener(pair.server, ip))
    sock = keep(start(pair.client, ip, pair.address(ip, port_of(server))))
    assert finish(sock, 12) == 0
    passive = watch.handshake(netns=pair.server.inode)
    assert len(retransmits(watch, pair.server, segment="syn_ack")) == passive["retransmits"] >= 1
    check_books(watch, pair, before)


def test_failed_send_is_counted_only(pair, ip, keep, watch):
    """A firewall on the way out: TCPSynRetrans counts what never left."""
    pair.client.nft(f"tcp dport 80 {netns.SYN} drop", hook="output")
    before = pair.client.counters()
    keep(start(pair.client, ip, pair.address(ip, 80)))
    env.poll_until(lambda: pair.client.counters()["TCPSynRetrans"] > before["TCPSynRetrans"])
    handshake = watch.handshake(15, netns=pair.client.inode)
    assert handshake["outcome"] == "timeout"
    watch.stop()
    assert not retransmits(watch, pair.client)
    audits = watch.feed.records("audit", netns=pair.client.inode)
    assert audits and all(audit["balanced"] for audit in audits)
    rows = [row for audit in audits for row in audit["counters"] if row["name"] == "TCPSynRetrans"]
    counted = pair.client.counters()["TCPSynRetrans"] - before["TCPSynRetrans"]
    if sum(row["observed"] for row in rows) != counted:  # before 6.17 no event tells of it
        assert {row["rule"] for row in rows if row["difference"]} == {"send_failed"}


def test_connections_that_need_none(pair, ip, keep, watch):
    before = syn_retrans(pair)
    server = keep(listener(pair.server, ip))
    for _ in range(5):
        connect(pair.client, ip, pair.address(ip, port_of(server)))[0].close()
    watch.handshakes(5, netns=pair.server.inode)
    check_books(watch, pair, before)
