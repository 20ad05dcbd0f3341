# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The staged incident of the README: what a new user finds in it."""
import json
import os
import signal
import subprocess

import pytest

from lib import env, evidence
from lib.page import Page
from test_recorder import lines

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
    # Whose firewall it is depends on whether the kernel says why it drops a packet.
    firewall = "local_drop" if evidence.capabilities()["kfree_skb"] else "no_answer"
    assert {("port_closed", 8082), (firewall, 8083)} <= found
    assert not any(port == 8081 for _, port in found)


# What is true of each port that is in trouble, in the words that this evidence allows.
TRUE = {8080: ("accept_queue_full", "no_answer"), 8082: ("port_closed",), 8083: ("local_drop", "no_answer")}
TIERS = ("", *evidence.ONE_BY_ONE, "function_hooks,ack_hooks,reset_hooks", "all")


def begin_explain(refused):
    env_of = {**os.environ, "TCPSHAKE_REFUSE": refused} if refused else os.environ
    return subprocess.Popen([env.TCPSHAKE, "explain", "--json", "--duration", f"{12 * env.SLOW:g}s",
                             "--remote", "10.99.0.0/24"], stdout=subprocess.PIPE, text=True, env=env_of)


@pytest.mark.skipif(evidence.refuses(), reason="evidence: this run refuses some by itself")
def test_first_thing_is_true_on_every_tier(stage):
    """Whatever evidence is missing: what comes first is so, in words that are at most vaguer, and nothing wrong is proven."""
    tiers = TIERS if env.SLOW < 4 else ("", "all")  # a guest runs two at a time
    stages = {os.stat(place).st_ino for place in STAGES}
    running = {refused: begin_explain(refused) for refused in tiers}
    for refused, process in running.items():
        out, _ = process.communicate(timeout=60 * env.SLOW)
        assert process.returncode == 0, refused
        causes = [cause for cause in map(json.loads, out.splitlines()[:-1]) if cause["netns"] in stages]  # others test, too
        where = f"without {refused or 'nothing'}: {json.dumps(causes[:4])}"
        first = causes[0]
        assert first["at"]["port"] in TRUE and first["code"] in TRUE[first["at"]["port"]], where
        for cause in causes:
            port = (cause.get("at") or {}).get("port")
            right = cause["code"] in TRUE.get(port, ()) or port is None
            assert right or not cause["certainty"]["proven"] and cause["code"] in ("no_answer", "filtered"), where
        if refused == "":
            assert (first["code"], first["at"]["port"]) == ("accept_queue_full", 8080), where


def test_two_at_once(stage):
    second = subprocess.run([DEMO, "1"], capture_output=True, text=True)
    assert second.returncode == 1 and "another one runs" in second.stderr
    assert stage.poll() is None
    assert subprocess.run([DEMO, "soon"], capture_output=True).returncode == 2


BEFORE, AFTER = 6, 5  # seconds; the defaults are 60 and 30


@pytest.fixture
def recorded(daemon, cli, lone, tmp_path):
    """A recorder that nobody watches, and calm for longer than it is to look back; then wait() for an incident."""
    sock, path = tmp_path / "sock", tmp_path / "ring"
    daemon("--port", "8080-8083", sock=sock, losses=True, check=False)
    recorder = cli("record", "--keep", "8M", str(path), "--socket", str(sock), "--no-summary", "--trigger",
                   "overflow port=8080", "--before", f"{BEFORE}s", "--after", f"{AFTER}s")
    env.poll_until(path.is_dir, what="the ring")
    assert lone.run(env.tool("storm"), "-n", str(20 * (BEFORE + 2)), "-r", "20", "-p", "8081")

    def wait():
        env.poll_until(lambda: "is complete" in recorder.stderr_text, 40, "an incident")
        recorder.end(signal.SIGINT)
        return next(path.glob("incident-*"))
    return wait


def test_after_the_fact(recorded, stage, cli, lone, tmp_path):
    """What the recorder kept has the time before, and names the cause to who comes later."""
    incident = recorded()
    records = [json.loads(line) for line in lines(incident)]
    at = next(n for n, r in enumerate(records) if r["type"] == "overflow" and r["listener"]["port"] == 8080)
    struck = records[at]["mono_ns"]
    calm = [r for r in records[:at] if r["type"] == "handshake" and r["netns"] == lone.inode]
    assert records[0]["type"] == "hello" and {r["outcome"] for r in calm} == {"established"}
    assert struck - calm[0]["mono_ns"] >= (BEFORE - 1) * env.SECOND, "the time before is not there"
    assert records[-1]["mono_ns"] - struck >= (AFTER - 1) * env.SECOND
    causes = [json.loads(line) for line in cli("explain", "--json", "--from", str(incident)).end().splitlines()][:-1]
    assert (causes[0]["code"], causes[0]["at"]["port"], causes[0]["process"]["comm"]) == ("accept_queue_full", 8080, "checkout")
    output = tmp_path / "incident.html"
    assert cli("report", "--from", str(incident), "-o", str(output)).end() == ""
    page = Page(output.read_text(encoding="utf-8"))
    assert "the accept queue was full" in page.id("headline").text
    assert "checkout" in page.id("whose").text and ":8080" in page.id("whose").text
    assert page.id("first").text == causes[0]["advice"]
