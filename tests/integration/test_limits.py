# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What anybody can cause many of is limited: each is counted, few have a record, and no cause is lost for it."""
import collections
import json
import socket
import subprocess

import pytest

from lib import env
from lib.audited import Audited
from lib.queues import Crowd, ask, reset
from lib.traffic import Agent, connect, finish, listener, port_of

COUNT = 12000 if env.SLOW < 4 else 6000
CLIENTS = 4
FAST = ("--listener-interval", "200ms")


def sums(d, kind):
    """The totals of a kind, which add up, and are what the feed has and says that it lacks."""
    total = d.feed.all[-1]["totals"][kind]
    assert total["seen"] == sum(total[fate] for fate in ("delivered", "filtered", "limited", "lost"))
    lacks = collections.Counter()
    for r in d.feed.records("loss"):
        lacks[r["what"], r["why"]] += r["count"]
    assert lacks[kind, "rate_limit"] == total["limited"]
    feed = d.feed.all[-1]["feed"]["types"][kind]
    assert len([r for r in d.feed.all if r["type"] == kind]) == feed["records"]
    assert feed["before"] + feed["records"] + feed["filtered"] + feed["lost"] == total["delivered"]
    return total


def route_nowhere(pair):
    """The answers to the flood's sources get nowhere."""
    pair.client.sysctl("net.ipv4.ip_forward", 0)
    pair.server.ip("route add 198.18.0.0/15 via 10.9.0.1 dev s0")
    pair.client.nft("ip daddr 198.18.0.0/15 drop", hook="prerouting")


def flood(pair, port, count, rate):
    return pair.client.popen([env.tool("synflood"), pair.server.addr[4], str(port), str(count), str(rate)],
                             stdout=subprocess.PIPE)


def ended(process, count):
    assert json.loads(process.communicate(timeout=60 * env.SLOW)[0]) == {"sent": count}


def flooded(pair, keep, daemon, *flags):
    """A full accept queue, a flood of SYNs, and as many clients in the midst of it as the queue then has room for."""
    count, rate = COUNT, 8000
    pair.server.sysctl("net.ipv4.conf.all.rp_filter", 0)
    route_nowhere(pair)
    d = daemon(*FAST, "--remote", "0.0.0.0/0", *flags, losses=True)
    for ns in (pair.client, pair.server):
        keep(Agent(ns, comm="resident", listen={"port": 7}))
    crowd = Crowd(pair, 4, keep, CLIENTS - 1)
    d.feed.wait_for(lambda all: {r["netns"] for r in all if r["type"] == "listener"} >=
                    {pair.client.inode, pair.server.inode}, what="the residents")
    books = Audited(d, pair.client, pair.server)
    crowd.fill()
    process = flood(pair, crowd.port, count, rate)
    env.poll_until(lambda: books.moved(pair.server, "ListenOverflows") > 2500)
    begun = crowd.begin(CLIENTS)
    ended(process, count)
    crowd.accept(2 * CLIENTS)
    for sock in begun:
        assert finish(sock) == 0
    ports = {sock.getsockname()[1] for sock in begun}
    found = d.feed.wait_for(lambda all: [r for r in all if r["type"] == "handshake" and r["role"] == "active" and
                                         r["local"]["port"] in ports and r["netns"] == pair.client.inode]
                            if len([r for r in all if r["type"] == "handshake" and r["role"] == "active" and
                                    r.get("local", {}).get("port") in ports]) >= CLIENTS else None, what="the clients")
    crowd.leave()
    books.check()
    assert books.sum(pair.server, "ListenOverflows") >= count
    return d, found, ports


def hooked(d):
    return d.feed.all[0]["capabilities"]["function_hooks"]


def refused_syns(d, pair):
    return [r for r in d.feed.records("overflow", netns=pair.server.inode) if r["stage"] == "syn"]


def test_flood_against_a_full_queue(pair, keep, daemon):
    """So many a second have a record; those of clients that are here all have, and their causes are proven."""
    d, found, ports = flooded(pair, keep, daemon)
    assert len(found) == CLIENTS
    for record in found:
        assert record["cause"]["code"] == "accept_queue_full", record
        assert record["cause"]["certainty"] == "proven" or not hooked(d), record
    total = sums(d, "overflow")
    records = refused_syns(d, pair)
    assert not d.feed.records("loss", what="retransmit") and not d.feed.records("loss", why="ring_full")
    if not hooked(d):
        assert total["limited"] == 0 and sum(r["count"] for r in records) >= COUNT
        return
    times = sorted(r["mono_ns"] for r in records)
    seconds = (times[-1] - times[0]) / env.SECOND
    assert 1000 <= len(records) <= 1000 * (seconds + 2) + 20
    assert total["limited"] + len(records) >= COUNT
    assert {r["remote"]["port"] for r in records} >= ports


def test_no_limit(pair, keep, daemon):
    d, found, ports = flooded(pair, keep, daemon, "--limit", "overflow=0")
    assert sums(d, "overflow")["limited"] == 0
    assert sum(r["count"] for r in refused_syns(d, pair)) >= COUNT


def test_one_connection_that_insists(pair, keep, daemon):
    """An ACK that is refused again and again takes no room from others', and is counted."""
    d = daemon(*FAST, "--limit", "overflow=2", losses=True)
    crowd = Crowd(pair, 4, keep, 4)
    late = crowd.late(3)
    crowd.find_acks()
    crowd.fill()
    for sock in late:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(10):  # as many as may be on their way
            sock.send(b"x")
    ports = {sock.getsockname()[1] for sock in late}

    def refused():
        return {r["remote"]["port"] for r in d.feed.records("overflow", netns=pair.server.inode, stage="ack")
                if r.get("remote")}
    evident = d.feed.all[0]["capabilities"]
    evident = evident["ack_hooks"] or evident["overflow_reason"]
    if evident:
        env.poll_until(lambda: refused() >= ports, 10, "each of them")
    crowd.leave()
    d.stop()
    total = sums(d, "overflow")
    assert total["limited"] >= 15 or not evident


def test_failed_handshakes(pair, keep, daemon):
    """Requests that run out, as a flood leaves them: those of one's own are no less known."""
    count, most = 300, 40
    pair.server.sysctl("net.ipv4.tcp_synack_retries", 1)
    route_nowhere(pair)
    crowd = Crowd(pair, 4, keep, 1024)
    d = daemon(*FAST, "--limit", f"failed={most},overflow=0", losses=True)
    ended(flood(pair, crowd.port, count, 3000), count)
    d.feed.wait_for(lambda all: sum(r["count"] for r in all if r["type"] == "loss" and r["what"] == "handshake") >=
                    count - 5 * most, 40, "the limit")
    sock, error = connect(pair.client, 4, crowd.address)
    assert error == 0
    d.handshakes(1, netns=pair.server.inode, role="passive", outcome="established")
    reset(sock)
    d.stop()
    total = sums(d, "handshake")
    failed = [r for r in d.feed.records(netns=pair.server.inode, role="passive") if r["outcome"] != "established"]
    assert most <= len(failed) < count
    assert len(failed) + total["limited"] >= count


def test_listeners(lone, keep, daemon, tmp_path):
    """A listener without a record is found by a scan: only that it opened is not recorded."""
    path = tmp_path / "sock"
    d = daemon(*FAST, "--netns", str(lone.inode), "--limit", "listener=3", sock=path, losses=True)
    made = [keep(listener(lone, 4)) for _ in range(12)]
    ports = {port_of(sock) for sock in made}
    env.poll_until(lambda: {r["local"]["port"] for r in ask(path, "listeners")} >= ports, 10, "all listeners")
    d.stop()
    total = sums(d, "listener")
    assert total["limited"] >= 12 - 2 * 3
    opened = [r for r in d.feed.records("listener", event="opened") if r["local"]["port"] in ports]
    assert 3 <= len(opened) <= 12 - total["limited"] + 3


@pytest.mark.parametrize("value", ["", "overflow", "overflow=", "overflow=x", "overflow=-1", "overflow=1,",
                                   "nothing=1", "overflow=1000000001", "overflow=1;reset=2"])
def test_wrong_limits(value):
    done = subprocess.run([str(env.BUILD / "tcpshaked"), "--limit", value], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.count("\n") == 1 and f"--limit {value}: expected a list such as" in done.stderr
