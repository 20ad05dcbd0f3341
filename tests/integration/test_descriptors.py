# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the daemon holds open: no longer than it is of use, and when no more can be opened, it goes on."""
import contextlib
import json
import os
import pathlib
import resource
import socket
import subprocess
import time

import pytest

from lib import env, netns
from lib.feed import Subscriber
from lib.scrape import Metrics, free_port
from lib.traffic import Agent, connect

# In a network namespace of its own, which ends with it: connects as often as each line of its input says.
RESIDENT = """
import fcntl, json, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    fcntl.ioctl(sock, 0x8914, struct.pack("16sH14x", b"lo", 1))
held = []
for port in sys.argv[1:]:
    held.append(socket.create_server(("127.0.0.1", int(port))))
print(json.dumps({"netns": os.stat("/proc/self/ns/net").st_ino}), flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        with socket.socket() as sock:
            sock.connect_ex(("127.0.0.1", 9))
    print("done", flush=True)
"""


class Resident:
    """The only process of its network namespace. One end of a veth pair is there, the other in `outer`: that one is
    gone as soon as the kernel has freed the namespace."""

    def __init__(self, outer, name, *ports):
        self.outer, self.name = outer, name
        self.process = subprocess.Popen(
            ["unshare", "--net", env.PYTHON, "-SE", "-c", RESIDENT, *map(str, ports)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.inode = json.loads(self.process.stdout.readline())["netns"]
        outer.ip(f"link add {name} type veth peer name v netns {self.process.pid}")

    def connect(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self):
        self.process.kill()
        self.process.wait()

    def freed(self):
        with self.outer.inside():
            return self.name not in [name for _, name in socket.if_nameindex()]

    def close(self):
        self.end()
        self.process.stdin.close()
        self.process.stdout.close()


def files(pid, residents):
    """How many files of their namespaces this process has open."""
    wanted = tuple(f"/proc/{r.process.pid}/" for r in residents)
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/{pid}/fd/{name}").startswith(wanted)
    return count


def watched(residents, but):
    """Does another process on this machine, another daemon, keep them?"""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if int(pid) != but and files(pid, residents):
                return True
    return False


@pytest.fixture
def outer(keep):
    return keep(netns.Netns("outer"))


def sum_of(d, inode, name, column="kernel"):
    return sum(counter[column] for audit in d.feed.records("audit", netns=inode) for counter in audit["counters"]
               if counter["name"] == name)


@pytest.mark.parametrize("ports", [(), (7000,)], ids=["clients", "listener"])
def test_namespaces_that_end(outer, keep, daemon, ports):
    """The daemon keeps none alive, and has read its counters a last time."""
    d = daemon()
    residents = [keep(Resident(outer, f"peer{i}", *ports)) for i in range(10)]
    for r in residents:
        r.connect(1)
    env.poll_until(lambda: all(files(d.pid, [r]) for r in residents), 5, "the namespaces' files")
    already = {r: sum_of(d, r.inode, "ActiveOpens") for r in residents}
    for r in residents:
        r.connect(20)
    shared = watched(residents, d.pid)
    for r in residents:
        r.end()
    env.poll_until(lambda: not files(d.pid, residents), 6, "no descriptor any more")
    if not shared:
        env.poll_until(lambda: all(r.freed() for r in residents), 6, "the namespaces' end")
    d.stop()
    for r in residents:
        assert sum_of(d, r.inode, "ActiveOpens") - already[r] in (20, 21)
        assert all(audit["balanced"] for audit in d.feed.records("audit", netns=r.inode))


def limited(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def ran(pid):
    """For how long, in seconds, it ran or was ready to: of a busy loop, all the time."""
    return sum(map(int, pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[:2])) / env.SECOND


def test_limit_is_raised(daemon):
    """As far as the daemon may: the soft limit is for programs that use select()."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    d = daemon(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard)))
    line = next(line for line in open(f"/proc/{d.pid}/limits") if line.startswith("Max open files"))
    assert line.split()[3] == line.split()[4] == str(hard)


@pytest.fixture
def opened_at_start(daemon):
    """How many descriptors a daemon has that serves its socket and metrics, with nobody there."""
    def count(*flags, **options):
        d = daemon(*flags, **options)
        used = len(os.listdir(f"/proc/{d.pid}/fd"))
        d.stop()
        return used
    return count


def test_descriptors_run_out(daemon, opened_at_start, cgroups, keep, lone, tmp_path):
    """More clients than descriptors: no busy loop, one line in the log; once they are gone all is as it was."""
    port, path = free_port(), tmp_path / "s"
    flags = ("--metrics", f"127.0.0.1:{port}", "--netns", str(lone.inode))
    # Loading needs some 50 more for a moment: two objects at a time, each with descriptors of all maps.
    limit = opened_at_start(*flags, sock=path) + 70
    d = daemon(*flags, sock=path, preexec_fn=limited(limit), losses=True)
    crowd = []
    for _ in range(60):
        crowd.append(socket.socket(socket.AF_UNIX))
        crowd[-1].connect(str(path))
        with contextlib.suppress(BrokenPipeError):  # for whom there is no place it ends at once
            crowd[-1].send(b'{"op":"subscribe"}\n')
    scrapers = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    time.sleep(0.5)
    before = ran(d.pid)
    time.sleep(1.5)
    assert ran(d.pid) - before < 0.7
    assert d.process.poll() is None
    agent = keep(Agent(lone, comm="late", cgroup=cgroups.make("late")[0], listen={"port": 7070}))
    for sock in crowd + scrapers:
        sock.close()
    metrics = keep(Metrics(port))
    assert metrics.scrape().sum("tcpshake_limits_reached_total", limit="descriptors") > 0
    assert len([line for line in d.stderr_text.splitlines() if "limit descriptors" in line]) in (1, 2)
    connect(lone, 4, ("127.0.0.1", 7070))[0].close()
    passive = d.handshake(role="passive", netns=lone.inode, local={"port": 7070})
    assert passive["process"]["pid"] == agent.pid
    one = keep(Subscriber(path, {"op": "listeners"}))
    found = one.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and r["netns"] == lone.inode])
    assert found[0]["process"]["pid"] == agent.pid and found[0]["cgroup"]["path"].endswith("late")
    assert found[0]["accept_queue"]["len"] == 1


# Opens and closes listeners without bind() for some seconds, with many files open; then says what that cost it.
STORM = """
import os, resource, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
files = [os.open("/dev/null", os.O_RDONLY) for _ in range(min(hard - 50, 15000))]
print("ready", flush=True)
sys.stdin.readline()
end, before, count = time.monotonic() + float(sys.argv[1]), time.process_time(), 0
while time.monotonic() < end:
    for _ in range(20):
        sock = socket.socket()
        sock.listen(1)
        sock.close()
        count += 1
print(time.process_time() - before, count, flush=True)
sys.stdin.readline()
"""


def test_storm_of_listeners(daemon, keep, lone, tmp_path):
    """Who opens listeners without bind() pays more than the daemon, and others' listeners have their owners."""
    d = daemon("--netns", str(lone.inode), "--events", "listener", losses=True)
    storm = lone.popen([env.PYTHON, "-SE", "-c", STORM, "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert storm.stdout.readline() == "ready\n"
        before = pathlib.Path(f"/proc/{d.pid}/schedstat").read_text().split()
        storm.stdin.write("go\n")
        storm.stdin.flush()
        time.sleep(1)
        agent = keep(Agent(lone, comm="honest", listen={"bind": False}))
        theirs, count = storm.stdout.readline().split()
        last = keep(Agent(lone, comm="last", listen={"port": 7777}))
        d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and (r["process"] or {}).get("pid") == last.pid], 60,
                        "what came after the storm")
        ours = (int(pathlib.Path(f"/proc/{d.pid}/schedstat").read_text().split()[0]) - int(before[0])) / env.SECOND
    finally:
        storm.kill()
        storm.wait()
    print(f"{count} listeners: {theirs} s of CPU time, the daemon {ours} s")
    assert ours < float(theirs)
    opened = d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and r["local"]["port"] == agent.port],
                             10, "the port of an honest listener")
    assert {r["process"]["pid"] for r in opened} == {agent.pid}
