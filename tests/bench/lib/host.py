# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Namespaces, loads and clocks that the measurements share."""
import ctypes
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("TCPSHAKE_BUILD", ROOT / "build"))
TCPSHAKED = os.environ.get("TCPSHAKED", str(BUILD / "tcpshaked"))
PORT = 21000
CLONE_NEWNET = 0x40000000


def tool(name):
    return str(BUILD / "tests" / name)


def private_netns():
    """Move this process into a new network namespace with a loopback interface; its inode."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        sys.exit(f"bench: new network namespace: {os.strerror(ctypes.get_errno())}; run it as root")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return os.stat("/proc/self/ns/net").st_ino


def storm(count, rate=0, threads=1):
    """Connections from PORT's clients; its result."""
    command = [tool("storm"), "-n", str(count), "-p", str(PORT), "-t", str(threads)]
    if rate:
        command += ["-r", str(rate)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


class Crowd:
    """Namespaces with listeners, as tests/bench/crowd.c makes them."""

    def __init__(self, namespaces, listeners, rate):
        self.process = subprocess.Popen(
            [tool("crowd"), "-n", str(namespaces), "-l", str(listeners), "-r", str(rate), "-p", "12000"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not self.process.stdout.readline():
            sys.exit("bench: crowd did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


CPUCLOCK_SCHED = 2  # the clock of a process, as clock_getcpuclockid(3) makes its number


def family(pid):
    """The process and its descendants."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children") as file:
                    found += map(int, file.read().split())
        except OSError:
            pass
    return found


def peak_rss_kb(pid):
    """Of the process and its descendants together."""
    total = 0
    for member in family(pid):
        try:
            with open(f"/proc/{member}/status") as file:
                total += next((int(line.split()[1]) for line in file if line.startswith("VmHWM")), 0)
        except OSError:
            pass
    return total


def cpu_ns(pid):
    """CPU time so far of all its threads, also of those that have ended, to the nanosecond."""
    return time.clock_gettime_ns(~pid << 3 | CPUCLOCK_SCHED)


def wake_ups(pid):
    """How often so far it gave its CPU away to wait, or had it taken."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return sum(map(int, re.findall(r"^(?:non)?voluntary_ctxt_switches:\s*(\d+)", text, re.M)))


def family_cpu_s(pid):
    """The same of a process and its descendants, in seconds."""
    total = 0
    for member in family(pid):
        try:
            total += cpu_ns(member)
        except OSError:
            pass
    return total / 1e9


def wait_until(condition, seconds, interval=0.01):
    """The first true value, or the last one."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(interval)
    return value


def describe():
    with open("/proc/loadavg") as file:
        load = file.read().split()[0]
    return {"kernel": platform.release(), "cpus": os.cpu_count(), "load": load,
            "date": time.strftime("%Y-%m-%d", time.gmtime())}
