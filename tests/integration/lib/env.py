# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where things are, and how patient to be.

TCPSHAKED, TCPSHAKE     other binaries than build/tcpshaked and build/tcpshake
TCPSHAKE_BUILD          another build directory
TCPSHAKE_TEST_SLOW      a factor on every time-out, for slow machines (default 1)
TCPSHAKE_TEST_FAMILIES  "turns": a test for both families runs for one, the next for the other (default: for both)
"""
import os
import pathlib
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("TCPSHAKE_BUILD", ROOT / "build"))
TCPSHAKED = os.environ.get("TCPSHAKED", str(BUILD / "tcpshaked"))
TCPSHAKE = os.environ.get("TCPSHAKE", str(BUILD / "tcpshake"))
SCHEMAS = ROOT / "schemas"
PYTHON = "/usr/bin/python3"
AGENT = str(pathlib.Path(__file__).with_name("agent.py"))
SLOW = float(os.environ.get("TCPSHAKE_TEST_SLOW", "1"))
FAMILIES = os.environ.get("TCPSHAKE_TEST_FAMILIES", "both")

MS = 1_000_000
SECOND = 1_000_000_000


# A command after these runs in a mount namespace without tracefs.
NO_TRACEFS = ["unshare", "-m", "sh", "-c", "for at in tracing debug; do mount -t tmpfs none /sys/kernel/$at "
              '|| exit 9; done; exec "$0" "$@"']


# A command after these does not outlive the process that started it.
NO_ORPHAN = ["setpriv", "--pdeathsig", "KILL"]


def tool(name):
    """A program that the Makefile builds from one C file of tests/."""
    return str(BUILD / "tests" / name)


def poll_until(condition, timeout=5.0, what="the condition", interval=0.01):
    """Return the first true value of condition(); fail after `timeout` (scaled) seconds."""
    deadline = time.monotonic() + timeout * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout * SLOW:g} s")
        time.sleep(interval)


def cpu_seconds(pid):
    """What the process has used until now, all of its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def runqueue_wait(pid):
    """For how long, in seconds, this task was ready to run while its CPU ran others."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / SECOND
