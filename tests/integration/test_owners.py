# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which process a passive handshake belongs to, where several could be meant."""
import contextlib
import os
import shutil
import signal
import subprocess

import pytest

from lib import env
from lib.traffic import FAMILY, client, until_listening

# Listens at a port that it shares, and answers each connection with its pid.
WORKER = """
import os, socket, sys
sock = socket.socket(int(sys.argv[1]))
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
sock.bind(("", int(sys.argv[2])))
sock.listen(64)
print("ready", flush=True)
while True:
    other = sock.accept()[0]
    other.sendall(b"%d" % os.getpid())
    other.close()
"""


class Program:
    """It, and what it starts."""

    def __init__(self, ns, *args, **options):
        self.process = ns.popen([str(arg) for arg in args], text=True, start_new_session=True, **options)
        self.pid = self.process.pid

    def close(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


def server(ns, script, *args, first=(), **options):
    """A script that says when it is ready."""
    program = Program(ns, *first, env.PYTHON, "-SE", "-c", script, *args, stdout=subprocess.PIPE, **options)
    assert program.process.stdout.readline() == "ready\n"
    return program


def taker(pair, ip, port):
    """Connect; the client's port, and the pid that the server's process says it has."""
    with client(pair.client, ip) as sock:
        sock.connect(pair.address(ip, port))
        mine = sock.getsockname()[1]
        return mine, int(b"".join(iter(lambda: sock.recv(16), b"")))


def owners(d, pair, count):
    """By the client's port, the process of each passive record."""
    return {record["remote"]["port"]: record["process"]
            for record in d.handshakes(count, role="passive", netns=pair.server.inode)}


def start_workers(pair, ip, keep):
    return {keep(server(pair.server, WORKER, int(FAMILY[ip]), 8080)).pid for _ in range(4)}


def check_takers(d, pair, ip, workers):
    """The record of each connection names the worker whose socket took it."""
    taken = dict(taker(pair, ip, 8080) for _ in range(40))
    assert set(taken.values()) == workers  # each has its share
    found = owners(d, pair, len(taken))
    assert {port: process and process["pid"] for port, process in found.items()} == taken


@pytest.mark.parametrize("cookies", [0, 2], ids=["requests", "syncookies"])
def test_workers_with_a_listener_each(pair, ip, keep, daemon, cookies):
    """SO_REUSEPORT: the owner of the member that took the connection."""
    pair.server.sysctl("net.ipv4.tcp_syncookies", cookies)
    d = daemon()
    check_takers(d, pair, ip, start_workers(pair, ip, keep))


def test_workers_from_before_the_daemon(pair, ip, keep, daemon):
    workers = start_workers(pair, ip, keep)
    check_takers(daemon(), pair, ip, workers)


# What a program does with the listener that it opened at port sys.argv[1]; sys.argv[2] is a service.
OPENER = """
import os, select, signal, socket, sys
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("", int(sys.argv[1])))
sock.listen(64)
sock.set_inheritable(True)
def serve():
    os.execv(sys.argv[2], [sys.argv[2], "-SE", "-c", sys.argv[3], str(sock.fileno())])
def child():
    pid = os.fork()
    if not pid:
        serve()
    return pid
def call_me(name):
    with open("/proc/self/comm", "w") as file:
        file.write(name)
def wait_for_one():
    print("ready", flush=True)
    select.select([sock], [], [])
"""

UNSHARE = ("unshare", "--fork", "--kill-child", "--pid")
OPENERS = {
    "replaces_itself": "wait_for_one(); serve()",  # systemd-socket-activate
    "gone": "child(); print('ready', flush=True)",
    "manager_keeps_it": "call_me('systemd'); wait_for_one(); child(); signal.pause()",
    "init_keeps_it": "child(); print('ready', flush=True); signal.pause()",
}

SERVICE = """
import os, socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
with open("/proc/self/status") as file:
    pid = next(line.split()[1] for line in file if line.startswith("Pid:"))
while True:
    other = sock.accept()[0]
    other.sendall(pid.encode())
    other.close()
"""


def watch(daemon, pair):
    """The server's side only: no other connection of the host makes the daemon look for owners."""
    return daemon("--netns", pair.server.path)


def until_owned_by_its_taker(d, pair, port, comm, seconds=15):
    """Connect until the record names the process that took the connection."""
    last = []

    def named():
        mine, pid = taker(pair, 4, port)
        record = d.handshake(role="passive", netns=pair.server.inode, remote={"port": mine})
        last[:] = [record["process"], {"pid": pid, "comm": comm, "uid": 0}]
        return last[0] == last[1]
    try:
        env.poll_until(named, seconds, "the service as owner", interval=0.2)
    except AssertionError as error:
        raise AssertionError(f"{last}") from error


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", OPENERS)
def test_listener_that_is_handed_on(pair, keep, tmp_path, daemon, how, when):
    """A service gets its socket from another program: it is the owner once it holds the socket."""
    service = tmp_path / "service"
    service.symlink_to(env.PYTHON)
    d = watch(daemon, pair) if when == "after" else None
    opener = keep(server(pair.server, OPENER + OPENERS[how], 8080, service, SERVICE,
                         first=UNSHARE if how == "init_keeps_it" else ()))
    d = d or watch(daemon, pair)
    until_owned_by_its_taker(d, pair, 8080, "service")
    if how == "replaces_itself":
        assert taker(pair, 4, 8080)[1] == opener.pid


@pytest.mark.parametrize("when", ["before", "after"])
def test_systemd_socket_activate(pair, keep, tmp_path, daemon, when):
    """It opens the socket, and becomes the service at the first connection."""
    activate = shutil.which("systemd-socket-activate")
    if not activate:
        pytest.skip("there is no systemd-socket-activate")
    service = tmp_path / "service"
    service.symlink_to(env.PYTHON)
    d = watch(daemon, pair) if when == "after" else None
    program = keep(Program(pair.server, activate, "-l", "0.0.0.0:8080", service, "-SE", "-c", SERVICE, "3",
                           stderr=subprocess.PIPE))
    until_listening(pair.server, 8080, program.process)
    d = d or watch(daemon, pair)
    until_owned_by_its_taker(d, pair, 8080, "service")
    assert taker(pair, 4, 8080)[1] == program.pid


# Opens a listener, leaves it to a child, and ends.
PARENT = """
import os, socket, sys
sock = socket.socket()
sock.bind(("", int(sys.argv[1])))
sock.listen(64)
if os.fork():
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)
os.setsid()  # else the number stays taken, as the session's
with open("/proc/self/comm", "w") as file:
    file.write("heir")
while True:
    other = sock.accept()[0]
    other.sendall(b"%d" % os.getpid())
    other.close()
"""

# clone3() with set_tid (5.5): a process of that number as soon as it is free, which sleeps.
SUCCESSOR = """
import ctypes, errno, os, sys
class Arguments(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in (
        "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls", "set_tid",
        "set_tid_size")]
number = ctypes.c_int(int(sys.argv[1]))
arguments = Arguments(exit_signal=17, set_tid=ctypes.addressof(number), set_tid_size=1)
libc = ctypes.CDLL(None, use_errno=True)
print("ready", flush=True)
pid = -1
while pid < 0:
    pid = libc.syscall(435, ctypes.byref(arguments), ctypes.sizeof(arguments))
    if pid == 0:
        os.execv("/bin/sleep", ["sleep", "1000"])
    assert pid > 0 or ctypes.get_errno() == errno.EEXIST, os.strerror(ctypes.get_errno())
print("ready", flush=True)
sys.stdin.read()
os.kill(pid, 9)
"""


def test_number_that_another_process_has(pair, keep, daemon):
    """Who opened the listener is gone, and its pid another's: the heir is named, and not who has the number."""
    parent = keep(server(pair.server, PARENT, 8080, stdin=subprocess.PIPE))
    d = watch(daemon, pair)
    mine, heir = taker(pair, 4, 8080)
    keep(contextlib.ExitStack()).callback(os.kill, heir, signal.SIGKILL)
    record = d.handshake(role="passive", netns=pair.server.inode, remote={"port": mine})
    assert record["process"]["pid"] == parent.pid
    successor = keep(server(pair.server, SUCCESSOR, parent.pid, stdin=subprocess.PIPE))
    parent.process.stdin.close()
    parent.process.wait()
    assert successor.process.stdout.readline() == "ready\n"
    until_owned_by_its_taker(d, pair, 8080, "heir")


# NFS's server, of version 4, which needs no other program; the file system has the switches of this namespace.
NFSD = """
import contextlib, os, subprocess, sys
subprocess.run(["mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd"], check=True)
def write(name, text):
    with open("/proc/fs/nfsd/" + name, "w") as file:
        file.write(text)
with contextlib.suppress(OSError):  # newer kernels have no NFS 2, which needs a portmapper
    write("versions", "-2\\n")
write("versions", "-3 +4\\n")
write("portlist", "tcp 2049")
write("threads", "1")
print("ready", flush=True)
sys.stdin.read()
"""


def test_listener_of_the_kernel(pair, keep, tmp_path, daemon):
    """A process makes the kernel listen, and no process holds the socket: it is the kernel's, also after a scan."""
    if not shutil.which("modprobe") or subprocess.run(["modprobe", "nfsd"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel has no NFS server")
    d = watch(daemon, pair)
    keep(server(pair.server, NFSD, first=("unshare", "--mount"), stdin=subprocess.PIPE))
    kernel = {"pid": 2, "comm": "kthreadd", "uid": 0}

    def connect():
        with client(pair.client, 4) as sock:
            sock.connect(pair.address(4, 2049))
            mine = sock.getsockname()[1]
        record = d.handshake(role="passive", netns=pair.server.inode, remote={"port": mine})
        assert record["process"] == kernel
    connect()
    service = tmp_path / "service"
    service.symlink_to(env.PYTHON)
    keep(server(pair.server, OPENER + OPENERS["manager_keeps_it"], 8080, service, SERVICE))
    until_owned_by_its_taker(d, pair, 8080, "service")  # which a scan finds
    connect()
    assert {r["process"]["pid"] for r in d.feed.records("listener", netns=pair.server.inode,
                                                        local=lambda end: end["port"] == 2049)} == {2}
