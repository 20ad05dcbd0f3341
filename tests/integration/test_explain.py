# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake explain: causes from recordings and from a daemon, worst first, and what they rest on."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from lib import env, schema
from lib.cli import ESCAPE, private_daemon
from lib.explained import CODES, cause, example, explained, hello, text_of, timeout, write
from lib.queues import Crowd
from lib.traffic import connect

pytestmark = pytest.mark.sanitize

HOST = os.uname().nodename


def boot_id():
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def our_netns():
    return os.stat("/proc/self/ns/net").st_ino


def ours(**changes):
    return hello(**{"host": HOST, "boot_id": boot_id(), **changes})


@pytest.fixture
def explain(cli, tmp_path):
    """The causes and the summary that it makes of some records."""
    def run(records, *flags):
        return explained(cli, write(tmp_path / "recording", records), *flags)
    return run


# what counts, and as what

def test_ranked(explain):
    records = [hello(), timeout(1), timeout(2), timeout(3, "10.0.0.8"),
               example("handshake-retransmitted-cause", conn="a" * 16),
               example("handshake-active", conn="b" * 16)]
    causes, summary = explain(records)
    assert [(c["code"], c["at"]["addr"], c["failed"]) for c in causes] == [
        ("no_answer", "10.0.0.9", 2), ("no_answer", "10.0.0.8", 1),
        ("segment_lost", "10.0.0.2", 0)]
    assert causes[0]["time_lost_ns"] == 2 * 2056000000 and causes[0]["by"] == "destination"
    assert causes[0]["outcomes"] == {"timeout": 2} and causes[0]["evidence"] == "Why."
    assert causes[0]["process"] == {"pid": 4321, "comm": "curl", "uid": 1000}
    assert causes[2]["time_lost_ns"] == 1024000000
    assert causes[2]["certainty"] == {"proven": 0, "probable": 1}
    assert (summary["handshakes"], summary["harmed"], summary["failed"]) == (5, 4, 3)
    assert summary["time_lost_ns"] == 3 * 2056000000 + 1024000000


def test_every_code(explain, cli, tmp_path):
    """Each is explained, with its advice, in both formats."""
    records = [hello()] + [timeout(number, code=code) for number, code in enumerate(CODES, 1)]
    causes, _ = explain(records)
    assert {c["code"] for c in causes} == set(CODES)
    assert all(c["look_at"] and c["advice"].endswith(".") for c in causes)
    text = text_of(cli, tmp_path / "recording")
    for code in CODES:
        assert re.search(rf"^ ?\d+\. {code}: \w", text, re.M), code


def test_both_sides_count_once(explain):
    conn = "c" * 16
    active = example("handshake-retransmitted-cause", conn=conn)
    passive = example("handshake-passive-owner-unknown", conn=conn, retransmits=1,
                      retransmit_wait_ns=1000000000, cause=cause("accept_queue_full"))
    for records in ([active, passive], [passive, active]):
        causes, summary = explain([hello(), *records])
        assert [c["code"] for c in causes] == ["accept_queue_full"]
        assert causes[0]["handshakes"] == 1 and causes[0]["by"] == "listener"
        assert (summary["handshakes"], summary["harmed"]) == (1, 1)


def test_overflows_and_resets_only(explain, cli, tmp_path):
    records = [hello(), example("overflow-syn-cookie"), example("overflow-syn-three-quarters"),
               example("overflow-ack", count=3), example("overflow-ack", count=2),
               example("reset-port-closed"), example("reset-refused")]
    causes, summary = explain(records)
    assert [c["code"] for c in causes] == ["accept_queue_full", "syn_queue_three_quarters",
                                           "syn_queue_full"]
    assert causes[0]["refused"] == {"syn": 0, "ack": 5, "cookie": 0, "proven": 5, "probable": 0}
    assert causes[0]["handshakes"] == 0 and causes[0]["process"]["comm"] == "nginx"
    assert causes[1]["at"] is None
    assert causes[2]["refused"]["cookie"] == 400
    assert summary["handshakes"] == summary["harmed"] == 0
    text = text_of(cli, tmp_path / "recording")
    assert text.startswith("no handshake failed or was retransmitted: 0 seen\n")
    assert "refused 5 final ACKs\n" in text and "answered 400 SYNs with cookies\n" in text
    assert "resets: 1 sent, 1 received" in text


def test_listener_of_a_handshake(explain):
    """What 10.0.0.2:443 suffered is the matter of who listens on 0.0.0.0:443."""
    passive = example("handshake-passive", cause=cause("accept_queue_full"), retransmits=1,
                      retransmit_wait_ns=1000000000)
    sample = example("listener-sample", backlog=511, oldest_wait_ns=3000000000)
    causes, _ = explain([hello(), passive, example("overflow-ack"), sample])
    assert len(causes) == 1
    assert causes[0]["at"] == {"addr": "0.0.0.0", "port": 443}
    assert causes[0]["handshakes"] == 1 and causes[0]["refused"]["ack"] == 1
    assert "waited 3.00 s for accept()" in causes[0]["advice"]
    sample = example("listener-sample", backlog=511, oldest_wait_ns=3000000)
    causes, _ = explain([hello(), passive, sample])
    assert "accept() is not stalled" in causes[0]["advice"]


def test_sources(explain):
    records = [hello()] + [
        example("handshake-no-port", cause=cause("ports_exhausted"),
                process={"pid": pid, "comm": comm, "uid": 0})
        for pid, comm in ((1, "wrk"), (2, "wrk"), (3, "curl"))]
    causes, _ = explain(records)
    assert [(c["by"], c["process"]["comm"], c["failed"]) for c in causes] == [
        ("source", "wrk", 2), ("source", "curl", 1)]
    assert causes[0]["process"]["pid"] == 2 and "at" not in causes[0]


def test_slow_path(explain):
    records = [hello()] + [example("handshake-active", conn=f"{n:016x}") for n in range(1, 4)]
    records.append(example("handshake-active", conn="d" * 16, latency_ns=240123456,
                           cause=cause("slow_path")))
    causes, _ = explain(records)
    assert causes[0]["time_lost_ns"] == 200000000 and causes[0]["untimed"] == 0
    causes, _ = explain([hello(), records[-1]])
    assert causes[0]["time_lost_ns"] == 0 and causes[0]["untimed"] == 1


def led(number, to, **changes):
    return example("handshake-timeout", conn=f"{number:016x}", remote={"addr": "10.0.0.9", "port": 80},
                   nat={"addr": to, "port": 15001}, **{"cause": cause("slow_path"), **changes})


def test_whose_latency_it_is(explain, cli, tmp_path):
    """NAT led a client to a proxy of its own host: the report says so, and whose it is."""
    proxy = example("listener-sample", local={"addr": "0.0.0.0", "port": 15001}, netns=led(1, "127.0.0.1")["netns"],
                    process={"pid": 77, "comm": "envoy", "uid": 0})
    records = [hello(), proxy, led(1, "127.0.0.1"), led(2, "127.0.0.1"), led(3, "172.30.9.2"), timeout(4)]
    causes, _ = explain(records)
    by_code = {c["code"]: c for c in causes}
    assert by_code["slow_path"]["nat"] == {
        "handshakes": 2, "others": 1, "own_host": True, "process": proxy["process"],
        "from": {"addr": "10.0.0.9", "port": 80}, "to": {"addr": "127.0.0.1", "port": 15001}}
    assert "nat" not in by_code["no_answer"]
    text = " ".join(text_of(cli, write(tmp_path / "feed", records)).split())
    assert ("led 2 of these from 10.0.0.9:80 to 127.0.0.1:15001, envoy/77, on the client's own host: latency and outcome "
            "are from there, not from 10.0.0.9:80; it led 1 other elsewhere") in text


def test_another_host_is_not_named_by_our_listener(explain):
    """Nobody knows in which namespace the end is that NAT led to, unless it is the client's own."""
    ours = example("listener-sample", local={"addr": "0.0.0.0", "port": 15001}, netns=led(1, "127.0.0.1")["netns"])
    [found], _ = explain([hello(), ours, led(1, "172.30.9.2")])
    assert (found["nat"]["own_host"], found["nat"]["process"]) == (False, None)


def test_queue_behind_nat_is_one(explain):
    """What a client behind NAT waited for is the queue that refused it, not the address that it connected to."""
    refused = example("overflow-syn", listener={"addr": "172.30.9.2", "port": 15001}, count=1)
    causes, _ = explain([hello(), refused, led(1, "172.30.9.2", cause=cause("accept_queue_full"))])
    assert [(c["code"], c["handshakes"], c["at"]) for c in causes] == [
        ("accept_queue_full", 1, {"addr": "172.30.9.2", "port": 15001})]


def test_older_recording(explain, cli, tmp_path):
    """Of schema 1.1: what was harmed is counted, and that nobody said why is told."""
    causes, summary = explain([example("hello-1.1"), example("handshake-timeout"),
                               example("handshake-active")])
    assert causes == [] and summary["harmed"] == summary["undiagnosed"] == 1
    assert "1 handshake without a cause" in text_of(cli, tmp_path / "recording")


def test_newer_recording(explain):
    causes, _ = explain([hello(), timeout(1, code="gremlins"), {"v": 1, "type": "weather"}])
    assert causes[0]["code"] == "gremlins" and causes[0]["look_at"] == []


def test_losses_are_told(explain, cli, tmp_path):
    _, summary = explain([hello(), timeout(1), example("loss"), example("loss-rate-limit")])
    assert summary["lost_records"] == 412
    text = text_of(cli, tmp_path / "recording")
    assert "12 records lost" in text and "412" not in text
    assert "resets: 0 sent, 0 received, 400 not reported" in text


def test_nothing_harmed(cli, tmp_path):
    """Of what was seen, and of what somebody looked for: slow ones only if asked to."""
    path = write(tmp_path / "recording", [hello(), example("handshake-active")])
    assert text_of(cli, path) == "no handshake failed or was retransmitted: 1 seen\n"
    path = write(tmp_path / "slow", [hello(filters={"slow": "1ms"}), example("handshake-active")])
    assert text_of(cli, path) == "no handshake failed, was retransmitted or was slow: 1 seen\n"
    empty = tmp_path / "empty"
    empty.touch()
    text = text_of(cli, empty)
    assert text.startswith("no handshake failed or was retransmitted: 0 seen\n")
    assert "does not say what could be seen" in text


def test_filters(explain):
    records = [hello(), timeout(1), timeout(2, "10.0.0.8"), example("overflow-ack"),
               example("overflow-ack", listener={"addr": "0.0.0.0", "port": 80})]
    causes, summary = explain(records, "--remote", "10.0.0.8")
    assert [c["at"]["addr"] for c in causes] == ["10.0.0.8"]
    causes, summary = explain(records, "--port", "80")
    assert [c["at"]["port"] for c in causes] == [80] and summary["handshakes"] == 0


# values

def values(cause):
    return {look["name"]: look["value"] for look in cause["look_at"]}


def read_sysctl(name):
    with open("/proc/sys/" + name.replace(".", "/")) as file:
        return " ".join(file.read().split())


def test_values_of_this_host(explain, cli, tmp_path):
    records = [ours(), timeout(1, netns=our_netns()), example("overflow-ack", netns=our_netns()),
               timeout(2, code="ports_exhausted", netns=our_netns())]
    causes, _ = explain(records)
    found = {name: value for c in causes for name, value in values(c).items()}
    for name in ("net.core.somaxconn", "net.ipv4.tcp_syn_retries", "net.ipv4.tcp_tw_reuse",
                 "net.ipv4.tcp_abort_on_overflow", "net.ipv4.ip_local_port_range"):
        assert found[name] == read_sysctl(name)
    assert found["listen() backlog"] == "16" and found["accept() loop"] is None
    text = text_of(cli, tmp_path / "recording")
    assert "The recording is of this host" in text
    plain = " ".join(text.split())
    assert f"net.core.somaxconn = {read_sysctl('net.core.somaxconn')}: " in plain


@pytest.mark.parametrize("first", [
    hello(), ours(boot_id="b6a5e6a2-8f4e-4c57-9a55-0d3a3d9d1d6e"), None],
    ids=["host", "boot", "no_hello"])
def test_values_of_another_host(explain, cli, tmp_path, first):
    """Its sysctls are not ours; the limit, which its feed tells, is known all the same."""
    records = [timeout(1, netns=our_netns()), example("overflow-ack", netns=our_netns())]
    causes, _ = explain(([first] if first else []) + records)
    found = {name: value for c in causes for name, value in values(c).items()}
    assert found.pop("listen() backlog") == "16"
    assert set(found.values()) == {None}
    assert "no values of sysctls" in " ".join(text_of(cli, tmp_path / "recording").split())


def test_values_of_a_namespace_nobody_can_enter(explain):
    causes, _ = explain([ours(), timeout(1, netns=1)])
    assert values(causes[0])["net.ipv4.tcp_syn_retries"] is None


# how it looks

@pytest.fixture
def varied(tmp_path):
    records = [ours()]
    for number, code in enumerate(CODES, 1):
        records.append(timeout(number, "2001:db8:1111:2222:3333:4444:5555:6666", code,
                               family="ipv6", local={"addr": "2001:db8::1", "port": 9},
                               process={"pid": 4194303, "comm": "fifteen-letters", "uid": 0}))
    records += [example("overflow-ack"), example("overflow-syn-three-quarters"), example("loss"),
                example("handshake-timeout"), example("reset-abort")]
    return write(tmp_path / "varied", records)


@pytest.mark.parametrize("columns", [80, 60, 200])
def test_lines_fit_the_terminal(varied, cli, columns):
    text = text_of(cli, varied, terminal=columns)
    assert ESCAPE.search(text), "no colour on a terminal"
    plain = ESCAPE.sub("", text).replace("\r", "")
    assert "\x1b" not in plain
    # a sum of an address and a process is not broken within its words
    wide = [line for line in plain.split("\n") if len(line) > columns and "2001" not in line]
    assert not wide, wide
    assert f"and {len(CODES) + 2 - 10} more causes" in " ".join(plain.split())
    plain = text_of(cli, varied, terminal=columns, environment={"NO_COLOR": "1"})
    assert "\x1b" not in plain


def test_time_that_nobody_knows(tmp_path, cli):
    """Of a handshake that is merely slow, where nothing says what is usual: it is not said to be 0."""
    slow = timeout(1, code="slow_path", outcome="established", errno=None, errno_name=None, retransmits=0)
    text = text_of(cli, write(tmp_path / "slow", [hello(), slow]))
    assert "1 of 1 handshake failed (0), was retransmitted or slow; time lost not known\n" in text


def test_a_pipe_has_it_all(varied, cli):
    text = text_of(cli, varied)
    assert "\x1b" not in text and "more cause" not in text
    assert re.findall(r"^ ?(\d+)\. ", text, re.M) == [str(n) for n in range(1, len(CODES) + 3)]
    assert max(len(line) for line in text.split("\n") if "2001" not in line) <= 80


def test_no_escape_reaches_the_terminal(tmp_path, varied, cli):
    evil = tmp_path / "evil"
    bad = '"\\u001b[2J\\u0007\\n\\u009b'
    evil.write_text(varied.read_text().replace('"fifteen-letters"', bad + '"')
                    .replace('"Why."', bad + '."').replace('"no_answer"', bad + 'x"'))
    for flags in ([], ["--json"]):
        text = ESCAPE.sub("", text_of(cli, evil, *flags, terminal=80))
        assert not re.search("[\x1b\x07\x9b]", text)
    for flags in ([], ["--json"]):
        assert not re.search("[\x1b\x07]", text_of(cli, evil, *flags))


def test_help(cli):
    text = cli("explain", "--help").end()
    assert "Ranked by" in text and "--duration" in text and "tcpshake explain --from" in text
    assert "--once" not in text
    assert "explain" in cli("--help").end()
    assert cli("explain", "--sort", "port").end(code=2) == ""


# recordings as they come

def test_truncated_recording(tmp_path, cli):
    path = write(tmp_path / "recording", [hello(), timeout(1), timeout(2)])
    path.write_bytes(path.read_bytes()[:-100])
    program = cli("explain", "--from", str(path))
    text = program.end()
    assert "1 of 1 handshake failed (1)" in text and "1 line skipped" in text
    assert "cut off" in program.error_line()


def test_from_a_pipe(tmp_path, cli):
    path = write(tmp_path / "recording", [hello(), timeout(1)])
    with open(path, "rb") as file:
        piped = cli("explain", "--from", "-", stdin=file).end()
    assert piped == text_of(cli, path)


def test_no_such_recording(tmp_path, cli):
    program = cli("explain", "--from", str(tmp_path / "none"))
    assert program.end(code=1) == ""
    assert "none" in program.error_line()


PLACES = 4096  # as docs/explain.md says


def test_large_recording(tmp_path):
    """Counted exactly, and not much slower than reading it: no search grows with the feed."""
    def lines(count):
        kinds = [example("handshake-active"), example("handshake-passive"),
                 timeout(0, code="no_answer"), example("handshake-passive-inferred")]
        for n in range(count):
            record = {**kinds[n % 4], "conn": f"{n // 2 if n % 4 < 2 else n:016x}", "seq": n + 2}
            if n % 4 == 2:
                record["remote"] = {"addr": f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", "port": 443}
            yield json.dumps(record, separators=(",", ":")) + "\n"

    path = tmp_path / "large"
    with open(path, "w") as file:
        file.write(json.dumps(hello(), separators=(",", ":")) + "\n")
        file.writelines(lines(100000))
    def timed(*argv):
        started = time.monotonic()
        done = subprocess.run([env.TCPSHAKE, *argv, "--json", "--from", str(path)], check=True,
                              capture_output=True)
        return done.stdout.splitlines(), time.monotonic() - started
    _, reading = timed("tail", "--no-summary")
    made, explaining = timed("explain")
    summary = json.loads(made[-1])
    assert summary["handshakes"] == 75000 and summary["harmed"] == summary["failed"] == 50000
    assert len(made) == PLACES + 1 + 1
    assert summary["others"] == 25000 + 1 - PLACES
    worst = json.loads(made[0])
    assert worst["code"] == "ack_lost" and worst["handshakes"] == 25000
    assert worst["time_lost_ns"] == 25000 * 63000000000
    head = subprocess.run(["bash", "-o", "pipefail", "-c", '"$0" explain --json --from "$1" | head -1',
                           env.TCPSHAKE, str(path)], capture_output=True, check=True)
    assert head.stdout.splitlines() == made[:1] and head.stderr == b""
    assert explaining < 10 * env.SLOW * max(reading, 0.5), (explaining, reading)


# live

def test_over_the_socket(pair, keep, tmp_path, daemon, cli):
    """A refused SYN's listener, with the values of its own namespace, after --duration."""
    daemon("--listener-interval", "200ms", sock=tmp_path / "sock")
    pair.server.sysctl("net.core.somaxconn", 777)
    crowd = Crowd(pair, 4, keep, 3)
    program = cli("explain", "--json", "-s", str(tmp_path / "sock"), "--port", str(crowd.port),
                  "--duration", f"{3 * env.SLOW:g}s")
    watches(program)
    crowd.fill()
    crowd.begin(2)
    env.poll_until(lambda: pair.server.counters()["ListenOverflows"] >= 2)
    made = [json.loads(line) for line in program.end().splitlines()]
    assert program.error_line().endswith("s; Ctrl-C ends it sooner")
    assert all(schema.Checker().errors(record) == [] for record in made)
    mine = [c for c in made[:-1] if c["by"] == "listener" and c["at"]["port"] == crowd.port]
    assert [c["code"] for c in mine] == ["accept_queue_full"], made
    assert mine[0]["refused"]["syn"] >= 2 and mine[0]["netns"] == pair.server.inode
    assert mine[0]["process"]["pid"] == crowd.owner.pid
    assert values(mine[0])["net.core.somaxconn"] == "777"
    assert values(mine[0])["listen() backlog"] == "3"
    assert made[-1]["handshakes"] >= 4


def watches(program):
    """Until it says so: what happened before that, it does not see."""
    def said():
        assert program.process.poll() is None, program.stderr_text
        return "watching for" in program.stderr_text
    env.poll_until(said, 10, "a subscription")


def test_ctrl_c_ends_it_sooner(lone, tmp_path, daemon, cli):
    daemon(sock=tmp_path / "sock")
    program = cli("explain", "-s", str(tmp_path / "sock"), "--duration", "1h")
    watches(program)
    connect(lone, 4, ("127.0.0.1", 9))[0].close()
    text = program.end(signal.SIGINT)
    assert "handshake" in text.splitlines()[0]


def test_embedded(lone, cli):
    """No daemon serves: one is started, and is gone with the CLI."""
    program = cli("explain", "--duration", "1s", hermit=True)
    pid = private_daemon(program)
    text = program.end()
    assert "handshake" in text.splitlines()[0]
    assert not os.path.exists(f"/proc/{pid}")


def test_daemon_that_dies(tmp_path, daemon, cli):
    """What came is explained, and that more is missing is an error."""
    d = daemon(sock=tmp_path / "sock", check=False)
    program = cli("explain", "-s", str(tmp_path / "sock"), "--duration", "1h")
    watches(program)
    d.kill()
    text = program.end(code=1)
    assert "died" in program.stderr_text
    assert text == "" or "handshake" in text.splitlines()[0]


def test_no_daemon_at_the_socket_asked_for(tmp_path, cli):
    program = cli("explain", "-s", str(tmp_path / "none"))
    assert program.end(code=1) == ""
    assert str(tmp_path / "none") in program.error_line()
