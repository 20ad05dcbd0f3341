# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake top when much comes: the screen is sampled, the numbers are not."""
import json
import os
import statistics
import subprocess
import threading
import time

from lib import env, windows
from lib.feed import read_file
from lib.tmux import Tmux, family

RATE = 20_000
SECONDS = 12


def example(name, **changes):
    record = json.loads((env.SCHEMAS / "examples/valid" / f"{name}.json").read_text())
    return {**record, **changes}


class Feeder(threading.Thread):
    """Records of now, 20,000 in a second, of 200 destinations, into a FIFO."""

    def __init__(self, path, seconds):
        super().__init__(daemon=True)
        self.path, self.seconds = path, seconds
        self.written = self.failed = 0
        self.lines = []
        for number in range(400):
            active, fails = number % 2 == 0, number % 50 == 0
            record = example("handshake-active" if active else "handshake-passive",
                             mono_ns=111, seq=2, latency_ns=1000 * (number + 1) ** 2)
            if fails:
                record.update(outcome="timeout", errno=110, errno_name="ETIMEDOUT")
            if active:
                record["remote"]["addr"] = f"10.1.{number // 100}.{number % 100}"
            self.lines.append((*json.dumps(record, separators=(",", ":")).split('"mono_ns":111'),
                               fails))
        self.start()

    def run(self):
        with open(self.path, "w") as file:
            hello = example("hello-1.2", mono_ns=time.monotonic_ns())
            file.write(json.dumps(hello) + "\n")
            begun = time.monotonic()
            while time.monotonic() - begun < self.seconds:
                now = f'"mono_ns":{time.monotonic_ns()}'
                piece = [self.lines[(self.written + i) % 400] for i in range(RATE // 50)]
                file.write("".join(f"{a}{now}{b}\n" for a, b, _ in piece))
                file.flush()
                self.written += len(piece)
                self.failed += sum(fails for _, _, fails in piece)
                time.sleep(max(0.0, begun + self.written / RATE - time.monotonic()))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_many_records(tmp_path, keep):
    """A quarter of one CPU, a key at once, and not one record less than there were."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    t = keep(Tmux([env.TCPSHAKE, "top", "--from", fifo, "--window", "start"], columns=200, rows=60))
    feeder = Feeder(fifo, SECONDS)
    t.until(r"live$")
    drawing = family(t.pid)[-1]
    time.sleep(2)  # so that what it takes at first is not counted; the rest is measured
    before, began, written = cpu_seconds(drawing), time.monotonic(), feeder.written
    waits = []
    for _ in range(9):
        pressed = time.monotonic()
        t.keys("?")
        t.until(r"this help")
        waits.append(time.monotonic() - pressed)
        t.keys("?")
        t.until(r"1 Listeners")
        time.sleep(0.5)
    passed = time.monotonic() - began
    used, rate = (cpu_seconds(drawing) - before) / passed, (feeder.written - written) / passed
    print(f"{rate:.0f} records/s: {used:.1%} of a CPU, keys after {statistics.median(waits):.3f} s")
    # of what a slower machine got done, in proportion
    assert used <= 0.25 * max(rate / RATE, 0.5) * env.SLOW, (used, rate)
    assert statistics.median(waits) <= 0.1 * env.SLOW, waits
    feeder.join(SECONDS * 4 * env.SLOW)
    screen = windows.Shown(t.still(r" end$", timeout=30))
    counts = screen.counts()
    assert counts["active"] + counts["passive"] == feeder.written
    assert counts["failed"] == feeder.failed and counts["lost"] == 0


def test_bursts(lone, daemon, keep, tmp_path):
    """Connections as fast as they go, 2,000 at a time: the daemon loses nothing because somebody looks."""
    path = tmp_path / "feed.ndjson"
    d = daemon("--netns", lone.path, sock=tmp_path / "sock", output=path)
    t = keep(Tmux([env.TCPSHAKE, "top", "-s", tmp_path / "sock", "--window", "start"], columns=200,
                  rows=60))
    t.until(r"live$")
    for _ in range(20):
        lone.popen([env.tool("storm"), "-n", "2000"], stdout=subprocess.DEVNULL).wait()
        time.sleep(0.1)
    # the limit of resets is no loss: 1,000 in a second are told
    wanted = 2 * 20 * 2000
    env.poll_until(lambda: sum(windows.Shown(t.screen()).counts()[role] for role in ("active", "passive"))
                   >= wanted, 20, f"{wanted} handshakes on the screen", interval=0.3)
    d.stop()
    t.until(r"NO DAEMON$")
    shown = list(windows.Shown(t.still(r"NO DAEMON$")).counts().values())
    expected = list(windows.Expected(read_file(path)).counts.values())
    assert shown == expected
