# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake top when much comes: the screen is sampled, the numbers are not."""
import itertools
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


def price_of_reading(path, lines, count):
    """The CPU seconds that `tcpshake tail` takes for each such record; it shows them one by one."""
    with open(path, "w") as file:
        now = f'"mono_ns":{time.monotonic_ns()}'
        file.write(json.dumps(example("hello-1.2", mono_ns=time.monotonic_ns())) + "\n")
        file.writelines(f"{a}{now}{b}\n" for a, b, _ in itertools.islice(itertools.cycle(lines), count))
    child = subprocess.Popen([env.TCPSHAKE, "tail", "--no-summary", "--from", path],
                             stdout=subprocess.DEVNULL)
    _, child.returncode, usage = os.wait4(child.pid, 0)
    assert child.returncode == 0
    return (usage.ru_utime + usage.ru_stime) / count


def after_key(t):
    """How long until the help is on the screen, less what others had the CPU meanwhile; it is left again."""
    chain = (family(t.pid)[-1], t.server)
    others, pressed = sum(map(env.runqueue_wait, chain)), time.monotonic()
    t.keys("?")
    t.until(r"this help")
    waited = time.monotonic() - pressed - (sum(map(env.runqueue_wait, chain)) - others)
    t.keys("?")
    t.until(r"1 Listeners")
    return waited


def idle_top(tmp_path, keep):
    """Another one beside it, to which nothing comes: what a key takes on this machine by itself."""
    fifo = tmp_path / "idle"
    os.mkfifo(fifo)
    t = keep(Tmux([env.TCPSHAKE, "top", "--from", fifo], columns=200, rows=60))
    writer = keep(open(fifo, "w"))
    writer.write(json.dumps(example("hello-1.2", mono_ns=time.monotonic_ns())) + "\n")
    writer.flush()
    t.until(r"live$")
    return t


def test_many_records(tmp_path, keep):
    """Little more than to read them takes, a key at once, and not one record less than there were."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    idle = idle_top(tmp_path, keep)
    t = keep(Tmux([env.TCPSHAKE, "top", "--from", fifo, "--window", "start"], columns=200, rows=60))
    feeder = Feeder(fifo, SECONDS)
    t.until(r"live$")
    drawing = family(t.pid)[-1]
    time.sleep(2)  # so that what it takes at first is not counted; the rest is measured
    before, written = env.cpu_seconds(drawing), feeder.written
    waits, idle_waits, prices = [], [], []
    for turn in range(7):
        waits.append(after_key(t))
        idle_waits.append(after_key(idle))
        if turn % 3 == 0:
            prices.append(price_of_reading(tmp_path / "records", feeder.lines, 20_000))
        time.sleep(0.3)
    price = (env.cpu_seconds(drawing) - before) / (feeder.written - written)
    reading = statistics.median(prices)
    print(f"{price * 1e6:.1f} us of a CPU for a record, {reading * 1e6:.1f} to read and print it; keys after "
          f"{statistics.median(waits):.3f} s, on an idle one {statistics.median(idle_waits):.3f} s")
    assert price <= 2 * reading, (price, prices)
    assert statistics.median(waits) <= statistics.median(idle_waits) + 0.1 * env.SLOW, (waits, idle_waits)
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
