# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""make install, where packages are made; what is installed before a build, and whose the build is."""
import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile

import pytest

from lib import env

PROGRAMS = ("tcpshake", "tcpshaked")


def make(target, directory):
    subprocess.run(["make", "-s", "-C", env.ROOT, target, f"O={env.BUILD}", f"DESTDIR={directory}",
                    "PREFIX=/usr"], check=True, capture_output=True, timeout=120 * env.SLOW)


def test_completion(tmp_path):
    make("install", tmp_path)
    share = tmp_path / "usr" / "share"
    for program in PROGRAMS:
        bash = share / "bash-completion" / "completions" / program
        zsh = share / "zsh" / "site-functions" / f"_{program}"
        assert f"complete -F _{program} {program}" in bash.read_text()
        assert zsh.read_text().startswith(f"#compdef {program}\n")


def test_unit_and_its_user(tmp_path):
    """Where systemd looks for them: to be enabled, not to be copied."""
    make("install", tmp_path)
    unit = (tmp_path / "usr/lib/systemd/system/tcpshaked.service").read_text()
    assert "ExecStart=/usr/sbin/tcpshaked " in unit
    unit = (tmp_path / "usr/lib/systemd/system/tcpshake-record.service").read_text()
    assert "ExecStart=/usr/bin/tcpshake record " in unit
    assert (tmp_path / "usr/lib/sysusers.d/tcpshake.conf").read_text().count("u tcpshake ") == 1


def test_uninstall_leaves_nothing(tmp_path):
    make("install", tmp_path)
    make("uninstall", tmp_path)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


@pytest.fixture
def apt(tmp_path):
    """install-deps with an apt-get that takes its time, and its policy in a file of the test."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in (("dpkg-query", "echo missing"), ("apt-get", f"touch {tmp_path}/asked; exec sleep 30")):
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    started = []

    def start():
        (tmp_path / "asked").unlink(missing_ok=True)
        started.append(subprocess.Popen([env.ROOT / "tools/install-deps", "fuzz"], stderr=subprocess.DEVNULL,
                                        start_new_session=True,
                                        env={"PATH": f"{tools}:{os.environ['PATH']}",
                                             "POLICY_RC_D": str(tmp_path / "policy")}))
        env.poll_until((tmp_path / "asked").exists, 10, "apt-get")
        return started[-1]
    start.policy = tmp_path / "policy"
    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def end(process, number):
    os.killpg(process.pid, number)
    process.wait(10 * env.SLOW)


def test_interrupted_install_leaves_no_policy(apt):
    process = apt()
    assert apt.policy.exists()
    end(process, signal.SIGTERM)
    assert not apt.policy.exists()


def test_policy_of_a_killed_install(apt):
    """What it left behind goes with the next one; one under way keeps its own; somebody's own stays."""
    end(apt(), signal.SIGKILL)
    assert apt.policy.exists()
    first = apt()
    second = apt()
    end(second, signal.SIGTERM)
    assert apt.policy.exists()
    end(first, signal.SIGTERM)
    assert not apt.policy.exists()
    apt.policy.write_text("#!/bin/sh\nexit 101\n")
    end(apt(), signal.SIGTERM)
    assert apt.policy.exists()


def test_no_syslog_ng_stops_no_demo(tmp_path):
    """apt-get's reason is passed on, and the rest goes on without it."""
    for name, script in (("dpkg-query", "echo installed"), ("apt-get", "echo 'E: no such archive' >&2; exit 100")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run([env.ROOT / "tools/install-deps", "fleet"], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert "E: no such archive" in done.stderr and "syslog-ng is not unpacked" in done.stderr


@pytest.fixture
def open_dir():
    """For other users as well, which pytest's own directories are not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        yield pathlib.Path(path)


def test_sudo_builds_as_the_caller(open_dir):
    """And what an earlier build left to root is theirs, too: but not what has another name elsewhere."""
    build, other = open_dir / "build", open_dir / "other"
    (build / "daemon").mkdir(parents=True)
    (build / "daemon" / "old.o").write_text("")
    other.write_text("")
    os.link(other, build / "linked")
    os.chown(open_dir, 65534, 65534)
    subprocess.run([env.ROOT / "tools/as-caller", "build", "touch", "build/new.o"], cwd=open_dir, check=True,
                   env={**os.environ, "SUDO_UID": "65534", "SUDO_GID": "65534"})
    owners = {path.name: path.stat().st_uid for path in (build, build / "daemon" / "old.o", build / "new.o", other)}
    assert owners == {"build": 65534, "old.o": 65534, "new.o": 65534, "other": 0}
