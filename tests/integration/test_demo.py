# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The staged incident of the README: what a new user finds in it."""
import json
import os
import signal
import subprocess

import pytest

from lib import env

DEMO = str(env.ROOT / "tools" / "demo")
STAGES = ("/run/netns/tcpshake-demo-s", "/run/netns/tcpshake-demo-c")


@pytest.fixture
def stage():
    process = subprocess.Popen([DEMO, "120"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("For 120 s")
    yield process
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=20 * env.SLOW)
    finally:
        process.kill()
    assert process.returncode == 0
    assert not any(map(os.path.exists, STAGES))


def test_what_is_wrong(stage):
    """Which listener overflowed, who owns it, and what to change: the first cause says it."""
    done = subprocess.run([env.TCPSHAKE, "explain", "--json", "--duration", f"{8 * env.SLOW:g}s",
                           "--remote", "10.99.0.0/24"], capture_output=True, text=True, check=True)
    causes = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    worst = causes[0]
    assert (worst["code"], worst["by"], worst["at"]["port"]) == ("accept_queue_full", "listener", 8080)
    assert worst["process"]["comm"] == "checkout" and worst["refused"]["syn"] > 0
    assert ("listen() backlog", "8") in {(look["name"], look["value"]) for look in worst["look_at"]}
    found = {(cause["code"], (cause.get("at") or {}).get("port")) for cause in causes}
    assert {("port_closed", 8082), ("application_cancelled", 8083)} <= found
    assert not any(port == 8081 for _, port in found)


def test_two_at_once(stage):
    second = subprocess.run([DEMO, "1"], capture_output=True, text=True)
    assert second.returncode == 1 and "another one runs" in second.stderr
    assert stage.poll() is None
    assert subprocess.run([DEMO, "soon"], capture_output=True).returncode == 2
