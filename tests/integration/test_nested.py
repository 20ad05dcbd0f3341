# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Softirqs that interrupt tasks inside a program, and tasks that are preempted there: nothing is missing.

The kernel skips a program on a CPU on which it runs already. bpf/takeover.bpf.h takes over.

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


def watch(ns, tmp_path, daemon, traffic):
    """Records and losses of what `traffic` does, against the kernel's count of connections."""
    d = daemon("--netns", ns.path, "--events", "handshake", losses=True, output=tmp_path / "feed.ndjson")
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
    seen = collections.Counter(r["role"] for r in records if r["type"] == "handshake")
    lost = sum(r["count"] for r in records if r["type"] == "loss" and r["what"] == "transition")
    for role, counter in (("active", "ActiveOpens"), ("passive", "PassiveOpens")):
        opened = after[counter] - before[counter]
        said = f"{role}: {seen[role]} of {opened}; kept {kept}, lost {lost}, skipped {skipped}"
        print(said)
        assert opened - kept - lost <= seen[role] <= opened, said
        assert opened - kept - seen[role] <= max(1, opened // 2000), said
    outcomes = records[-1]["outcomes"]
    for role in ("active", "passive"):
        assert sum(outcomes[role].values()) >= seen[role]  # those of the whole host
    doubled = [key for key, count in collections.Counter(
        (r["role"], r["conn"]) for r in records if r["type"] == "handshake").items() if count > 1]
    assert not doubled, doubled[:5]
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
def test_busy_pairs_on_one_cpu(lone, tmp_path, daemon):
    """Each thread of each process competes for the CPU of the first."""
    def pairs():
        children = [lone.popen(["taskset", "-c", "0", env.tool("storm"), "-n", str(COUNT // 4), "-p",
                                str(9001 + number)], stdout=subprocess.PIPE) for number in range(PAIRS)]
        for child in children:
            child.communicate(timeout=300 * env.SLOW)
            assert child.returncode == 0
    watch(lone, tmp_path, daemon, pairs)
