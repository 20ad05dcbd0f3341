# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Softirqs that interrupt tasks inside a program, and tasks that are preempted there: nothing is missing.

The kernel skips a program on a CPU on which it runs already. bpf/takeover.bpf.h and bpf/close_takeover.bpf.c take over.

TCPSHAKE_NESTED         how many connections
"""
import collections
import json
import os
import subprocess

import pytest

from lib import env, feed
from lib.runs import Runs

COUNT = int(os.environ.get("TCPSHAKE_NESTED", 20000 if env.SLOW < 4 else 2000))
PAIRS = 5


def watch(ns, tmp_path, daemon, traffic, event="handshake", lost_as="transition", flags=()):
    """Records and losses of what `traffic` does, against the kernel's count of connections."""
    d = daemon("--netns", ns.path, "--events", event, *flags, losses=True, output=tmp_path / "feed.ndjson")
    try:
        runs = Runs(d.process.pid)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nobody here counts what the kernel keeps from programs: {error}")
    before = ns.snmp()
    traffic()
    after = ns.snmp()
    kept, skipped = runs.end()
    d.stop()
    records = feed.read_file(tmp_path / "feed.ndjson")
    records_of = [r for r in records if r["type"] == event]
    seen = collections.Counter(r["role"] for r in records_of)
    lost = sum(r["count"] for r in records if r["type"] == "loss" and r["what"] == lost_as)
    for role, counter in (("active", "ActiveOpens"), ("passive", "PassiveOpens")):
        opened = after[counter] - before[counter]
        said = f"{role}: {seen[role]} of {opened}; kept {kept}, lost {lost}, skipped {skipped}"
        print(said)
        assert opened - kept - lost <= seen[role] <= opened, said
        assert opened - kept - seen[role] <= max(1, opened // 2000), said
    outcomes = records[-1]["outcomes"]
    for role in ("active", "passive"):
        assert sum(outcomes[role].values()) >= seen[role] or event != "handshake"  # those of the whole host
    doubled = [key for key, count in collections.Counter(
        (r["role"], r["conn"]) for r in records_of if r["conn"]).items() if count > 1]
    assert not doubled, doubled[:5]
    for what, count in collections.Counter(key for r in records_of for key in ("duration_ns", "first", "how")
                                           if key in r and r[key] is None).items():
        assert count <= kept + lost, (what, count)
    return skipped, lost


def storm(ns, *flags):
    child = ns.popen([env.tool("storm"), *map(str, flags)], stdout=subprocess.PIPE, text=True)
    line = child.communicate(timeout=300 * env.SLOW)[0]
    assert child.returncode == 0 and json.loads(line)["connections"], line


@pytest.fixture(params=["alone", "agent"])
def beside(request, keep):
    """What else runs on the host: nothing, or another tracer's programs, each busy."""
    if request.param == "agent":
        keep(Agent())


class Agent:
    def __init__(self):
        self.process = subprocess.Popen([env.tool("empty"), env.tool("agent.bpf.o")], stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n", "the other agent does not start"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.mark.usefixtures("beside")
@pytest.mark.skipif(os.cpu_count() < 2, reason="there is one CPU: nothing is received on another")
def test_softirqs_that_interrupt(lone, tmp_path, daemon):
    lone.receive_on_all_cpus()
    skipped, lost = watch(lone, tmp_path, daemon, lambda: storm(lone, "-n", COUNT, "-t", 4))
    if not skipped.get("state_classic"):  # tasks are not preempted inside
        assert lost == 0


@pytest.mark.usefixtures("beside")
@pytest.mark.skipif(os.cpu_count() < 2, reason="there is one CPU: nothing is received on another")
def test_ends_that_interrupt(lone, tmp_path, daemon):
    lone.receive_on_all_cpus()
    skipped, lost = watch(lone, tmp_path, daemon, lambda: storm(lone, "-n", COUNT, "-t", 4), "close", "close", ("--limit", "close=0"))
    if not skipped.get("state_classic"):
        assert lost == 0


@pytest.mark.usefixtures("beside")
def test_busy_pairs_on_one_cpu(lone, tmp_path, daemon):
    """Each thread of each process competes for the CPU of the first."""
    def pairs():
        children = [lone.popen(["taskset", "-c", "0", env.tool("storm"), "-n", str(COUNT // 4), "-p",
                                str(9001 + number)], stdout=subprocess.PIPE) for number in range(PAIRS)]
        for child in children:
            child.communicate(timeout=300 * env.SLOW)
            assert child.returncode == 0
    watch(lone, tmp_path, daemon, pairs)
