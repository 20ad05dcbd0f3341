# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ten thousand listeners in a hundred namespaces: the looks take 1 % of a CPU at most, or say that they are rarer."""
import json
import subprocess

import pytest

from lib import env, feed
from lib.scrape import Metrics, free_port

LISTENERS, NAMESPACES = (100, 100) if env.SLOW < 4 else (20, 10)


class Crowd:
    """Namespaces with listeners, each with a connection a second, so that each is audited."""

    def __init__(self, rate):
        self.process = subprocess.Popen(
            [env.tool("crowd"), "-n", str(NAMESPACES), "-l", str(LISTENERS), "-r", str(rate), "-p", "12000"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.inodes = json.loads(self.process.stdout.readline())["namespaces"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(20 * env.SLOW)
        self.process.stdout.close()


def looks(metrics):
    s = metrics.scrape()
    return {name: s.one(f"tcpshake_{name}") for name in
            ("looks_total", "look_cpu_seconds_total", "look_interval_seconds", "listeners")}


def wait_looks(metrics, count):
    begin = looks(metrics)["looks_total"]
    env.poll_until(lambda: looks(metrics)["looks_total"] >= begin + count, 60 + 10 * count, f"{count} looks",
                   interval=0.2)


@pytest.mark.parametrize("rate", [0, 1], ids=["idle", "audited"])
def test_share_of_a_cpu(daemon, keep, tmp_path, rate):
    crowd = keep(Crowd(rate))
    port, sock = free_port(), tmp_path / "sock"
    d = daemon("--metrics", f"127.0.0.1:{port}", "--events", "listener,audit", "--netns", str(crowd.inodes[0]),
               sock=sock, output="none")
    metrics = keep(Metrics(port))
    wait_looks(metrics, 16)  # until its cost is known
    before = looks(metrics)
    assert before["listeners"] >= LISTENERS * NAMESPACES
    wait_looks(metrics, 5)
    after = looks(metrics)
    count = after["looks_total"] - before["looks_total"]
    cost = (after["look_cpu_seconds_total"] - before["look_cpu_seconds_total"]) / count
    interval = max(before["look_interval_seconds"], after["look_interval_seconds"])
    # 1 %, by the clock of the process itself; half as much again for what changed meanwhile
    assert cost <= 0.015 * interval, (cost, interval)
    asked = keep(feed.Subscriber(sock, {"op": "stats"}))
    stats = asked.feed.wait_for(lambda all: [r for r in all if r["type"] == "stats"], 30, "stats")[0]
    assert stats["listener_interval"]["asked_ns"] == env.SECOND
    assert stats["listener_interval"]["actual_ns"] >= env.SECOND
    if interval > 1.3:
        assert "a look at" in d.stderr_text and "1 % of a CPU" in d.stderr_text


def test_what_was_asked_for_is_kept(daemon, keep, tmp_path):
    """Who gives an interval means it."""
    keep(Crowd(1))
    port = free_port()
    d = daemon("--metrics", f"127.0.0.1:{port}", "--listener-interval", "250ms", "--events", "listener",
               "--port", "1", output="none", sock=tmp_path / "sock")
    metrics = keep(Metrics(port))
    wait_looks(metrics, 8)
    assert looks(metrics)["look_interval_seconds"] == 0.25
    assert "a look at" not in d.stderr_text
