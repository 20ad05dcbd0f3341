# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The audit: the feed against the kernel's own books, interval by interval."""
import errno
import re
import select
import subprocess

import pytest

from lib import env, netns
from lib.audited import Audited
from lib.feed import nested
from lib.queues import Crowd, ask, pending, reset
from lib.segments import ACK, RST, SYN, Sender
from lib.traffic import Agent, connect, finish, listener, port_of, start

FAST = ("--listener-interval", "300ms")
COUNT = 5000 if env.SLOW < 4 else 1000
COUNTERS = {"ActiveOpens", "PassiveOpens", "AttemptFails", "ListenOverflows", "ListenDrops",
            "TCPReqQFullDrop", "TCPReqQFullDoCookies", "OutRsts", "EmbryonicRsts", "SyncookiesSent",
            "SyncookiesRecv", "TCPSynRetrans", "TCPTimeouts"}


def test_counters(lone, audited):
    """What is seen is held against the kernel's."""
    books = audited(lone)
    connect(lone, 4, ("127.0.0.1", 7))[0].close()
    books.d.handshakes(2, netns=lone.inode)
    books.check()
    for audit in books.audits(lone):
        assert {counter["name"] for counter in audit["counters"]} == COUNTERS


def test_namespace_without_listener(pair, ip, keep, daemon):
    """Traffic is enough to be audited, from the first connection that was seen on."""
    server = keep(listener(pair.server, ip, backlog=64))
    d = daemon(*FAST)

    def connections(count):
        keep(Agent(pair.client, connect={"family": ip, "addr": pair.server.addr[ip],
                                         "port": port_of(server), "count": count}))
    env.poll_until(lambda: connections(1) or d.feed.records("audit", netns=pair.client.inode),
                   what="an audit of the clients", interval=0.2)
    books = Audited(d, pair.client)
    already = books.sum(pair.client, "ActiveOpens", "observed")
    connections(30)
    d.feed.wait_for(lambda all: books.sum(pair.client, "ActiveOpens", "observed") >= already + 30,
                    what="an audit of 30 connections")
    d.stop()
    for audit in books.audits(pair.client):
        assert audit["balanced"], audit


def test_owner_is_elsewhere(lone, keep, daemon):
    """Who made the sockets has left the namespace: its counters are read through another process there."""
    server = keep(listener(lone, 4))
    with lone.popen(["sleep", "600"]) as resident:
        try:
            d = daemon(*FAST)

            def audited_connection():
                keep(connect(lone, 4, ("127.0.0.1", port_of(server)))[0])
                return d.feed.records("audit", netns=lone.inode)
            env.poll_until(audited_connection, what="an audit", interval=0.2)
            d.stop()
            assert all(audit["balanced"] for audit in d.feed.records("audit", netns=lone.inode))
        finally:
            resident.kill()


def test_refused_before(pair, ip, keep, daemon):
    """What was refused before the counters could be opened is in records, and in neither column."""
    d = daemon(*FAST, "--remote", netns.NETWORK[ip])
    server, full = (keep(listener(pair.server, ip, backlog=backlog)) for backlog in (64, 0))
    assert finish(keep(start(pair.client, ip, pair.address(ip, port_of(full))))) == 0
    refused = [start(pair.client, ip, pair.address(ip, port_of(full))) for _ in range(4)]
    d.feed.wait_for(lambda all: sum(r["count"] for r in d.feed.records("overflow", netns=pair.server.inode)) >= 4,
                    what="refused SYNs")
    for sock in refused:
        reset(sock)
    assert not d.feed.records("audit", netns=pair.server.inode)
    with pair.server.popen(["sleep", "600"]) as resident:
        try:
            books = Audited(d, pair.server)

            def audited_connection():
                keep(connect(pair.client, ip, pair.address(ip, port_of(server)))[0])
                return d.feed.records("audit", netns=pair.server.inode)
            env.poll_until(audited_connection, 20, what="an audit", interval=0.2)
            d.stop()
        finally:
            resident.kill()
    for audit in books.audits(pair.server):
        assert audit["balanced"], audit
    assert books.sum(pair.server, "ListenOverflows", "observed") == 0


def test_normal_handshakes(lone, audited):
    """Whatever is in the stream: here no handshake is."""
    books = audited(lone, flags=(*FAST, "--events", "listener,audit"), losses=True)
    child = lone.popen([env.tool("storm"), "-n", str(COUNT), "-p", "9001"], stdout=subprocess.PIPE)
    child.communicate(timeout=120 * env.SLOW)
    assert child.returncode == 0
    books.check()
    missed = nested(books.d.feed.all)
    assert {r["why"] for r in books.d.feed.records("loss")} <= {"nested"} and missed < (5 if env.SLOW < 4 else COUNT // 100)
    for name in ("ActiveOpens", "PassiveOpens"):
        assert books.sum(lone, name) == COUNT
        assert COUNT - missed <= books.sum(lone, name, "observed") <= COUNT


def test_tasks_that_lose_their_cpu(lone, audited):
    """More tasks than there are CPUs stand between SYN_SENT and the kernel's counter (7.x), again and again."""
    books = audited(lone, flags=("--listener-interval", "100ms", "--events", "listener,audit"), losses=True)
    children = [lone.popen(["taskset", "-c", "0", env.tool("storm"), "-n", str(2 * COUNT), "-p", str(9001 + number)],
                           stdout=subprocess.DEVNULL) for number in range(6)]
    assert [child.wait(timeout=120 * env.SLOW) for child in children] == [0] * 6
    books.d.stop()
    unexplained = [c for audit in books.audits(lone) for c in audit["counters"]
                   if c["name"] == "ActiveOpens" and c["difference"] and not c["rule"]]
    assert not unexplained
    assert books.sum(lone, "ActiveOpens") == 12 * COUNT


def test_shared_slot(lone, keep, audited):
    """Two namespaces whose numbers point at one slot, which the first has: the other's counts go elsewhere."""
    slots = int(re.search(r"#define NAMESPACE_SLOTS (\d+)", (env.ROOT / "bpf/counters.h").read_text())[1])
    for _ in range(4 * slots):
        other = keep(netns.Netns("other"))
        if other.inode % slots == lone.inode % slots:
            break
    assert other.inode % slots == lone.inode % slots
    books = audited(lone, other)
    for ns, count in ((lone, 20), (other, 30), (lone, 10)):
        child = ns.popen([env.tool("storm"), "-n", str(count), "-p", "9001"], stdout=subprocess.DEVNULL)
        assert child.wait(timeout=20 * env.SLOW) == 0
    books.check()
    for ns in (lone, other):
        assert books.sum(ns, "ActiveOpens", "observed") == books.sum(ns, "PassiveOpens", "observed") == 30
        assert books.sum(ns, "OutRsts", "observed") >= 30


def test_between_namespaces(pair, ip, keep, audited):
    books = audited(pair.client, pair.server)
    server = keep(listener(pair.server, ip, backlog=200))
    for _ in range(100):
        sock, error = connect(pair.client, ip, pair.address(ip, port_of(server)))
        assert error == 0
        sock.close()
        server.accept()[0].close()
    books.d.handshakes(100, netns=pair.server.inode)
    books.check()
    assert books.sum(pair.client, "ActiveOpens", "observed") == 100
    assert books.sum(pair.server, "PassiveOpens", "observed") == 100


def test_refusals(pair, ip, audited):
    books = audited(pair.client, pair.server)
    for _ in range(50):
        sock, error = connect(pair.client, ip, pair.address(ip, 9))
        assert error == errno.ECONNREFUSED
        sock.close()
    books.d.handshakes(50, netns=pair.client.inode)
    books.check()
    assert books.sum(pair.client, "AttemptFails") == 50


def test_timeouts(pair, ip, audited):
    """SYNs that nobody answers, sent again and given up."""
    pair.client.sysctl("net.ipv4.tcp_syn_retries", 1)
    pair.client.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0, optional=True)  # 6.5
    pair.server.lose(f"tcp dport 80 {netns.SYN}")
    books = audited(pair.client, pair.server)
    socks = [connect_later(pair, ip) for _ in range(5)]
    books.d.handshakes(5, 15, netns=pair.client.inode, outcome="timeout")
    for sock in socks:
        sock.close()
    books.check()
    assert books.sum(pair.client, "AttemptFails", "observed") == 5


def connect_later(pair, ip):
    sock = pair.client.socket(2 if ip == 4 else 10)
    sock.setblocking(False)
    assert sock.connect_ex(pair.address(ip, 80)) == errno.EINPROGRESS
    return sock


def test_dead_next_hop(pair, ip, audited):
    """SYNs wait for a neighbour that does not answer: their timers run out, and nothing is sent again."""
    # given up after three times that, between the first and the second timer: while one runs out, a SYN waits
    pair.client.sysctl(f"net.ipv{ip}.neigh.c0.retrans_time_ms", 700)
    books = audited(pair.client)
    nobody = {4: "10.9.0.77", 6: "fd09::77"}[ip]
    for tries in range(3):
        socks = [start(pair.client, ip, (nobody, port)) for port in range(80, 90)]
        for sock in socks:
            assert finish(sock, 20) == errno.EHOSTUNREACH
            sock.close()
    records = books.d.handshakes(30, netns=pair.client.inode, outcome="unreachable")
    books.check()
    counted = books.sum(pair.client, "TCPSynRetrans")
    assert sum(record["retransmits"] for record in records) == counted
    assert books.sum(pair.client, "TCPSynRetrans", "observed") == counted
    assert books.sum(pair.client, "TCPTimeouts", "observed") == books.sum(pair.client, "TCPTimeouts") > counted


def test_next_hop_that_answers_late(pair, ip, keep, audited):
    """A timer runs out while the SYN waits in this host, and then it is answered: before 6.17 only the kernel counts that."""
    pair.client.sysctl(f"net.ipv{ip}.neigh.c0.mcast_solicit", 400)
    books = audited(pair.client)
    keep(listener(pair.server, ip, port=80))
    late = {4: "10.9.0.77", 6: "fd09::77"}[ip]
    before = pair.client.counters()["TCPTimeouts"]
    sock = start(pair.client, ip, (late, 80))
    env.poll_until(lambda: pair.client.counters()["TCPTimeouts"] > before, 10, "a timer that ran out")
    pair.server.ip(f"addr add {late}/{32 if ip == 4 else 128} dev s0 nodad")
    assert finish(sock, 20) == 0
    sock.close()
    books.check()
    assert books.sum(pair.client, "TCPTimeouts") >= 1


@pytest.mark.parametrize("abort", [0, 1], ids=["drop", "abort"])
def test_overflow_at_both_stages(pair, ip, keep, audited, abort):
    pair.server.sysctl("net.ipv4.tcp_abort_on_overflow", abort)
    books = audited(pair.client, pair.server)
    crowd = Crowd(pair, ip, keep, 3)
    late = crowd.late(2)
    crowd.find_acks()
    crowd.fill()
    for sock in late:
        sock.send(b"x")
    crowd.begin(4)
    env.poll_until(lambda: pair.server.counters()["ListenOverflows"] >= 6)
    # Long enough for refused final ACKs to come again, after the SYN-ACK that asks for them.
    if not abort:
        env.poll_until(lambda: pair.server.counters()["ListenOverflows"] >= 12, 8)
    crowd.leave()
    books.check()
    assert books.sum(pair.server, "ListenOverflows", "observed") >= 6


@pytest.mark.parametrize("family", [4, 6])  # without the filter that `ip` brings
def test_no_route_back(pair, family, keep, audited):
    """SYNs whose answers have no route, and RSTs to requests in between, which move sk_drops, too."""
    pair.server.sysctl("net.ipv4.conf.all.rp_filter", 0)
    source = netns.lost_source(pair.client, family)
    books = audited(pair.client, pair.server, losses=True)
    crowd = Crowd(pair, family, keep, 64)
    raw = keep(Sender(pair.client, pair.server, family, source))
    for batch in range(10):
        crowd.late(2)
        crowd.leave()
        for number in range(100):
            raw.send(SYN, 5000 + 100 * batch + number, crowd.port)
        env.poll_until(lambda: books.moved(pair.server, "ListenDrops") >= 100 * (batch + 1))
    books.check()
    found = books.d.feed.records("overflow", netns=pair.server.inode)
    granted = books.d.feed.all[0]["capabilities"]
    assert {(r["stage"], r["queue"], r["action"], r["cause"]["code"]) for r in found} == \
        {("syn", "none", "dropped", "no_route_back")}
    if granted["queue_look"]:
        assert all(r["listener"]["port"] == crowd.port and r["process"]["comm"] == "sleepy" for r in found)
    if granted["function_hooks"]:
        assert all(r["cause"]["certainty"] == "proven" and r["remote"]["addr"] == source for r in found)
        assert sum(r["count"] for r in found) + limited(books.d) == 1000
        assert books.sum(pair.server, "ListenDrops", "observed") == 1000
    else:
        assert all(r["cause"]["certainty"] == "probable" for r in found)
        assert sum(r["count"] for r in found) == 1000


def limited(d):
    """Refusals that were over the limit of a second."""
    return sum(r["count"] for r in d.feed.records("loss") if (r["what"], r["why"]) == ("overflow", "rate_limit"))


@pytest.mark.parametrize("cookies", [0, 1, 2])
def test_syn_queue(pair, ip, keep, audited, cookies):
    pair.server.sysctl("net.ipv4.tcp_syncookies", cookies)
    books = audited(pair.client, pair.server)
    crowd = Crowd(pair, ip, keep, 4)
    if cookies == 2:
        crowd.taken(5)
        name = "PassiveOpens"
    else:
        crowd.late(5)
        crowd.begin(5)
        name = "TCPReqQFullDoCookies" if cookies else "TCPReqQFullDrop"
    env.poll_until(lambda: pair.server.counters()[name] >= 5)
    crowd.leave()
    books.check()
    assert books.sum(pair.server, name) == 5


def test_lost_final_ack(pair, ip, keep, audited):
    """SYN-ACKs sent again are TCPSynRetrans and TCPTimeouts of the server's namespace."""
    books = audited(pair.client, pair.server)
    crowd = Crowd(pair, ip, keep, 4)
    crowd.late(2)
    crowd.find_acks()
    books.d.handshakes(2, netns=pair.server.inode, role="passive")
    crowd.leave()
    books.check()


def test_data_timeouts_are_not_ours(pair, ip, keep, audited):
    """TCPTimeouts counts every timer; those of data have a rule."""
    books = audited(pair.client, pair.server)
    server = keep(listener(pair.server, ip))
    sock, error = connect(pair.client, ip, pair.address(ip, port_of(server)))
    keep(sock)
    assert error == 0
    pair.server.lose(f"tcp dport {port_of(server)}")
    before = pair.client.counters()["TCPTimeouts"]
    sock.send(b"x")
    env.poll_until(lambda: pair.client.counters()["TCPTimeouts"] > before)
    books.check()


def test_stats_question(pair, keep, tmp_path, daemon):
    """{"op":"stats"}: the last audit of each namespace, then the totals."""
    path = tmp_path / "sock"
    d = daemon(*FAST, sock=path)
    for ns in (pair.client, pair.server):
        keep(Agent(ns, comm="resident", listen={"port": 7}))
    for _ in range(5):
        keep(connect(pair.client, 4, pair.address(4, 7))[0])
    d.feed.wait_for(lambda all: {r["netns"] for r in all if r["type"] == "audit"} >=
                    {pair.client.inode, pair.server.inode}, what="audits of both")
    answer = ask(path, "stats")
    assert [r["type"] for r in answer[:-1]] == ["audit"] * (len(answer) - 1)
    audited = [r["netns"] for r in answer[:-1]]
    assert len(set(audited)) == len(audited)
    assert {pair.client.inode, pair.server.inode} <= set(audited)
    stats = answer[-1]
    assert stats["type"] == "stats"
    total = stats["totals"]["handshake"]
    assert total["seen"] == total["delivered"] + total["filtered"] + total["lost"] >= 10
    assert sum(sum(counts.values()) for counts in stats["outcomes"].values()) == total["seen"]


def test_aborts(pair, ip, keep, audited):
    """RSTs of every sort: OutRsts without a difference that needs more than a moment's grace."""
    books = audited(pair.client, pair.server)
    server = keep(listener(pair.server, ip))
    for number in range(20):
        sock, error = connect(pair.client, ip, pair.address(ip, port_of(server)))
        assert error == 0
        child = server.accept()[0]
        if number % 2:
            sock.send(b"x")
            readable(child)
            child.close()  # unread data
            readable(sock)  # or its FIN would cross the RST, and be answered with one
            sock.close()
        else:
            reset(sock)
            child.close()
    books.d.handshakes(20, netns=pair.server.inode)
    books.check()
    assert books.sum(pair.server, "OutRsts", "observed") == 10
    assert books.sum(pair.client, "OutRsts", "observed") == 10


def readable(sock):
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    assert poll.poll(5000 * env.SLOW)


def test_scan(pair, ip, keep, audited):
    """Segments of no connection, to ports where somebody listens and where nobody does."""
    books = audited(pair.client, pair.server)
    port = Crowd(pair, ip, keep, 8).port
    raw = keep(Sender(pair.client, pair.server, ip))
    for number in range(30):
        raw.send(SYN, 5000 + number, 9)
        raw.send(ACK, 5000 + number, 9)
        raw.send(ACK, 5000 + number, port)
        raw.send(SYN | ACK, 5000 + number, port)
        raw.send(RST, 5000 + number, port)
    env.poll_until(lambda: books.moved(pair.server, "OutRsts") >= 120)
    books.check()
    assert books.sum(pair.server, "OutRsts") == 120
    if books.d.feed.all[0]["capabilities"]["reset_hooks"]:
        assert books.sum(pair.server, "OutRsts", "observed") == 120


@pytest.mark.parametrize("retransmitted", [False, True], ids=["at_once", "retransmitted"])
def test_pending_requests_reset(pair, ip, keep, audited, retransmitted):
    books = audited(pair.client, pair.server)
    crowd = Crowd(pair, ip, keep, 8)
    crowd.late(5)
    if retransmitted:
        env.poll_until(lambda: books.moved(pair.server, "TCPSynRetrans") >= 5)
    crowd.leave()
    env.poll_until(lambda: books.moved(pair.server, "EmbryonicRsts") >= 5)
    books.check()
    for name in ("AttemptFails", "EmbryonicRsts"):
        assert books.sum(pair.server, name) == 5
        if books.d.feed.all[0]["capabilities"]["ack_hooks"]:
            assert books.sum(pair.server, name, "observed") == 5


def test_bad_syn_to_a_request(pair, ip, keep, audited):
    books = audited(pair.client, pair.server)
    port = Crowd(pair, ip, keep, 8).port
    raw = keep(Sender(pair.client, pair.server, ip))
    pair.client.lose(f"tcp sport {port}")  # or its kernel would answer
    for number in range(5):
        raw.send(SYN, 5000 + number, port, seq=1000)
        raw.send(SYN, 5000 + number, port, seq=1005)
    env.poll_until(lambda: books.moved(pair.server, "EmbryonicRsts") >= 5)
    books.check()
    assert books.sum(pair.server, "EmbryonicRsts", "observed") == 5


def test_requests_that_expire(pair, ip, keep, audited):
    """The timer of a SYN-ACK goes off once more than it is sent again."""
    pair.server.sysctl("net.ipv4.tcp_synack_retries", 1)
    books = audited(pair.client, pair.server)
    crowd = Crowd(pair, ip, keep, 8)
    crowd.late(3)
    env.poll_until(lambda: pending(pair.server, crowd.port) == 0, 12, "requests that expire")
    books.check()
    assert books.sum(pair.server, "TCPSynRetrans", "observed") == 3
    crowd.leave()


@pytest.mark.parametrize("cookies", [1, 2])
def test_cookies_refused(pair, ip, keep, audited, cookies):
    """Valid cookies, for a full accept queue."""
    pair.server.sysctl("net.ipv4.tcp_syncookies", cookies)
    books = audited(pair.client, pair.server)
    crowd = Crowd(pair, ip, keep, 2)
    if cookies == 1:
        crowd.late(3)  # the SYN queue is full, too: more get a cookie
    late = crowd.late(2, cookies=True)
    crowd.find_acks()
    crowd.fill()
    for sock in late:
        sock.send(b"x")
    env.poll_until(lambda: books.moved(pair.server, "ListenOverflows") >= 2)
    env.poll_until(lambda: books.moved(pair.server, "SyncookiesRecv") >= 2)
    crowd.leave()
    books.check()
    assert books.sum(pair.server, "SyncookiesSent") >= 2


def test_deferred_accept(pair, ip, keep, audited):
    """ACKs that TCP_DEFER_ACCEPT does not take, and SYN-ACKs that are not sent again for it."""
    books = audited(pair.client, pair.server)
    crowd = Crowd(pair, ip, keep, 8, defer=2)
    crowd.begin(3)
    env.poll_until(lambda: books.moved(pair.server, "TCPDeferAcceptDrop") >= 3)
    env.poll_until(lambda: pending(pair.server, crowd.port) == 0, 15, "an end of the wait")
    crowd.leave()
    books.check()


def test_data_given_up(pair, ip, keep, audited):
    """Timers of data until the connection is given up."""
    pair.client.sysctl("net.ipv4.tcp_retries2", 2)
    books = audited(pair.client, pair.server)
    server = keep(listener(pair.server, ip))
    sock, error = connect(pair.client, ip, pair.address(ip, port_of(server)))
    keep(sock)
    assert error == 0
    pair.server.lose(f"tcp dport {port_of(server)}")
    sock.send(b"x")
    env.poll_until(lambda: books.moved(pair.client, "TCPAbortOnTimeout") >= 1, 15)
    books.check()
