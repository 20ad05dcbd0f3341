# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake: where its records come from, how its lines look, and that it leaves nothing behind."""
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

import pytest

from lib import env, feed
from lib.traffic import connect, listener, port_of

pytestmark = pytest.mark.sanitize

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
EXAMPLES = sorted((env.SCHEMAS / "examples" / "valid").glob("handshake-*.json"))


class Cli(feed.Program):
    """tcpshake, what it writes kept as text."""

    def __init__(self, *argv, terminal=None, environment=(), stdin=subprocess.DEVNULL, **kwargs):
        self.stdout_text = ""
        variables = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
        variables.update({"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
        variables.update(environment)
        command = [env.TCPSHAKE, *argv]
        if kwargs.pop("hermit", False):
            # in a /run of its own, where no daemon serves
            command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh",
                       *command]
        if terminal:
            self.output, slave = pty.openpty()
            size = struct.pack("HHHH", 24, terminal, 0, 0)
            fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
        else:
            self.output, slave = os.pipe()
        super().__init__(command, stdin=stdin, stdout=slave, env=variables, **kwargs)
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                data = os.read(self.output, 65536)
            except OSError:  # EIO: the terminal's last user has gone
                data = b""
            if not data:
                os.close(self.output)
                return
            self.stdout_text += data.decode()

    def lines(self):
        return [line for line in self.stdout_text.splitlines() if line.strip()]

    def until(self, text, timeout=10):
        env.poll_until(lambda: text in self.stdout_text or self.process.poll() is not None,
                       timeout, f"{text!r} from tcpshake, not only {self.stdout_text[-500:]!r}")
        assert text in self.stdout_text, (self.stdout_text, self.stderr_text)

    def end(self, number=None, code=0):
        if number:
            self.process.send_signal(number)
        assert self.wait() == code, self.stderr_text
        self._reader.join(5 * env.SLOW)
        return self.stdout_text

    def children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
            return [int(pid) for pid in file.read().split()]


@pytest.fixture
def cli(programs):
    def start(*argv, **kwargs):
        program = Cli(*argv, **kwargs)
        programs.append(program)
        return program
    return start


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
    env.poll_until(lambda: tail.stdout_text.count(f":{port} ") == 2, 5, "both sides' lines")
    tail.end(signal.SIGINT)
    mine = [line for line in tail.lines() if f":{port} " in line]
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


def test_help_and_version(cli):
    assert cli("--help").end().lower().startswith("usage: tcpshake")
    assert re.fullmatch(r"tcpshake \d+\.\d+\.\d+\S*\n", cli("--version").end())
    assert "tail" in cli("tail", "--help").end()


# the embedded default: a private daemon

def private_daemon(program):
    """Its process number, once it runs (before, there are the shell's children)."""
    def running():
        assert program.process.poll() is None, program.stderr_text
        for pid in program.children():
            try:
                with open(f"/proc/{pid}/comm") as file:
                    if file.read() == "tcpshaked\n":
                        return pid
            except FileNotFoundError:
                pass
        return None
    return env.poll_until(running, 10, "a private tcpshaked")


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
    tail = cli("tail", "--port", "8443", "--slow", "10ms", hermit=True)
    pid = private_daemon(tail)
    with open(f"/proc/{pid}/cmdline") as file:
        argv = file.read().split("\0")
    assert argv[argv.index("--port") + 1] == "8443" and argv[argv.index("--slow") + 1] == "10ms"
    tail.end(signal.SIGTERM)


def test_embedded_killed(cli):
    """Even kill -9 leaves no daemon behind."""
    tail = cli("tail", hermit=True)
    pid = private_daemon(tail)
    tail.process.kill()
    tail.wait()
    env.poll_until(lambda: not os.path.exists(f"/proc/{pid}") or zombie(pid), 10,
                   "the private daemon's end")


def zombie(pid):
    """Dead, but nobody has taken note: in a container process 1 may not reap."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


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
