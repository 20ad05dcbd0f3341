# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Completion in bash and zsh: printed by the programs themselves, and tried in real shells."""
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import pytest

from lib import env
from lib.schema import streamed_types

PROGRAMS = {"tcpshake": env.TCPSHAKE, "tcpshaked": env.TCPSHAKED}
VIEWS = re.findall(r"^  (\w+) ", subprocess.run(
    [env.TCPSHAKE, "--help"], capture_output=True, text=True, check=True).stdout.split(
        "Options:")[0], re.M)
NEEDS_ZSH = pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")


def script_of(program, shell):
    return subprocess.run([PROGRAMS[program], "--completion", shell], capture_output=True, text=True,
                          check=True).stdout


@pytest.fixture
def scripts(tmp_path):
    """They stand in a directory, as they are installed."""
    for program in PROGRAMS:
        (tmp_path / f"{program}.bash").write_text(script_of(program, "bash"))
        (tmp_path / f"_{program}").write_text(script_of(program, "zsh"))
    return tmp_path


@pytest.fixture
def complete(scripts):
    """What bash's completion function offers for the last word."""
    def ask(*words):
        run = ('source "$1/$2.bash"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_$1"; '
               'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", run, "bash", str(scripts), *words], cwd=scripts,
                              capture_output=True, text=True, timeout=20 * env.SLOW, check=True)
        assert done.stderr == ""
        return [line for line in done.stdout.splitlines() if line]
    return ask


def options_in_help(*argv):
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return re.findall(r"^ +(?:-\w, +)?(--[a-z-]+)", text, re.M)


def test_views_and_their_options_are_those_of_the_help(complete):
    assert complete("tcpshake", "") == VIEWS and "doctor" in VIEWS
    assert complete("tcpshake", "e") == ["explain"]
    for view in VIEWS:
        wanted = options_in_help(env.TCPSHAKE, view, "--help")
        assert sorted(complete("tcpshake", view, "--")) == sorted(wanted), view
        assert len(wanted) > 5
    assert sorted(complete("tcpshaked", "--")) == sorted(options_in_help(env.TCPSHAKED, "--help"))
    assert "--completion" not in complete("tcpshake", "--")


def test_every_word_is_one_that_the_parser_takes(complete):
    """--help ends the program only after all was parsed."""
    tried = 0
    for view in VIEWS:
        for option in complete("tcpshake", view, "--"):
            if option in ("--from", "--socket", "--netns", "--cgroup", "--then"):
                continue  # files
            for word in complete("tcpshake", view, option, ""):
                if word.startswith("--"):
                    continue  # it takes no value
                tried += 1
                subprocess.run([env.TCPSHAKE, view, option, word, "--help"], check=True,
                               stdout=subprocess.DEVNULL)
    for option, count in (("--role", 2), ("--outcome", 10), ("--events", len(streamed_types())), ("--accept-wait", 4)):
        words = complete("tcpshaked", option, "")
        assert len(words) == count, words
        for word in words:
            tried += 1
            subprocess.run([env.TCPSHAKED, option, word, "--help"], check=True,
                           stdout=subprocess.DEVNULL)
    assert tried > 60


def test_values(complete, scripts):
    assert complete("tcpshake", "tail", "--role", "a") == ["active"]
    assert complete("tcpshake", "tail", "--role", "=", "p") == ["passive"]
    assert complete("tcpshake", "tail", "--outcome", "failed,re") == ["failed,refused", "failed,reset"]
    assert complete("tcpshake", "listeners", "--sort", "p") == ["peak", "port", "process"]
    assert complete("tcpshake", "listeners", "--outc") == []
    assert complete("tcpshake", "tail", "--port", "") == []
    (scripts / "feed one.ndjson").touch()
    assert complete("tcpshake", "tail", "--from", "feed") == ["feed one.ndjson"]
    assert complete("tcpshake", "record", "feed") == ["feed one.ndjson"]
    assert "--force" in complete("tcpshake", "record", "--f")
    assert complete("tcpshaked", "-s", "feed") == ["feed one.ndjson"]


@pytest.mark.parametrize("argv", [["--completion"], ["--completion", "fish"]])
def test_unknown_shell(argv):
    for program in PROGRAMS.values():
        done = subprocess.run([program, *argv], capture_output=True, text=True)
        assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1


class Shell:
    """An interactive shell on a terminal."""

    def __init__(self, argv, directory):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.environ.update(TERM="dumb", PS1="% ", HOME=str(directory),
                              PATH=f"{os.path.dirname(env.TCPSHAKE)}:{os.environ['PATH']}")
            os.execvp(argv[0], argv)

    def type(self, keys, until, timeout=15):
        os.write(self.fd, keys.encode())
        since, deadline = len(self.text), time.monotonic() + timeout * env.SLOW
        while not re.search(until, self.text[since:]):
            assert time.monotonic() < deadline, self.text
            if select.select([self.fd], [], [], 0.1)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace")

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def try_keys(shell):
    """Tab completes what there is only one of."""
    for keys, until in (("tcpshake lis\t", "tcpshake listeners "),
                        ("--so\t", "--so(rt|cket)?"),
                        ("\x15tcpshake listeners --sor\t", "listeners --sort"),
                        ("\x15tcpshake tail --role pas\t", "--role passive"),
                        ("\x15tcpshake record --forc\t", "record --force"),
                        ("\x15tcpshaked --accept-wait sys\t", "--accept-wait syscall")):
        shell.type(keys, until)


def test_in_bash(scripts, keep):
    shell = keep(Shell(["bash", "--norc", "--noprofile", "-i"], scripts))
    shell.type("source tcpshake.bash; source tcpshaked.bash; echo re''ady\r", "ready")
    try_keys(shell)


@NEEDS_ZSH
def test_in_zsh(scripts, keep):
    shell = keep(Shell(["zsh", "-f", "-i"], scripts))
    shell.type("fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; unsetopt zle_bracketed_paste; "
               "bindkey -e; echo re''ady\r", "ready")
    try_keys(shell)


@NEEDS_ZSH
def test_zsh_takes_it():
    for program in PROGRAMS:
        script = script_of(program, "zsh")
        subprocess.run(["zsh", "-n"], input=script, text=True, check=True)
        assert script.startswith(f"#compdef {program}\n")
