# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A host without traffic: the daemon sleeps, and the first event wakes it."""
import pathlib
import re
import time

from lib import env
from lib.scrape import Metrics, free_port
from lib.traffic import connect, listener

WAKE_UPS = 5  # a second, at most
ASLEEP = 0.5  # s without an event, after which its reader sleeps


def switches(pid):
    """How often the daemon gave the CPU away, or had it taken."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return sum(map(int, re.findall(r"^(?:non)?voluntary_ctxt_switches:\s*(\d+)", status, re.M)))


def test_sleeps(daemon, keep, tmp_path):
    """Served and scraped: this host may have traffic of others, so of several windows one counts."""
    port = free_port()
    d = daemon("--metrics", f"127.0.0.1:{port}", output="none", sock=tmp_path / "sock")
    keep(Metrics(port)).scrape()

    def quiet_window():
        before = switches(d.pid)
        time.sleep(2)
        return switches(d.pid) - before <= 2 * WAKE_UPS
    env.poll_until(quiet_window, 40, f"at most {WAKE_UPS} wake-ups a second")


def test_first_record_wakes(lone, daemon, keep):
    """Nobody waits for the tick of a second: of nine records after a silence, seven would be late without it."""
    d = daemon("--netns", str(lone.inode), "--events", "handshake", "--role", "active")
    server = keep(listener(lone, 4))
    took = []
    for _ in range(9):
        time.sleep(ASLEEP)
        seen = len(d.feed.all)
        begin = time.monotonic()
        keep(connect(lone, 4, server.getsockname())[0])
        env.poll_until(lambda: len(d.feed.all) > seen, what="the record", interval=0.001)
        took.append(time.monotonic() - begin)
    assert sorted(took)[6] < 0.2 * env.SLOW, took


def test_looks_wait_for_traffic(lone, daemon, keep, tmp_path):
    """A queue that fills after a long silence is reported as soon as on a busy host."""
    d = daemon("--netns", str(lone.inode), "--events", "listener")
    server = keep(listener(lone, 4))
    time.sleep(5)
    keep(connect(lone, 4, server.getsockname())[0])
    d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and (r["accept_queue"] or {}).get("len")],
                    2.5, "its queue with one connection")
