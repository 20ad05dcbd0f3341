# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A fleet on one machine: six hosts, two shards of ClickHouse, VictoriaMetrics; what happens on one host is found from the records of all."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time

import pytest

from lib import clickhouse, env, feed, fleet
from lib.fleet_load import CATALOG, CHECKOUT
from test_metrics import exact

pytestmark = [
    pytest.mark.skipif(not clickhouse.INSTALLED, reason=clickhouse.WHY_NOT),
    pytest.mark.skipif(not fleet.VICTORIA_INSTALLED, reason="victoria-metrics is not installed: tools/install-deps fleet"),
]


FAMILY = "tcpshake_listener_handshake_duration_seconds"
WAYS = {"remote_write": fleet.VICTORIA, "federation": fleet.PROMETHEUS["global"]}


def merged(stage):
    """Quantiles of the catalog's latency, from the buckets of all hosts; once no count moves any more."""
    counts = []

    def settled():
        counts.append([sum(value for _, value in stage.query(port, f'{FAMILY}_count{{port="{CATALOG}"}}')) for port in WAYS.values()])
        return len(counts) > 4 and all(counts[-1]) and len(set(map(tuple, counts[-4:]))) == 1
    env.poll_until(settled, 30, "the last scrapes", 1)
    found = {}
    for (way, port), count in zip(WAYS.items(), counts[-1]):
        found[way] = {"count": count}
        for q in (0.5, 0.9, 0.99):
            ((_, found[way][q]),) = stage.query(port, f'histogram_quantile({q}, sum(last_over_time({FAMILY}_bucket{{port="{CATALOG}"}}[1m])) by (le))')
    return found


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """After an incident; its daemons have ended."""
    made = fleet.Fleet(tmp_path_factory.mktemp("fleet"))
    try:
        made.open_shops()
        time.sleep(3)
        made.incident()
        bad = made.hosts[fleet.BAD].feed
        env.poll_until(lambda: all(b'"cancelled"' in made.hosts[client].feed.read_bytes() for client in fleet.CLIENTS) and
                       b'"overflow"' in bad.read_bytes(), 30, "the incident", 0.2)
        time.sleep(2)
        made.close_shops()
        made.metrics = merged(made)
        for host in made.hosts.values():
            host.stop_daemon()
        made.ship()
        yield made
    finally:
        made.close()


def records(stage):
    return {name: feed.read_file(host.feed) for name, host in stage.hosts.items()}


def test_each_host_is_one(stage):
    """Its own name, boot and feed; only what is its own, from hello to bye."""
    for name, all in records(stage).items():
        assert not feed.check_feed(all), name
        assert (all[0]["host"], all[0]["boot_id"]) == (name, stage.hosts[name].boot_id)
        assert {r["netns"] for r in all if r["type"] == "handshake"} == {stage.hosts[name].ns.inode}
    assert len({host.boot_id for host in stage.hosts.values()}) == 6


def test_all_of_it_is_in_the_store(stage):
    """Not a line is missing or doubled, and the sums hold."""
    written = sorted(line for host in stage.hosts.values() for line in host.feed.read_text().splitlines())
    assert sorted(stage.lines().splitlines()) == written
    gaps = stage.cluster.ask("gaps")
    assert [(r["host"], r["missing"], r["begun"], r["ended"]) for r in gaps] == [(name, 0, 1, 1) for name in sorted(stage.hosts)]
    sums = stage.cluster.ask("identity")
    assert len(sums) >= 6 * 9 and all(r["daemon_holds"] and r["feed_holds"] and r["all_here"] for r in sums)
    assert stage.cluster.ask("doubled") == []


def test_three_queries_find_it(stage):
    full = stage.cluster.ask("queues-full")
    assert {(r["host"], r["port"], r["server"], r["queue"]) for r in full} == {(fleet.BAD, CHECKOUT, "checkout", "accept")}
    failures = stage.cluster.ask("failures")
    assert {(r["client"], r["server"], r["remote_port"]) for r in failures} == {(client, fleet.BAD, CHECKOUT) for client in fleet.CLIENTS}
    slow, well = stage.cluster.ask("pairs")[:2]
    assert (slow["server"], slow["client_hosts"], slow["server_hosts"]) == ("checkout", 3, 3)
    assert well["server"] == "catalog" and well["p99_ms"] < slow["p99_ms"] / 10


def test_views_read_it_back(stage):
    """All six hosts through one pipe: the cause, its place, its certainty."""
    lines = stage.lines()
    done = subprocess.run([env.TCPSHAKE, "explain", "--json", "--from", "-"], input=lines, capture_output=True, text=True, check=True,
                          timeout=60 * env.SLOW)
    first, *_, summary = map(json.loads, done.stdout.splitlines())
    assert (first["code"], first["host"], first["at"]["port"]) == ("accept_queue_full", fleet.BAD, CHECKOUT)
    assert first["certainty"]["probable"] > 0  # it rests on clocks of several hosts
    assert len(summary["clocks"]) == 5
    done = subprocess.run([env.TCPSHAKE, "top", "--once", "--from", "-"], input=lines, capture_output=True, text=True, check=True,
                          timeout=60 * env.SLOW)
    assert re.search(rf"checkout/\d+@{fleet.BAD} .*accept_queue_full", done.stdout), done.stdout
    assert "missing" not in done.stdout + done.stderr
    done = subprocess.run([env.TCPSHAKE, "tail", "--from", "-"], input=lines, capture_output=True, text=True, check=True, timeout=60 * env.SLOW)
    assert "missing" not in done.stderr and "gaps " not in done.stderr


def test_both_sides_of_one_connection(stage):
    slow = next(r for r in stage.cluster.ask("slowest") if r["port"] == CHECKOUT)
    sides = {(r["host"], r["role"]) for r in stage.cluster.ask("both-sides", conn=slow["conn"]) if r["type"] == "handshake"}
    assert (fleet.BAD, "passive") in sides and {host for host, role in sides if role == "active"} <= set(fleet.CLIENTS)


@pytest.mark.parametrize("way", WAYS)
def test_the_fleets_p99(stage, way):
    """From the buckets of all hosts, against the records of all."""
    latencies = [r["latency_ns"] / 1e9 for all in records(stage).values() for r in all if r["type"] == "handshake" and
                 r["role"] == "passive" and r["local"]["port"] == CATALOG and r["outcome"] == "established"]
    found = stage.metrics[way]
    assert found.pop("count") == len(latencies) > 300
    true = {q: exact(q, latencies) for q in found}
    print(f"{way}: {len(latencies)} handshakes of six hosts, merged {found}, of the records {true}")
    assert found == pytest.approx(true, rel=0.04)


@pytest.fixture
def command(tmp_path):
    """tools/fleet, and the commands that it prints."""
    before = set(os.listdir("/tmp"))
    program = feed.Program([env.ROOT / "tools" / "fleet", "60"], stdout=subprocess.PIPE, cwd=tmp_path)
    try:
        text = ""
        for line in program.process.stdout:
            text += line.decode()
            if "Ctrl-C" in text:
                break
        commands = [line.strip() for line in text.splitlines() if line.strip().startswith("nsenter")]
        assert len(commands) >= 5, program.stderr_text
        yield program, commands
    finally:
        if program.process.poll() is None:  # it clears up after itself
            program.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(30)
        program.kill()
        program.process.stdout.close()
    assert not {name for name in set(os.listdir("/tmp")) - before if name.startswith("tcpshake-fleet")}


def test_one_command(command):
    """tools/fleet stages it, says what to ask, and leaves nothing behind, however often Ctrl-C is pressed."""
    program, commands = command
    env.poll_until(lambda: subprocess.run(["sh", "-c", commands[0]], capture_output=True, text=True, check=False).stdout.count(fleet.BAD), 40,
                   "the incident", 1)
    explained = subprocess.run(["sh", "-c", commands[3]], capture_output=True, text=True, check=True).stdout
    assert "accept_queue_full" in explained and f"of {fleet.BAD}" in explained
    for _ in range(5):
        program.process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert program.wait(30) == 0 and not program.stderr_text, program.stderr_text


def test_a_part_that_fails_is_named(command):
    """It is no end like any other."""
    program, commands = command
    os.kill(int(re.search(r"/proc/(\d+)/ns", commands[0])[1]), signal.SIGKILL)  # a shard
    assert program.wait(60) == 1
    assert "fleet: it ends early: " in program.stderr_text and "Traceback" not in program.stderr_text
