# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The queues under real programs and real trouble; each takes seconds."""
import errno
import json
import os
import pathlib
import signal
import struct
import subprocess
import time

import pytest

from lib import env, netns
from lib.feed import matches, nested
from lib.queues import Books, Crowd
from lib.traffic import Nginx, connect, finish, start, wrk

QUEUES = ("--events", "listener,overflow,audit")


def pause(seconds):
    """A time whose length is what the test is about."""
    until = time.monotonic() + seconds
    env.poll_until(lambda: time.monotonic() >= until, seconds + 5)


# a server that stands still

def test_nginx_stands_still(pair, keep, tmp_path, daemon):
    """Its only worker stops for 3 s or so: the queue fills, handshakes are refused, it recovers."""
    nginx = keep(Nginx(pair.server, tmp_path, "backlog=16"))
    worker = nginx.worker()
    d = daemon("--listener-interval", "200ms", "--accept-wait", "syscall",
               "--events", "handshake,listener,overflow,accept,audit")
    books = Books(d, pair.server)
    here = {"netns": pair.server.inode, "local": {"port": 80}}
    address = pair.server.addr[4]
    loads = [wrk(pair.client, tmp_path, address, 6)]
    books.wait_kernel("PassiveOpens", 300, 10)
    os.kill(worker, signal.SIGSTOP)
    stopped = time.monotonic_ns()
    loads.append(wrk(pair.server, tmp_path, address, 5))  # the first one's clients wait for answers by now
    try:
        pause(3)
        d.feed.wait_for(lambda all: [r for r in all if matches(r, {
            "type": "listener", **here, "accept_queue": {"len": 17},
            "oldest_wait_ns": lambda ns: ns >= 2.5 * env.SECOND})], what="a queue that waits")
    finally:
        went_on = time.monotonic_ns()
        os.kill(worker, signal.SIGCONT)
    for load in loads:
        assert "requests in" in load.communicate(timeout=30 * env.SLOW)[0]
    d.feed.wait_for(lambda all: [r for r in all if matches(r, {
        "type": "listener", **here, "family": "ipv4", "accept_queue": {"len": 0},
        "mono_ns": lambda ns: ns > went_on})], what="the queue empty again")

    samples = d.feed.records("listener", **here, family="ipv4", event="sample")
    assert {r["accept_queue"]["max"] for r in samples} == {16}
    assert max(r["accept_queue"]["peak"] for r in samples) == 17

    overflows = books.settle("ListenOverflows", listener={"port": 80}, queue="accept")
    assert [r for r in overflows if stopped < r["mono_ns"] < went_on]
    for record in overflows:
        assert record["process"]["comm"] == "nginx"
        assert record["process"]["pid"] in (nginx.pid, worker)
    check_accepts(d, books, worker, here, stopped, went_on)
    books.close("ListenOverflows", listener={"port": 80}, queue="accept")
    assert books.total("ListenOverflows") > 0
    assert all(r["balanced"] for r in d.feed.records("audit", netns=pair.server.inode))


def check_accepts(d, books, worker, here, stopped, went_on):
    """Every connection was accepted, and waited from its handshake until then."""
    opened = books.delta("PassiveOpens")
    passive = {r["conn"]: r for r in d.handshakes(opened, **here, role="passive")}
    assert len(passive) == opened
    accepts = d.feed.wait_for(
        lambda all: sum(r["type"] == "accept" and r["netns"] == here["netns"] for r in all) == opened
        and [r for r in all if r["type"] == "accept" and r["netns"] == here["netns"]],
        what=f"{opened} accepted")
    assert {r["conn"] for r in accepts} == set(passive)
    for record in accepts:
        assert record["process"] == {"pid": worker, "comm": "nginx",
                                     "uid": record["process"]["uid"]}
        assert record["wait_ns"] == record["mono_ns"] - passive[record["conn"]]["mono_ns"]
    longest = max(r["wait_ns"] for r in accepts)
    assert 2.5 * env.SECOND <= longest <= went_on - stopped + env.SECOND * env.SLOW
    assert [r for r in passive.values() if r["mono_ns"] > went_on and r["outcome"] == "established"]


# the audit, through all that can happen

@pytest.mark.parametrize("abort", [0, 1], ids=["drop", "abort"])
def test_audit_through_everything(pair, keep, audited, abort):
    """50,000 handshakes, refusals, time-outs, both stages of overflow: it balances all the time."""
    pair.server.sysctl("net.ipv4.tcp_abort_on_overflow", abort)
    pair.client.sysctl("net.ipv4.tcp_syn_retries", 1)
    pair.client.nft(f"tcp dport 81 {netns.SYN} drop", hook="output")
    books = audited(pair.client, pair.server, losses=True,
                    flags=("--listener-interval", "300ms", *QUEUES))
    late = [keep(start(pair.client, 4, pair.address(4, 81))) for _ in range(5)]
    storm = pair.server.popen([env.tool("storm"), "-n", "50000"], stdout=subprocess.PIPE)
    assert json.loads(storm.communicate(timeout=120 * env.SLOW)[0])["connections"] == 50000
    for _ in range(200):
        sock, error = connect(pair.client, 4, pair.address(4, 9))
        assert error == errno.ECONNREFUSED
        sock.close()
    crowd = Crowd(pair, 4, keep, 3)
    stuck = crowd.late(2)
    crowd.find_acks()
    crowd.fill()
    for sock in stuck:
        sock.send(b"x")
    crowd.begin(4)
    env.poll_until(lambda: pair.server.counters()["ListenOverflows"] >= 6)
    for sock in late:
        assert finish(sock, timeout=15) == errno.ETIMEDOUT
    crowd.leave()
    books.check()
    missed = nested(books.d.feed.all)  # exact, but for what an interrupt hid, which is told
    for ns, name, count in ((pair.server, "PassiveOpens", 50000 + 4),
                            (pair.server, "ActiveOpens", 50000),
                            (pair.client, "ActiveOpens", 5 + 200 + 2 + 4 + 4),
                            (pair.client, "AttemptFails", 5 + 200)):
        assert books.sum(ns, name) == count
        assert count - missed <= books.sum(ns, name, "observed") <= count
    assert books.sum(pair.server, "ListenOverflows") >= 6
    assert {r["why"] for r in books.d.feed.records("loss")} <= {"nested"}


# floods

class Cost:
    """What a process needs from now on: CPU, and the most memory it ever had."""

    def __init__(self, pid):
        self.tasks = pathlib.Path(f"/proc/{pid}/task")
        self.status = pathlib.Path(f"/proc/{pid}/status")
        self.begin, self.cpu = time.monotonic_ns(), self._cpu()

    def _cpu(self):
        return sum(int((task / "schedstat").read_text().split()[0])
                   for task in self.tasks.iterdir())

    def end(self, title):
        """(share of one CPU, peak RSS in MiB)"""
        share = (self._cpu() - self.cpu) / (time.monotonic_ns() - self.begin)
        peak = next(int(line.split()[1]) / 1024 for line in self.status.read_text().splitlines()
                    if line.startswith("VmHWM"))
        print(f"{title}: {share:.2%} of a CPU, {peak:.1f} MiB at most")
        return share, peak


@pytest.fixture
def flood(pair):
    """flood(port, count, rate): SYNs whose answers get nowhere, and nobody resets."""
    pair.client.sysctl("net.ipv4.ip_forward", 0)
    pair.server.ip(f"route add 198.18.0.0/15 via {pair.client.addr[4]}")
    begun = []

    def begin(port, count, rate):
        begun.append(pair.client.popen([env.tool("synflood"), pair.server.addr[4], str(port),
                                        str(count), str(rate)], stdout=subprocess.PIPE))
        return begun[-1]
    yield begin
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process, count):
    assert json.loads(process.communicate(timeout=60 * env.SLOW)[0]) == {"sent": count}


def both_records(d, pair, sock):
    port = sock.getsockname()[1]
    active = d.handshake(netns=pair.client.inode, role="active", local={"port": port})
    passive = d.handshake(netns=pair.server.inode, role="passive", remote={"port": port})
    assert active["outcome"] == passive["outcome"] == "established"
    assert active["conn"] == passive["conn"]
    return passive


@pytest.mark.parametrize("cookies", [1, 0], ids=["cookies", "no_cookies"])
def test_syn_flood(pair, keep, audited, flood, cookies):
    """20,000 SYNs from as many sources, and 50 clients that mean it."""
    count, rate, clients = 20000, 4000, 50
    counter = "TCPReqQFullDoCookies" if cookies else "TCPReqQFullDrop"
    subset = {"queue": "syn", "stage": "syn", "action": "cookie" if cookies else "dropped"}
    pair.server.sysctl("net.ipv4.tcp_syncookies", cookies)
    pair.server.sysctl("net.ipv4.tcp_max_syn_backlog", 4096)
    pair.server.sysctl("net.ipv4.tcp_synack_retries", 1)
    audit = audited(pair.client, pair.server, flags=())
    crowd = Crowd(pair, 4, keep, 128)
    books, cost = Books(audit.d, pair.server), Cost(audit.d.pid)
    attack = flood(crowd.port, count, rate)
    books.wait_kernel(counter, 1)
    socks = []
    for _ in range(clients):
        socks += crowd.begin(1)
        pause(0.9 * count / rate / clients)
    ended(attack, count)
    for sock in socks:  # at the latest when the forged requests have expired
        assert finish(sock, timeout=20) == 0
    passive = [both_records(audit.d, pair, sock) for sock in socks]
    told = [r["syncookie"] for r in passive]
    assert sum(told) == books.delta("SyncookiesRecv") <= clients * cookies
    assert sum(told) >= clients // 2 * cookies
    assert all((r["latency_ns"] is None) is r["syncookie"] for r in passive)
    pause(2)  # what the requests that are left cost
    share, peak = cost.end(f"flood, cookies {cookies}")
    assert share <= 0.25 and peak <= 64
    crowd.leave()
    books.settle(counter, **subset)
    audit.check()
    assert books.total(counter, **subset) == books.delta(counter) > count // 2
    assert audit.sum(pair.server, counter) == audit.sum(pair.server, counter, "observed") \
        == books.delta(counter)


def test_flood_into_a_deep_queue(pair, keep, audited, flood, blind):
    """6,000 requests wait for nobody, each with its SYN-ACK sent again: what they cost."""
    count = 6000  # a third of the table, which is the whole host's
    pair.server.sysctl("net.core.somaxconn", 65535)
    pair.server.sysctl("net.ipv4.tcp_max_syn_backlog", 65535)
    pair.server.sysctl("net.ipv4.tcp_syncookies", 0)
    audit = audited(pair.client, pair.server, flags=(), losses=True)
    crowd = Crowd(pair, 4, keep, 10000)
    attack = flood(crowd.port, count, 6000)
    ended(attack, count)
    pending = audit.d.feed.wait_for(
        lambda all: [r["syn_queue"]["len"] for r in all if matches(r, {
            "type": "listener", "netns": pair.server.inode, "syn_queue": {
                "len": lambda len: len > count // 2, "young": 0}})],
        20, "all SYN-ACKs sent again")[0]
    cost = Cost(audit.d.pid)
    pause(4)
    share, peak = cost.end(f"{pending} pending requests")
    assert share <= 0.10 and peak <= 64
    kept = blind.between(pair.server.addr[4])["tcp_retransmit_synack"]
    audit.check(kept={"TCPSynRetrans": kept, "TCPTimeouts": kept})
    # no loss but that of requests, of which the table holds 16,384 of the whole host
    assert {r["why"] for r in audit.d.feed.records("loss")} <= {"map_full"}


# io_uring

class UringServer:
    """uring_accept in a namespace."""

    def __init__(self, ns, port):
        self.process = ns.popen([env.tool("uring_accept"), str(port)], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid
        self.state = self.process.stdout.readline().split()

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def close(self):
        self.process.stdin.close()
        self.process.wait(5 * env.SLOW)
        self.process.stdout.close()


def waiting_since(d):
    """The moments in the daemon's table of connections that wait for accept()."""
    for path in pathlib.Path(f"/proc/{d.pid}/fdinfo").iterdir():
        number = [line.split()[1] for line in path.read_text().splitlines()
                  if line.startswith("map_id:")]
        if not number:
            continue
        shown = subprocess.run(["bpftool", "-j", "map", "show", "id", number[0]],
                               capture_output=True, check=True)
        if json.loads(shown.stdout).get("name") != "waiting":
            continue
        dump = subprocess.run(["bpftool", "-j", "map", "dump", "id", number[0]],
                              capture_output=True, check=True)
        return {struct.unpack_from("<Q", bytes(int(byte, 16) for byte in entry["value"]))[0]  # struct waiter
                for entry in json.loads(dump.stdout)}
    raise AssertionError("the daemon has no such table")


def test_accepted_through_io_uring(pair, keep, daemon):
    """The system calls' exits do not show it: no record, no false wait, and nothing left behind."""
    server = keep(UringServer(pair.server, 8080))
    if server.state[0] != "ready":
        number = int(server.state[1])
        assert server.state[0] == "refused" and number in (errno.ENOSYS, errno.EPERM)
        pytest.skip(f"this kernel allows no io_uring: {os.strerror(number)}")
    d = daemon("--accept-wait", "syscall", "--events", "handshake,accept")

    def client():
        sock = keep(connect(pair.client, 4, pair.address(4, 8080))[0])
        record = d.handshake(netns=pair.server.inode, role="passive",
                             remote={"port": sock.getsockname()[1]})
        return sock, record["mono_ns"]

    unseen, since = client()
    assert since in waiting_since(d)
    server.tell("uring")
    assert not d.feed.records("accept", netns=pair.server.inode)
    seen, established = client()
    pause(0.3)
    server.tell("accept")
    record = d.feed.wait_for(lambda all: [r for r in all if r["type"] == "accept" and
                                          r["netns"] == pair.server.inode], what="accept4()")[0]
    assert record["remote"]["port"] == seen.getsockname()[1]
    assert record["wait_ns"] == record["mono_ns"] - established >= 0.3 * env.SECOND
    assert record["process"]["pid"] == server.pid
    assert established not in waiting_since(d)
    assert since in waiting_since(d)  # it is open, and nobody knows who has it
    unseen.close()
    server.tell("close")
    env.poll_until(lambda: since not in waiting_since(d), 5, "its entry removed", interval=0.1)
    d.stop()
    assert len(d.feed.records("accept", netns=pair.server.inode)) == 1


def test_reset_while_it_waits(pair, keep, daemon):
    """accept() takes it all the same, and its wait is known; what nobody can take is forgotten."""
    d = daemon("--accept-wait", "syscall", "--events", "handshake,accept")
    crowd = Crowd(pair, 4, keep, 4)
    crowd.taken(2)
    since = [d.handshake(netns=pair.server.inode, role="passive",
                         remote={"port": sock.getsockname()[1]})["mono_ns"]
             for sock in crowd.clients]
    before = pair.server.counters()["EstabResets"]
    gone = crowd.clients.pop(0)
    gone.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER 0: close() resets
    gone.close()
    env.poll_until(lambda: pair.server.counters()["EstabResets"] > before)
    crowd.accept(1)
    record = d.feed.wait_for(lambda all: [r for r in all if r["type"] == "accept" and
                                          r["netns"] == pair.server.inode], what="accept()")[0]
    assert record["wait_ns"] == record["mono_ns"] - since[0]
    assert since[1] in waiting_since(d)
    crowd.close_listener()
    env.poll_until(lambda: not waiting_since(d) & set(since), 5, "both removed", interval=0.1)
