# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How the daemon's cost grows: with handshakes, with listeners, with namespaces."""
import contextlib
import re
import subprocess
import time
import urllib.request

from . import host

METRICS = 9469
RATES = (1000, 5000, 10000, 20000)  # connections a second
LISTENERS = (1, 100, 1000, 10000)
NAMESPACES = (1, 10, 100)
IDLE = 30  # seconds without a connection, but for the two scrapes
SETTLE = 4  # seconds until it is what it stays; where looks are dear, their interval moves longer


def scrape():
    with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    wanted = ("looks_total", "look_cpu_seconds_total", "look_interval_seconds")
    return {name: float(re.search(rf"^tcpshake_{name} (\S+)$", text, re.M)[1]) for name in wanted}


@contextlib.contextmanager
def daemon(directory):
    path = directory / "curve"
    path.unlink(missing_ok=True)
    process = subprocess.Popen([host.TCPSHAKED, "-s", str(directory / "sock"), "-o", str(path), "--metrics", str(METRICS)],
                               stderr=subprocess.DEVNULL)
    try:
        host.wait_until(lambda: path.exists() and path.stat().st_size, 20)
        yield process
    finally:
        process.terminate()
        process.wait()


def watch(process, seconds, work=None):
    """Share of one CPU while `work` runs (or nothing does), and what a look costs."""
    before, cpu, woken, begin = scrape(), host.cpu_ns(process.pid), host.wake_ups(process.pid), time.monotonic()
    done = work() if work else time.sleep(seconds)
    passed, used = time.monotonic() - begin, host.cpu_ns(process.pid) - cpu
    woken = host.wake_ups(process.pid) - woken
    after = scrape()
    looks = after["looks_total"] - before["looks_total"]
    cost = after["look_cpu_seconds_total"] - before["look_cpu_seconds_total"]
    return {"cpu_percent": used / 1e7 / passed, "seconds": passed, "wake_ups": woken / passed,
            "look_ms": cost / looks * 1000 if looks else None,
            "looks_percent": cost / passed * 100, "interval_s": after["look_interval_seconds"],
            "rate": done["rate"] if done else None}


def idle(directory):
    with daemon(directory) as process:
        time.sleep(SETTLE)
        yield 0, watch(process, IDLE)


def by_rate(directory, seconds):
    for rate in RATES:
        host.private_netns()
        with daemon(directory) as process:
            time.sleep(1)
            count = int(rate * seconds)
            yield rate, watch(process, seconds, lambda count=count, rate=rate: host.storm(count, rate, 2))


def by_crowd(directory, seconds, crowds):
    for size, namespaces, listeners in crowds:
        host.private_netns()
        with host.Crowd(namespaces, listeners, 10) as _, daemon(directory) as process:
            time.sleep(SETTLE + (16 if namespaces * listeners > 2000 or namespaces > 50 else 0))
            yield size, watch(process, seconds)


def measure(directory, seconds, log):
    curves = {"idle": idle(directory),
              "rate": by_rate(directory, seconds),
              "listeners": by_crowd(directory, seconds, [(n, 1, n) for n in LISTENERS]),
              "namespaces": by_crowd(directory, seconds, [(n, n, 1) for n in NAMESPACES]),
              "both": by_crowd(directory, seconds, [(10000, 100, 100)])}
    found = {}
    for name, points in curves.items():
        found[name] = []
        for x, values in points:
            found[name].append({"x": x, **values})
            log(f"{name} {x}: {values['cpu_percent']:.2f} % of a CPU, of which looks {values['looks_percent']:.2f} %")
    return found
