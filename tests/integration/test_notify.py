# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a service manager hears of the daemon, and what the CLI makes of one that is starting."""
import errno
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

from lib import env, feed
from lib.cli import Cli

WATCHDOG = 0.6  # s


class Manager:
    """The socket of a service manager: what comes, when."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        self.environment = {**os.environ, "NOTIFY_SOCKET": path.replace("\0", "@")}

    def next(self, timeout=10.0):
        """What it heard, or None if nothing came in that time."""
        self.sock.settimeout(timeout)
        try:
            return self.sock.recv(4096).decode()
        except TimeoutError:
            return None

    def close(self):
        self.sock.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, keep):
    name = str(tmp_path / "notify") if request.param == "path" else f"\0tcpshake-test-{os.getpid()}"
    return keep(Manager(name))


def test_ready_after_hello_and_stopping(daemon, manager, tmp_path):
    d = daemon(output=tmp_path / "feed", wait=False, env=manager.environment)
    assert manager.next(20 * env.SLOW) == "READY=1"
    assert (tmp_path / "feed").read_text().startswith('{"v":1,"type":"hello"')
    assert manager.next(0.5) is None, "no watchdog was asked for"
    d.stop()
    assert manager.next() == "STOPPING=1"


def test_not_ready_before_hello(daemon, manager, tmp_path):
    """A FIFO without a reader keeps it from writing its first record."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    d = daemon(output=fifo, wait=False, env=manager.environment)
    assert manager.next(1.5 * env.SLOW) is None
    with open(fifo, "rb") as reader:
        assert manager.next(20 * env.SLOW) == "READY=1"
        assert b'"type":"hello"' in reader.readline()
        d.stop()


def test_watchdog(daemon, manager):
    """At half of the time; none while it is stopped; none that is meant for another process."""
    asked = {**manager.environment, "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))}
    d = daemon(env=asked)
    assert manager.next() == "READY=1"
    times = []
    for _ in range(5):
        assert manager.next() == "WATCHDOG=1"
        times.append(time.monotonic())
    assert times[-1] - times[0] < 4 * WATCHDOG * env.SLOW
    assert times[-1] - times[0] > 4 * WATCHDOG / 2 * 0.7
    d.send(signal.SIGSTOP)
    while manager.next(0.2):
        pass
    assert manager.next(3 * WATCHDOG) is None
    d.send(signal.SIGCONT)
    assert manager.next() == "WATCHDOG=1"
    d.stop()
    while manager.next(0.2):
        pass
    daemon(env={**asked, "WATCHDOG_PID": "1"})
    assert manager.next() == "READY=1"
    assert manager.next(2 * WATCHDOG) is None


def test_a_manager_that_is_not_there(daemon, tmp_path):
    d = daemon(env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "nobody")})
    d.stop()
    assert "NOTIFY_SOCKET" in d.error_line()


def stopped_before_it_serves(path):
    """A daemon that has its socket, and does not listen yet: stopped right there."""
    for _ in range(20):
        d = feed.Daemon(output="none", sock=path)
        env.poll_until(path.exists, 20, "its socket", interval=0.0005)
        d.send(signal.SIGSTOP)
        env.poll_until(lambda: pathlib.Path(f"/proc/{d.pid}/stat").read_text().split(")")[1].split()[0] == "T")
        with socket.socket(socket.AF_UNIX) as sock:
            if sock.connect_ex(str(path)) == errno.ECONNREFUSED:
                return d
        d.kill()
    raise AssertionError("it serves at once, always")


@pytest.fixture
def starting(tmp_path, programs):
    d = stopped_before_it_serves(tmp_path / "sock")
    programs.append(d)
    return d


@pytest.mark.parametrize("view", [["tail"], ["stats", "--once"], ["listeners", "--once"]])
def test_a_daemon_that_starts_is_waited_for(starting, programs, view):
    """At the default path in a /run of its own: a second daemon would see everything again."""
    bind = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && mkdir /run/tcpshake && '
            'touch /run/tcpshake/tcpshaked.sock && mount --bind "$0" /run/tcpshake/tcpshaked.sock && exec "$@"']
    program = Cli(*view, prefix=[*bind, str(starting.sock)])
    programs.append(program)
    env.poll_until(lambda: pathlib.Path(f"/proc/{program.pid}/comm").read_text() == "tcpshake\n", what="tcpshake")
    time.sleep(1)
    assert program.process.poll() is None and program.children() == []
    starting.send(signal.SIGCONT)
    if view == ["tail"]:
        with socket.socket(socket.AF_UNIX) as asked:
            env.poll_until(lambda: asked.connect_ex(str(starting.sock)) == 0, 20, "the daemon")
            asked.sendall(b'{"op":"stats"}\n')
            asked.recv(1)
        time.sleep(0.5)
        assert program.process.poll() is None and program.children() == []
        program.end(signal.SIGINT)
    else:
        program.end()
    assert "tcpshaked" not in program.stderr_text
    starting.stop()


def test_who_waits_can_be_stopped(starting, programs):
    program = Cli("tail", "--socket", str(starting.sock))
    programs.append(program)
    time.sleep(0.5)
    program.process.send_signal(signal.SIGINT)
    program.wait(5)


def test_the_place_of_a_daemon_that_starts_is_not_taken(starting):
    done = subprocess.run([env.TCPSHAKED, "-s", starting.sock, "-o", "none", "-d", "1ms"], capture_output=True,
                          text=True, timeout=20 * env.SLOW)
    assert done.returncode == 1 and "another tcpshaked" in done.stderr
    starting.kill()
    done = subprocess.run([env.TCPSHAKED, "-s", starting.sock, "-o", "none", "-d", "1ms"], capture_output=True,
                          text=True, timeout=20 * env.SLOW)
    assert (done.returncode, done.stderr) == (0, "")
