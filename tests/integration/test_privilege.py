# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the daemon may do once it runs, by /proc, and that this is enough for all that it does."""
import os
import platform
import re
import shutil
import subprocess
import tempfile

import pytest

from lib import env, feed, netns, privilege, unit
from lib.cli import private_daemon
from lib.scrape import Metrics, free_port
from lib.traffic import Agent, connect, listener, port_of

KEPT = {"DAC_READ_SEARCH", "SYS_PTRACE"}
NOBODY = 65534
# Before it, bpf() itself asks for a capability where unprivileged_bpf_disabled is set.
BPF_BY_DESCRIPTOR = (5, 19)


def kernel():
    return tuple(map(int, re.match(r"(\d+)\.(\d+)", platform.release()).groups()))


def unprivileged_bpf():
    with open("/proc/sys/kernel/unprivileged_bpf_disabled") as file:
        return file.read().strip() == "0"


def limited(pid):
    """Its threads, once their system calls are limited: the last thing that is done before `hello`."""
    threads = privilege.threads(pid)
    return threads if threads and threads[0].seccomp else None


def check(pid, bounding=frozenset(KEPT), seccomp=2):
    check_threads(privilege.threads(pid), bounding, seccomp)


def check_threads(threads, bounding=frozenset(KEPT), seccomp=2):
    kept = KEPT if kernel() >= BPF_BY_DESCRIPTOR or unprivileged_bpf() else KEPT | {"BPF"}
    assert threads
    for status in threads:
        assert (status.CapPrm, status.CapEff) == (kept, kept)
        assert (status.CapInh, status.CapAmb, status.CapBnd) == (set(), set(), bounding)
        assert status.no_new_privs and status.seccomp == seccomp


def test_it_keeps_two_capabilities(daemon, tmp_path):
    check(daemon().pid)
    check(daemon("--metrics", str(free_port()), output=tmp_path / "feed", sock=tmp_path / "sock").pid)


@pytest.mark.parametrize("view", ["tail", "listeners"])
def test_a_private_daemon_does_too(cli, lone, keep, view):
    """One that writes a feed, and one that is asked at a socket."""
    server = keep(listener(lone, 4))
    program = cli(view, "--port", str(port_of(server)), "--netns", str(lone.inode), hermit=True)
    pid = private_daemon(program)
    check_threads(env.poll_until(lambda: limited(pid), 20, "the private daemon's hello"))
    keep(connect(lone, 4, server.getsockname())[0])
    program.until(str(port_of(server)), 20)
    assert not privilege.refused(pid, program.began_at)
    program.process.terminate()
    program.wait()


class Sandboxed:
    """A daemon that does all that it can, in a directory that another user may reach."""

    def __init__(self, daemon, directory, prefix=(), flags=(), **kwargs):
        os.chmod(directory, 0o755)
        self.file, self.sock, self.port = f"{directory}/feed", f"{directory}/sock", free_port()
        self.daemon = daemon("--metrics", str(self.port), "--listener-interval", "300ms", *flags,
                             output=self.file, sock=self.sock, prefix=prefix, **kwargs)

    def until(self, **subset):
        def found():
            with open(self.file, "rb") as file:
                whole = file.read().rpartition(b"\n")[0]
            records = map(feed.json.loads, whole.splitlines())
            return [r for r in records if feed.matches(r, subset)]
        return env.poll_until(found, 10, f"{subset} in {self.file}", interval=0.1)[0]


ASK = """import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(b'{"op":"stats"}\\n{"op":"listeners"}\\n{"op":"probe"}\\n')
sock.shutdown(socket.SHUT_WR)
while data := sock.recv(65536):
    sys.stdout.buffer.write(data)
"""


def ask_as(user, path):
    done = subprocess.run([env.PYTHON, "-c", ASK, path], user=user, group=user, extra_groups=[], check=True,
                          capture_output=True, timeout=20 * env.SLOW)
    return [feed.json.loads(line) for line in done.stdout.splitlines()]


def check_all_works(one, keep, cgroups):
    """What needs a right: a namespace that is new, processes of others, cgroups, a file anew, sockets."""
    lone = keep(netns.Netns("new"))
    directory, _, path = cgroups.make("tcpshake-test-privilege")
    somebody = keep(Agent(lone, comm="somebody", uid=NOBODY, cgroup=directory, listen={"port": 7007}))
    keep(connect(lone, 4, ("127.0.0.1", 7007))[0])
    one.until(type="handshake", role="passive", netns=lone.inode, cgroup={"path": path},
              process={"pid": somebody.pid, "comm": "somebody", "uid": NOBODY})
    one.until(type="audit", netns=lone.inode, balanced=True)
    somebody.tell("accept 1")
    os.rename(one.file, one.file + ".1")
    one.daemon.send(1)
    env.poll_until(lambda: os.path.exists(one.file), what="the file being made again")
    keep(connect(lone, 4, ("127.0.0.1", 9))[0])
    one.until(type="handshake", outcome="refused", netns=lone.inode)
    assert keep(Metrics(one.port)).scrape().sum("tcpshake_handshakes_total")
    answers = ask_as(NOBODY, one.sock)
    ends = [r for r in answers if r["type"] == "end"]
    assert len(ends) == 3 and all(r["ok"] for r in ends)
    owners = [r["process"] for r in answers if r["type"] == "listener" and r["netns"] == lone.inode]
    assert [o["comm"] for o in owners] == ["somebody"]
    one.daemon.stop()
    assert not os.path.exists(one.sock), "it left its socket behind"


def test_everything_works_with_them(daemon, cgroups, keep):
    with tempfile.TemporaryDirectory(prefix="tcpshake-test-") as directory:
        one = Sandboxed(daemon, directory, flags=("--socket-group", str(NOBODY)))
        check(one.daemon.pid)
        check_all_works(one, keep, cgroups)
        assert one.daemon.stderr_text == ""


def test_as_its_own_user(daemon, cgroups, keep, monkeypatch):
    """As the unit starts it: not root, four capabilities, and its system calls."""
    # Before 5.11 maps count against a limit, which the unit lifts.
    limit = ["prlimit", "--memlock=unlimited:unlimited"] if kernel() < (5, 11) else []
    with tempfile.TemporaryDirectory(prefix="tcpshake-test-") as directory:
        os.chown(directory, NOBODY, NOBODY)
        monkeypatch.setattr(env, "TCPSHAKED", shutil.copy(env.TCPSHAKED, directory))  # where that user reaches it
        one = Sandboxed(daemon, directory, prefix=[*limit, *unit.prefix(NOBODY)])
        check(one.daemon.pid, bounding={name.upper() for name in unit.capabilities()})
        assert privilege.threads(one.daemon.pid)[0].uids == {NOBODY}
        check_all_works(one, keep, cgroups)
        assert one.daemon.stderr_text == ""


@pytest.mark.parametrize("missing", ["sys_ptrace", "dac_read_search", "setpcap"])
def test_what_it_has_not_it_does_not_miss_at_the_drop(daemon, missing):
    d = daemon(prefix=["setpriv", f"--bounding-set=-{missing}"])
    status = privilege.threads(d.pid)[0]
    assert status.CapEff <= {"DAC_READ_SEARCH", "SYS_PTRACE", "BPF"} and status.seccomp == 2
    assert missing.upper() not in status.CapEff
    d.stop()
    assert d.stderr_text == ""


# A filter that refuses seccomp(2) and prctl(PR_SET_SECCOMP): numbers of x86-64 and of arm64.
WITHOUT_SECCOMP = """import ctypes, os, struct, sys
SECCOMP, PRCTL = {"x86_64": (317, 157), "aarch64": (277, 167)}[os.uname().machine]
program = [(0x20, 0, 0, 0), (0x15, 3, 0, SECCOMP), (0x15, 0, 3, PRCTL), (0x20, 0, 0, 16), (0x15, 0, 1, 22),
           (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
head = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, head, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_container_without_seccomp(daemon, lone, keep):
    d = daemon(prefix=[env.PYTHON, "-c", WITHOUT_SECCOMP])
    server = keep(listener(lone, 4))
    keep(connect(lone, 4, server.getsockname())[0])
    d.handshake(netns=lone.inode, role="active")
    d.stop()
    assert "seccomp" in d.error_line() and "going on without a limit" in d.error_line()


def table_of(text, row):
    return [match.groups() for match in re.finditer(row, text, re.M)]


def test_the_documented_calls_are_the_allowed_ones():
    """The rows of the table in the code, and those of the page."""
    code = (env.ROOT / "daemon" / "privilege" / "calls.c").read_text()
    page = (env.ROOT / "docs" / "privileges.md").read_text().split("## System calls")[1]
    rules = []
    for macro, arguments, use, text in table_of(code, r"^\t\{ (ANY|EQUAL|MASKED)\((.*?)\), \.use = (.*?) \}, /\* (.*) \*/$"):
        name, *rest = arguments.split(", ")
        if name in ("bpf", "ioctl"):
            name += f" {rest[-1]}"
        rules.append((name, use.replace("USE_", "").replace(" | ", ", ").lower(), text))
    assert len(rules) == len(re.findall(r"^\t\{ ", code, re.M)) > 50
    assert rules == table_of(page, r"^\| `([^`]+)` \| ([a-z, ]+) \| (.*) \|$")
