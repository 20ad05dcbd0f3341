# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake: where its records come from, how its lines look, and that it leaves nothing behind."""
import json
import os
import re
import signal
import subprocess

import pytest

from lib import env, feed
from lib.cli import ESCAPE, private_daemon, zombie
from lib.traffic import connect, listener, port_of

EXAMPLES = sorted((env.SCHEMAS / "examples" / "valid").glob("handshake-*.json"))


@pytest.fixture
def recording(tmp_path):
    """A recording made of the valid examples."""
    path = tmp_path / "recording"
    hello = json.loads((env.SCHEMAS / "examples/valid/hello.json").read_text())
    bye = json.loads((env.SCHEMAS / "examples/valid/bye.json").read_text())
    loss = json.loads((env.SCHEMAS / "examples/valid/loss.json").read_text())
    records = [hello, *(json.loads(p.read_text()) for p in EXAMPLES), loss, bye]
    for number, record in enumerate(records, 1):
        record["seq"] = number
    path.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n"
                            for record in records))
    return path


def one_connection(lone, keep):
    server = keep(listener(lone, 4))
    keep(connect(lone, 4, ("127.0.0.1", port_of(server)))[0])
    connect(lone, 4, ("127.0.0.1", 9))[0].close()
    return port_of(server)


def test_tail_from_the_socket(lone, tmp_path, keep, daemon, cli):
    path = tmp_path / "sock"
    daemon("--port", "1-65535", sock=path)
    tail = cli("tail", "-s", str(path), "--remote", "127.0.0.0/8")

    def live():
        connect(lone, 4, ("127.0.0.1", 9))[0].close()
        return "refused" in tail.stdout_text
    env.poll_until(live, 10, "a line", interval=0.05)
    port = one_connection(lone, keep)

    def handshakes():
        return [line for line in tail.lines() if f":{port} " in line and "listener" not in line]
    env.poll_until(lambda: len(handshakes()) == 2, 5, "both sides' lines")
    tail.end(signal.SIGINT)
    mine = handshakes()
    assert all("established" in line and own_comm() in line for line in mine)
    assert sorted(role for line in mine for role in ("active", "passive") if role in line) == [
        "active", "passive"]


def own_comm():
    with open("/proc/self/comm") as file:
        return file.read().strip()


def test_tail_ends_with_the_daemon(tmp_path, daemon, cli):
    """A daemon that says bye is an orderly end; one that dies is not."""
    d = daemon(sock=tmp_path / "sock")
    tail = cli("tail", "--json", "-s", str(tmp_path / "sock"))
    tail.until('"hello"')
    d.stop()
    tail.end()
    d = daemon(sock=tmp_path / "sock", check=False)
    tail = cli("tail", "--json", "-s", str(tmp_path / "sock"))
    tail.until('"hello"')
    d.kill()
    tail.end(code=1)
    lines = [line for line in tail.stderr_text.splitlines() if line.startswith("tcpshake: ")]
    assert len(lines) == 1 and "died" in lines[0]


def test_no_daemon_at_the_socket_asked_for(tmp_path, cli):
    tail = cli("tail", "-s", str(tmp_path / "none"))
    tail.end(code=1)
    assert str(tmp_path / "none") in tail.error_line()


@pytest.mark.parametrize("argv", [("tail", "--from"), ("top", "--once", "--from"), ("explain", "--from"),
                                  ("tail", "-s"), ("tail", "--duration"), ("tail", "--events"), ("tail",), ()])
def test_arguments_do_not_steer_a_terminal(tmp_path, cli, argv):
    """Neither where there is no such file nor elsewhere."""
    view = cli(*argv, f"{tmp_path}/\x9b31m\x7f\u202e\u2069\x1b[2J")
    view.process.wait(10 * env.SLOW)
    view.wait()
    said = view.stdout_text + view.stderr_text
    assert said and not re.search("[\x1b\x7f-\x9f\u202e\u2069]", said), said


def test_from_file_and_pipe(recording, cli):
    """The same lines, one a handshake, and the summary."""
    texts = []
    for source in ("file", "pipe"):
        with open(recording, "rb") as file:
            tail = cli("tail", "--from", str(recording) if source == "file" else "-",
                       stdin=file if source == "pipe" else subprocess.DEVNULL)
            texts.append(tail.end() + tail.stderr_text)
    assert texts[0] == texts[1]
    assert "\x1b" not in texts[0]
    for word in ("established", "refused", "timeout", "unreachable", "cancelled", "no_port",
                 "reset", "curl", "nginx", "10.0.0.2:443", "[2001:db8::2]:443",
                 "ring buffer was full"):
        assert word in texts[0], word
    for word in ("p50", "p90", "p99", "max"):
        assert word in texts[0], word


def test_json_is_passed_through(recording, cli):
    tail = cli("tail", "--from", str(recording), "--json")
    assert tail.end() == recording.read_text()
    tail = cli("tail", "--from", str(recording), "--json", "--outcome", "refused")
    records = [json.loads(line) for line in tail.end().splitlines()]
    assert [r["outcome"] for r in records if r["type"] == "handshake"] == ["refused"]


def test_events(tmp_path, cli):
    """Types of records that may be left out; what tells of gaps and ends may not."""
    names = ("hello-1.2", "handshake-active", "overflow-ack", "reset-abort", "retransmit-syn",
             "accept", "loss", "bye-1.2")
    path = tmp_path / "recording"
    path.write_text("".join(
        json.dumps({**json.loads((env.SCHEMAS / "examples/valid" / f"{name}.json").read_text()),
                    "seq": number}) + "\n" for number, name in enumerate(names, 1)))

    def types(*flags):
        text = cli("tail", "--json", "--no-summary", "--from", str(path), *flags).end()
        return [json.loads(line)["type"] for line in text.splitlines()]
    assert types() == ["hello", "handshake", "overflow", "reset", "retransmit", "accept", "loss",
                       "bye"]
    assert types("--events", "reset,retransmit") == ["hello", "reset", "retransmit", "loss", "bye"]
    assert types("--port", "1") == ["hello", "loss", "bye"]
    assert cli("tail", "--events", "reset,", "--from", str(path)).end(code=2) == ""


def test_a_refused_connection_is_one_line(lone, tmp_path, daemon, cli):
    """The RSTs that ended it, sent and received, have a line of their own only if they are asked for."""
    path = tmp_path / "sock"
    daemon("--events", "handshake,reset", sock=path)
    port, flags = 40009, ("-s", str(path), "--no-summary", "--netns", str(lone.inode))
    folded, asked = cli("tail", *flags), cli("tail", *flags, "--events", "handshake,reset")

    def rows(tail, word):
        return [line for line in tail.lines() if f":{port} " in line and word in line]

    def live():
        connect(lone, 4, ("127.0.0.1", port))[0].close()
        return rows(folded, "ECONNREFUSED") and rows(asked, "ECONNREFUSED")
    env.poll_until(live, 10, "a line", interval=0.05)
    for tail in (folded, asked):
        tail.end(signal.SIGINT)
    assert rows(asked, " RST in "), asked.stdout_text
    assert not rows(folded, " RST "), folded.stdout_text


def test_json_from_the_daemon_is_valid(lone, tmp_path, keep, daemon, cli):
    daemon(sock=tmp_path / "sock")
    tail = cli("tail", "--json", "-s", str(tmp_path / "sock"))
    tail.until('"hello"')
    one_connection(lone, keep)
    tail.until('"refused"')
    records = [json.loads(line) for line in tail.end(signal.SIGTERM).splitlines()]
    assert feed.check_feed(records, whole=False) == []


@pytest.mark.parametrize("columns", [80, 200])
def test_lines_fit_the_terminal(recording, cli, columns):
    tail = cli("tail", "--from", str(recording), terminal=columns)
    text = tail.end()
    assert ESCAPE.search(text), "no colour on a terminal"
    plain = ESCAPE.sub("", text).replace("\r", "")
    assert "\x1b" not in plain
    wide = [line for line in plain.split("\n") if len(line) > columns]
    assert not wide, wide
    assert plain.count("established") >= 5


@pytest.mark.parametrize("variables,flags,coloured", [
    ({"NO_COLOR": "1"}, [], False), ({"NO_COLOR": ""}, [], True), ({"TERM": "dumb"}, [], False),
    ({"NO_COLOR": "1"}, ["--color", "always"], True), ({}, ["--color", "never"], False)],
    ids=["NO_COLOR", "NO_COLOR_empty", "dumb", "always", "never"])
def test_colour_on_a_terminal(recording, cli, variables, flags, coloured):
    tail = cli("tail", "--from", str(recording), *flags, terminal=80, environment=variables)
    assert bool(ESCAPE.search(tail.end())) == coloured


def test_no_colour_in_a_pipe(recording, cli):
    assert "\x1b" not in cli("tail", "--from", str(recording)).end()
    assert "\x1b" in cli("tail", "--from", str(recording), "--color", "always").end()


def test_names_cannot_draw_on_the_terminal(tmp_path, recording, cli):
    """A comm with an escape sequence is text, not a command."""
    evil = tmp_path / "evil"
    evil.write_text(recording.read_text().replace('"curl"', '"\\u001b[2J\\u0007\\n\\u009b"'))
    text = cli("tail", "--from", str(evil)).end()
    assert "\x1b" not in text and "\x07" not in text and "\x9b" not in text


def test_reader_that_goes_away(recording, cli):
    """`tcpshake | head -1` ends without a word."""
    big = recording.parent / "big"
    lines = recording.read_text().splitlines(keepends=True)
    big.write_text(lines[0] + "".join(lines[1:-2]) * 3000)
    done = subprocess.run(["bash", "-o", "pipefail", "-c",
                           '"$0" tail --no-summary --from "$1" | head -1; echo ${PIPESTATUS[0]}',
                           env.TCPSHAKE, str(big)], capture_output=True, text=True,
                          timeout=20 * env.SLOW)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 2
    assert done.stdout.splitlines()[1] in ("0", "141")


def test_truncated_recording(tmp_path, recording, cli):
    """A recording that a crash cut off: what is whole is shown."""
    cut = tmp_path / "cut"
    cut.write_bytes(recording.read_bytes()[:-200])
    tail = cli("tail", "--from", str(cut))
    tail.wait()
    assert tail.process.returncode in (0, 1)
    assert "curl" in tail.end(code=tail.process.returncode)


def test_usage_errors(cli):
    for argv in (["--no-such"], ["dance"], ["tail", "--port", "none"], ["tail", "extra"],
                 ["tail", "--outcome", "ok"]):
        program = cli(*argv)
        assert program.end(code=2) == ""
        program.error_line()


def test_options_before_the_view(recording, cli):
    """Their order means nothing; a value is not taken for the view."""
    text = cli("tail", "--from", str(recording), "--port", "443", "--no-summary").end()
    assert text
    for argv in (["--from", str(recording), "tail", "--port", "443", "--no-summary"],
                 ["--no-summary", "--port=443", "--from", str(recording), "tail"]):
        assert cli(*argv).end() == text, argv
    assert cli("--from", str(recording), "record", "--no-summary", "-").end() == recording.read_text()
    for argv in (["--from", str(recording), "tails"], ["--from", str(recording), "tail", "stats"],
                 ["--from", "tail"]):
        program = cli(*argv)
        assert program.end(code=1 if argv[-1] == "tail" else 2) == ""
        program.error_line()


def test_help_and_version(cli):
    assert cli("--help").end().lower().startswith("usage: tcpshake")
    assert re.fullmatch(r"tcpshake \d+\.\d+\.\d+\S*\n", cli("--version").end())
    assert "tail" in cli("tail", "--help").end()


# the embedded default: a private daemon

def test_embedded(lone, keep, cli):
    """No daemon serves: one is started, and is gone with the CLI; Ctrl-C gives the summary."""
    tail = cli("tail", hermit=True)
    pid = private_daemon(tail)

    def live():
        one_connection(lone, keep)
        return "refused" in tail.stdout_text
    env.poll_until(live, 10, "a line", interval=0.05)
    text = tail.end(signal.SIGINT) + tail.stderr_text
    assert not os.path.exists(f"/proc/{pid}")
    assert "p50" in text and "p99" in text
    assert not re.search(r"error|fail(?!ed)", tail.stderr_text)


def test_embedded_filters_go_to_the_private_daemon(cli):
    tail = cli("tail", "--port", "8443", "--slow", "10ms", "--events", "handshake,accept",
               hermit=True)
    pid = private_daemon(tail)
    with open(f"/proc/{pid}/cmdline") as file:
        argv = file.read().split("\0")
    assert argv[argv.index("--port") + 1] == "8443" and argv[argv.index("--slow") + 1] == "10ms"
    assert argv[argv.index("--events") + 1] == "handshake,accept"
    tail.end(signal.SIGTERM)


def test_embedded_killed(cli):
    """Even kill -9 leaves no daemon behind."""
    tail = cli("tail", hermit=True)
    pid = private_daemon(tail)
    tail.process.kill()
    tail.wait()
    env.poll_until(lambda: not os.path.exists(f"/proc/{pid}") or zombie(pid), 10,
                   "the private daemon's end")


def test_embedded_on_a_terminal_gets_ctrl_c_once(lone, keep, cli):
    """Ctrl-C goes to the whole foreground group; the daemon must not die of it unasked."""
    tail = cli("tail", hermit=True, terminal=80, start_new_session=True)
    pid = private_daemon(tail)

    def live():
        one_connection(lone, keep)
        return "refused" in tail.stdout_text
    env.poll_until(live, 10, "a line", interval=0.05)
    os.killpg(tail.pid, signal.SIGINT)
    text = ESCAPE.sub("", tail.end())
    assert "p50" in text + tail.stderr_text
    assert not os.path.exists(f"/proc/{pid}")


def test_embedded_without_root(cli, tmp_path):
    """One line that says what to do."""
    def nobody():
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    if os.path.exists("/run/tcpshake/tcpshaked.sock"):
        pytest.skip("a daemon serves this host at its default socket")
    program = cli("tail", preexec_fn=nobody)
    assert program.end(code=1) == ""
    assert re.search(r"root|CAP_BPF|sudo", program.stderr_text)
