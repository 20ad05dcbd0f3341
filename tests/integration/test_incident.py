# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake record --keep … --trigger: what was recorded around the moment at which it struck."""
import json
import os
import re
import signal

import pytest

from lib import env, feed
from lib.traffic import connect
from test_record import example
from test_recorder import MIB, check_ring, lines, space, stamp

pytestmark = pytest.mark.sanitize


def incidents(path):
    return sorted(path.glob("incident-*")) if path.is_dir() else []


def calm_with(strikes, seconds, noise=40):
    """So many handshakes a second that succeed, and at some seconds one that is refused; they hardly compress."""
    records = [example("hello-1.2", ts=stamp(0))]
    for second in range(seconds):
        for n in range(noise):
            records.append(example("handshake-active", ts=stamp(second + n / noise), conn=os.urandom(8).hex(),
                                   cgroup={"id": 1, "path": "/" + os.urandom(150).hex()}))
        if second in strikes:
            records.append(example("handshake-timeout-cause", ts=stamp(second + 0.99)))
    base = 10**12
    return "".join(json.dumps({**r, "seq": n, "mono_ns": base + round(float(r["ts"][17:-1]) * 1e9)},
                              separators=(",", ":")) + "\n" for n, r in enumerate(records, 1))


@pytest.fixture
def ring(cli, tmp_path):
    def make(text, *argv, size="4M"):
        source = tmp_path / "source"
        source.write_text(text)
        program = cli("record", "--keep", size, str(tmp_path / "ring"), "--from", str(source), "--no-summary", *argv)
        program.end()
        return program
    make.path = tmp_path / "ring"
    return make


def test_before_and_after(lone, daemon, cli, tmp_path):
    """Of a real daemon: what came before the refusal is in the file, and what came after; then the command is run."""
    sock, path, log = tmp_path / "sock", tmp_path / "ring", tmp_path / "log"
    command = tmp_path / "command"
    command.write_text(f'#!/bin/sh\nprintf "%s\\n" "$#" "$@" >{log}.new; cat >>{log}.new; mv {log}.new {log}; echo said\n')
    command.chmod(0o755)
    daemon("--netns", str(lone.inode), sock=sock, losses=True)
    program = cli("record", "--keep", "4M", str(path), "--socket", str(sock), "--trigger", "outcome=refused", "--before",
                  "60s", "--after", "2s", "--then", str(command))
    env.poll_until(lambda: path.is_dir() and list(path.iterdir()), what="a segment")
    assert lone.run(env.tool("storm"), "-n", "50", "-p", "7777")
    env.poll_until(lambda: sum("handshake" in line for part in path.iterdir() for line in lines(part)) >= 100,
                   what="what comes before")
    connect(lone, 4, ("127.0.0.1", 9))[0].close()
    found = env.poll_until(lambda: incidents(path), 10, "the incident")
    assert lone.run(env.tool("storm"), "-n", "20", "-p", "7777")
    env.poll_until(log.exists, 15, "the command")
    program.end(signal.SIGINT)
    assert log.read_text() == f"2\n{found[0]}\nport_closed\n"
    assert re.fullmatch(r"incident-\d{8}T\d{6}Z-port_closed\.ndjson\.zst", found[0].name) and len(found) == 1
    records = [json.loads(line) for line in lines(found[0])]
    assert not [error for r in records for error in feed.schema_errors(r)]
    kinds = [r.get("outcome") for r in records if r["type"] == "handshake"]
    at = kinds.index("refused")
    assert records[0]["type"] == "hello" and kinds[:at].count("established") >= 100
    assert kinds[at:].count("established") >= 40
    assert [r["seq"] for r in records if "seq" in r] == list(range(1, len(records) + 1))
    assert f"{found[0]} is complete" in program.stderr_text and program.stdout_text == "", "the command's words are no data"
    assert "port_closed" in cli("explain", "--from", str(found[0])).end()
    check_ring(path)


def test_from_a_recording(ring, cli):
    """By the records' own time: what is wanted, and up to a second more; with the feed's hello; the ring goes on."""
    program = ring(calm_with([30], 60, noise=400), "--trigger", "cause=no_answer", "--before", "5s", "--after", "4s")
    found = incidents(ring.path)
    assert len(found) == 1 and "no_answer" in found[0].name, program.stderr_text
    records = [json.loads(line) for line in lines(found[0])]
    assert records[0]["type"] == "hello"
    times = [r["ts"] for r in records if r["type"] == "handshake"]
    assert times[0] <= stamp(25.99) and times[-1] >= stamp(34.99)
    assert "trigger struck 1 time; 1 incident was kept" in program.stderr_text
    explained = [json.loads(line) for line in cli("explain", "--json", "--from", str(found[0])).end().splitlines()]
    assert explained[0]["code"] == "no_answer" and explained[-1]["unseen"] is not None


def test_not_every_strike_is_an_incident(ring):
    """Those within five minutes are counted."""
    program = ring(calm_with([5, 20, 100, 250, 310], 330), "--trigger", "outcome=timeout", "--trigger", "overflow")
    assert len(incidents(ring.path)) == 2
    assert "trigger struck 5 times; 2 incidents were kept" in program.stderr_text


def test_calm_has_none(ring):
    program = ring(calm_with([5, 6, 7], 20), "--trigger", "outcome=failed rate>1/s", "--trigger", "p99>10s")
    assert not incidents(ring.path) and "trigger struck 0 times" in program.stderr_text


def test_bounded(ring):
    """Incidents count in the ring's size, and the oldest of them goes."""
    for hour in range(6):
        ring(calm_with([3], 8, noise=400).replace('"2026-11-18T11', f'"2026-11-18T{11 + hour}'),
             "--trigger", "outcome=timeout", size="1M")
        assert space(ring.path) + sum(-(-p.stat().st_size // 4096) * 4096 for p in incidents(ring.path)) <= MIB
    found = incidents(ring.path)
    assert 0 < len(found) < 6 and found[-1].name.startswith("incident-20261118T16")
    assert sum(p.stat().st_size for p in found) <= MIB / 2
    for part in found:
        assert lines(part)


def test_at_the_very_end(ring):
    """A strike that no frame follows has its incident, too: the record completed the last frame."""
    calm, strike = calm_with([29], 30, noise=30).splitlines(keepends=True), ""
    calm, strike = calm[:-1], calm[-1]
    mib = 1 << 20
    padding = mib - sum(map(len, calm)) - len(strike) + 1000
    assert 0 < padding < mib
    strike = json.dumps({**json.loads(strike), "cgroup": {"id": 1, "path": "/" + "x" * padding}}, separators=(",", ":"))
    program = ring("".join(calm) + strike + "\n", "--trigger", "outcome=timeout")
    assert "trigger struck 1 time; 1 incident was kept" in program.stderr_text
    assert any('"timeout"' in line for line in lines(incidents(ring.path)[0]))


def test_too_large(ring, tmp_path):
    """What is more than half of the ring is no whole incident: nobody is called for it, and it does not count."""
    program = ring(calm_with([20], 24, noise=400), "--trigger", "outcome=timeout", "--after", "2s", "--then",
                   "/no/such/program", size="1M")
    assert "cannot write the incident no_answer: File too large; its file ends early" in program.stderr_text
    assert "is complete" not in program.stderr_text and "cannot run" not in program.stderr_text
    assert "trigger struck 1 time; 0 incidents were kept" in program.stderr_text


def test_a_command_that_fails(ring, tmp_path):
    program = ring(calm_with([3], 60), "--trigger", "outcome=timeout", "--then", "/no/such/program", "--after", "2s")
    assert len(incidents(ring.path)) == 1
    env.poll_until(lambda: "cannot run /no/such/program: No such file" in program.stderr_text, what="why")


def test_no_shell(ring, tmp_path):
    program = ring(calm_with([3], 60), "--trigger", "outcome=timeout", "--then", f"touch {tmp_path}/made; true")
    env.poll_until(lambda: "cannot run touch" in program.stderr_text, what="why")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("argv, words", [
    (["--trigger", "overflow"], "--trigger keeps what is in a ring"),
    (["--keep", "1M", "--before", "5s"], "--before, --after and --then are of an incident"),
    (["--keep", "1M", "--then", "true"], "--before, --after and --then are of an incident"),
    (["--keep", "1M", "--trigger", "overflow", "--before", "2h"], "is no duration from 1s to 1h"),
    (["--keep", "1M", "--trigger", "overflow", "--after", "10ms"], "is no duration from 1s to 1h"),
    (["--keep", "1M", "--trigger", "rain"], "--trigger: 'rain' is no type of record"),
    (["--keep", "1M", "--trigger", "cause=rain"], "--trigger: 'rain' is no cause"),
])
def test_usage(argv, words, cli, tmp_path):
    program = cli("record", *argv, str(tmp_path / "ring"))
    assert program.end(code=2) == "" and words in program.error_line()
    assert not (tmp_path / "ring").exists()
