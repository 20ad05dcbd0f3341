# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How deep connections found the accept queue, and requests the SYN queue, and how long connections waited for accept(), against
what applications know of these."""
import json
import math
import os
import pathlib
import signal
import subprocess
import time

import pytest

from lib import env, evidence
from lib.queues import Crowd, ask, flood_gets_no_answer, pending, reset
from lib.scrape import Metrics, free_port
from lib.traffic import Agent, connect, listener, port_of

QUEUES = ("accept", "syn")
DEPTH = {queue: f"tcpshake_listener_{queue}_queue_depth" for queue in QUEUES}
CROWDED = {queue: f"tcpshake_listener_{queue}_queue_crowded_total" for queue in QUEUES}
WAIT = "tcpshake_listener_accept_wait_seconds"
PORT = 8080


class Clocked:
    """lib/clocked.py in a namespace."""

    def __init__(self, ns, backlog):
        self.process = ns.popen([env.PYTHON, "-SE", str(pathlib.Path(env.AGENT).with_name("clocked.py")), str(PORT),
                                 str(backlog)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def finish(self):
        """When it accepted the connection of each port, ns."""
        out, _ = self.process.communicate(timeout=20 * env.SLOW)
        return {int(port): ns for port, ns in json.loads(out).items()}

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def answering(daemon, tmp_path):
    """A daemon that says what it knows of listeners when it is asked."""
    def start(*flags, **options):
        d = daemon("--listener-interval", "200ms", *flags, sock=tmp_path / "sock", **options)
        d.sock = tmp_path / "sock"
        return d
    return start


def nearest_rank(values, q):
    return sorted(values)[math.ceil(q * len(values)) - 1]


def rank_in(buckets, q):
    """The middle of the bucket that the value is in, of (bound, cumulative count)."""
    index = next(i for i, (_, count) in enumerate(buckets) if count >= math.ceil(q * buckets[-1][1]))
    return (buckets[index][0] + (buckets[index - 1][0] if index else 0)) / 2


def buckets_of(scrape, family, ns):
    """Of the only listener of a namespace that connections came to."""
    found = [b for labels, b in scrape.histograms(family).items() if ("netns", str(ns.inode)) in labels]
    assert len(found) == 1
    return found[0]


def open_for(pair, keep, seconds, joined, period=0.01):
    """Connections in even intervals; `joined` gets when each was there, by the client's port."""
    begun = time.monotonic()
    for number in range(int(seconds / period)):
        time.sleep(max(0, begun + number * period - time.monotonic()))
        sock, error = connect(pair.client, 4, pair.address(4, PORT))
        assert error == 0
        joined[keep(sock).getsockname()[1]] = time.monotonic_ns()


def listeners(d, ns, port=PORT):
    """As the daemon answers now, without waiting for the next record."""
    return [r for r in ask(d.sock, "listeners") if r["netns"] == ns.inode and r["local"]["port"] == port]


def distribution(d, ns, count, name="accept_depth", port=PORT):
    """Of the only listener of a port, once it has so many connections."""
    found = []

    def complete():
        found[:] = [r for r in listeners(d, ns, port) if r[name] and r[name]["count"] == count]
        return len(found) == 1
    env.poll_until(complete, 10, f"{name} of {count} connections")
    return found[0][name]


def need(capability):
    able = evidence.capabilities()[capability]
    if not able["ok"]:
        pytest.skip(f"evidence: {capability} is not granted here: {able['error']}")


def close_to(value, true):
    return abs(value - true) <= 0.04 * true


@pytest.mark.parametrize("way", ["function", "syscall"])
def test_stalled_server(pair, keep, answering, way):
    """A server that stands still for 3 s: p99s within 4 % of what its own clock and its clients' say."""
    need(f"accept_{way}")
    port = free_port()
    d = answering("--accept-wait", way, "--events", "handshake,listener", "--metrics", str(port))
    metrics = keep(Metrics(port))
    server = keep(Clocked(pair.server, 512))
    joined = {}
    open_for(pair, keep, 1, joined)
    server.process.send_signal(signal.SIGSTOP)
    open_for(pair, keep, 3, joined)
    server.process.send_signal(signal.SIGCONT)
    open_for(pair, keep, 0.5, joined)
    depth = distribution(d, pair.server, len(joined))
    wait = distribution(d, pair.server, len(joined), "accept_wait")
    scrape = metrics.scrape(f"/metrics?port={PORT}")
    taken = server.finish()
    assert taken.keys() == joined.keys()

    waits = [taken[port] - joined[port] for port in joined]
    depths = [sum(other <= at < taken[port] for port, other in joined.items()) - 1 for at in joined.values()]
    assert nearest_rank(waits, 0.99) > 2.5e9 and nearest_rank(depths, 0.99) > 250  # it did stand still
    print(f"\ndepth p50 {nearest_rank(depths, 0.5)} p99 {nearest_rank(depths, 0.99)} max {max(depths)}: {depth}\n"
          f"wait p50 {nearest_rank(waits, 0.5)} p99 {nearest_rank(waits, 0.99)} max {max(waits)}: {wait}")
    for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1)):
        assert close_to(depth[name], nearest_rank(depths, q)), (name, depth)
        assert close_to(wait[f"{name}_ns"], nearest_rank(waits, q)), (name, wait)
    assert depth["limit"] == 512
    for family, values, unit in ((DEPTH["accept"], depths, 1), (WAIT, waits, 1e9)):
        buckets = buckets_of(scrape, family, pair.server)
        assert buckets[-1][1] == len(joined)
        assert close_to(rank_in(buckets, 0.99) * unit, nearest_rank(values, 0.99))
        assert close_to(scrape.one(family + "_sum", netns=pair.server.inode) * unit, sum(values))
    assert not d.feed.records("accept", netns=pair.server.inode)  # they were not asked for


@pytest.mark.parametrize("queue", QUEUES)
def test_each_depth_once(pair, ip, keep, answering, queue):
    """From the first to the last that fits: 0 to the limit, each once, whatever the stream holds."""
    if queue == "syn":
        need("request_function")
    port = free_port()
    d = answering("--outcome", "timeout", "--metrics", str(port))
    crowd = Crowd(pair, ip, keep, 10, port=PORT)
    if queue == "syn":
        crowd.late(11)
    else:
        crowd.fill()
    assert distribution(d, pair.server, 11, f"{queue}_depth") == {"count": 11, "p50": 5, "p99": 10, "max": 10, "limit": 10}
    scrape = keep(Metrics(port)).scrape(f"/metrics?port={PORT}")
    buckets = buckets_of(scrape, DEPTH[queue], pair.server)
    assert [count for bound, count in buckets[:12]] == [*range(1, 12), 11] and buckets[10][0] == 10
    assert scrape.one(DEPTH[queue] + "_sum", netns=pair.server.inode) == 55
    assert scrape.one(CROWDED[queue], netns=pair.server.inode) == 2  # 9 and 10 of 10
    assert not d.feed.records("handshake", netns=pair.server.inode)


def test_flood(pair, keep, answering):
    """Of a SYN flood that gets no answer each request finds all those before it; no record is written of it."""
    need("request_function")
    port, count = free_port(), 300
    Crowd(pair, 4, keep, 1024, port=PORT)
    flood_gets_no_answer(pair)
    d = answering("--events", "listener", "--metrics", str(port))
    pair.client.run(env.tool("synflood"), pair.server.addr[4], str(PORT), str(count), "3000")
    depth = distribution(d, pair.server, count, "syn_depth")
    assert pending(pair.server, PORT) == count
    assert depth["max"] == count - 1 and depth["limit"] == 1024
    assert close_to(depth["p50"], count // 2 - 1) and close_to(depth["p99"], 0.99 * count - 1)
    scrape = keep(Metrics(port)).scrape(f"/metrics?port={PORT}")
    for bound, below in buckets_of(scrape, DEPTH["syn"], pair.server):
        assert below == min(bound + 1, count)
    assert scrape.one(DEPTH["syn"] + "_sum", netns=pair.server.inode) == sum(range(count))


def test_cookies_join_no_queue(pair, ip, keep, answering):
    """What a cookie answers takes no room in the SYN queue, and is not counted as one that joined it."""
    need("request_function")
    d = answering("--events", "listener")
    crowd = Crowd(pair, ip, keep, 4, port=PORT)
    crowd.late(9, cookies=True)
    assert distribution(d, pair.server, 5, "syn_depth") == {"count": 5, "p50": 2, "p99": 4, "max": 4, "limit": 4}


def test_requests_between_two_looks(pair, ip, keep, answering):
    """They came and went with a RST, and nobody joined the accept queue: the look before and the one after find both empty."""
    need("request_function")
    d = answering("--events", "listener")
    crowd = Crowd(pair, ip, keep, 16, port=PORT)
    distribution(d, pair.server, 0, "syn_depth")
    d.send(signal.SIGSTOP)
    try:
        crowd.late(3)
        crowd.leave()
        env.poll_until(lambda: not pending(pair.server, PORT), 5, "the end of the requests")
    finally:
        d.send(signal.SIGCONT)
    assert distribution(d, pair.server, 3, "syn_depth") == {"count": 3, "p50": 1, "p99": 2, "max": 2, "limit": 16}
    assert distribution(d, pair.server, 0)


def test_requests_not_seen(pair, keep, answering):
    """Without the hook nothing is known of the SYN queue's depth, in no record and no metric, and `hello` says what is missing."""
    port = free_port()
    d = answering("--metrics", str(port), env={**os.environ, "TCPSHAKE_REFUSE": "request_function"})
    assert d.feed.all[0]["refused"]["request_function"]["without"] == "of SYN queues the length at each look only"
    Crowd(pair, 4, keep, 16, port=PORT).taken(2)
    distribution(d, pair.server, 2)
    assert [r["syn_depth"] for r in listeners(d, pair.server)] == [None]
    assert not keep(Metrics(port)).scrape().all(DEPTH["syn"] + "_count", netns=pair.server.inode)


def test_limit_at_that_time(pair, keep, answering):
    """A second listen() changes the limit: what came before was crowded by the old one."""
    port = free_port()
    d = answering("--metrics", str(port))
    server = keep(listener(pair.server, 4, port=PORT, backlog=4))
    for backlog, count in ((4, 5), (100, 5)):
        server.listen(backlog)
        for _ in range(count):
            keep(connect(pair.client, 4, pair.address(4, PORT))[0])
    depth = distribution(d, pair.server, 10)
    assert depth == {"count": 10, "p50": 4, "p99": 9, "max": 9, "limit": 100}
    assert keep(Metrics(port)).scrape().one(CROWDED["accept"], netns=pair.server.inode) == 1  # 4 of 4; 9 of 100 is not


def test_a_port_twice(pair, keep, answering):
    """Members of a SO_REUSEPORT group are apart: together they have each connection once."""
    d = answering()
    keep(Agent(pair.server, comm="shards", listen={"reuseport": 4, "port": PORT, "backlog": 64}))
    for _ in range(24):
        keep(connect(pair.client, 4, pair.address(4, PORT))[0])

    def complete():
        found = listeners(d, pair.server)
        depths = [r["accept_depth"] for r in found]
        return len(found) == 4 and all(depths) and sum(depth["count"] for depth in depths) == 24 and found
    for r in env.poll_until(complete, 10, "24 connections of 4 listeners"):
        if r["accept_depth"]["count"]:
            assert r["accept_depth"]["max"] == r["accept_queue"]["len"] - 1 == r["accept_depth"]["count"] - 1


def test_many_at_the_port_that_is_asked_for(pair, keep, answering):
    """All buckets of 16 of them: each takes a thousand lines, for which the daemon's loop waits."""
    port = free_port()
    answering("--metrics", str(port))
    keep(Agent(pair.server, comm="shards", listen={"reuseport": 20, "port": PORT, "backlog": 64}))
    metrics = keep(Metrics(port))

    def buckets():
        found = metrics.scrape(f"/metrics?port={PORT}").histograms(DEPTH["accept"])
        return sorted(len(b) for labels, b in found.items() if ("netns", str(pair.server.inode)) in labels)
    while len(buckets()) < 20:
        for _ in range(20):
            keep(connect(pair.client, 4, pair.address(4, PORT))[0])
    fine, coarse = buckets()[-1], buckets()[0]
    assert buckets() == [coarse] * 4 + [fine] * 16 and fine > 200 > 20 > coarse


def test_closed_between_looks(pair, keep, daemon):
    """The record of its end has what came since the last look; who gets its address begins anew."""
    d = daemon("--listener-interval", "60s", "--accept-wait", "off")
    for count in (3, 1):
        server = listener(pair.server, 4, port=PORT)
        socks = [connect(pair.client, 4, pair.address(4, PORT))[0] for _ in range(count)]
        server.close()
        closed = d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and r["event"] == "closed" and
                                              r["netns"] == pair.server.inode and r["accept_depth"] and
                                              r["accept_depth"]["count"] == count], what=f"the end after {count}")
        assert closed[-1]["accept_depth"]["max"] == count - 1 and closed[-1]["accept_wait"] is None
        if evidence.capabilities()["request_function"]["ok"]:
            assert closed[-1]["syn_depth"]["count"] == count
        for sock in socks:
            reset(sock)


def test_nothing_of_late(pair, keep, answering):
    """A listener without connections: nothing came, which is known; who is opened just now is not."""
    d = answering()
    server = keep(listener(pair.server, 4))
    opened = d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and r["event"] == "opened" and
                                          r["netns"] == pair.server.inode])[0]
    assert opened["accept_depth"] is None and opened["syn_depth"] is None and opened["accept_wait"] is None
    nothing = {"count": 0, "p50": None, "p99": None, "max": None, "limit": None}
    assert distribution(d, pair.server, 0, port=port_of(server)) == nothing


def test_without_accept(pair, keep, answering):
    """Where accept() is not observed there is no wait, in no record and no metric."""
    port = free_port()
    d = answering("--accept-wait", "off", "--metrics", str(port))
    crowd = Crowd(pair, 4, keep, 16, port=PORT)
    crowd.taken(2)
    crowd.accept(2)
    distribution(d, pair.server, 2)
    assert [r["accept_wait"] for r in listeners(d, pair.server)] == [None]
    assert not keep(Metrics(port)).scrape().all(WAIT + "_count", netns=pair.server.inode)


@pytest.mark.parametrize("way", ["function", "syscall"])
def test_wait_from_before_the_daemon(pair, keep, answering, way):
    """Nobody saw when those joined the queue: they are in no distribution, and the next one is."""
    need(f"accept_{way}")
    crowd = Crowd(pair, 4, keep, 16, port=PORT)
    crowd.taken(3)
    d = answering("--accept-wait", way, "--events", "listener")
    crowd.taken(1)
    crowd.accept(4)
    assert distribution(d, pair.server, 1, "accept_wait")["count"] == 1
    assert distribution(d, pair.server, 1)["max"] == 3


def test_only_waits_that_nobody_knows(pair, keep, answering):
    """They take no room of those that are known: nothing is kept, and no metric says that there was nothing."""
    crowd = Crowd(pair, 4, keep, 16, port=PORT)
    crowd.taken(3)
    port = free_port()
    d = answering("--accept-wait", "syscall", "--events", "listener,accept", "--metrics", str(port))
    crowd.accept(3)
    d.feed.wait_for(lambda all: len([r for r in all if r["type"] == "accept" and r["netns"] == pair.server.inode]) == 3,
                    what="3 accepts")
    assert not keep(Metrics(port)).scrape().all(WAIT + "_count", netns=pair.server.inode)
    assert distribution(d, pair.server, 0, "accept_wait")["max_ns"] is None
