# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake top on a terminal: what it shows of real traffic, and how it leaves the terminal."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from lib import env, windows
from lib.feed import read_file
from lib.incident import BLOCKED, CLOSED, REFUSED, STALLED, STALLED_BACKLOG, Incident, \
    RealIncident
from lib.tmux import Tmux, family, gone
from lib.traffic import Agent

FAST = ("--listener-interval", "200ms")


@pytest.fixture
def terminal(keep):
    def start(*argv, before=(), **kwargs):
        return keep(Tmux([*before, env.TCPSHAKE, *map(str, argv)], **kwargs))
    return start


@pytest.fixture
def incident(lone, keep):
    return Incident(lone, keep)


@pytest.fixture
def served(lone, daemon, tmp_path):
    """A daemon that tells of one namespace only, at a socket and on its standard output."""
    def start(**kwargs):
        return daemon("--netns", lone.path, *FAST, sock=tmp_path / "sock", **kwargs)
    return start


@pytest.fixture
def recording(request, tmp_path_factory):
    """Some seconds of an incident, the same ones for all tests."""
    recorded = request.module.__dict__.setdefault("RECORDED", [])
    if not recorded:
        recorded.append(record(tmp_path_factory.mktemp("top") / "feed.ndjson",
                               *map(request.getfixturevalue, ("lone", "incident", "daemon"))))
    return recorded[0]


def record(path, lone, incident, daemon):
    d = daemon("--netns", lone.path, *FAST, output=path)
    incident.happen()
    for _ in range(4):
        time.sleep(0.7)  # so that windows differ: the time of the records is what is tested
        incident.normal(7)
        incident.closed_port(1)
    d.stop()
    return path


# numbers

@pytest.mark.parametrize("window", windows.SECONDS)
def test_numbers_of_a_recording(recording, cli, window):
    """To the last record: counts, and rows of every table."""
    records = read_file(recording)
    end = max(r["mono_ns"] for r in records) // env.SECOND + 1
    expected = windows.Expected(windows.of_window(records, window, end))
    shown = windows.Shown(cli("top", "--once", "--from", str(recording), "--window", window).end())
    shown.check(expected)
    destinations = shown.rows(2, "Destinations")
    assert {name: int(words[1]) for name, words in destinations.items()
            if name in expected.destinations} == expected.destinations
    assert {name: int(words[3]) for name, words in destinations.items()
            if int(words[3])} == expected.failed_destinations
    processes = shown.rows(3, "Processes")
    for (comm, role), count in expected.processes.items():
        words = next(w for name, w in processes.items() if name.split("/")[0] == comm)
        assert int(words[1 if role == "active" else 2]) == count
    causes = shown.rows(4, "Causes")
    assert {name: int(words[1]) for name, words in causes.items() if int(words[1])} == expected.causes
    listeners = shown.rows(1, "Listeners")
    for (name, stage), count in expected.refused.items():
        assert int(listeners[name][-7 if stage == "syn" else -6]) == count, listeners[name]


@pytest.mark.parametrize("flags,wanted", [
    (("--outcome", "failed"), lambda r: r["outcome"] != "established"),
    (("--port", str(REFUSED)), lambda r: r["remote"]["port"] == REFUSED),
    (("--role", "passive"), lambda r: r["role"] == "passive")], ids=["outcome", "port", "role"])
def test_filters_of_a_recording(recording, cli, flags, wanted):
    records = [r for r in read_file(recording) if r["type"] == "handshake" and wanted(r)]
    shown = windows.Shown(cli("top", "--once", "--from", str(recording), *flags).end())
    for name in ("active", "passive", "failed", "retrans"):
        assert shown.count(name) == windows.Expected(records).counts[name]


def test_cgroups(incident, served, terminal, tmp_path, cgroups, cli):
    """Live, typed, and of a recording."""
    directory, _, path = cgroups.make("tcpshake-top")
    d = served()
    all_of_it, some = (terminal("top", "-s", tmp_path / "sock", "--window", "start", *flags)
                       for flags in ((), ("--cgroup", directory)))
    all_of_it.until(r"live$")
    some.until(r"live$")
    incident.closed_port(4)
    Agent(incident.ns, cgroup=directory,
          connect={"addr": "127.0.0.1", "port": REFUSED, "count": 3}).close()
    all_of_it.until(r"failed +7 ")
    some.until(r"failed +3 ")
    all_of_it.keys("/")
    all_of_it.text(f"cgroup {path}")
    all_of_it.until(r"failed +3 ")
    file = tmp_path / "feed"
    file.write_text("".join(json.dumps(r) + "\n" for r in list(d.feed.all)))
    for flags, failed in (((), 7), (("--cgroup", path), 3), (("--cgroup", "/nowhere"), 0)):
        shown = windows.Shown(cli("top", "--once", "--from", str(file), *flags).end())
        assert shown.count("failed") == failed


def test_live_numbers(incident, served, terminal, tmp_path):
    """What the screen says since start is what the daemon's other feed says, to the last record."""
    d = served()
    t = terminal("top", "-s", tmp_path / "sock", "--window", "start")
    t.until(r"live$")
    incident.happen()
    d.feed.wait_for(lambda all: sum(r["type"] == "overflow" for r in all), 10, "an overflow")

    def equal():
        # SYNs go on being refused meanwhile: both sides are asked until they stand still
        expected = windows.Expected(list(d.feed.all))
        shown = windows.Shown(t.screen())
        return list(shown.counts().values()) == list(expected.counts.values())
    env.poll_until(equal, 20, "the same numbers on the screen", interval=0.2)
    counts = windows.Shown(t.screen()).counts()
    assert counts["active"] >= 28 and counts["failed"] >= 5 and counts["overflowed"] >= 1


# looks

@pytest.mark.parametrize("columns,rows", [(80, 24), (200, 60)])
def test_the_screen(incident, served, terminal, tmp_path, columns, rows):
    served()
    t = terminal("-s", tmp_path / "sock", columns=columns, rows=rows)  # top is what a terminal gets
    t.until(r"live$")
    incident.happen()
    screen = t.until(r"failed +5 ")
    screen = t.until(r"sleepy/\d+ .* 3/2 ")
    lines = screen.split("\n")
    assert len(lines) - 1 == rows and all(len(line) <= columns for line in lines)
    assert re.match(r"tcpshake  \S+  only netns=/proc/", lines[0]) and "window 10 s" in lines[0]
    assert re.search(r"^active +\d\S* +\d\S* +\d\S* +\d\S* +2\d timed$", screen, re.M)
    assert re.search(rf"^127.0.0.1:{incident.stalled.port} .*█+ +3/2 ", screen, re.M)
    assert re.search(r"^accept_queue_full, proven, .*: ", screen, re.M)
    assert "q quit" in lines[-2] and re.search("[░▒▓█]", "".join(lines[6:12]))
    if columns == 80:
        t.keys("2")
        screen = t.until(rf"^127.0.0.1:{REFUSED} +5 +5 +0 +- port_closed")
        t.keys("4")
        screen = t.until(r"^CAUSE +CONNS +FAILED +REFUSED")
        t.keys("3")
        t.until(r"^PROCESS +ACTIVE +PASSIVE")
    else:
        for pane in ("1 Listeners", "2 Destinations", "3 Processes", "4 Causes"):
            assert f" {pane} " in screen
        assert "retransmitted" in screen
    assert re.search(r"^port_closed +5 +5 +0 ", t.screen() if columns > 80 else screen, re.M) or \
        columns == 80
    t.keys("?")
    t.until(r"this help")


class Looks:
    """top on a terminal, beside a real incident: what it must say, on a small and on a large one."""

    def __init__(self, t, columns, flags):
        self.t, self.large, self.coloured = t, columns > 80, not flags
        t.until(r"live$")

    def row(self, key, pattern):
        """One of a pane's, once it is there; small terminals show one pane at a time."""
        if not self.large:
            self.t.keys(key)
        self.t.until(pattern)

    def header(self):
        # what the kernel kept from the programs leaves the window
        screen = self.t.until(r"^tcpshake .* audit ✓  window 10 s ", timeout=25)
        for role in ("active", "passive"):
            count, rate = re.search(rf"\b{role} +(\d+) +(\d\S*)/s", screen).groups()
            assert int(count) > 0 and float(rate) > 0
            values, timed = windows.Shown(screen).latency(role)
            assert timed > 0 and all(values)
        shown = windows.Shown(screen)
        assert shown.count("failed") > 0 and shown.count("overflowed") > 0

    def listeners(self, incident):
        nginx, stalled = incident.nginx.pid, incident.stalled.pid
        conns = r" +[1-9]\d* +\S+" if self.large else ""
        self.row("1", rf"^0\.0\.0\.0:80 +nginx/{nginx}\+? .* \d+/511 .*{conns}$")
        full = rf"{STALLED_BACKLOG + 1}/{STALLED_BACKLOG}{f' +{STALLED_BACKLOG + 1}' if self.large else ''}"
        self.row("1", rf"^127\.0\.0\.1:{STALLED} +python3/{stalled} +█+ +{full} +\d+ +[1-9]")  # @SYN
        self.t.until(r"^accept_queue_full, proven, .*: .")

    def others(self, incident):
        self.row("2", rf"^127\.0\.0\.1:{BLOCKED} +[1-9]\d* .*\bno_answer")
        self.row("2", rf"^127\.0\.0\.1:{CLOSED} +[1-9]\d* .*\bport_closed")
        self.row("3", r"(^| )wrk/\d+\+? +[1-9]\d* +0 ")
        self.row("3", rf"(^| )nginx/{incident.nginx.pid}\+? +0 +[1-9]\d* +0 ")
        self.row("3", r"(^| )curl/\d+\+? +[1-9]\d* +0 +[1-9]\d* ")
        self.row("4", r"^accept_queue_full +\d+ +\d+ +[1-9]\d* ")  # refused
        self.row("4", r"^no_answer +([1-9]\d*) +\1 +0 ")  # connections, failed, refused
        self.row("4", r"^port_closed +([1-9]\d*) +\1 +0 ")

    def styles(self):
        """Colour is there or not, and then what is bad is red."""
        assert bool(colours(self.t)) == self.coloured
        cell = next(line for line in self.t.screen(styled=True).split("\n") if "port_closed" in line)
        assert ("38;5;203m" in cell.split("port_closed")[0]) == self.coloured


def test_a_real_incident(lone, keep, served, terminal, tmp_path):
    """nginx under wrk, a stopped server, a blocked port: on four terminals at once."""
    served(losses=True)  # of the whole host's load, and not what this is about
    sizes = [(80, 24), (200, 60)]
    argv = ("top", "-s", tmp_path / "sock")
    all_looks = [Looks(terminal(*argv, *flags, columns=columns, rows=rows), columns, flags)
                 for columns, rows in sizes for flags in ((), ("--color", "never"))]
    incident = keep(RealIncident(lone, tmp_path))
    incident.happen(60 * env.SLOW)
    all_looks[0].t.until(r"failed +[1-9]")
    for looks in all_looks:
        looks.listeners(incident)
        looks.others(incident)
        looks.header()
        looks.styles()


def colours(t):
    """Every SGR of a foreground or a background; 8 colours, 16 (bright ones), or 256."""
    codes = r"[349][0-7]|10[0-7]|[34]8;5;\d+"
    return [code for sgr in re.findall(r"\x1b\[([0-9;]*)m", t.screen(styled=True))
            for code in re.findall(rf"(?:^|;)({codes})(?=;|$)", sgr)]


# ncurses' own, which not every system has
SIXTEEN = r"""tmux-16color|tmux with 16 colors,
	colors#16, pairs#256,
	setab=\E[%?%p1%{8}%<%t%p1%{40}%+%e%p1%{92}%+%;%dm,
	setaf=\E[%?%p1%{8}%<%t%p1%{30}%+%e%p1%{82}%+%;%dm,
	use=tmux,
"""


@pytest.fixture
def sixteen(tmp_path):
    """The environment of a terminal of 16 colours."""
    source, directory = tmp_path / "16.ti", tmp_path / "terminfo"
    source.write_text(SIXTEEN)
    subprocess.run(["tic", "-x", "-o", directory, source], check=True)
    return {"TERMINFO": str(directory)}


def test_16_colours(recording, terminal, sixteen):
    """What there are of 8, none of 256, and none of those that are bright of themselves."""
    argv = ("top", "--from", recording, "--speed", "max", "--window", "start")
    of_8, of_16 = terminal(*argv, term="screen"), terminal(*argv, term="tmux-16color", environment=sixteen)
    for t in (of_8, of_16):
        t.until(r" end$")
    used = set(colours(of_16))
    assert {"31", "32", "33", "36", "46"} <= used == set(colours(of_8))
    assert all(int(code) < 50 for code in used)


@pytest.mark.parametrize("term,variables,flags,coloured", [
    ("tmux-256color", {}, [], True), ("screen", {}, [], True), ("tmux-256color", {"NO_COLOR": "1"}, [], False),
    ("vt100", {}, [], False), ("tmux-256color", {}, ["--color", "never"], False)],
    ids=["256", "8", "NO_COLOR", "vt100", "never"])
def test_colours(recording, terminal, term, variables, flags, coloured):
    t = terminal("top", "--from", recording, "--speed", "max", "--window", "start", *flags, term=term,
                 environment=variables)
    t.until(r" end$")
    assert bool(colours(t)) == coloured
    many = any("8;5" in one for one in colours(t))
    assert many == (coloured and "256" in term)
    # without colour what is chosen still stands out
    assert coloured or re.search(r"\x1b\[(\d+;)*7m", t.screen(styled=True))


def test_without_utf8(recording, terminal):
    t = terminal("top", "--from", recording, "--speed", "max", "--window", "start", columns=200, rows=60,
                 environment={"LC_ALL": "C"})
    screen = t.until(r" end$")
    assert screen.isascii() and "###" in screen


def test_recordings_that_are_none(recording, cli, tmp_path, terminal):
    text = recording.read_bytes()
    last = text.rstrip(b"\n").rfind(b"\n")
    cases = {"empty": (b"", 0, ""), "cut": (text[:-10], 0, "is cut off"),
             "noise": (b"\xff\x00{}[\n" * 3 + text, 0, "line 1 is skipped"),
             "long": (b"x" * (10 << 20) + b"\n" + text, 0, ""),
             "newer": (text + b'{"v":2,"type":"hello"}\n' + text, 1, "format version 2")}
    for name, (data, code, said) in cases.items():
        (tmp_path / name).write_bytes(data)
        program = cli("top", "--once", "--from", str(tmp_path / name))
        shown = program.end(code=code)
        assert said in program.stderr_text and bool(said) == bool(program.stderr_text), name
        if code == 0 and data:
            whole = text if name != "cut" else text[:last + 1]
            records = [json.loads(line) for line in whole.splitlines()]
            windows.Shown(shown).check(windows.Expected(records))
    for path in (tmp_path, tmp_path / "none"):
        program = cli("top", "--once", "--from", str(path))
        assert program.end(code=1) == "" and str(path) in program.error_line()
    t = terminal("top", "--speed", "max", "--from", tmp_path / "newer", shell=True, columns=200)
    t.until(r"^tcpshake: .*format version 2")
    env.poll_until(t.restored, 10, "the terminal back")


def test_needs_a_terminal(recording, cli):
    program = cli("top", "--from", str(recording))
    program.end(code=1)
    assert "--once" in program.error_line()
    program = cli("top", "--from", str(recording), terminal=80, environment={"TERM": "dumb"})
    program.end(code=1)
    assert "TERM=dumb" in program.error_line()
    # who says nothing gets tail there, and where tail's own options are given
    assert "established" in cli("--from", str(recording)).end()
    assert '"hello"' in cli("--json", "--from", str(recording), terminal=80).end()
    for argv in (["top", "--json"], ["top", "--speed", "0"], ["top", "--speed", "-1"],
                 ["top", "--window", "2s"], ["tail", "--speed", "2"]):
        program = cli(*argv)
        program.end(code=2)
        program.error_line()


def test_a_private_daemon_that_cannot(terminal, cli):
    """What it says is not lost with the screen."""
    if os.path.exists("/run/tcpshake/tcpshaked.sock"):
        pytest.skip("a daemon serves this host at its default socket")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    t = terminal("top", shell=True, before=nobody)
    t.until(r"^tcpshaked: .*(root|CAP_BPF|sudo)")
    env.poll_until(t.restored, 10, "the terminal back")
    program = cli("top", "--once", preexec_fn=lambda: os.setresuid(65534, 65534, 65534))
    assert program.end(code=1) == "" and re.search(r"root|CAP_BPF|sudo", program.stderr_text)


# keys

def test_keys(incident, served, terminal, tmp_path):
    served()
    t = terminal("top", "-s", tmp_path / "sock", "--window", "start", rows=40)
    t.until(r"live$")
    incident.happen()
    t.until(r"failed +5 ")
    # held: records go on being counted
    t.keys("Space")
    t.until(r" paused, \d+ since$")
    incident.closed_port(3)
    t.until(r" paused, ([3-9]|\d\d+) since$")
    assert re.search(r"failed +5 ", t.screen())
    t.keys("p")
    t.until(r"failed +8 ")
    t.until(r"live$")
    # only some, as it is typed, of what came before, too
    t.keys("/")
    t.text("port 4242 outcome refuse")
    t.until(r"^filter: port 4242 outcome refuse .*no outcome")
    t.text("d")
    t.until(r"^active +8 .* passive +0 .* failed +8 ")
    t.keys("Enter")
    t.until(r"^only port 4242 outcome refused, since ")
    t.keys("/", "C-u", "Enter")
    t.until(r"^active +\d\d ")
    # one of them
    t.keys("2", "Enter")
    t.until(rf"^ Destination 127.0.0.1:{REFUSED} ")
    t.until(r"^port_closed +8 handshakes")
    assert len(re.findall(r"refused .*127.0.0.1:4242 .*port_closed", t.screen())) == 8
    t.keys("Escape")
    t.until(r"^DESTINATION")
    # other orders and windows
    t.keys("w")
    t.until(r"window 1 s ")
    t.keys("W", "W")
    t.until(r"window 5 min ")
    t.keys("q")
    t.ended()


def test_freeze(recording, terminal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    t = terminal("top", "--from", recording, "--speed", "max", "--window", "start")
    t.until(r" end$")
    t.keys("f")
    t.until(r"^written to tcpshake-top-")
    path, = tmp_path.glob("tcpshake-top-*.txt")
    windows.Shown(path.read_text()).check(windows.Expected(read_file(recording)))
    t.keys("f")  # within the same second, or the next: nothing is overwritten
    t.until(r"^(written to|cannot write) tcpshake-top-")


def test_replay(recording, terminal):
    """At its own pace; back, and forth; the end stays on the screen."""
    records = read_file(recording)
    all_active = sum(r["type"] == "handshake" and r["role"] == "active" for r in records)
    began = time.monotonic()
    t = terminal("top", "--from", recording, "--window", "start", "--speed", "0.5")
    t.until(r" replay x0.5$")
    t.until(rf"^active +{all_active} .*", timeout=30)
    length = (records[-1]["mono_ns"] - records[0]["mono_ns"]) / env.SECOND
    assert time.monotonic() - began >= length * 2 * 0.8
    windows.Shown(t.still(r" end$")).check(windows.Expected(records))
    t.keys("[", "Space")
    t.until(r" paused$")
    t.keys("]", "]", "]", "Space")
    windows.Shown(t.still(r" end$")).check(windows.Expected(records))


# ends

@pytest.mark.parametrize("how", ["q", "C-c", "TERM", "HUP", "KILL", "SEGV"])
def test_the_terminal_is_restored(recording, terminal, how):
    """However it ends: the drawing process killed, too."""
    t = terminal("top", "--from", recording, shell=True)
    t.until(r"q quit")
    pids = [pid for pid in family(t.pid) if pid != t.pid]
    assert len(pids) == 2 and not t.restored()
    if how in ("q", "C-c"):
        t.keys(how)
    else:
        os.kill(pids[1] if how in ("KILL", "SEGV") else pids[0], getattr(signal, f"SIG{how}"))
    env.poll_until(lambda: all(map(gone, pids)) and t.restored(), 10, "the terminal back")
    t.type("stty -a | grep -o '[ -]echo ' | head -1; stty -a | grep -o '.icanon'")
    t.until(r"^(# )? echo *$")
    t.until(r"^ icanon")
    if how == "KILL":  # of SEGV a sanitizer may make something else
        assert "was killed by signal" in t.screen()


def test_the_guard_is_killed(recording, terminal):
    t = terminal("top", "--from", recording, shell=True)
    t.until(r"q quit")
    pids = [pid for pid in family(t.pid) if pid != t.pid]
    os.kill(pids[0], signal.SIGKILL)
    env.poll_until(lambda: all(map(gone, pids)) and t.restored(), 10, "the terminal back")


def test_suspended(recording, terminal):
    """Ctrl-Z gives the shell its terminal, fg brings the screen back."""
    t = terminal("top", "--from", recording, shell=True)
    t.until(r"q quit")
    t.keys("C-z")
    env.poll_until(t.restored, 10, "the terminal back")
    t.type("echo in the shell")
    t.until(r"^in the shell")
    t.type("fg")
    t.until(r"q quit")
    t.until(r"^in the shell", absent=True)
    t.keys("q")
    env.poll_until(t.restored, 10, "the terminal back")


def test_piped(recording, terminal):
    """The feed comes through standard input, the keys from the terminal."""
    t = terminal("top", "--from", "-", "--window", "start", shell=True, before=["cat", recording, "|"])
    windows.Shown(t.still(r" end$")).check(windows.Expected(read_file(recording)))
    t.keys("2")
    t.until(r"^DESTINATION")
    t.keys("q")
    env.poll_until(t.restored, 10, "the terminal back")


def test_resizes(recording, terminal):
    t = terminal("top", "--from", recording, "--speed", "max", "--window", "start")
    t.until(r" end$")
    for number in range(60):
        t.resize(10 + number * 37 % 230, 3 + number * 17 % 70)
    t.resize(120, 30)
    screen = t.still(r" end$")
    assert len(screen.split("\n")) - 1 == 30
    windows.Shown(screen).check(windows.Expected(read_file(recording)))


def test_the_terminal_vanishes(terminal, lone):
    """Nobody is left, neither the daemon of its own."""
    t = terminal("top", "--netns", lone.path, environment={"PATH": os.environ["PATH"]})
    if os.path.exists("/run/tcpshake/tcpshaked.sock"):
        pytest.skip("a daemon serves this host at its default socket")
    t.until(r"(live|waiting)$")
    pids = env.poll_until(lambda: (found := family(t.pid)) and len(found) >= 3 and found, 10,
                          "a private daemon")
    t.close()
    env.poll_until(lambda: all(map(gone, pids)), 20, f"the end of {pids}")


def test_a_daemon_dies_and_comes_back(incident, served, terminal, tmp_path):
    d = served(check=False)
    t = terminal("top", "-s", tmp_path / "sock", "--window", "start", "--netns", incident.ns.inode)
    t.until(r"live$")
    incident.closed_port(3)
    t.until(r"failed +3 ")
    stalled = rf"^127.0.0.1:{incident.stalled.port} +sleepy/{incident.stalled.pid} "
    t.until(stalled)  # it was there before, and idle
    d.kill()
    t.until(r"NO DAEMON$")
    t.until(r"^died, trying again each second: the daemon at")
    (tmp_path / "sock").unlink(missing_ok=True)
    d = served()
    t.until(r"live$")
    t.until(r"trying again", absent=True)
    t.until(stalled)
    incident.closed_port(4)
    t.until(r"failed +7 ")
    # an orderly end is one, too
    d.stop()
    t.until(r"^ended, trying again each second")
    t.keys("q")
    t.ended()


def test_a_private_daemon_dies(terminal, lone, incident):
    if os.path.exists("/run/tcpshake/tcpshaked.sock"):
        pytest.skip("a daemon serves this host at its default socket")
    t = terminal("top", "--netns", lone.path, "--window", "start")
    t.until(r"live$")
    incident.closed_port(2)
    t.until(r"failed +2 ")
    pids = family(t.pid)
    os.kill(pids[-1], signal.SIGKILL)
    t.until(r"live$", absent=True)
    t.until(r"live$", timeout=30)
    incident.closed_port(1)
    t.until(r"failed +3 ")
    pids += family(t.pid)
    t.keys("q")
    t.ended()
    env.poll_until(lambda: all(map(gone, pids)), 20, "the end of all")
