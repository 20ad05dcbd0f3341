# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which tests of one run may go on at the same time, in the processes of `pytest -n 2` (pytest-xdist).

A daemon sees every handshake of the host. What makes much traffic, or counts all that a daemon said, runs one test
after the other, beside nothing live. QUIET tests make some hundreds of handshakes at most and wait for the kernel's
timers; they look for their own handshakes only, so they run beside each other. ASIDE reads files, or asks for what is
in a namespace of its own, with a filter: beside anything.
"""
import contextlib
import fcntl
import os

from . import env

QUIET = {f"test_{name}.py" for name in ("causes", "connect_errors", "filtered_causes", "given_up")}
# Tests of QUIET modules that run alone, and how their names begin: what others cancel takes the proof from the one, and
# what fails elsewhere counts within the limit of the other.
LOUD = ("test_the_queue_in_a_slow_record", "test_limited")
ASIDE = {f"test_{name}.py" for name in (
    "clickhouse", "completion", "container_views", "culprits", "findings", "grammar", "hardening", "incident", "install",
    "kernel_log", "lab", "lab_page", "manual", "packages", "progress", "record", "recorder", "report", "schemas",
    "states", "unit", "unseen")}


def module_of(nodeid):
    return nodeid.split("::")[0].rsplit("/", 1)[-1]


def is_quiet(nodeid):
    return module_of(nodeid) in QUIET and not any(f"::{name}" in nodeid for name in LOUD)


def order(item):
    """QUIET tests first; then those that run alone, of which there are the most; then what fits beside these. Scopes are
    handed out in the order of their tests."""
    return 0 if is_quiet(item.nodeid) else 2 if item.path.name in ASIDE else 1


@contextlib.contextmanager
def turn(item):
    """Wait for the turn of a test: QUIET ones exclude those that run alone, and these exclude both."""
    if "PYTEST_XDIST_WORKER" not in os.environ or item.path.name in ASIDE:
        yield
        return
    with open(env.BUILD / "tests.turn", "w") as file:
        fcntl.flock(file, fcntl.LOCK_SH if is_quiet(item.nodeid) else fcntl.LOCK_EX)
        yield


def scope(nodeid):
    """The tests of one scope go to one process, in their order."""
    module = module_of(nodeid)
    return nodeid if is_quiet(nodeid) else module if module in ASIDE else "alone"
