# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake lab: every scenario holds on this kernel, each number in it matters, and nothing is left behind."""
import os
import pathlib
import pty
import random
import re
import signal
import subprocess
import time

import pytest

from lib import env, lab, schema

NAMES = lab.names()
DESIGNED = """three-way-handshake backlog backlog-zero somaxconn-clamp relisten syn-queue three-quarters syncookies
    abort-on-overflow defer-accept fastopen-queue dual-stack reuseport-close mptcp refused timeout unreachable rst-causes
    lost-final-ack nonblocking-connect client-bind ephemeral-server-port four-way-close time-wait close-wait
    simultaneous-close half-close reset-close unix-backlog""".split()
EXAMPLE = "b: s = socket inet stream\nb: bind s 0.0.0.0:7000\nb: listen s 2\n"


@pytest.fixture(scope="module")
def results():
    """Each scenario as JSON: {name: (exit status, stderr, statements)}."""
    def one(name):
        done = lab.run("--json", "--patience", str(max(1, env.SLOW)), name)
        return done.returncode, done.stderr, lab.statements(done)
    return lab.each(one, NAMES)


@pytest.fixture
def scenario(tmp_path):
    """scenario(text) is a file."""
    def write(text, name="mine.lab"):
        path = tmp_path / name
        path.write_text(text)
        return path
    return write


def test_all_scenarios_are_there():
    assert NAMES == sorted(DESIGNED)


def is_left_out(statements):
    """Its last statement required what this kernel has not."""
    return statements[-1]["statement"].startswith("require") and not statements[-1]["expect"]["held"]


@pytest.mark.parametrize("name", NAMES)
def test_scenario_holds(name, results):
    status, stderr, statements = results[name]
    failed = [(s["line"], s["statement"], s["expect"]["found"]) for s in statements
              if s["expect"] and not s["expect"]["held"] and not s["statement"].startswith("require")]
    assert (failed, [s["error"] for s in statements if s["error"]], status) == ([], [], 0), stderr
    text = (lab.LIBRARY / f"{name}.lab").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    if is_left_out(statements):
        assert name == "mptcp" and not pathlib.Path("/proc/sys/net/mptcp/enabled").exists()
        return
    assert [s["statement"] for s in statements] == lines
    assert sum(line.startswith("expect") for line in lines) >= 5
    assert len(re.findall(r"^# (?!SPDX)", text, re.M)) >= 3, "it teaches nothing"


def test_json_is_as_published(results):
    validator = schema.validator("lab.schema.json", strict=True)
    records = schema.Checker()
    for _, _, statements in results.values():
        for statement in statements:
            for record in statement["records"]:
                assert records.errors(record) == []
            assert list(schema.leaves(validator.iter_errors({**statement, "records": []}))) == []
            assert (statement["waited_ns"] is not None) == statement["statement"].startswith("wait ")


def test_every_number_matters(scenario):
    """Each number of an expectation, changed, makes it fail: the scenario shows that, and says what was there."""
    cases = [(name, index, text, lines) for name in NAMES
             for index, (text, lines) in enumerate(lab.variants((lab.LIBRARY / f"{name}.lab").read_text()))]
    assert sum(len(lines) for *_, lines in cases) > 150

    def one(at):
        name, index, text, lines = cases[at]
        done = lab.run("--json", "--patience", "0.01", str(scenario(text, f"{name}-{index}.lab")))
        statements = lab.statements(done)
        if is_left_out(statements):
            return 1, [], done.stderr
        held = {s["line"]: s["expect"] for s in statements if s["expect"]}
        return done.returncode, [(name, n) for n in lines if n not in held or held[n]["held"]
                                 or not held[n]["found"]], done.stderr
    for at, (status, still, stderr) in lab.each(one, range(len(cases))).items():
        assert (status, still) == (1, []), (cases[at][0], stderr)


@pytest.mark.parametrize("line, changed", [
    ("expect s accept_queue 3/2", ["expect s accept_queue 100003/2", "expect s accept_queue 3/100002"]),
    ("expect 1..2 of c1..c9 CLOSE within 9s", ["expect 100001..100002 of c1..c9 CLOSE within 9s"]),
    ("expect b counter X >= 2", ["expect b counter X >= 100002"]),
    ("expect c1 took < 500ms", ["expect c1 took < 1ns"]),
    ("expect c1 took 1s..3s", ["expect c1 took 100001s..100003s"]),
    ("expect b counter X 0 or 1", ["expect b counter X 100000 or 100001"]),
    ("expect record reset local 7000 count=2 stage syn",
     ["expect record reset local 107000 count=2 stage syn", "expect record reset local 7000 count=100002 stage syn"]),
    ("expect c1..c3 ESTABLISHED", []),
    ("b: listen s 2", []),
])
def test_what_is_changed_is_what_is_meant(line, changed):
    found = [lab.changed(line, index) for index in range(4)]
    assert [text for text in found if text] == changed


def test_scenario_of_the_help(scenario):
    """A queue that fills while the client's time-out is 1 s: as --help has it, and its words for what was meant instead."""
    text = subprocess.run([env.TCPSHAKE, "lab", "--help"], text=True, capture_output=True, check=True).stdout
    lines = re.findall(r"^  ([ab]: .*|expect .*)$", text.partition("until close:")[2].partition("Options:")[0], re.M)
    lines = [re.sub(r" {3,}.*", "", line) for line in lines]
    assert len(lines) == 9
    done = lab.run("--patience", str(max(1, env.SLOW)), str(scenario("\n".join(lines) + "\n")))
    assert done.returncode == 0, done.stdout
    wrong = [*lines[:-2], "expect record handshake outcome cancelled remote 7000"]  # it did not close
    done = lab.run("--patience", "0.1", str(scenario("\n".join(wrong) + "\n")))
    assert done.returncode == 1
    assert re.search(r"DID NOT HOLD .*: 4 records handshake, but no such one; the last: [ab]: handshake", done.stdout), done.stdout


def test_failing_expect_shows_what_was_there(scenario):
    done = lab.run("--patience", "0.1", str(scenario(EXAMPLE + "expect s accept_queue 3/2\nexpect s LISTEN\n")))
    assert done.returncode == 1
    assert "DID NOT HOLD" in done.stdout and "s accept_queue 0/2" in done.stdout
    assert "held after" in done.stdout.split("expect s LISTEN")[1], "what follows is looked at, too"
    assert "not all that was expected held" in done.stdout


@pytest.mark.parametrize("text, error", [
    ("wait soon\n", "mine.lab:1: found 'soon', expected a duration, such as 500ms"),
    ("# x\n\nb: listen s 2\n", "mine.lab:3: found 's', expected a socket that is open here"),
    (EXAMPLE + "expect s LISTENING\n", "mine.lab:4: found 'LISTENING', expected a state such as ESTABLISHED"),
    (EXAMPLE + "b: listen s\n", "mine.lab:4: found the end of the line, expected a backlog"),
])
def test_wrong_statement(text, error, scenario):
    """Nothing runs: it is said at once."""
    done = lab.run(str(scenario(text)))
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("statement, error", [
    ("sysctl b net.ipv4.no_such_thing 1", "this kernel has no such sysctl"),
    ("sysctl b net.core.somaxconn lots", "cannot set net.core.somaxconn to lots in b"),
    ("nft b dance", "nft refused it"),
])
def test_statement_that_cannot_be(statement, error, scenario):
    done = lab.run(str(scenario(f"{statement}\nwait 1ms\n")))
    assert done.returncode == 1
    assert "mine.lab:1" in done.stderr and error in done.stderr
    assert "wait" not in done.stdout, "it goes on"


def test_what_is_required_is_not_there(scenario):
    """The rest is left out, and that is no failure."""
    done = lab.run("--patience", "0.1", str(scenario(EXAMPLE + "require s ESTABLISHED\nexpect s CLOSE\n")))
    assert done.returncode == 0 and "not on this kernel" in done.stdout
    assert "expect" not in done.stdout
    done = lab.run("--patience", "0.1", str(scenario(EXAMPLE + "require s LISTEN\nexpect s CLOSE\n")))
    assert done.returncode == 1 and "expect s CLOSE" in done.stdout


def test_without_nft(scenario):
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /usr/sbin && PATH=/nowhere exec "$0" "$@"',
         env.TCPSHAKE, "lab", str(scenario("nft b flush ruleset\n"))],
        capture_output=True, text=True, check=False, timeout=60 * env.SLOW)
    assert done.returncode == 1 and "it is not installed; install nftables" in done.stderr, done.stderr


def test_needs_root(scenario):
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", env.TCPSHAKE, "lab", "backlog"],
        capture_output=True, text=True, check=False, timeout=60 * env.SLOW)
    assert done.returncode == 1 and "run it as root" in done.stderr, done.stderr


def test_list():
    done = lab.run("--list")
    assert done.returncode == 0 and done.stderr == ""
    listed = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert sorted(listed) == NAMES
    assert all(title.endswith(".") and len(title) > 30 for title in listed.values())


def test_usage():
    assert lab.run().returncode == 2
    done = lab.run("no-such-scenario")
    assert done.returncode == 2 and "there is no scenario 'no-such-scenario'" in done.stderr
    help_text = lab.run("--help").stdout
    for word in ("--list", "--step", "accept_queue", "expect", "sysctl", "nonblock"):
        assert word in help_text


def test_installed_scenarios_are_found(tmp_path):
    subprocess.run(["make", "-s", "-C", env.ROOT, "install", f"O={env.BUILD}", f"DESTDIR={tmp_path}",
                    "PREFIX=/usr"], check=True, capture_output=True, timeout=120 * env.SLOW)
    done = subprocess.run([tmp_path / "usr/bin/tcpshake", "lab", "--list"], capture_output=True, text=True,
                          check=True, cwd="/", timeout=20 * env.SLOW)
    assert [line.split()[0] for line in done.stdout.splitlines()] == NAMES


# ---- blocking calls ----

def test_blocking_calls_go_on_beside(scenario):
    """accept() waits in the background, and returns with the connection that a later statement makes."""
    done = lab.run("--json", str(scenario(
        EXAMPLE + "b: x = accept s &\nexpect x BLOCKED\nwait 300ms\na: connect c 10.0.0.2:7000\n"
        "expect x ok\nexpect x took >= 300ms\nexpect x ESTABLISHED\n")))
    statements = lab.statements(done)
    assert done.returncode == 0, done.stdout + done.stderr
    accepts = [call for s in statements for call in s["calls"] if call["call"] == "accept"]
    assert [call["result"] is None for call in accepts] == [True, False]
    assert accepts[1]["blocked_ns"] >= 300 * env.MS


def test_blocked_call_ends_with_the_scenario(scenario):
    begun = time.monotonic()
    done = lab.run(str(scenario(EXAMPLE + "b: x1..x3 = accept s &\nexpect x1..x3 BLOCKED\n")))
    assert done.returncode == 0 and time.monotonic() - begun < 30 * env.SLOW


# ---- a terminal ----

def on_terminal(argv, columns, keys=b""):
    """Everything that it writes to a terminal of that width."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["COLUMNS"], os.environ["TERM"] = str(columns), "xterm"
        subprocess.run(["stty", "cols", str(columns)], check=True)
        os.execv(argv[0], list(map(str, argv)))
    os.write(fd, keys)
    text = b""
    try:
        while data := os.read(fd, 65536):
            text += data
    except OSError:
        pass  # the other end is closed
    os.close(fd)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), text.decode(errors="replace").replace("\r\n", "\n")


def test_three_columns_where_there_is_room(scenario):
    path = scenario(EXAMPLE + "a: connect c 10.0.0.2:7000\nexpect record handshake role active\n")
    status, wide = on_terminal([env.TCPSHAKE, "lab", path], 150)
    assert status == 0, wide
    listening = next(line for line in wide.splitlines() if "listen(s, 2)" in line)
    assert "s LISTEN, accept queue 0/2" in listening, "the kernel's state stands beside the call"
    status, narrow = on_terminal([env.TCPSHAKE, "lab", path], 80)
    assert status == 0
    assert re.search(r"^.*kernel  .*s LISTEN, accept queue 0/2", narrow, re.M)
    assert "kernel  " not in wide


def test_step_waits_for_a_key(scenario):
    path = scenario(EXAMPLE)
    begun = time.monotonic()
    done = subprocess.Popen([env.TCPSHAKE, "lab", "--step", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)
    assert "socket inet stream" in done.stdout.readline()
    time.sleep(1)
    assert done.poll() is None, "it did not wait"
    out, _ = done.communicate("\n\n\n", timeout=60 * env.SLOW)
    assert done.returncode == 0 and "listen(s, 2)" in out and time.monotonic() - begun >= 1


# ---- nothing is left behind ----

def left_behind(tag):
    """Processes whose environment has the tag, and namespaces that they hold."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"LAB_TEST={tag}".encode() in (process / "environ").read_bytes():
                found.append((process.name, (process / "cmdline").read_bytes()))
        except OSError:
            continue
    return found


def files():
    return {path for folder in ("/tmp", "/run", "/run/netns") if os.path.isdir(folder)
            for path in map(str, pathlib.Path(folder).glob("*tcpshake*"))}


def start(tag, *argv):
    return subprocess.Popen([env.TCPSHAKE, "lab", *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env={**os.environ, "LAB_TEST": tag})


def namespaces():
    """Those that any process is in, or holds by a descriptor."""
    found = set()
    for link in [*pathlib.Path("/proc").glob("[0-9]*/ns/net"), *pathlib.Path("/proc").glob("[0-9]*/fd/*")]:
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("net:["):
            found.add(target)
    return found


def test_kill_at_any_moment_leaves_nothing():
    before, seed = files(), time.time_ns()
    chance, tag = random.Random(seed), f"kill-{seed}"
    for _ in range(8):
        process = start(tag, chance.choice(["backlog", "timeout", "syn-queue", "unix-backlog"]))
        time.sleep(chance.uniform(0, 3) * min(env.SLOW, 2))
        process.kill()
        process.wait()
    env.poll_until(lambda: not left_behind(tag), 20, f"no process of seed {seed}")
    assert files() - before == set(), f"seed {seed}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it(number, tmp_path):
    tag = f"signal-{time.time_ns()}"
    output = tmp_path / "out"
    with open(output, "w") as file:
        process = subprocess.Popen([env.TCPSHAKE, "lab", "timeout"], stdout=file, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "LAB_TEST": tag})
    env.poll_until(lambda: "nft b table" in output.read_text(), 60, "its first statements")
    own = {os.readlink(link) for link in pathlib.Path(f"/proc/{process.pid}/fd").iterdir()
           if os.readlink(link).startswith("net:[")} - {os.readlink("/proc/self/ns/net")}
    assert len(own) == 2
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20 * env.SLOW)
    assert process.returncode == 1, stderr
    assert left_behind(tag) == []
    assert not own & namespaces()
