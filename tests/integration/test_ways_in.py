# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ways from a host's file into ClickHouse, each under load, with kill -9 of every part: not a line is lost, or the gap check names it."""
import collections
import gzip
import json
import os
import signal
import time

import pytest

from lib import clickhouse, env, fleet, ways
from lib.load import Load

pytestmark = pytest.mark.skipif(not clickhouse.INSTALLED, reason=clickhouse.WHY_NOT)
STEP = 500  # connections between one event and the next
PORT = "7777"


class Site:
    """A host under load, and two shards, on one switch."""

    def __init__(self, directory, near=False):
        """`near`: the shards are in the host's namespace, where Kafka's mock is, which serves loopback only."""
        self.switch = fleet.Switch()
        self.places = [] if near else [(self.switch.plug(f"ch{number}", address), address) for number, address in enumerate(fleet.SHARDS, 1)]
        self.host = fleet.Host(self.switch, directory, "host-a", fleet.NETWORK + "1")
        self.load = Load(self.host.ns, PORT, rate=500)
        self.cluster = clickhouse.Cluster(self.host.ns, directory / "clickhouse", self.places)
        self.carrier = None

    def start_daemon(self, *flags):
        self.host.wait_daemon(self.host.start_daemon(*flags))

    def written(self):
        return self.host.feed.read_bytes().splitlines(keepends=True)

    def stored(self):
        """Lines of the store, each once."""
        return self.cluster.first.one("SELECT uniqExact(host, feed, seq) FROM tcpshake.fleet")

    def arrive(self, count, timeout=60):
        env.poll_until(lambda: self.stored() >= count, timeout, f"{count} lines in the store; {self.carrier and self.carrier.said()}", 0.3)

    def end(self, losses=False):
        """The load and the daemon end; then all of it is in the store, as it was written, or the gap check names what is not."""
        self.load.stop()
        self.host.stop_daemon()
        lines = self.written()
        try:
            self.arrive(len(lines), 60)
        except AssertionError:
            if not losses:
                raise
        gaps = self.cluster.ask("gaps")
        print(f"{len(lines)} lines written, {self.stored()} stored; gaps: {gaps}; doubled: {self.cluster.ask('doubled')}")
        stored = set(self.cluster.first.client("SELECT raw FROM tcpshake.fleet LIMIT 1 BY host, feed, seq FORMAT TSVRaw").stdout.splitlines(
            keepends=True))
        assert stored <= set(lines)
        absent = collections.defaultdict(list)
        for record in map(json.loads, set(lines) - stored):
            absent[record["feed"]["id"] if record["type"] == "bye" else record["feed"]].append(record["seq"])
        assert losses or not absent
        assert {r["feed"] for r in gaps} >= set(absent)
        for r in gaps:  # what is missing between two lines is named; what is missing at the end, by the bye that is not there
            assert r["missing"] == sum(seq < r["last"] for seq in absent[r["feed"]]), r
            assert not r["ended"] or max(absent[r["feed"]], default=0) < r["last"], r
        wrong = [r for r in self.cluster.ask("identity") if not (r["daemon_holds"] and r["feed_holds"] and r["all_here"])]
        assert bool(wrong) <= bool(absent), wrong

    def close(self):
        self.load.close()
        if self.carrier:
            self.carrier.close()
        self.cluster.close()
        self.host.close()
        for ns, _ in self.places:
            ns.close()
        self.switch.close()


@pytest.fixture
def site(request, tmp_path, keep):
    return keep(Site(tmp_path, getattr(request, "param", False)))


def trouble(site, losses=False):
    """kill -9 of the carrier, of either shard, of the daemon, each under load. Then all is there; with `losses`, or the gap check names it."""
    site.start_daemon()
    site.carrier.start()
    site.load.go_on(STEP)
    site.arrive(STEP)
    site.carrier.kill()
    site.load.go_on(STEP)
    site.carrier.start()
    for shard in site.cluster.shards:
        shard.kill()
        site.load.go_on(STEP)
        shard.start()
        site.load.go_on(STEP)
    site.host.stop_daemon(signal.SIGKILL)
    site.start_daemon()
    site.load.go_on(STEP)
    site.end(losses)
    first, second = sorted(site.cluster.ask("gaps"), key=lambda r: r["ended"])
    assert (first["ended"], second["ended"]) == (0, 1), "the feed of the daemon that was killed has no bye, and that is seen"


@pytest.mark.skipif(not (ways.SYSLOG_NG / "sbin" / "syslog-ng").exists(), reason="syslog-ng is not unpacked: tools/install-deps fleet")
def test_syslog_ng(site):
    site.carrier = ways.syslog_ng(site.host, fleet.SHARDS)
    trouble(site)


@pytest.mark.skipif(not ways.OMKAFKA, reason="rsyslog-kafka is not installed: tools/install-deps fleet")
@pytest.mark.parametrize("site", [True], indirect=True)
def test_rsyslog_kafka(site, keep):
    """Through a mock of Kafka, that is librdkafka's: not Kafka itself."""
    kafka = keep(ways.KafkaMock(site.host.ns))
    sql = (clickhouse.HERE / "kafka.sql").read_text()
    assert "kafka.example.net:9092" in sql
    site.cluster.first.client(sql.replace("kafka.example.net:9092", kafka.brokers), flags=("--multiquery",))
    site.carrier = ways.rsyslog_kafka(site.host, kafka.brokers)
    trouble(site, losses=True)


def test_files_shipped_later(site):
    """Rotated, compressed, while one is written, with a shard away, and killed in between."""
    state, feed = site.host.dir / "shipped", site.host.feed
    site.start_daemon("--output-max", "1M", "--output-keep", "100")

    def files():
        return sorted(feed.parent.glob(feed.name + "*"))
    for step in range(6):
        site.load.go_on(STEP)
        if step == 2:
            site.cluster.shards[1].kill()
            site.cluster.shards[0].kill()
        done = site.cluster.ship(state, *files(), check=step != 2)
        if step == 2:
            assert done.returncode == 1 and "what is left goes with the next run" in done.stderr
            for shard in site.cluster.shards:
                shard.start()
        if step == 3:
            child = site.host.ns.popen([str(clickhouse.HERE / "ship"), str(state), *map(str, files()), "--", "--host", fleet.SHARDS[0]],
                                       process_group=0)
            time.sleep(0.05)
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if step == 4:
            oldest = max(files(), key=lambda path: int(path.suffix[1:]) if path.suffix[1:].isdigit() else 0)
            kept = oldest.read_bytes()
            (oldest.parent / (oldest.name + ".gz")).write_bytes(gzip.compress(kept))
            oldest.unlink()
    site.load.stop()
    site.host.stop_daemon()
    site.cluster.ship(state, *files())
    site.cluster.ship(state, *files())  # nothing is new
    whole = b"".join(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in files())
    got = site.cluster.first.client("SELECT raw FROM tcpshake.fleet LIMIT 1 BY host, feed, seq FORMAT TSVRaw").stdout
    assert sorted(got.splitlines()) == sorted(whole.splitlines())
    assert len(files()) >= 3 and any(path.suffix == ".gz" for path in files())
    assert [(r["missing"], r["ended"]) for r in site.cluster.ask("gaps")] == [(0, 1)]
    print(f"{len(whole.splitlines())} lines in {len(files())} files; doubled: {site.cluster.ask('doubled')}")


def test_what_was_lost_is_named(site):
    """A file that is gone before it was shipped: the gap check names its first and last line."""
    state, feed = site.host.dir / "shipped", site.host.feed
    site.start_daemon("--output-max", "1M", "--output-keep", "100")
    site.load.go_on(8 * STEP)
    site.load.stop()
    site.host.stop_daemon()
    files = sorted(feed.parent.glob(feed.name + "*"))
    gone = feed.with_name(feed.name + ".2")
    seqs = [json.loads(line)["seq"] for line in gone.read_bytes().splitlines()]
    gone.unlink()
    site.cluster.ship(state, *(path for path in files if path != gone))
    (gap,) = site.cluster.ask("gaps")
    assert gap["missing"] == len(seqs) and gap["gaps"] == [f"{seqs[0]}-{seqs[-1]}"]
    wrong = [r for r in site.cluster.ask("identity") if not r["all_here"]]
    assert sum(r["records"] - r["lines"] for r in wrong) > 0 and all(r["daemon_holds"] for r in wrong)
