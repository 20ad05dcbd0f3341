# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Passive handshakes: whose listener it was, how full its queue, what syncookies hide."""
import socket
import time

import pytest

from lib import env
from lib.netns import SYNACK, first
from lib.scrape import Metrics, free_port
from lib.traffic import FAMILY, NAME, Agent, connect, listener, port_of

pytestmark = pytest.mark.sanitize


def passive_of(d, pair, ip, keep, port, **more):
    sock, error = connect(pair.client, ip, pair.address(ip, port))
    keep(sock)
    assert error == 0
    return d.handshake(netns=pair.server.inode, role="passive",
                       remote={"port": sock.getsockname()[1]}, **more)


@pytest.mark.parametrize("when", ["before", "after"])
def test_owner(pair, ip, keep, daemon, when):
    """A listener of another process, user and namespace, from before or after the start."""
    options = dict(comm="doorman", uid=65534, listen={"family": ip, "backlog": 7})
    if when == "before":
        agent = keep(Agent(pair.server, **options))
        d = daemon()
    else:
        d = daemon()
        agent = keep(Agent(pair.server, **options))
    record = passive_of(d, pair, ip, keep, agent.port)
    assert record["process"] == {"pid": agent.pid, "comm": "doorman", "uid": 65534}
    assert record["family"] == NAME[ip]
    assert record["accept_queue"] == {"len": 0, "max": 7}


@pytest.mark.parametrize("when", ["before", "after"])
def test_owner_that_did_not_bind(pair, ip, keep, daemon, when):
    """listen() without bind(): the port comes after the event."""
    options = dict(comm="latecomer", uid=65534, listen={"family": ip, "bind": False})
    d = daemon() if when == "after" else None
    agent = keep(Agent(pair.server, **options))
    d = d or daemon()
    record = passive_of(d, pair, ip, keep, agent.port)
    assert record["process"] == {"pid": agent.pid, "comm": "latecomer", "uid": 65534}


@pytest.mark.parametrize("when", ["before", "after"])
def test_owner_with_reuseport(pair, ip, keep, daemon, when):
    d = daemon() if when == "after" else None
    agent = keep(Agent(pair.server, comm="shards",
                       listen={"family": ip, "reuseport": 4, "port": 8080}))
    d = d or daemon()
    for _ in range(12):
        record = passive_of(d, pair, ip, keep, 8080)
        assert record["process"]["pid"] == agent.pid
        assert record["process"]["comm"] == "shards"


@pytest.mark.parametrize("when", ["before", "after"])
def test_dual_stack_listener(pair, keep, daemon, when):
    """One socket, two families; the owner is found for both."""
    d = daemon() if when == "after" else None
    agent = keep(Agent(pair.server, comm="both", listen={"family": 6, "addr": "::", "v6only": 0}))
    d = d or daemon()
    for ip in (4, 6):
        record = passive_of(d, pair, ip, keep, agent.port)
        assert record["family"] == NAME[ip]
        assert record["local"] == {"addr": pair.server.addr[ip], "port": agent.port}
        assert record["process"] == {"pid": agent.pid, "comm": "both", "uid": 0}


def test_families_with_one_port_and_two_owners(pair, keep, daemon):
    """IPV6_V6ONLY: the same port belongs to one process for IPv4 and to another for IPv6."""
    six = keep(Agent(pair.server, comm="six", listen={"family": 6, "port": 8080, "v6only": 1}))
    d = daemon()
    four = keep(Agent(pair.server, comm="four", listen={"family": 4, "port": 8080}))
    for ip, agent in ((4, four), (6, six)):
        record = passive_of(d, pair, ip, keep, 8080)
        assert record["process"]["pid"] == agent.pid


def test_addresses_with_one_port_and_two_owners(pair, keep, daemon):
    """The listener on the address itself goes before the one on any."""
    one = keep(Agent(pair.server, comm="one", listen={"addr": pair.server.addr[4], "port": 8080}))
    pair.server.ip("address add 10.9.0.99/24 dev s0")
    d = daemon()
    two = keep(Agent(pair.server, comm="two", listen={"addr": "10.9.0.99", "port": 8080}))
    for address, agent in ((pair.server.addr[4], one), ("10.9.0.99", two)):
        sock, error = connect(pair.client, 4, (address, 8080))
        keep(sock)
        assert error == 0
        record = d.handshake(netns=pair.server.inode, local={"addr": address})
        assert record["process"]["pid"] == agent.pid


def test_port_taken_over_by_another_process(pair, keep, daemon):
    """The first owner closes, another one listens on the same port: no stale name."""
    d = daemon()
    for name in ("first", "second", "third"):
        agent = Agent(pair.server, comm=name, listen={"port": 8080})
        record = passive_of(d, pair, 4, keep, 8080)
        assert record["process"] == {"pid": agent.pid, "comm": name, "uid": 0}
        agent.close()


@pytest.mark.parametrize("backlog", [0, 4])
def test_accept_queue(pair, ip, keep, daemon, backlog):
    """Nobody accepts: each record has the depth before it; the queue holds backlog + 1."""
    d = daemon()
    server = keep(listener(pair.server, ip, backlog=backlog))
    for depth in range(backlog + 1):
        record = passive_of(d, pair, ip, keep, port_of(server))
        assert record["accept_queue"] == {"len": depth, "max": backlog}
    for _ in range(backlog + 1):
        keep(server.accept()[0])
    record = passive_of(d, pair, ip, keep, port_of(server))
    assert record["accept_queue"] == {"len": 0, "max": backlog}


def test_backlog_is_clamped(pair, keep, daemon):
    pair.server.sysctl("net.core.somaxconn", 5)
    d = daemon()
    server = keep(listener(pair.server, 4, backlog=4000))
    record = passive_of(d, pair, 4, keep, port_of(server))
    assert record["accept_queue"] == {"len": 0, "max": 5}


@pytest.mark.parametrize("timestamps", [1, 0], ids=["timestamps", "no_timestamps"])
def test_syncookies(delayed, ip, keep, daemon, timestamps):
    """With a cookie the kernel keeps nothing of the SYN-ACK, so nobody knows the latency."""
    link = delayed(15)
    for ns in (link.client, link.server):
        ns.sysctl("net.ipv4.tcp_timestamps", timestamps)
    link.server.sysctl("net.ipv4.tcp_syncookies", 2)
    d = daemon()
    server = keep(listener(link.server, ip))
    for _ in range(5):
        sock, error = connect(link.client, ip, (link.server.addr[ip], port_of(server)))
        keep(sock)
        assert error == 0
        port = sock.getsockname()[1]
        passive = d.handshake(netns=link.server.inode, remote={"port": port})
        active = d.handshake(netns=link.client.inode, local={"port": port})
        assert passive["syncookie"] is True and passive["outcome"] == "established"
        assert passive["latency_ns"] is None and passive["rtt_ns"] is None
        assert active["syncookie"] is False
        assert abs(active["latency_ns"] - link.rtt_ns) < 20 * env.MS * env.SLOW
        assert passive["conn"] == active["conn"]


def test_no_syncookie_is_made_up(delayed, keep, daemon):
    """A round trip of whole milliseconds is no sign of a cookie by itself."""
    link = delayed(2)
    d = daemon()
    server = keep(listener(link.server, 4, backlog=200))
    for _ in range(100):
        keep(connect(link.client, 4, (link.server.addr[4], port_of(server)))[0])
    records = d.handshakes(100, netns=link.server.inode, role="passive")
    # One in a thousand takes whole milliseconds, and one in 32 of those looks like a cookie's.
    known = [record["latency_ns"] for record in records if not record["syncookie"]]
    assert len(known) >= 99
    assert all(latency >= link.rtt_ns - env.MS for latency in known)


def test_conn_joins_and_separates(pair, ip, keep, daemon):
    """One id for the two records of a connection, another for each connection."""
    d = daemon()
    server = keep(listener(pair.server, ip, backlog=64))
    for _ in range(40):
        keep(connect(pair.client, ip, pair.address(ip, port_of(server)))[0])
    active = d.handshakes(40, netns=pair.client.inode, role="active")
    passive = d.handshakes(40, netns=pair.server.inode, role="passive")
    by_port = {record["local"]["port"]: record["conn"] for record in active}
    assert by_port == {record["remote"]["port"]: record["conn"] for record in passive}
    assert len(set(by_port.values())) == 40


def test_many_listeners_from_before(pair, keep, daemon):
    """Every listener of every namespace is found at the start, not only the first ones."""
    agents = [keep(Agent(ns, comm=f"{ns.name}{i}", wait=False,
                         listen={"reuseport": 60, "port": 9000 + i}))
              for i in range(4) for ns in (pair.client, pair.server)]
    for agent in agents:
        agent.wait_ready()
    d = daemon()
    for i in range(4):
        for here, there, agent in ((pair.client, pair.server, agents[2 * i + 1]),
                                   (pair.server, pair.client, agents[2 * i])):
            sock, error = connect(here, 4, (there.addr[4], 9000 + i))
            keep(sock)
            assert error == 0
            record = d.handshake(netns=there.inode, role="passive", local={"port": 9000 + i})
            assert record["process"]["pid"] == agent.pid
            assert record["process"]["comm"] == f"{there.name}{i}"


def test_listener_handed_to_a_child(pair, keep, daemon):
    """A listener made by a process that has gone belongs to the one that holds it now."""
    holder = pair.server.popen(
        [env.PYTHON, "-c", "import os,socket,sys\n"
         "s=socket.create_server(('',8080))\n"
         "if os.fork(): os._exit(0)\n"
         "open('/proc/self/comm','w').write('heir')\n"
         "print(os.getpid(),flush=True)\nsys.stdin.read()"],
        stdin=-1, stdout=-1, text=True)
    heir = int(holder.stdout.readline())
    holder.wait(10)
    d = daemon()
    record = passive_of(d, pair, 4, keep, 8080)
    holder.stdin.close()
    holder.stdout.close()
    assert record["process"] == {"pid": heir, "comm": "heir", "uid": 0}


def test_deferred_accept(lone, ip, keep, daemon):
    """The handshake ends with the client's data: what it idled is no round trip, and in no histogram."""
    metrics = free_port()
    d = daemon("--netns", lone.path, "--metrics", f"127.0.0.1:{metrics}")
    server = keep(lone.socket(FAMILY[ip]))
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    server.bind(("", 0))
    server.listen(8)
    sock = keep(connect(lone, ip, ({4: "127.0.0.1", 6: "::1"}[ip], port_of(server)))[0])
    time.sleep(0.3)
    sock.send(b"x")
    record = d.handshake(role="passive")
    assert record["deferred"] is True and record["rtt_ns"] is None
    assert record["latency_ns"] >= 0.25e9 and record["outcome"] == "established"
    assert "deferred" not in d.handshake(role="active")
    seen = keep(Metrics(metrics)).scrape()
    assert seen.one("tcpshake_handshake_duration_unknown_total", role="passive") >= 1
    for _, count in seen.all("tcpshake_listener_handshake_duration_seconds_count", netns=lone.inode):
        assert count == 0


def test_deferred_request_waits_for_data(pair, ip, keep, daemon):
    """Its ACK has come, so its SYN-ACK does not go out again for a while: it has not run out."""
    d = daemon()
    server = keep(pair.server.socket(FAMILY[ip]))
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 7)  # three time-outs: 1, 2 and 4 s
    server.bind(("", 0))
    server.listen(8)
    pair.client.lose(f"tcp sport {port_of(server)} {SYNACK} {first(1)}")
    keep(connect(pair.client, ip, pair.address(ip, port_of(server)))[0])
    record = d.handshake(netns=pair.server.inode, role="passive", timeout=20)
    assert record["outcome"] == "established" and "inferred" not in record
    assert record["deferred"] is True and record["partial"] is False
    assert record["retransmits"] >= 2 and record["latency_ns"] > 6 * env.SECOND
