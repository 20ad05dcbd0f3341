# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Listeners: that they come, change and go, whose they are, and how full their queues."""
import os
import signal
import subprocess
import time

import pytest

from lib import env, netns
from lib.feed import matches
from lib.queues import LISTEN, Crowd, ask
from lib.traffic import NAME, Agent, connect, listener, port_of

INTERVAL = 200 * env.MS
FAST = ("--listener-interval", "200ms")
ANY = {4: "0.0.0.0", 6: "::"}
EMPTY = {"len": 0, "max": 7, "peak": 0}


def listener_record(d, ns, port, timeout=5, **subset):
    """The first such record of a port; `socket` and the rest as given."""
    def found(all):
        return [r for r in all if r["type"] == "listener" and r["netns"] == ns.inode and
                r["local"]["port"] == port and matches(r, subset)]
    return d.feed.wait_for(found, timeout, f"a listener of port {port} with {subset}")[0]


def test_opened_and_closed(pair, ip, keep, daemon):
    d = daemon(*FAST)
    server = listener(pair.server, ip, backlog=7)
    opened = listener_record(d, pair.server, port_of(server), event="opened")
    assert opened["family"] == NAME[ip]
    assert opened["local"] == {"addr": ANY[ip], "port": port_of(server)}
    assert opened.get("v6only") == (True if ip == 6 else None)
    assert opened["process"]["pid"] == os.getpid()
    assert [p["pid"] for p in opened["processes"]] == [os.getpid()]
    assert opened["backlog"] is None and opened["accept_queue"] is None
    assert opened["overflows"] == {"syn": 0, "ack": 0, "cookie": 0}
    server.close()
    closed = listener_record(d, pair.server, opened["local"]["port"], event="closed")
    assert closed["socket"] == opened["socket"]
    assert closed["local"] == opened["local"]
    assert closed["process"] == opened["process"]
    assert closed["mono_ns"] > opened["mono_ns"]


def test_one_address(pair, ip, keep, daemon):
    d = daemon(*FAST)
    server = keep(listener(pair.server, ip, addr=pair.server.addr[ip]))
    opened = listener_record(d, pair.server, port_of(server), event="opened")
    assert opened["local"]["addr"] == pair.server.addr[ip]


def test_from_before_the_daemon(pair, ip, keep, daemon):
    """One sample at the start, of every listener of every namespace."""
    options = {"family": ip, "backlog": 7, **({"v6only": 1} if ip == 6 else {})}
    agents = [(ns, keep(Agent(ns, comm=f"{ns.name}'s", uid=65534, listen=options)))
              for ns in (pair.client, pair.server)]
    d = daemon(*FAST)
    for ns, agent in agents:
        sample = listener_record(d, ns, agent.port, event="sample")
        process = {"pid": agent.pid, "comm": f"{ns.name}'s", "uid": 65534}
        assert sample["process"] == process and sample["processes"] == [process]
        assert sample["local"]["addr"] == ANY[ip]
        assert sample["backlog"] == 7 and sample["accept_queue"] == EMPTY
        assert sample["syn_queue"] == {"len": 0, "young": 0, "max": 7}
        assert sample["drops"] == 0
        assert "oldest_wait_ns" not in sample
        agent.close()
        closed = listener_record(d, ns, agent.port, event="closed")
        assert closed["socket"] == sample["socket"]


def test_second_listen_changes_the_limit(pair, ip, keep, daemon):
    """The kernel tells nobody; it is noticed within an interval."""
    d = daemon(*FAST)
    server = keep(listener(pair.server, ip, backlog=7))
    opened = listener_record(d, pair.server, port_of(server), event="opened")
    listener_record(d, pair.server, port_of(server), backlog=7)
    for backlog in (9, 0, 300):
        at = time.monotonic_ns()
        server.listen(backlog)
        changed = listener_record(d, pair.server, port_of(server), event="changed", backlog=backlog)
        assert changed["socket"] == opened["socket"]
        assert changed["accept_queue"]["max"] == changed["syn_queue"]["max"] == backlog
        assert at < changed["mono_ns"] < at + (2 * INTERVAL + env.SECOND) * env.SLOW


def test_limit_is_clamped(pair, keep, daemon):
    pair.server.sysctl("net.core.somaxconn", 5)
    server = keep(listener(pair.server, 4, backlog=4000))
    d = daemon(*FAST)
    assert listener_record(d, pair.server, port_of(server), event="sample")["backlog"] == 5


@pytest.mark.parametrize("when", ["before", "after"])
def test_bound_late(pair, ip, keep, daemon, when):
    """listen() without bind(): at the event there is no port yet."""
    d = daemon(*FAST) if when == "after" else None
    agent = keep(Agent(pair.server, comm="latecomer", listen={"family": ip, "bind": False}))
    d = d or daemon(*FAST)
    record = listener_record(d, pair.server, agent.port)
    assert record["process"]["pid"] == agent.pid
    assert record["event"] == ("changed" if when == "after" else "sample")
    mine = [r for r in d.feed.records("listener", netns=pair.server.inode)
            if r["socket"] == record["socket"]]
    assert {r["local"]["port"] for r in mine} <= {0, agent.port}


def test_dual_stack(pair, keep, daemon):
    """One socket for both families; its queue takes both."""
    d = daemon(*FAST)
    server = keep(listener(pair.server, 6, backlog=7, v6only=False))
    opened = listener_record(d, pair.server, port_of(server), event="opened")
    assert opened["family"] == "ipv6" and opened["v6only"] is False
    assert opened["local"]["addr"] == "::"
    for ip in (4, 6):
        keep(connect(pair.client, ip, pair.address(ip, port_of(server)))[0])
    listener_record(d, pair.server, port_of(server), accept_queue={"len": 2})


def test_families_with_one_port(pair, keep, daemon):
    d = daemon(*FAST)
    six = keep(listener(pair.server, 6, backlog=7))
    four = keep(listener(pair.server, 4, port=port_of(six), backlog=9))
    for sock, family, backlog in ((six, "ipv6", 7), (four, "ipv4", 9)):
        keep(connect(pair.client, 4 if family == "ipv4" else 6,
                     pair.address(4 if family == "ipv4" else 6, port_of(sock)))[0])
        record = listener_record(d, pair.server, port_of(sock), family=family,
                                 accept_queue={"len": 1})
        assert record["backlog"] == backlog


@pytest.mark.parametrize("when", ["before", "after"])
def test_reuseport_members_are_apart(pair, ip, keep, tmp_path, daemon, when):
    """Four sockets on one port are four listeners, each with its own queue."""
    path = tmp_path / "sock"
    d = daemon(*FAST, sock=path) if when == "after" else None
    agent = keep(Agent(pair.server, comm="shards",
                       listen={"family": ip, "reuseport": 4, "port": 8080, "backlog": 64}))
    d = d or daemon(*FAST, sock=path)
    clients = 24
    for _ in range(clients):
        sock, error = connect(pair.client, ip, pair.address(ip, 8080))
        keep(sock)
        assert error == 0
    d.handshakes(clients, netns=pair.server.inode, role="passive")
    shards = [r for r in ask(path, "listeners") if r["netns"] == pair.server.inode]
    assert len(shards) == len({r["socket"] for r in shards}) == 4
    assert all(r["process"]["pid"] == agent.pid for r in shards)
    assert sum(r["accept_queue"]["len"] for r in shards) == clients
    agent.close()
    d.feed.wait_for(lambda all: {r["socket"] for r in all if r["type"] == "listener" and
                                 r["event"] == "closed"} >= {r["socket"] for r in shards},
                    what="four closed")


FORKS = """
import os, socket, sys
count = int(sys.argv[1])
s = socket.create_server(('', 8080))
if len(sys.argv) > 2:
    print(os.getpid(), flush=True)
    sys.stdin.readline()
children = []
hold, parents = os.pipe()
for n in range(count):
    pid = os.fork()
    if pid == 0:
        os.close(parents)
        os.read(hold, 1)
        os._exit(0)
    children.append(pid)
print(os.getpid(), *children, flush=True)
sys.stdin.read()
"""


class Family:
    """A process that listens on 8080 and children that inherited its listener."""

    def __init__(self, ns, count, later=False):
        argv = [env.PYTHON, "-c", FORKS, str(count)] + (["later"] if later else [])
        self.process = ns.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pids = [int(pid) for pid in self.process.stdout.readline().split()]

    def fork(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.pids = [int(pid) for pid in self.process.stdout.readline().split()]

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(10 * env.SLOW)
        self.process.stdout.close()


@pytest.mark.parametrize("count", [3, 20])
def test_every_owner_of_a_shared_listener(pair, keep, daemon, count):
    """nginx's way: the children inherit it; at most 16 are listed, the rest counted."""
    family = keep(Family(pair.server, count))
    d = daemon(*FAST)
    sample = listener_record(d, pair.server, 8080, event="sample")
    pids = [p["pid"] for p in sample["processes"]]
    assert len(set(pids)) == len(pids) == min(count + 1, 16)
    assert set(pids) <= set(family.pids)
    assert sample.get("processes_more", 0) == max(count + 1 - 16, 0)
    assert sample["process"]["pid"] in family.pids


def test_owners_that_come_later(pair, keep, tmp_path, daemon):
    d = daemon(*FAST, sock=tmp_path / "sock")
    family = keep(Family(pair.server, 3, later=True))
    opened = listener_record(d, pair.server, 8080, event="opened")
    assert [p["pid"] for p in opened["processes"]] == family.pids
    family.fork()
    connect(pair.client, 4, pair.address(4, 8080))[0].close()

    def all_known():
        mine = [r for r in ask(tmp_path / "sock", "listeners") if r["netns"] == pair.server.inode]
        return {p["pid"] for p in mine[0]["processes"]} == set(family.pids)
    env.poll_until(all_known, 10, "all owners", interval=0.2)


def test_namespace_that_goes_away(pair, keep, daemon):
    """No error, no record that pretends, and everything else goes on."""
    d = daemon(*FAST)
    gone = netns.Netns("gone")
    agent = Agent(gone, comm="doomed", listen={"backlog": 7})
    inode, port = gone.inode, agent.port
    opened = listener_record(d, gone, port, event="opened")
    connect(gone, 4, ("127.0.0.1", port))[0].close()
    listener_record(d, gone, port, event="sample")
    gone.close()
    agent.process.kill()
    agent.close()
    gone.inode = inode
    assert listener_record(d, gone, port, event="closed")["socket"] == opened["socket"]
    server = keep(listener(pair.server, 4, backlog=7))
    listener_record(d, pair.server, port_of(server), event="opened")
    after = time.monotonic_ns() + 3 * INTERVAL
    env.poll_until(lambda: time.monotonic_ns() > after)
    last = d.feed.records("listener", netns=inode)[-1]
    assert last["event"] == "closed"


def test_queue_and_oldest_wait(pair, ip, keep, daemon):
    """Nobody accepts: the length, and how long the first of them has waited."""
    d = daemon(*FAST)
    crowd = Crowd(pair, ip, keep, 7)
    before = time.monotonic_ns()
    crowd.taken(1)
    after = time.monotonic_ns()
    crowd.taken(2)
    record = listener_record(d, pair.server, crowd.port,
                             oldest_wait_ns=lambda ns: ns and ns > 500 * env.MS)
    assert record["accept_queue"] == {"len": 3, "max": 7, "peak": 3}
    assert record["event"] == "sample"
    since = record["mono_ns"] - record["oldest_wait_ns"]
    assert before - 20 * env.MS < since < after + 20 * env.MS * env.SLOW

    # The first is accepted: now the second waits longest.
    crowd.accept(1)
    at = time.monotonic_ns()
    record = listener_record(d, pair.server, crowd.port, mono_ns=lambda ns: ns > at,
                             accept_queue={"len": 2})
    assert record["mono_ns"] - record["oldest_wait_ns"] >= after - 5 * env.MS
    at = time.monotonic_ns()  # the one record that tells it may come before accept() returns
    for _ in range(2):
        crowd.accept(1)
    record = listener_record(d, pair.server, crowd.port, mono_ns=lambda ns: ns > at,
                             accept_queue={"len": 0})
    assert "oldest_wait_ns" not in record


def test_syn_queue(pair, ip, keep, daemon):
    """Requests that wait for their final ACK; young until their SYN-ACK was sent again."""
    d = daemon(*FAST)
    crowd = Crowd(pair, ip, keep, 7)
    crowd.late(3)
    listener_record(d, pair.server, crowd.port, syn_queue={"len": 3, "young": 3, "max": 7})
    listener_record(d, pair.server, crowd.port, syn_queue={"len": 3, "young": 0, "max": 7})
    crowd.leave()
    listener_record(d, pair.server, crowd.port, syn_queue={"len": 0, "young": 0, "max": 7})


def test_peak_between_samples(pair, ip, keep, daemon):
    """Filled and drained between two looks: the length is 0 again, the peak is remembered."""
    d = daemon(*FAST)
    crowd = Crowd(pair, ip, keep, 64)
    listener_record(d, pair.server, crowd.port)
    at = 0
    for peak in (20, 2):  # the peak since the last record, not for ever
        d.send(signal.SIGSTOP)
        try:
            crowd.taken(peak)
            crowd.accept(peak)
        finally:
            d.send(signal.SIGCONT)
        at = listener_record(d, pair.server, crowd.port, mono_ns=lambda ns: ns > at,
                             accept_queue={"len": 0, "max": 64, "peak": peak})["mono_ns"]


def test_peak_of_a_family(pair, keep, daemon):
    """Two listeners on one port: a peak between two looks is that of the one whose queue it was."""
    d = daemon(*FAST)
    both = {ip: Crowd(pair, ip, keep, 64, port=8080) for ip in (6, 4)}
    for family in ("ipv4", "ipv6"):
        listener_record(d, pair.server, 8080, family=family, accept_queue={"max": 64})
    at = 0
    for ip, peak in ((4, 3), (6, 5), (4, 2)):
        d.send(signal.SIGSTOP)
        try:
            both[ip].taken(peak)
            both[ip].accept(peak)
        finally:
            d.send(signal.SIGCONT)
        at = listener_record(d, pair.server, 8080, family=NAME[ip], mono_ns=lambda ns: ns > at,
                             accept_queue={"len": 0, "max": 64, "peak": peak})["mono_ns"]
    d.stop()
    for family, peak in (("ipv4", 3), ("ipv6", 5)):
        assert max(r["accept_queue"]["peak"] for r in d.feed.records("listener", family=family)
                   if r["netns"] == pair.server.inode and r["accept_queue"]) == peak


def test_peak_of_an_address(pair, ip, keep, daemon):
    """Two addresses of one port: the idle listener has nothing of its sibling's peak."""
    loopback = {4: "127.0.0.1", 6: "::1"}[ip]
    d = daemon(*FAST)
    crowd = Crowd(pair, ip, keep, 64, port=8080, addr=pair.server.addr[ip])
    keep(listener(pair.server, ip, port=8080, addr=loopback, backlog=5))  # the newest is looked at first
    listener_record(d, pair.server, 8080, accept_queue={"max": 64})
    d.send(signal.SIGSTOP)
    try:
        crowd.taken(20)
        crowd.accept(20)
    finally:
        d.send(signal.SIGCONT)
    listener_record(d, pair.server, 8080, accept_queue={"len": 0, "max": 64, "peak": 20})
    d.stop()
    assert {r["accept_queue"]["peak"] for r in d.feed.records("listener", netns=pair.server.inode)
            if r["accept_queue"] and r["accept_queue"]["max"] == 5} <= {0}


def members(ns, port):
    """The length of each accept queue of a port, in order."""
    lengths = []
    for name in ("tcp", "tcp6"):
        with ns.inside(), open(f"/proc/thread-self/net/{name}") as file:
            fields = [line.split() for line in list(file)[1:]]
        lengths += [int(f[4].split(":")[1], 16) for f in fields
                    if f[3] == LISTEN and f[1].endswith(f":{port:04X}")]
    return sorted(lengths)


@pytest.mark.parametrize("when", ["before", "after"])
def test_peak_of_a_member(pair, ip, keep, tmp_path, daemon, when):
    """SO_REUSEPORT: each member's peak is that of its own queue, as long as it was when all waited."""
    d = daemon(*FAST) if when == "after" else None
    agent = keep(Agent(pair.server, comm="shards",
                       listen={"family": ip, "reuseport": 4, "port": 8080, "backlog": 64}))
    d = d or daemon(*FAST)
    for _ in range(4):
        listener_record(d, pair.server, 8080, accept_queue={"max": 64})
    d.send(signal.SIGSTOP)
    try:
        for _ in range(24):
            sock, error = connect(pair.client, ip, pair.address(ip, 8080))
            keep(sock)
            assert error == 0
        env.poll_until(lambda: sum(members(pair.server, 8080)) == 24, 5, "24 in the queues")
        deep = members(pair.server, 8080)
        agent.tell("drain")
    finally:
        d.send(signal.SIGCONT)

    def peaks(all):
        seen = {}
        for r in all:
            if r["type"] == "listener" and r["netns"] == pair.server.inode and r["accept_queue"]:
                peak = r["accept_queue"]["peak"]
                seen[r["socket"]] = max(peak, seen.get(r["socket"], 0))
        return sorted(peak for peak in seen.values() if peak)
    wanted = [length for length in deep if length]
    d.feed.wait_for(lambda all: len(peaks(all)) >= len(wanted) and all, 5, f"the peaks {wanted}")
    d.stop()
    assert peaks(d.feed.records("listener")) == wanted


def test_idle_listeners_say_nothing(pair, keep, daemon):
    """A record each interval only while there is something to say."""
    d = daemon("--listener-interval", "50ms")
    server = keep(listener(pair.server, 4, backlog=7))
    listener_record(d, pair.server, port_of(server), event="opened")
    after = time.monotonic_ns() + 1 * env.SECOND
    env.poll_until(lambda: time.monotonic_ns() > after)
    mine = [r for r in d.feed.records("listener") if r["local"]["port"] == port_of(server)]
    assert len(mine) <= 3, mine
    keep(connect(pair.client, 4, pair.address(4, port_of(server)))[0])
    listener_record(d, pair.server, port_of(server), event="sample", accept_queue={"len": 1})


def test_question(pair, ip, keep, tmp_path, daemon):
    """{"op":"listeners"}: one sample of each there is, at once, whatever the interval."""
    path = tmp_path / "sock"
    early = keep(listener(pair.server, ip, backlog=3))
    daemon("--listener-interval", "1h", sock=path)
    late = keep(Crowd(pair, ip, keep, 5))
    late.taken(2)
    gone = listener(pair.server, ip)
    gone.close()

    def ours():
        answer = ask(path, "listeners")
        assert all(r["type"] == "listener" and r["event"] == "sample" for r in answer)
        assert len({(r["netns"], r["socket"]) for r in answer}) == len(answer)
        return {r["local"]["port"]: r for r in answer if r["netns"] == pair.server.inode}
    answer = ours()
    assert set(answer) == {port_of(early), late.port}
    assert answer[port_of(early)]["accept_queue"] == {"len": 0, "max": 3, "peak": 0}
    queue = answer[late.port]["accept_queue"]
    assert (queue["len"], queue["max"]) == (2, 5)
    assert answer[late.port]["oldest_wait_ns"] > 0
    late.accept(1)
    assert ours()[late.port]["accept_queue"]["len"] == 1


def test_question_of_a_daemon_with_a_filter(pair, keep, tmp_path, daemon):
    """It knows half of what it filters out: no refusals, for one."""
    path = tmp_path / "sock"
    for ns in (pair.server, pair.client):
        keep(listener(ns, 4))
    other = keep(listener(pair.server, 4))
    daemon("--netns", str(pair.server.inode), "--port", str(port_of(other)), sock=path)
    assert [r["local"]["port"] for r in ask(path, "listeners")] == [port_of(other)]


def test_many(lone, keep, tmp_path, daemon):
    """Many listeners, from before and after the start: all of them are in the answer."""
    keep(Agent(lone, listen={"reuseport": 900, "port": 8080}))
    daemon(*FAST, sock=tmp_path / "sock")
    keep(Agent(lone, listen={"reuseport": 900, "port": 8081}))
    answer = [r for r in ask(tmp_path / "sock", "listeners") if r["netns"] == lone.inode]
    assert len({r["socket"] for r in answer}) == len(answer) == 1800
