# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How deep connections found the accept queue, and how long they waited in it, against what applications know of both."""
import json
import math
import pathlib
import signal
import subprocess
import time

import pytest

from lib import env, evidence
from lib.queues import Crowd, ask, reset
from lib.scrape import Metrics, free_port
from lib.traffic import Agent, connect, listener, port_of

DEPTH = "tcpshake_listener_accept_queue_depth"
CROWDED = "tcpshake_listener_accept_queue_crowded_total"
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
    def start(*flags):
        d = daemon("--listener-interval", "200ms", *flags, sock=tmp_path / "sock")
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


def close_to(value, true):
    return abs(value - true) <= 0.04 * true


@pytest.mark.parametrize("way", ["function", "syscall"])
def test_stalled_server(pair, keep, answering, way):
    """A server that stands still for 3 s: p99s within 4 % of what its own clock and its clients' say."""
    able = evidence.capabilities()[f"accept_{way}"]
    if not able["ok"]:
        pytest.skip(f"evidence: accept_{way} is not granted here: {able['error']}")
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
    for family, values, unit in ((DEPTH, depths, 1), (WAIT, waits, 1e9)):
        buckets = buckets_of(scrape, family, pair.server)
        assert buckets[-1][1] == len(joined)
        assert close_to(rank_in(buckets, 0.99) * unit, nearest_rank(values, 0.99))
        assert close_to(scrape.one(family + "_sum", netns=pair.server.inode) * unit, sum(values))
    assert not d.feed.records("accept", netns=pair.server.inode)  # they were not asked for


def test_each_depth_once(pair, ip, keep, answering):
    """From the first to the last that fits: 0 to the limit, each once, whatever the stream holds."""
    port = free_port()
    d = answering("--outcome", "timeout", "--metrics", str(port))
    crowd = Crowd(pair, ip, keep, 10, port=PORT)
    crowd.fill()
    assert distribution(d, pair.server, 11) == {"count": 11, "p50": 5, "p99": 10, "max": 10, "limit": 10}
    scrape = keep(Metrics(port)).scrape(f"/metrics?port={PORT}")
    buckets = buckets_of(scrape, DEPTH, pair.server)
    assert [count for bound, count in buckets[:12]] == [*range(1, 12), 11] and buckets[10][0] == 10
    assert scrape.one(DEPTH + "_sum", netns=pair.server.inode) == 55
    assert scrape.one(CROWDED, netns=pair.server.inode) == 2  # 9 and 10 of 10
    assert not d.feed.records("handshake", netns=pair.server.inode)


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
    assert keep(Metrics(port)).scrape().one(CROWDED, netns=pair.server.inode) == 1  # 4 of 4; 9 of 100 is not


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
        found = metrics.scrape(f"/metrics?port={PORT}").histograms(DEPTH)
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
        for sock in socks:
            reset(sock)


def test_nothing_of_late(pair, keep, answering):
    """A listener without connections: nothing came, which is known; who is opened just now is not."""
    d = answering()
    server = keep(listener(pair.server, 4))
    opened = d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and r["event"] == "opened" and
                                          r["netns"] == pair.server.inode])[0]
    assert opened["accept_depth"] is None and opened["accept_wait"] is None
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
    able = evidence.capabilities()[f"accept_{way}"]
    if not able["ok"]:
        pytest.skip(f"evidence: accept_{way} is not granted here: {able['error']}")
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
