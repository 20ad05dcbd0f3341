# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Why a handshake failed or was slow: each cause made to happen, and what both sides' records say.

docs/causes.md is written from the same table: `/usr/bin/python3 -m tests.integration.test_causes`
from the root of the sources writes it anew.
"""
import errno
import os
import pathlib
import re
import socket

import pytest

from lib import env, kernel, netns
from lib.causes import CASES, REFUSALS, Scene, until
from lib.queues import Crowd, flood_gets_no_answer, reset
from lib.traffic import Agent, client, connect, finish

FAST = ("--listener-interval", "200ms")


def able(d, names):
    """Does this kernel tell it, as the daemon says? Function hooks stand in for a reason."""
    has = dict(d.feed.all[0]["capabilities"])
    has["overflow_reason"] |= has["ack_hooks"]
    has["stages"] = has["ack_hooks"] or has["kfree_skb"]
    refused = re.split("[, ]+", os.environ.get("TCPSHAKE_REFUSE", ""))
    has["drops"] = kernel.has("SKB_DROP_REASON_NETFILTER_DROP") and not {"kfree_skb", "all"} & set(refused)
    has["closed_ports"] = (has["reset_hooks"] or
                           kernel.has("SKB_DROP_REASON_NO_SOCKET"))
    return all(has.get(name, True) for name in names)


def said(record):
    cause = record.get("cause") or {}
    return record["outcome"], cause.get("code"), cause.get("certainty")


@pytest.fixture
def scene(pair, ip, keep, daemon):
    made = Scene(pair, ip, keep)
    made.d = daemon(*FAST)
    made.known(made.d)
    return made


def records_of(s, role, ns, port_key):
    """Of the clients in question, one each: the last, if ports were used twice."""
    last = {r[port_key]["port"]: r for r in s.d.feed.records(role=role, netns=ns.inode)
            if r[port_key]["port"] in s.ports}
    return list(last.values())


def check(s, wanted, found, needs, maybe=False):
    if wanted and "over" in wanted[2]:
        wanted = (*wanted[:2], "probable" if s.ip == 4 else "proven")
    for record in found:
        if wanted is None:
            assert "cause" not in record and record["outcome"] == "established", record
        elif able(s.d, needs):
            assert said(record) == wanted or maybe and "cause" not in record, record
        else:
            assert said(record)[1] == wanted[1] or said(record)[2] != "proven", record


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(scene, case):
    case.run(scene)
    sides = [(case.client, "active", scene.client, "local"),
             (case.server, "passive", scene.server, "remote")]
    for wanted, role, ns, port_key in sides:
        # a request that is gone is only known a while after its last timer
        if wanted and able(scene.d, case.needs):
            until(lambda role=role, ns=ns, port_key=port_key:
                  len(records_of(scene, role, ns, port_key)) == len(scene.ports),
                  f"the {role} records of {scene.ports}", 25)
    scene.d.stop()
    for wanted, role, ns, port_key in sides:
        maybe = case.name == "first_synack_lost" and role == "active"
        check(scene, wanted, records_of(scene, role, ns, port_key), case.needs, maybe)
    for record in scene.d.feed.records(inferred=True):
        assert record["role"] == "passive" and record["outcome"] in ("timeout", "reset")


def test_the_queue_in_a_slow_record(pair, ip, keep, daemon):
    """A client that waited for a full accept queue knows it, with the queue's length and limit."""
    s = Scene(pair, ip, keep)
    d = daemon("--slow", "500ms")
    s.known(d)
    crowd = Crowd(pair, ip, keep, 3)
    before = pair.server.counters()["ListenOverflows"]
    crowd.fill()
    made = crowd.begin(1)[0]
    until(lambda: pair.server.counters()["ListenOverflows"] > before, "an overflow")
    crowd.accept(4)
    assert finish(made) == 0
    record = d.handshake(netns=pair.client.inode, outcome="established",
                         remote={"port": crowd.port}, timeout=10)
    assert record["latency_ns"] >= 500 * env.MS and record["cause"]["code"] == "accept_queue_full"
    assert "accept queue was full at 4/3" in record["cause"]["detail"]
    if able(d, REFUSALS):
        assert record["cause"]["certainty"] == "proven"


def test_given_up_at_a_full_queue(pair, ip, keep, daemon):
    """Who gives up because a queue refuses is told of the queue, and that it gave up."""
    s = Scene(pair, ip, keep)
    d = daemon()
    s.known(d)
    crowd = Crowd(pair, ip, keep, 3)
    before = pair.server.counters()["ListenOverflows"]
    crowd.fill()
    made = crowd.begin(1)[0]
    until(lambda: pair.server.counters()["ListenOverflows"] > before, "an overflow")
    made.shutdown(socket.SHUT_RDWR)
    record = d.handshake(netns=pair.client.inode, outcome="cancelled",
                         remote={"port": crowd.port}, timeout=10)
    if able(d, REFUSALS):
        assert said(record) == ("cancelled", "accept_queue_full", "proven"), record
    assert "accept queue was full at 4/3" in record["cause"]["detail"]


def test_slow_path(delayed, ip, keep, daemon):
    link = delayed(100)
    s = Scene(link, ip, keep)
    d = daemon("--slow", "150ms", *FAST)
    s.known(d)
    assert s.connect()[1] == 0
    for role, ns in (("active", s.client), ("passive", s.server)):
        record = d.handshake(role=role, netns=ns.inode, timeout=10)
        assert said(record) == ("established", "slow_path", "proven"), record
        assert "round trip itself" in record["cause"]["detail"]


def test_retransmitted_for_a_slow_path(delayed, keep, daemon):
    """A round trip of 1.8 s makes both sides send again, and nothing was lost."""
    link = delayed(900)
    s = Scene(link, 4, keep)
    d = daemon(*FAST)
    s.known(d)
    assert s.connect(timeout=20)[1] == 0
    for role, ns in (("active", s.client), ("passive", s.server)):
        record = d.handshake(role=role, netns=ns.inode, timeout=15)
        assert said(record) == ("established", "slow_path", "probable"), record


def test_no_handshake_at_all(pair, keep, daemon):
    """What connect() refuses before a SYN is the caller's alone: docs/limits.md says so."""
    s = Scene(pair, 4, keep)
    d = daemon()
    s.known(d)
    for address, error in (("192.0.2.1", errno.ENETUNREACH), ("10.9.0.255", errno.EACCES),
                           ("255.255.255.255", errno.ENETUNREACH)):
        with client(pair.client, 4) as sock:
            assert sock.connect_ex((address, 80)) in (error, errno.EACCES, errno.ENETUNREACH)
    assert s.connect()[1] == 0
    d.handshake(role="active", netns=pair.client.inode)


def test_time_wait_is_used_again(pair, ip, keep, daemon):
    """The server closed first, the client comes again from the same port: nothing to explain."""
    s = Scene(pair, ip, keep)
    d = daemon(*FAST)
    s.known(d)
    listening = keep(Agent(pair.server, listen={"family": ip, **({"v6only": 1} if ip == 6 else {})}))
    address = pair.address(ip, listening.port)
    for _ in range(2):
        sock, error = connect(pair.client, ip, address, bind_port=43000)
        assert error == 0
        listening.tell("accept 1")
        listening.tell("drop")
        assert sock.recv(1) == b""
        sock.close()
    for record in d.handshakes(4, local=lambda end: end["port"] in (43000, listening.port)):
        assert record["outcome"] == "established" and "cause" not in record, record


@pytest.mark.parametrize("how", ["unread", "linger", "listener_closed", "gone"])
def test_what_comes_later_does_not_matter(pair, ip, keep, daemon, how):
    """The end of a connection, however rude, says nothing of its handshake."""
    s = Scene(pair, ip, keep)
    d = daemon(*FAST)
    s.known(d)
    crowd = Crowd(pair, ip, keep, 8)
    sock, error = connect(pair.client, ip, crowd.address)
    assert error == 0
    if how == "listener_closed":
        crowd.close_listener()
    elif how == "linger":
        reset(sock)
    else:
        crowd.accept(1)
        sock.send(b"never read")
        if how == "gone":  # without a word: the server's host forgot it
            pair.server.nft("tcp flags & rst == rst drop", hook="output")
            crowd.owner.tell("drop")
            pair.server.nft_flush()
            sock.send(b"late")
        else:
            crowd.owner.tell("drop")
    if how != "linger":
        keep(sock)
    for record in d.handshakes(2, local=lambda end: True, timeout=10,
                               netns=lambda inode: inode in (pair.client.inode, pair.server.inode)):
        assert record["outcome"] == "established" and "cause" not in record, record


def test_forged_flood(pair, daemon, keep):
    """Each request of a SYN flood runs out, and has one record."""
    s = Scene(pair, 4, keep)
    count = 300
    crowd = Crowd(pair, 4, keep, 1024)
    flood_gets_no_answer(pair)
    d = daemon(*FAST)
    s.known(d)
    pair.client.run(env.tool("synflood"), pair.server.addr[4], str(crowd.port), str(count), "3000")
    found = d.handshakes(count, netns=pair.server.inode, role="passive", outcome="timeout",
                         timeout=30)
    for record in found:
        assert record["inferred"] is True and record["cause"]["code"] == "no_answer"
        assert record["retransmits"] == 1
        if able(d, ["overflow_reason"]):
            assert record["cause"]["certainty"] == "proven"


def test_limited_timers(pair, daemon, keep):
    """A request's end is dated by the timers of its kernel: from 6.15 on tcp_rto_max_ms may limit them."""
    pair.server.sysctl("net.ipv4.tcp_rto_max_ms", 1000, optional=True)
    crowd = Crowd(pair, 4, keep, 64)
    flood_gets_no_answer(pair)
    pair.server.sysctl("net.ipv4.tcp_synack_retries", 3)
    d = daemon("--events", "handshake,retransmit", *FAST)
    pair.client.run(env.tool("synflood"), pair.server.addr[4], str(crowd.port), "1", "3000")
    record, = d.handshakes(1, netns=pair.server.inode, role="passive", outcome="timeout", timeout=30)
    assert record["retransmits"] == 3 and record["inferred"] is True
    *_, before, last = d.feed.records("retransmit", netns=pair.server.inode)
    gap = last["mono_ns"] - before["mono_ns"]
    wanted = gap if gap < 1.5 * env.SECOND else 8 * env.SECOND  # 1 s each where that limits it, else 1, 2, 4 and 8
    assert abs(record["mono_ns"] - last["mono_ns"] - wanted) < 50 * env.MS


def test_flood_that_lowers_retries(pair, daemon, keep):
    """With the SYN queue over half full requests end early: for no answer, also where no RST would be reported."""
    crowd = Crowd(pair, 4, keep, 256)
    flood_gets_no_answer(pair)
    pair.server.sysctl("net.ipv4.tcp_synack_retries", 5)
    d = daemon(*FAST, env={**os.environ, "TCPSHAKE_REFUSE": "overflow_reason,ack_hooks"})

    def ended(all):
        return [r for r in all if r["type"] == "handshake" and r["netns"] == pair.server.inode]
    pair.client.run(env.tool("synflood"), pair.server.addr[4], str(crowd.port), "200", "3000")
    found = d.feed.wait_for(lambda all: ended(all) if len(ended(all)) >= 40 else None, 30, "those above the half")
    for record in found:
        assert record["inferred"] is True and record["retransmits"] == 2
        assert record["outcome"] == "timeout" and record["cause"]["code"] == "no_answer"
        assert record["cause"]["certainty"] == "probable"


def test_filters_make_no_time_outs(pair, keep, daemon):
    """A request whose end is filtered away did end: nothing is inferred of it."""
    s = Scene(pair, 4, keep)
    d = daemon("--outcome", "timeout", *FAST)
    s.known(d)
    pair.client.lose(f"tcp sport {s.port} {netns.SYNACK} {netns.first(1)}")
    assert s.connect()[1] == 0
    pair.client.nft_flush()
    pair.client.lose(f"tcp sport {s.port} {netns.SYNACK}")
    s.connect()  # this one does time out, so that the first one's time has come, too
    d.handshakes(1, netns=pair.server.inode, role="passive", timeout=20)


# the documentation

PATH = env.ROOT / "docs" / "causes.md"
MATRIX = env.ROOT / "docs" / "causes-matrix.txt"
REFUSALS_FOUND = env.ROOT / "docs" / "causes-refusals.txt"  # by write_refusals


def document():
    def side(words):
        return "–" if words is None else f"{words[0]}, `{words[1]}`, {words[2]}"
    rows = "".join(f"| {c.happens} | {side(c.client)} | {side(c.server)} | {c.advice} |\n"
                   for c in CASES)
    scores, matrix = MATRIX.read_text().split("\n\n", 1)
    return (pathlib.Path(__file__).parent / "causes.md.in").read_text().replace(
        "@CASES@", rows).replace("@REFUSALS@", REFUSALS_FOUND.read_text()).replace(
            "@SUMMARY@", scores).replace("@MATRIX@", matrix.rstrip("\n"))


def test_documentation():
    assert PATH.read_text() == document(), \
        "docs/causes.md is not what this table says: tests/integration/write_causes writes it"


