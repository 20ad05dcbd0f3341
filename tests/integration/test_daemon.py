# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshaked as a program: flags, errors, signals, outputs, exit codes."""
import grp
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import tempfile
import time

import pytest

from lib import env, feed, pcap, schema
from lib.traffic import connect, listener, port_of

pytestmark = pytest.mark.sanitize


def run(*argv, **kwargs):
    """Run tcpshaked to its end; (exit code, stdout, stderr)."""
    done = subprocess.run([env.TCPSHAKED, *argv], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=20 * env.SLOW, **kwargs)
    return done.returncode, done.stdout, done.stderr


def one_line(stderr, program="tcpshaked"):
    lines = stderr.splitlines()
    assert len(lines) == 1, f"not one line: {stderr!r}"
    assert lines[0].startswith(f"{program}: "), lines[0]
    return lines[0]


def test_help():
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert out.lower().startswith("usage: tcpshaked")
    for flag in ("--output", "--socket", "--duration", "--port", "--remote", "--slow",
                 "--outcome", "--role", "--probe", "--version", "--help"):
        assert flag in out, flag


def test_version(daemon):
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    version = re.fullmatch(r"tcpshaked (\d+\.\d+\.\d+\S*)\n", out).group(1)
    assert daemon().feed.all[0]["version"] == version


@pytest.mark.parametrize("argv", [
    ["--no-such-flag"], ["-Z"], ["extra"], ["--port"], ["--port", "http"], ["--port", "0"],
    ["--port", "65536"], ["--port", "90-80"], ["--port", ""], ["--remote", "nowhere"],
    ["--remote", "10.0.0.0/33"], ["--remote", "fd00::/129"], ["--slow", "fast"],
    ["--slow", "-1ms"], ["--outcome", "ok"], ["--outcome", "refused,"], ["--role", "client"],
    ["--duration", "soon"], ["--duration", "-5s"]], ids=" ".join)
def test_usage_errors(argv):
    code, out, err = run("-s", "none", "-o", "none", *argv)
    assert (code, out) == (2, "")
    line = one_line(err)
    if len(argv) == 2 and argv[1]:
        assert argv[1].rstrip(",") in line, "it does not say which value is wrong"


HARMFUL = "\x1b[2J\x7f\x9b31m\u202e\u2066\u061c\n"


def check_harmless(text):
    """A terminal that gets it shows it; each line of it ends where the program ended it."""
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]", text), text


@pytest.mark.parametrize("argv", [[HARMFUL], ["--" + HARMFUL], ["--duration", HARMFUL], ["--role", HARMFUL],
                                  ["--netns", HARMFUL], ["--metrics", HARMFUL]])
def test_arguments_do_not_steer_a_terminal(argv):
    code, out, err = run("-s", "none", "-o", "none", *argv)
    assert (code, out) == (2, "")
    check_harmless(one_line(err))


def test_names_of_files_do_not_steer_a_terminal(tmp_path):
    code, out, err = run("-s", "none", "-o", f"{tmp_path}/none/{HARMFUL}", "-d", "1ms")
    assert (code, out) == (1, "")
    line = one_line(err)
    check_harmless(line)
    assert r"/none/\u001b[2J\u007f\u009b31m\u202e\u2066\u061c\u000a" in line


def test_filters_in_hello_do_not_steer_a_terminal(tmp_path):
    """Nor break its encoding: a path may hold any byte."""
    link = os.fsencode(tmp_path) + os.fsencode("/net\x7f\x9b31m\u202e") + b"\xff"
    os.symlink("/proc/self/ns/net", link)
    code, out, err = run("-s", "none", "--netns", link, "-d", "1ms")
    assert (code, err) == (0, "")
    check_harmless(out)
    assert json.loads(out.splitlines()[0])["filters"]["netns"].endswith("/net\x7f\x9b31m\u202e\ufffd")


def test_not_root():
    """Nobody may not: one line that says what to do."""
    code, out, err = run("-s", "none", preexec_fn=lambda: (os.setgroups([]), os.setresgid(
        65534, 65534, 65534), os.setresuid(65534, 65534, 65534)))
    assert (code, out) == (1, "")
    assert re.search(r"root|CAP_BPF|sudo", one_line(err))


def test_no_btf():
    script = 'mount -t tmpfs none /sys/kernel/btf && exec "$0" -s none -o -'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, env.TCPSHAKED], text=True,
                          capture_output=True, timeout=20 * env.SLOW)
    assert (done.returncode, done.stdout) == (1, "")
    assert "BTF" in one_line(done.stderr)


def test_hello_within_half_a_second(daemon):
    """The best of five, less the time for which others had its CPU; also prints how long it takes."""
    times = []
    for _ in range(5):
        d = daemon()
        waited = env.runqueue_wait(d.pid)
        times.append(d.feed.first_at - d.started_at - waited)
        print(f"hello after {1000 * (times[-1] + waited):.0f} ms, of which others had the CPU for "
              f"{1000 * waited:.0f} ms")
        d.stop()
    times.sort()
    assert times[0] < 0.5 * env.SLOW


def test_hello(daemon):
    hello = daemon("--port", "80,443", "--slow", "10ms").feed.all[0]
    with open("/proc/sys/kernel/random/boot_id") as file:
        assert hello["boot_id"] == file.read().strip()
    assert hello["kernel"] == os.uname().release
    assert hello["host"] == os.uname().nodename
    assert hello["filters"] == {"port": "80,443", "slow": "10ms"}
    assert "subscription" not in hello
    assert all(isinstance(value, bool) for value in hello["capabilities"].values())


def test_ts_and_mono_name_one_moment(pair, keep, daemon):
    """Both are the end of the handshake, on their clocks."""
    import datetime
    d = daemon()
    server = keep(listener(pair.server, 4))
    mono = time.monotonic_ns()
    keep(connect(pair.client, 4, pair.address(4, port_of(server)))[0])
    mono_after = time.monotonic_ns()
    record = d.handshake(netns=pair.client.inode)
    assert mono < record["mono_ns"] < mono_after
    seconds, fraction = record["ts"].rstrip("Z").split(".")
    ts = int(datetime.datetime.fromisoformat(seconds + "+00:00").timestamp()) * env.SECOND
    ts += int(fraction)
    assert abs(ts - record["mono_ns"] - pcap.clock_offset()) < 5 * env.MS * env.SLOW


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_signals_end_it_with_bye(lone, daemon, number):
    """What was in the ring when the signal came is in the feed before bye."""
    d = daemon()
    sock, _ = connect(lone, 4, ("127.0.0.1", 9))
    sock.close()
    d.stop(number)
    assert len(d.feed.records(netns=lone.inode, outcome="refused")) == 1
    bye = d.feed.all[-1]
    assert (bye["type"], bye["reason"]) == ("bye", "signal")
    assert 0 < bye["uptime_ns"] < 60 * env.SECOND * env.SLOW
    assert d.stderr_text == ""


def test_signal_right_after_hello():
    """Whoever has read hello may rely on an orderly end."""
    for _ in range(20):
        process = subprocess.Popen([env.TCPSHAKED, "-s", "none", "-o", "-"],
                                   stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        process.stdout.close()
        assert process.wait(10 * env.SLOW) == 0
        assert b'"hello"' in first and b'"bye"' in rest.splitlines()[-1]


def test_duration(daemon):
    d = daemon("--duration", "700ms")
    assert d.wait() == 0
    d.stopped = True
    d.feed.wait_end()
    took = time.monotonic() - d.started_at
    bye = d.feed.all[-1]
    assert (bye["type"], bye["reason"]) == ("bye", "duration")
    assert 0.7 < took < 4 * env.SLOW
    assert 0.69 * env.SECOND < bye["uptime_ns"] < 2 * env.SECOND * env.SLOW


def test_idle_feed_is_hello_and_bye(lone, daemon):
    """An empty feed is provably an idle host: filtered by a port nobody uses."""
    d = daemon("--port", "1")
    d.stop()
    assert [record["type"] for record in d.feed.all] == ["hello", "bye"]


def test_probe():
    code, out, err = run("--probe")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1 and out.endswith("\n")
    probe = json.loads(out)
    assert schema.Checker().errors(probe) == []
    able = probe["capabilities"]
    tier = "functions" if able["function_hooks"]["ok"] else "tracepoints"
    assert probe["type"] == "probe" and probe["evidence"] == tier
    assert all(one["ok"] for one in able.values() if one["required"])
    assert all(one["ok"] or one["without"] for one in able.values())


def probe_without(refused):
    """The capabilities of a probe with TCPSHAKE_REFUSE."""
    status, out, err = run("--probe", env={**os.environ, "TCPSHAKE_REFUSE": refused})
    record = json.loads(out)
    assert (status, err) == (0, "") and schema.Checker().errors(record) == []
    return record["capabilities"]


def is_refused(one):
    return not one["ok"] and one["error"] == "Operation not permitted" and one["without"]


def test_each_refusal_stands_alone():
    """TCPSHAKE_REFUSE: as if the kernel refused it; everything else is as it was."""
    plain = probe_without("")
    optional = [name for name, one in plain.items() if not one["required"]]
    for name in optional:
        without = probe_without(name)
        assert is_refused(without.pop(name)), name
        rest = {key: one for key, one in plain.items() if key != name}
        if name in ("kfree_skb", "overflow_reason"):  # from now on these are needed
            assert without.pop("ack_hooks")["ok"] == rest["function_hooks"]["ok"]
            del rest["ack_hooks"]
        if name == "fetch_atomics" and plain[name]["ok"]:  # it needs the table of attempts that these fill
            assert is_refused(without.pop("nested_events"))
            del rest["nested_events"]
        assert without == rest, name
    assert {name for name, one in probe_without("all").items() if is_refused(one)} == set(optional)


@pytest.mark.parametrize("name", ["inet_sock_set_state", "kfree_skb,tcp_retransmit_synack"])
def test_what_is_required_can_be_refused(name):
    code, out, err = run("-s", "none", "--duration", "1s", env={**os.environ, "TCPSHAKE_REFUSE": name})
    assert (code, out) == (1, "")
    assert "the kernel refused the BPF programs: Operation not permitted" in one_line(err)


def test_unknown_refusal():
    code, out, err = run("--probe", env={**os.environ, "TCPSHAKE_REFUSE": "kfree_skb, queue"})
    assert (code, out) == (2, "")
    assert "there is no evidence queue;" in one_line(err) and "--probe" in err


def test_no_tracefs():
    """Nothing is lost: where the classic tracepoint is needed, tracefs is mounted for the daemon alone."""
    done = subprocess.run([*env.NO_TRACEFS, env.TCPSHAKED, "--probe"], text=True,
                          capture_output=True, timeout=20 * env.SLOW)
    assert (done.returncode, done.stderr) == (0, "")
    able = json.loads(done.stdout)["capabilities"]
    assert all(one["ok"] for one in able.values() if one["required"])
    assert able["no_preemption"]["ok"] and able["accept_syscall"]["ok"]


# outputs

def test_file_is_written_and_reopened(lone, tmp_path, daemon):
    """SIGHUP after a rename, as logrotate does it: nothing lost, numbering goes on."""
    path = tmp_path / "feed"
    d = daemon(output=path)

    def refuse():
        sock, _ = connect(lone, 4, ("127.0.0.1", 9))
        sock.close()

    def handshakes(where):
        return [json.loads(line) for line in where.read_bytes().splitlines()
                if b'"handshake"' in line and str(lone.inode).encode() in line]
    refuse()
    env.poll_until(lambda: handshakes(path), what="the record in the file")
    path.rename(tmp_path / "feed.1")
    d.send(signal.SIGHUP)
    env.poll_until(path.exists, what="the file being made again")
    refuse()
    d.stop()
    old, new = feed.read_file(tmp_path / "feed.1"), feed.read_file(path)
    for part in (old, new):
        mine = [r for r in part if r["type"] == "handshake" and r["netns"] == lone.inode]
        assert len(mine) == 1
    assert new[-1]["type"] == "bye"
    # Either one feed goes on in a second file, or each file is a feed of its own.
    if new[0]["type"] == "hello":
        assert feed.check_feed(new, whole=False) == []
    else:
        assert feed.check_feed(old + new) == []


def test_file_is_not_truncated_at_the_start(tmp_path, daemon):
    path = tmp_path / "feed"
    for _ in range(2):
        d = daemon(output=path)
        d.stop()
    records = feed.read_file(path)
    assert [r["type"] for r in records if r["type"] in ("hello", "bye")] == [
        "hello", "bye", "hello", "bye"]


def test_output_that_cannot_be_opened(tmp_path):
    code, out, err = run("-s", "none", "-o", str(tmp_path / "no" / "such"))
    assert (code, out) == (1, "")
    assert "/no/such" in one_line(err)


def test_full_device():
    code, _, err = run("-s", "none", "-o", "/dev/full", "--duration", "5s")
    assert code == 1
    assert "no space left" in one_line(err).lower()


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_reader_that_goes_away(lone, daemon, busy):
    """EPIPE: noticed at once, even if there is nothing to write."""
    reading, writing = os.pipe()
    program = feed.Program([env.TCPSHAKED, "-s", "none", "-o", "-", "--port", "1,9"],
                           stdout=writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            assert json.loads(pipe.readline())["type"] == "hello"
        begin = time.monotonic()
        if busy:
            for _ in range(10):
                connect(lone, 4, ("127.0.0.1", 9))[0].close()
        assert program.wait(5) == 1
        assert time.monotonic() - begin < 2 * env.SLOW
        assert re.search(r"stdout|Broken pipe|reader", program.error_line())
    finally:
        program.kill()


def test_nothing_to_write_to():
    """No output and no socket: nobody could ever see a record."""
    code, out, err = run("-s", "none", "-o", "none", "--duration", "200ms")
    assert out == ""
    assert code in (0, 2)
    if code == 2:
        one_line(err)


# the socket

def test_socket_is_private(tmp_path, daemon):
    path = tmp_path / "sock"
    d = daemon(sock=path)
    mode = os.stat(path)
    assert stat.S_ISSOCK(mode.st_mode)
    assert stat.S_IMODE(mode.st_mode) == 0o660
    d.stop()
    assert not path.exists(), "it left its socket behind"


def test_socket_of_another_daemon_is_left(tmp_path, daemon):
    """Who ends removes its own socket only: the path may be a successor's by now."""
    path = tmp_path / "sock"
    first = daemon(sock=path)
    path.unlink()
    second = daemon(sock=path)
    first.stop()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    second.stop()
    assert not path.exists()


@pytest.fixture
def open_dir():
    """A directory that everybody may enter."""
    with tempfile.TemporaryDirectory(prefix="tcpshake-test-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


def nobody(*groups):
    def become():
        os.setgroups(groups)
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    return become


def stats_as(path, *groups):
    return subprocess.run([env.TCPSHAKE, "stats", "--once", "-s", path], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=20 * env.SLOW, preexec_fn=nobody(*groups))


@pytest.mark.parametrize("by", ["name", "number"])
def test_socket_of_a_group(open_dir, daemon, by):
    """Members may use it; others read which group that is."""
    group, path = grp.getgrnam("daemon"), open_dir / "sock"
    daemon("--socket-group", group.gr_name if by == "name" else str(group.gr_gid), sock=path)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, group.gr_gid, 0o660)
    done = stats_as(path, group.gr_gid)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout
    done = stats_as(path)
    assert done.returncode == 1 and "root or in the group daemon" in one_line(done.stderr, "tcpshake")


def test_socket_without_a_group(open_dir, daemon):
    """Nobody is sent to a group that would not help."""
    path = open_dir / "sock"
    daemon(sock=path)
    done = stats_as(path, grp.getgrnam("daemon").gr_gid)
    assert done.returncode == 1 and "--socket-group" in one_line(done.stderr, "tcpshake")
    os.chmod(open_dir, 0o700)
    assert one_line(stats_as(path).stderr, "tcpshake").endswith("; be root")


@pytest.mark.parametrize("group", ["", "no-such-group", "-1", "4294967295", "1x"])
def test_socket_of_no_group(group):
    code, out, err = run("-s", "/nowhere/sock", "--socket-group", group)
    assert (code, out) == (2, "")
    assert f"--socket-group {group}: expected a group of this host" in one_line(err)


def test_socket_group_without_socket():
    code, out, err = run("-s", "none", "--socket-group", "daemon")
    assert (code, out) == (2, "") and "--socket-group" in one_line(err)


def test_socket_of_a_group_without_the_right(tmp_path):
    """Without CAP_CHOWN only a member can give it: say so, and leave no socket behind."""
    path = tmp_path / "sock"
    without = ["setpriv", "--bounding-set=-chown", "--clear-groups"]
    argv = [env.TCPSHAKED, "-s", path, "-o", "none", "-d", "1ms", "--socket-group", "daemon"]
    done = subprocess.run([*without, *argv], capture_output=True, text=True, timeout=20 * env.SLOW)
    assert done.returncode == 1 and "CAP_CHOWN" in one_line(done.stderr) and not path.exists()
    with_it = ["setpriv", "--bounding-set=-chown", f"--groups={grp.getgrnam('daemon').gr_gid}"]
    done = subprocess.run([*with_it, *argv], capture_output=True, text=True, timeout=20 * env.SLOW)
    assert (done.returncode, done.stderr) == (0, "")


def test_socket_directory_is_made(tmp_path, daemon):
    """/run/tcpshake is not there after a boot."""
    path = tmp_path / "run" / "sock"
    daemon(sock=path)
    assert path.exists()


def test_socket_already_served(tmp_path, daemon):
    path = tmp_path / "sock"
    first = daemon(sock=path)
    code, out, err = run("-s", str(path), "-o", "none")
    assert (code, out) == (1, "")
    assert str(path) in one_line(err)
    with socket.socket(socket.AF_UNIX) as again:
        again.connect(str(path))  # the first one still serves
    first.stop()


def test_stale_socket_is_replaced(tmp_path, daemon):
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    d = daemon(sock=path)
    with socket.socket(socket.AF_UNIX) as client:
        env.poll_until(lambda: client.connect_ex(str(path)) == 0, what="the socket")
    d.stop()


def test_killed_daemon_is_followed_by_another(tmp_path, daemon):
    path = tmp_path / "sock"
    first = daemon(sock=path, check=False)
    first.kill()
    assert path.exists()
    daemon(sock=path)


def test_socket_path_that_is_a_file(tmp_path):
    """Something else by that name is not ours to remove."""
    path = tmp_path / "precious"
    path.write_text("data")
    code, out, err = run("-s", str(path), "-o", "none", "--duration", "200ms")
    assert (code, out) == (1, "")
    assert str(path) in one_line(err)
    assert path.read_text() == "data"


def test_socket_path_too_long(tmp_path):
    path = str(tmp_path / ("x" * 120))
    code, out, err = run("-s", path, "-o", "none", "--duration", "200ms")
    assert (code, out) == (1, "") or code == 2
    one_line(err)
