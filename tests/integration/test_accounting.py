# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""seen = delivered + filtered + limited + lost, to the last record, whatever goes wrong (docs/accounting.md)."""
import collections
import os
import signal
import subprocess
import time

import pytest

from lib import env, feed, schema
from lib.disk import Disk
from lib.scrape import Metrics, free_port
from lib.traffic import Agent, connect

pytestmark = pytest.mark.sanitize

PORT = 20000 + os.getpid() % 10000  # nobody else's on this host, and none that hosts take by themselves
COUNT = 40000 if env.SLOW < 4 else 5000
MIB = 1 << 20
KINDS = set(schema.streamed_types())

# A subscriber in a process of its own, so that it can be stopped: it copies what it gets to a file.
READER = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(sys.argv[3].encode() + b"\\n")
with open(sys.argv[2], "wb", buffering=0) as file:
    while data := sock.recv(65536):
        file.write(data)
"""


class Reader:
    def __init__(self, sock, path, request='{"op":"subscribe"}'):
        self.path = path
        self.process = subprocess.Popen([env.PYTHON, "-SEc", READER, str(sock), str(path), request])
        env.poll_until(lambda: path.exists() and path.stat().st_size, 10, "a subscriber's hello")

    def send(self, number):
        self.process.send_signal(number)

    def records(self):
        assert self.process.wait(20 * env.SLOW) == 0
        return feed.read_file(self.path)

    def close(self):
        self.process.kill()
        self.process.wait()


def storm(ns):
    child = ns.popen([env.tool("storm"), "-n", str(COUNT), "-p", str(PORT), "-t", "2"],
                     stdout=subprocess.DEVNULL)
    assert child.wait(120 * env.SLOW) == 0


def told(records):
    found = collections.Counter()
    for r in records:
        if r["type"] == "loss":
            found[r["what"], r["why"]] += r["count"]
    return found


def check(records):
    """The feed against its bye: all that check_feed() asks, and the losses of the daemon's own."""
    wrong = feed.check_feed(records, losses=True)
    assert not wrong, "\n".join(wrong)
    bye = records[-1]
    assert set(bye["totals"]) == set(bye["feed"]["types"]) == KINDS
    assert sum(t["lost"] for t in bye["feed"]["types"].values()) == bye["feed"]["lost"]
    return bye


@pytest.fixture
def troubled(lone, tmp_path, daemon, keep, monkeypatch):
    """A daemon whose ring is tiny, whose disk is small, whose rate is limited; and its readers."""
    class Scene:
        pass
    s = Scene()
    monkeypatch.setenv("TCPSHAKE_RING_BYTES", str(32 << 10))
    s.disk = keep(Disk(tmp_path / "disk", 64 * MIB))
    s.path, sock, port = s.disk.path / "feed", tmp_path / "sock", free_port()
    s.daemon = daemon("--port", str(PORT), "--max-rate", "15000", "--metrics", f"127.0.0.1:{port}",
                      output=s.path, sock=sock, check=False)
    s.metrics = keep(Metrics(port))
    s.stopped = keep(Reader(sock, tmp_path / "stopped"))
    s.chosen = keep(Reader(sock, tmp_path / "chosen",
                           '{"op":"subscribe","filter":{"role":"active","netns":%d}}' % lone.inode))
    s.sock = sock
    return s


def ask_stats(sock):
    asked = feed.Subscriber(sock, {"op": "stats"})
    stats = asked.feed.wait_for(lambda all: [r for r in all if r["type"] == "stats"], 20, "stats")[0]
    asked.close()
    return stats


def check_stats(stats):
    assert set(stats["totals"]) == KINDS
    for name, t in stats["totals"].items():
        assert t["seen"] == t["delivered"] + t["filtered"] + t["limited"] + t["lost"], (name, t)


def test_all_at_once(lone, troubled):
    s = troubled
    before = lone.counters()
    s.disk.fill(leave=1 * MIB)
    s.stopped.send(signal.SIGSTOP)
    rounds = 0
    while True:  # until each trouble has cost something; identities hold in the middle of it
        storm(lone)
        rounds += 1
        scrape = s.metrics.scrape()
        for labels, value in scrape.all("tcpshake_events_seen_total"):
            assert value == scrape.sum("tcpshake_events_total", kind=labels["kind"]), labels
        check_stats(ask_stats(s.sock))
        costs = {fate: scrape.one("tcpshake_events_total", kind="handshake", fate=fate)
                 for fate in ("filtered", "limited", "lost")}
        if all(costs.values()) and scrape.one("tcpshake_feed_lost_total") > 20000 / env.SLOW:
            break
        assert rounds < 40, costs
    s.disk.free()
    s.stopped.send(signal.SIGCONT)
    env.poll_until(lambda: "written again" in s.daemon.stderr_text, 20, "the file being written again")
    storm(lone)
    after = lone.counters()
    scrape = s.metrics.scrape()
    s.daemon.send(signal.SIGTERM)
    assert s.daemon.wait(40) == 0, s.daemon.stderr_text

    feeds = {"file": feed.read_file(s.path), "stopped": s.stopped.records(), "chosen": s.chosen.records()}
    byes = {name: check(records) for name, records in feeds.items()}
    total = byes["file"]["totals"]
    assert all(bye["totals"] == total for bye in byes.values())
    for fate in ("delivered", "filtered", "limited", "lost"):
        assert total["handshake"][fate] > 0, total
    for name in ("file", "stopped"):
        assert byes[name]["feed"]["types"]["handshake"]["lost"] > 0, byes[name]["feed"]
    assert byes["chosen"]["feed"]["types"]["handshake"]["filtered"] > 0
    # each loss of the daemon's own is told, on the feed that was there from the start and lost none of it
    for fate, why in (("limited", "rate_limit"), ("lost", "ring_full")):
        assert told(feeds["file"])["handshake", why] == total["handshake"][fate]

    opened = (rounds + 1) * COUNT
    assert {name: after[name] - before[name] for name in ("ActiveOpens", "PassiveOpens")} == \
        {"ActiveOpens": opened, "PassiveOpens": opened}
    missed = scrape.one("tcpshake_missed_events_total")
    passive = sum(scrape.one("tcpshake_listener_handshake_duration_seconds_count", netns=lone.inode, port=port)
                  for port in (PORT, PORT + 1))
    active = sum(scrape.one("tcpshake_remote_port_handshake_duration_seconds_count", port=port)
                 for port in (PORT, PORT + 1))
    assert opened - missed <= passive <= opened and opened - missed <= active <= opened
    if not missed:
        assert (active, passive) == (opened, opened)


def test_what_no_event_tells(pair, keep, daemon, tmp_path):
    """Inferred ends, sums, samples and audits are seen as well, delivered or filtered."""
    pair.server.sysctl("net.ipv4.tcp_synack_retries", 1)
    pair.client.lose("tcp flags & (syn|ack) == (syn|ack)")
    server = keep(Agent(pair.server, listen={"port": PORT, "backlog": 1}))
    path, sock = tmp_path / "feed", tmp_path / "sock"
    d = daemon("--listener-interval", "200ms", "--outcome", "timeout", "--port", str(PORT), output=path,
               sock=sock)
    other = keep(feed.Subscriber(sock, {"op": "subscribe", "filter": {"role": "active"}}))
    pair.client.sysctl("net.ipv4.tcp_syn_retries", 1)
    sock, _ = connect(pair.client, 4, (pair.server.addr[4], server.port), timeout=20)
    sock.close()
    other.feed.handshake(10, netns=pair.client.inode, outcome="timeout")
    env.poll_until(lambda: b'"inferred":true' in path.read_bytes(), 20, "an inferred end")
    d.stop()
    records = feed.read_file(path)
    bye = check(records)
    other.feed.wait_end()
    theirs = check(other.feed.all)
    assert bye["outcomes"]["passive"]["timeout"] >= 1
    assert bye["totals"]["retransmit"]["filtered"] >= 2  # nobody asked for them
    assert bye["totals"]["listener"]["seen"] > 0 and bye["totals"]["audit"]["seen"] > 0
    assert theirs["feed"]["types"]["handshake"]["filtered"] >= 1


def test_a_feed_that_came_late(lone, daemon, keep, tmp_path):
    """What others got before its hello is not its own."""
    sock = tmp_path / "sock"
    d = daemon("--events", "handshake", sock=sock)
    for _ in range(20):
        connect(lone, 4, ("127.0.0.1", 9))[0].close()
    d.feed.wait_for(lambda all: sum(r.get("netns") == lone.inode for r in all) >= 20, what="twenty")
    late = keep(feed.Subscriber(sock, {"op": "subscribe"}))
    late.feed.wait_for(lambda all: all, what="hello")
    connect(lone, 4, ("127.0.0.1", 9))[0].close()
    late.feed.handshake(netns=lone.inode)
    d.stop()
    late.feed.wait_end()
    counts = check(late.feed.all)["feed"]["types"]["handshake"]
    assert counts["before"] >= 20 and counts["records"] >= 1


@pytest.mark.parametrize("value", ["1000", "12288", "many", "0"])
def test_ring_of_no_size(value, monkeypatch):
    monkeypatch.setenv("TCPSHAKE_RING_BYTES", value)
    d = feed.Program([env.TCPSHAKED, "-s", "none"], stdout=subprocess.DEVNULL)
    assert d.wait() == 1 and "power of two" in d.stderr_text.splitlines()[0]


def test_end_in_a_flood(lone, tmp_path, daemon):
    """The kernel detaches programs in the background: what they count until then is in the feed."""
    for number in range(2):
        path = tmp_path / f"feed.{number}"
        d = daemon("--netns", lone.path, "--events", "handshake", output=path, losses=True)
        child = lone.popen([env.tool("storm"), "-n", "200000", "-p", str(PORT), "-t", "3"], stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.3 * env.SLOW)
            d.stop()
        finally:
            child.kill()
            child.wait()
        assert check(feed.read_file(path))["totals"]["handshake"]["delivered"]
