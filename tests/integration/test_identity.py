# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who: process, user, cgroup and container, of the caller and of the listener."""
import os

import pytest

from lib import env, netns
from lib.traffic import Agent, connect, listener, port_of

HEX = "4f" * 32
POD = "0f6b2f6e-1c2d-4e3f-8a9b-c0d1e2f3a4b5"
PATHS = {
    "plain": ("tcpshake-test/web.service", None),
    "docker": (f"tcpshake-test/docker-{HEX}.scope", {"id": HEX, "runtime": "docker"}),
    "docker_cgroupfs": (f"tcpshake-test/docker/{HEX}", {"id": HEX, "runtime": "docker"}),
    "podman": (f"tcpshake-test/libpod-{HEX}.scope", {"id": HEX, "runtime": "podman"}),
    "pod": ("tcpshake-test/kubepods-burstable-pod%s.slice/cri-containerd-%s.scope"
            % (POD.replace("-", "_"), HEX),
            {"id": HEX, "runtime": "containerd", "pod_uid": POD}),
}


def check(record, group, container):
    _, number, path = group
    assert record["cgroup"] == {"id": number, "path": path}
    assert record.get("container") == container
    assert ("container" in record) == (container is not None)


@pytest.mark.parametrize("name", PATHS)
def test_caller(cgroups, pair, keep, daemon, name):
    path, container = PATHS[name]
    group = cgroups.make(path)
    d = daemon()
    server = keep(listener(pair.server, 4))
    agent = keep(Agent(pair.client, cgroup=group[0], comm="caller", uid=65534,
                       connect={"addr": pair.server.addr[4], "port": port_of(server)}))
    record = d.handshake(netns=pair.client.inode)
    assert record["process"] == {"pid": agent.pid, "comm": "caller", "uid": 65534}
    check(record, group, container)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["plain", "docker"])
def test_listener(cgroups, pair, keep, daemon, name, when):
    path, container = PATHS[name]
    group = cgroups.make(path)
    d = daemon() if when == "after" else None
    agent = keep(Agent(pair.server, cgroup=group[0], comm="owner", listen={}))
    d = d or daemon()
    sock, error = connect(pair.client, 4, pair.address(4, agent.port))
    keep(sock)
    assert error == 0
    record = d.handshake(netns=pair.server.inode)
    assert record["process"]["pid"] == agent.pid
    check(record, group, container)


def test_cgroup_that_is_new_and_soon_gone(cgroups, pair, keep, daemon):
    """Made and used after the start, for a caller that is over before anybody could look."""
    d = daemon()
    server = keep(listener(pair.server, 4))
    for number in range(3):
        group = cgroups.make(f"tcpshake-test/job-{number}")
        agent = Agent(pair.client, cgroup=group[0], comm=f"job{number}",
                      connect={"addr": pair.server.addr[4], "port": port_of(server)})
        port = agent.port
        agent.close()
        record = d.handshake(netns=pair.client.inode, local={"port": port})
        assert record["process"] == {"pid": agent.pid, "comm": f"job{number}", "uid": 0}
        check(record, group, None)


def test_names_are_escaped(pair, keep, daemon):
    """A comm may hold any byte; the line stays JSON, and one line."""
    d = daemon()
    server = keep(listener(pair.server, 4))
    for comm in ('quote"back\\', "tab\tnewline\n", "\x01\x1b[31m", "\x7f\x9b31m\u202e", "späß ☃"):
        agent = keep(Agent(pair.client, comm=comm,
                           connect={"addr": pair.server.addr[4], "port": port_of(server)}))
        record = d.handshake(netns=pair.client.inode, local={"port": agent.port})
        assert record["process"]["comm"] == comm


def test_caller_that_connects_in_many_threads(pair, keep, daemon):
    """The pid and the name are the process's, not the thread's."""
    d = daemon()
    server = keep(listener(pair.server, 4))
    script = ("import socket,threading,sys,os\n"
              "def go():\n"
              "    open('/proc/thread-self/comm', 'w').write('worker')\n"
              "    held.append(socket.create_connection((sys.argv[1], int(sys.argv[2]))))\n"
              "held=[]; threads=[threading.Thread(target=go) for _ in range(5)]\n"
              "[t.start() for t in threads]; [t.join() for t in threads]\n")
    child = pair.client.popen([env.PYTHON, "-c", script, pair.server.addr[4],
                               str(port_of(server))])
    assert child.wait(10 * env.SLOW) == 0
    records = d.handshakes(5, netns=pair.client.inode, outcome="established")
    assert {record["process"]["pid"] for record in records} == {child.pid}
    assert {record["process"]["comm"] for record in records} == {os.path.basename(env.PYTHON)}


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_mptcp_listener(lone, ip, keep, daemon, before):
    """What a process holds is the MPTCP socket, and what listens its subflow (Go's servers since 1.24)."""
    def listen():
        try:
            return keep(listener(lone, ip, proto=netns.IPPROTO_MPTCP))
        except OSError as error:
            pytest.skip(f"this kernel has no MPTCP: {error}")
    server = listen() if before else None
    d = daemon("--netns", lone.path, "--listener-interval", "100ms")
    server = server or listen()
    me = {"pid": os.getpid(), "comm": open("/proc/self/comm").read().strip(), "uid": 0}
    for looks in (3, 20):  # before and after a scan of who holds it
        keep(connect(lone, ip, ({4: "127.0.0.1", 6: "::1"}[ip], port_of(server)))[0])
        d.feed.wait_for(lambda all: len([r for r in all if r["type"] == "listener"]) >= looks, 20, "looks")
    for record in [*d.handshakes(2, role="passive", netns=lone.inode), *d.feed.records("listener")]:
        assert record["process"] == me, record


def test_kernel_that_joins_a_connection(pair, keep, daemon):
    """An MPTCP connection gets a second subflow: the kernel connects, and no process of its own choice."""
    try:
        server = keep(listener(pair.server, 4, proto=netns.IPPROTO_MPTCP))
    except OSError as error:
        pytest.skip(f"this kernel has no MPTCP: {error}")
    interface = pair.client.run("ip", "-o", "-4", "addr", "show", "scope", "global").stdout.split()[1]
    pair.client.ip(f"addr add 10.99.0.1/32 dev {interface}")
    pair.server.ip("route add 10.99.0.1/32 via " + pair.client.addr[4])
    for ns in (pair.client, pair.server):
        ns.run("ip", "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2")
    pair.client.run("ip", "mptcp", "endpoint", "add", "10.99.0.1", "dev", interface, "subflow")
    d = daemon()
    sock = keep(pair.client.socket(proto=netns.IPPROTO_MPTCP))  # as the endpoints are when it is made
    sock.connect((pair.server.addr[4], port_of(server)))
    other = keep(server.accept()[0])

    def joins():  # once both sides have seen that the other speaks MPTCP
        for sender, receiver in ((sock, other), (other, sock)):
            sender.send(b"x" * 10)
            receiver.recv(10)
        return d.feed.records("handshake", local=lambda end: end["addr"] == "10.99.0.1")
    env.poll_until(joins, 20, "a second subflow", interval=0.1)
    joined = d.handshake(role="active", local={"addr": "10.99.0.1"})
    assert joined["process"] == {"pid": 2, "comm": "kthreadd", "uid": 0}
    first = d.handshake(role="active", local={"addr": pair.client.addr[4]}, netns=pair.client.inode)
    assert first["process"]["pid"] == os.getpid() and first["cgroup"] == joined["cgroup"]
