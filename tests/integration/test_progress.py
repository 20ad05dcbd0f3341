# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What takes over a second says how far it is, on a terminal only; and Ctrl-C shows what was read."""
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest

from lib import env, feed
from test_record import example, text_of
from test_recorder import flood

COPIES, FRAME = 40, 20_000


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Many records, as frames that are all the same: a second to make, and half a one to read."""
    path = tmp_path_factory.mktemp("large") / "large.zst"
    hello, records = text_of([example("hello-1.2")]), flood(FRAME).split("\n", 1)[1]
    parts = [subprocess.run(["zstd", "-cq1"], input=text.encode(), capture_output=True, check=True).stdout for text in (hello, records)]
    path.write_bytes(parts[0] + parts[1] * COPIES)
    return path


class Terminal:
    """A program whose standard error is a terminal; standard output is a pipe."""

    def __init__(self, *argv, columns=100, **kwargs):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.text = ""
        self.process = subprocess.Popen([env.TCPSHAKE, *map(str, argv)], stderr=slave, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "TERM": "xterm"}, **kwargs)
        os.close(slave)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # its last user has gone
                data = b""
            if not data:
                return
            self.text += data.decode()

    def position(self):
        """In the recording, as far as it has read it."""
        own = pathlib.Path(f"/proc/{self.process.pid}")
        for fd in own.joinpath("fd").iterdir():
            try:
                if os.readlink(fd).endswith(".zst"):
                    return int(own.joinpath("fdinfo", fd.name).read_text().split()[1])
            except FileNotFoundError:
                pass  # closed meanwhile
        return 0

    def pass_a_second(self):
        """Of its time, not of its work: it stands within the recording."""
        env.poll_until(self.position, 40, "the recording is read", interval=0.002)
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(1.05)
        self.process.send_signal(signal.SIGCONT)

    def stop_when_shown(self):
        """It goes a step at a time until a line says how far it is, and stands then."""
        def step():
            self.process.send_signal(signal.SIGCONT)
            time.sleep(0.02)
            self.process.send_signal(signal.SIGSTOP)
            time.sleep(0.02)
            return "reading" in self.text and self.text.endswith("\x1b[K")
        self.pass_a_second()
        env.poll_until(step, 40, "how far it is")

    def end(self, number=None):
        if number:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
        out = self.process.communicate(timeout=60 * env.SLOW)[0]
        self.thread.join(5 * env.SLOW)
        os.close(self.master)
        assert self.process.returncode == 0, self.text
        return out


SHOWN = re.compile(r"\rreading \S+: (\d+) %, (\d+) records so far; Ctrl-C ends it\x1b\[K")


@pytest.mark.parametrize("view", [["explain", "--json"], ["top", "--once"], ["stats"], ["report", "-o", "PAGE"]], ids=lambda v: v[0])
def test_interrupted(view, large, tmp_path):
    page = tmp_path / "page.html"
    program = Terminal(*[page if word == "PAGE" else word for word in view], "--from", large.name, cwd=large.parent)
    program.stop_when_shown()
    out = program.end(signal.SIGINT)
    shown = [(int(percent), int(records)) for percent, records in SHOWN.findall(program.text)]
    assert shown == sorted(shown) and shown[-1][0] < 100
    last = re.search(r"\r\x1b\[Ktcpshake: \S+ was read up to line (\d+), (\d+) % of it: what follows is not in what is shown", program.text)
    assert last, program.text[-400:]
    line, percent = int(last[1]), int(last[2])
    assert shown[-1][1] <= line < COPIES * FRAME and abs(percent - 100 * line / (COPIES * FRAME)) < 10
    if view[0] == "explain":
        records = [json.loads(text) for text in out.splitlines()]
        assert not [error for r in records for error in feed.schema_errors(r)]
        assert records[-1]["interrupted"] == {"line": line, "percent": percent} and records[-1]["handshakes"] > 0
    elif view[0] == "report":
        assert f"read up to line {line}, {percent} % of the recording: then it was interrupted" in page.read_text()
    else:
        assert out


@pytest.mark.parametrize("view", [["explain", "--json"], ["top", "--once"]], ids=lambda v: v[0])
def test_interrupted_pipe(view):
    """How much of it was read is known, and not of how much."""
    program = Terminal(*view, "--from", "-", stdin=subprocess.PIPE)
    program.process.stdin.write(flood(5))
    program.process.stdin.flush()

    def is_read():
        left = bytearray(4)
        fcntl.ioctl(program.process.stdin, termios.FIONREAD, left)
        return not any(left)
    env.poll_until(is_read, 40, "the pipe is read")
    open_end = os.dup(program.process.stdin.fileno())  # end() closes the other: it would be the end of the recording
    out = program.end(signal.SIGINT)
    os.close(open_end)
    assert re.search(r"tcpshake: \S.* was read up to line 6: what follows is not in what is shown", program.text), program.text
    if view[0] == "explain":
        summary = json.loads(out.splitlines()[-1])
        assert summary["interrupted"] == {"line": 6, "percent": None} and not feed.schema_errors(summary)


def test_read_to_its_end(large):
    """Nothing of it is left, and nothing is said of an interruption."""
    program = Terminal("explain", "--json", "--from", large.name, cwd=large.parent)
    program.pass_a_second()
    summary = json.loads(program.end().splitlines()[-1])
    assert "interrupted" not in summary
    assert SHOWN.search(program.text) and program.text.endswith("\r\x1b[K") and "\n" not in program.text


def test_narrow(large):
    program = Terminal("explain", "--from", large, columns=30)
    program.stop_when_shown()
    program.end(signal.SIGINT)
    drawn = program.text.split("\r\x1b[Ktcpshake:")[0].split("\r")
    assert len(drawn) > 1 and all(len(line.replace("\x1b[K", "")) < 30 for line in drawn), drawn


def test_no_terminal(large, cli):
    """A file or a pipe gets nothing of it."""
    program = cli("explain", "--json", "--from", str(large))
    program.end()
    assert program.stderr_text == ""


def test_warnings_have_lines_of_their_own(large, tmp_path):
    """What is wrong with a line is not written behind how far it is."""
    path = tmp_path / "bad.zst"
    bad = subprocess.run(["zstd", "-cq1"], input=b"no record\n", capture_output=True, check=True).stdout
    path.write_bytes(large.read_bytes() + bad)
    program = Terminal("explain", "--json", "--from", path.name, cwd=tmp_path)
    program.pass_a_second()
    program.end()
    assert re.search(r"Ctrl-C ends it\x1b\[K\r\x1b\[Ktcpshake: \S+, line \d+ is skipped", program.text), program.text[-300:]
