# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One grammar: what the views share they share by name and meaning, and each view's help says it."""
import json
import re
import shlex
import subprocess

import pytest

from lib import env
from lib.traffic import Agent, connect

ALL = {"--socket", "--help", "--version"}
FILTERS = {"--port", "--remote", "--netns", "--cgroup", "--role", "--outcome", "--slow"}
FEED = {"--from", "--since", "--until", "--duration"}
TEXT = {"--json", "--color"}
GRAMMAR = {
    "top": ALL | FILTERS | FEED | {"--color", "--once", "--window", "--speed"},
    "tail": ALL | FILTERS | FEED | TEXT | {"--events", "--no-summary", "--speed"},
    "listeners": ALL | FEED | TEXT | {"--port", "--netns", "--cgroup", "--once", "--sort"},
    "stats": ALL | FEED | TEXT | {"--netns", "--once"},
    "states": TEXT | {"--help", "--version", "--port", "--remote", "--netns", "--cgroup", "--once", "--sort", "--by",
                      "--duration"},
    "explain": ALL | FILTERS | FEED | TEXT,
    "report": ALL | FILTERS | FEED | {"--output", "--force"},
    "record": ALL | FILTERS | FEED | {"--events", "--no-summary", "--force", "--keep", "--trigger", "--before", "--after", "--then"},
    "doctor": ALL | TEXT | {"--port", "--netns"},
    "lab": TEXT | {"--help", "--version", "--list", "--all", "--step", "--patience"},
}


def help_of(*argv):
    return subprocess.run([env.TCPSHAKE, *argv, "--help"], capture_output=True, text=True,
                          check=True).stdout


@pytest.mark.parametrize("view", GRAMMAR)
def test_options(view):
    """As the table above has it: an option that a view gains or loses is a decision."""
    text = help_of(view)
    assert text.startswith(f"Usage: tcpshake {view} ")
    options = text.split("\nOptions:\n")[1].split("\nExamples:\n")[0]
    assert set(re.findall(r"^ +(?:-\w, +)?(--[a-z-]+)", options, re.M)) == GRAMMAR[view]
    page = (env.ROOT / "man" / "tcpshake.1").read_text().replace("\\-", "-")
    for option in GRAMMAR[view]:
        assert re.search(r"^\.(BI?R?|TP) .*%s\b" % option, page, re.M), f"{option} is not in the man page"


@pytest.mark.parametrize("view", GRAMMAR)
def test_examples_are_taken(view):
    """Each line of the examples that runs this view is one that the parser takes."""
    examples = help_of(view).split("\nExamples:\n")[1]
    commands = re.findall(r"tcpshake ((?:[^|>\s]+(?: (?! ))?)+)", examples)
    mine = [c for c in commands if c.split()[0] == view]
    assert len(mine) >= 3, commands
    for command in commands:
        if command != "tcpshake":  # "man tcpshake"
            subprocess.run([env.TCPSHAKE, *shlex.split(command), "--help"], check=True,
                           stdout=subprocess.DEVNULL)


def test_the_program_s_help_names_every_view():
    text = help_of()
    assert re.findall(r"^  (\w+) ", text.split("Options:")[0], re.M) == list(GRAMMAR)
    assert "Examples:" in text


def test_stats_of_one_namespace(tmp_path, cli):
    audit = json.loads((env.SCHEMAS / "examples/valid/audit.json").read_text())
    path = tmp_path / "recording"
    path.write_text("".join(json.dumps({**audit, "netns": netns}) + "\n" for netns in (5, 6, 7)))
    for flags, wanted in (([], [5, 6, 7]), (["--netns", "6"], [6]), (["--netns", "9"], [])):
        lines = cli("stats", "--json", "--from", str(path), *flags).end().splitlines()
        assert [json.loads(line)["netns"] for line in lines] == wanted


def test_stats_of_one_namespace_live(daemon, cli, lone, keep, tmp_path):
    sock = tmp_path / "sock"
    keep(Agent(lone, comm="resident", listen={"port": 7}))
    daemon("--listener-interval", "200ms", sock=sock, losses=True)

    def audits(*flags):
        connect(lone, 4, ("127.0.0.1", 9))[0].close()  # something to audit
        text = cli("stats", "--once", "--json", "--socket", str(sock), *flags).end()
        return {r["netns"] for r in map(json.loads, text.splitlines()) if r["type"] == "audit"}
    env.poll_until(lambda: lone.inode in audits(), 15, "an audit of the namespace", interval=0.2)
    assert audits("--netns", str(lone.inode)) == {lone.inode}
