# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake states: counts against ss(8) and /proc, owners, local ports, and what cannot be seen."""
import contextlib
import errno
import functools
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from lib import env, netns, schema
from lib.cli import ESCAPE
from lib.states import acknowledged, by_ss, of, one, sockstat, states_of
from lib.traffic import FAMILY, Agent, connect, listener, port_of

LOOPBACK = {4: "127.0.0.1", 6: "::1"}

# A server that takes connections, reads to their end, and keeps every descriptor.
LEAKS = """
import socket, sys
server = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
server.bind((sys.argv[1], 0))
server.listen(64)
print(server.getsockname()[1], flush=True)
kept = []
while True:
    sock = server.accept()[0]
    while sock.recv(4096):
        pass
    kept.append(sock)
    print(len(kept), flush=True)
"""


@pytest.fixture
def states(cli):
    return functools.partial(states_of, cli)


@contextlib.contextmanager
def leaking_server(ns, ip):
    process = ns.popen([env.PYTHON, "-c", LEAKS, LOOPBACK[ip]], stdout=subprocess.PIPE, text=True)
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def connected(ns, ip, address):
    sock, error = connect(ns, ip, address)
    assert error == 0, os.strerror(error)
    return sock


def accepted(server):
    return server.accept()[0]


def fill_states(ns, ip, keep):
    """Sockets in every state that can be held still; the port of the listener."""
    server = keep(listener(ns, ip, backlog=16, addr=LOOPBACK[ip]))
    address = (LOOPBACK[ip], port_of(server))

    def pair():
        client = keep(connected(ns, ip, address))
        return client, keep(accepted(server))
    pair()
    client, child = pair()
    client.shutdown(socket.SHUT_WR)  # FIN_WAIT2, with a process; the child is in CLOSE_WAIT
    client, child = pair()
    client.close()  # an orphan in FIN_WAIT2
    for _ in range(3):
        client, child = pair()
        client.close()
        child.close()  # TIME_WAIT
    keep(connected(ns, ip, address))  # not accepted
    late = connected(ns, ip, address)
    late.close()  # the child is in CLOSE_WAIT, and not accepted
    # a SYN that nobody answers
    ns.sysctl("net.ipv4.tcp_syn_retries", 6)
    ns.lose("tcp dport 9")
    silent = keep(ns.socket(FAMILY[ip]))
    silent.setblocking(False)
    silent.connect_ex((LOOPBACK[ip], 9))
    acknowledged(ns)
    return address[1]


def test_counts_are_those_of_ss(states, lone, ip, keep):
    port = fill_states(lone, ip, keep)
    before = by_ss(lone)
    groups, _ = states(ns=lone)
    assert by_ss(lone) == before  # nothing has moved meanwhile
    total = one(groups, "netns", netns=lone.inode)
    assert total["states"] == before
    assert total["states"] == {"established": 4, "syn_sent": 1, "syn_recv": 0, "fin_wait1": 0, "fin_wait2": 3,
                               "time_wait": 3, "close_wait": 3, "last_ack": 0, "listen": 1, "closing": 0}
    assert total["sockets"] == sum(before.values())
    assert total["unaccepted"] == 2
    # each socket once by owner, and once by listener or destination
    mine = [g for g in groups if g["netns"] == lone.inode]
    for kinds in (("owner",), ("listener", "destination")):
        for name in before:
            assert sum(g["states"][name] for g in mine if g["by"] in kinds) == before[name], (kinds, name)
    taken = one(groups, "listener", netns=lone.inode)
    assert taken["local"] == {"addr": LOOPBACK[ip], "port": port}
    assert taken["process"]["pid"] == os.getpid()
    assert taken["accept_queue"] == {"len": 2, "room": 17}
    assert (taken["states"]["close_wait"], taken["unaccepted"]) == (3, 2)


def test_counts_are_those_of_sockstat(states, lone, keep):
    """`tw` is of the namespace; orphans are the host's, so that only ours can be counted in it."""
    server = keep(listener(lone, 4))
    children = []
    for _ in range(5):
        client = connected(lone, 4, ("127.0.0.1", port_of(server)))
        children.append(keep(accepted(server)))
        client.close()
    for child in children[:2]:
        child.close()
    acknowledged(lone)
    groups, _ = states(ns=lone)
    total = one(groups, "netns", netns=lone.inode)
    kernel = sockstat(lone)
    assert total["states"]["time_wait"] == 2
    assert (total["states"]["fin_wait2"], total["orphans"]) in ((3, 3), (3, 0))
    # a client that closed and whose FIN was acknowledged is no whole socket any more: it is among `tw`
    assert kernel["tw"] == 2 + 3 - total["orphans"]
    assert kernel["orphan"] >= total["orphans"]


def test_orphans(states, pair, ip, keep):
    """Closed, and the peer does not answer: the kernel keeps the socket whole."""
    server = keep(listener(pair.server, ip))
    client = connected(pair.client, ip, pair.address(ip, port_of(server)))
    keep(accepted(server))
    pair.server.lose(f"tcp dport {port_of(server)}")
    client.close()
    groups, _ = states(ns=pair.client)
    total = one(groups, "netns", netns=pair.client.inode)
    assert (total["states"]["fin_wait1"], total["orphans"]) == (1, 1)
    assert sockstat(pair.client)["orphan"] >= 1
    gone = one(groups, "owner", netns=pair.client.inode)
    assert (gone["process"], gone["orphans"], gone["unfound"]) == (None, 1, 0)
    assert gone["oldest_ns"] == {"fin_wait1": None}


def test_a_server_that_leaks_descriptors(states, lone, ip):
    with leaking_server(lone, ip) as (server, port):
        clients = [connected(lone, ip, (LOOPBACK[ip], port)) for _ in range(7)]
        closed = time.monotonic_ns()
        for client in clients:
            client.close()
        for n in range(1, 8):
            assert int(server.stdout.readline()) == n
        time.sleep(0.3)
        groups, _ = states(ns=lone)
        now = time.monotonic_ns()
        with open(f"/proc/{server.pid}/limits") as file:
            limit = int(re.search(r"Max open files +(\d+)", file.read()).group(1))
        culprit = one(groups, "owner", process={"pid": server.pid, "comm": "python3"})
        assert (culprit["netns"], culprit["states"]["close_wait"], culprit["unaccepted"]) == (lone.inode, 7, 0)
        assert culprit["open_files"] == {"used": len(os.listdir(f"/proc/{server.pid}/fd")), "limit": limit}
        # the last that came is the FIN; a tick of the kernel's clock is 10 ms at most
        oldest = culprit["oldest_ns"]["close_wait"]
        assert 300 * env.MS - 20 * env.MS <= oldest <= now - closed + 20 * env.MS
        assert one(groups, "listener", netns=lone.inode)["states"]["close_wait"] == 7
        with lone.inside():
            text = subprocess.run([env.TCPSHAKE, "states", "--once", "--by", "owner"], check=True,
                                  capture_output=True, text=True).stdout
        assert re.search(r"^python3/%d .* 7 +>" % server.pid, text, re.M), text


def time_waits(ns, ip, server, count, source=None):
    for _ in range(count):
        client = ns.socket(FAMILY[ip])
        if source:
            client.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            client.bind((source, 0))
        client.connect(server)
        client.close()


@contextlib.contextmanager
def accepting(ns, ip, addr, port=0):
    """A server that closes what it accepts once the client has closed, so that TIME_WAIT is the client's."""
    code = ("import socket, sys\n"
            "s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)\n"
            "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
            "s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(64)\n"
            "print(s.getsockname()[1], flush=True)\n"
            "while True:\n"
            "    c = s.accept()[0]\n"
            "    while c.recv(1): pass\n"
            "    c.close()\n")
    process = ns.popen([env.PYTHON, "-c", code, addr, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        yield (addr, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until_time_wait(ns, count):
    env.poll_until(lambda: by_ss(ns)["time_wait"] == count, 5, f"{count} sockets in TIME_WAIT")


def test_time_wait_of_each_destination(states, pair, ip):
    """Counted exactly, beside the ports that are left; then as many connections succeed, and no more."""
    client, addr = pair.client, pair.server.addr[ip]
    client.sysctl("net.ipv4.ip_local_port_range", "40000 40011")
    client.sysctl("net.ipv4.ip_local_reserved_ports", "40001,40004-40005,50000")
    client.sysctl("net.ipv4.tcp_tw_reuse", 0)
    with accepting(pair.server, ip, addr) as one_server, accepting(pair.server, ip, addr) as other_server, \
            listener(client, ip, port=40007):
        time_waits(client, ip, one_server, 5)
        time_waits(client, ip, other_server, 2)
        until_time_wait(client, 7)
        groups, _ = states(ns=client)
        first = one(groups, "destination", remote={"addr": addr, "port": one_server[1]})
        second = one(groups, "destination", remote={"addr": addr, "port": other_server[1]})
        assert (first["states"]["time_wait"], second["states"]["time_wait"]) == (5, 2)
        assert (first["netns"], first["local_addr"]) == (client.inode, client.addr[ip])
        assert first["ports"] == {"low": 40000, "high": 40011, "reserved": 3, "listening": 1, "usable": 8, "used": 5,
                                  "time_wait": 5, "reusable": 0, "left": 3}
        assert second["ports"]["left"] == 6
        assert first["taken_percent"] == 62
        ends = first["time_wait_ends_ns"]
        assert 0 < ends["first"] <= ends["last"] <= 60 * env.SECOND
        # sorted by what fails first
        assert [g["remote"]["port"] for g in of(groups, "destination", netns=client.inode)] == [one_server[1], other_server[1]]
        socks = []
        errors = []
        for _ in range(5):
            sock, error = connect(client, ip, one_server)
            socks.append(sock)
            errors.append(error)
        assert errors == [0, 0, 0, errno.EADDRNOTAVAIL, errno.EADDRNOTAVAIL]
        groups, _ = states(ns=client)
        first = one(groups, "destination", remote={"addr": addr, "port": one_server[1]})
        assert (first["ports"]["used"], first["ports"]["left"], first["taken_percent"]) == (8, 0, 100)
        for sock in socks:
            sock.close()


def test_ports_that_run_out(states, pair, cli):
    """At a steady rate, half a minute ahead at least, and to within a few seconds."""
    client, addr = pair.client, pair.server.addr[4]
    client.sysctl("net.ipv4.ip_local_port_range", "40000 41599")
    client.sysctl("net.ipv4.tcp_tw_reuse", 0)
    rate, warned, failed, foreseen = 40, None, None, []
    with accepting(pair.server, 4, addr) as server:
        began = time.monotonic()
        for second in range(55):
            for made in range(rate):
                sock, error = connect(client, 4, server)
                sock.close()
                if error:
                    assert error == errno.EADDRNOTAVAIL
                    failed = time.monotonic()
                    break
            if failed:
                break
            if second % 3 == 2:
                groups, _ = states("--by", "destination", ns=client)
                forecast = one(groups, "destination", netns=client.inode)["forecast"]
                if forecast["out_ns"] is not None:
                    warned = warned or time.monotonic()
                    foreseen.append((time.monotonic(), forecast["out_ns"] / env.SECOND))
            time.sleep(max(0, began + second + 1 - time.monotonic()))
        assert failed and warned and failed - warned >= 30, (failed, warned, foreseen)
        for when, out in foreseen[1:]:
            assert abs(when + out - failed) < 4 + out / 4, (when - began, out, failed - began)
        with client.inside():
            program = cli("states", "--once", "--by", "destination")
        shown = program.end()
        assert f"no port is left from {client.addr[4]} to {addr}:{server[1]}: 1600 of 1600 are taken" in shown


@pytest.mark.parametrize("reuse,timestamps", [(0, 1), (1, 1), (1, 0), (2, 1)])
def test_time_wait_that_may_be_used_again(states, pair, ip, reuse, timestamps):
    client, addr = pair.client, pair.server.addr[ip]
    client.sysctl("net.ipv4.ip_local_port_range", "40000 40003")
    client.sysctl("net.ipv4.tcp_tw_reuse", reuse)
    client.sysctl("net.ipv4.tcp_timestamps", timestamps)
    with accepting(pair.server, ip, addr) as server:
        time_waits(client, ip, server, 4)
        until_time_wait(client, 4)
        groups, _ = states(ns=client)
        ports = one(groups, "destination", netns=client.inode)["ports"]
        allowed = reuse == 1 and timestamps == 1
        assert (ports["used"], ports["reusable"], ports["left"]) == (4, 4 if allowed else 0, 4 if allowed else 0)
        time.sleep(2.2)  # the kernel waits until its clock has gone on by a second
        sock, error = connect(client, ip, server)
        sock.close()
        assert error == (0 if allowed else errno.EADDRNOTAVAIL)


def test_loopback_may_use_ports_again(states, lone, ip):
    lone.sysctl("net.ipv4.ip_local_port_range", "40000 40003")
    lone.sysctl("net.ipv4.tcp_tw_reuse", 2)
    with accepting(lone, ip, LOOPBACK[ip], 7000) as server:
        time_waits(lone, ip, server, 4)
        until_time_wait(lone, 4)
        groups, _ = states(ns=lone)
        assert one(groups, "destination", netns=lone.inode)["ports"]["reusable"] == 4


def test_addresses_have_ports_of_their_own(states, lone):
    lone.sysctl("net.ipv4.tcp_tw_reuse", 0)
    with accepting(lone, 4, "127.0.0.1") as server:
        time_waits(lone, 4, server, 3, source="127.0.0.2")
        time_waits(lone, 4, server, 1, source="127.0.0.3")
        until_time_wait(lone, 4)
        groups, _ = states(ns=lone)
    assert {g["local_addr"]: g["ports"]["used"] for g in of(groups, "destination", netns=lone.inode)} == {
        "127.0.0.2": 3, "127.0.0.3": 1}


def test_a_dual_stack_listener(states, lone, keep):
    """An IPv4 connection is of the listener at ::, unless that one takes IPv6 alone."""
    for v6only in (False, True):
        server = keep(listener(lone, 6, v6only=v6only))
        other = keep(listener(lone, 4, port=port_of(server))) if v6only else None
        keep(connected(lone, 4, ("127.0.0.1", port_of(server))))
        keep(accepted(other or server))
        groups, _ = states("--port", str(port_of(server)), ns=lone)
        counts = {g["local"]["addr"]: g["states"]["established"] for g in of(groups, "listener", netns=lone.inode)}
        assert counts == ({"::": 0, "0.0.0.0": 1} if v6only else {"::": 1})


def test_every_namespace(states, lone, keep):
    """One that a process is in is entered from another one; each socket stays where it is."""
    other = keep(netns.Netns("other"))
    with accepting(other, 4, "127.0.0.1") as server, listener(lone, 4) as mine:
        groups, summary = states(ns=lone)
        assert one(groups, "listener", netns=other.inode)["local"]["port"] == server[1]
        assert one(groups, "listener", netns=lone.inode)["local"]["port"] == port_of(mine)
        assert summary["netns_seen"] >= 3  # the host's is another one
        only, summary = states("--netns", str(other.inode), ns=lone)
        assert {g["netns"] for g in only} == {other.inode}
        assert (summary["netns_seen"], summary["netns_unseen"]) == (1, 0)


def test_a_mounted_namespace(states, lone, tmp_path, keep):
    """No process is in it."""
    other = keep(netns.Netns("other"))
    server = keep(listener(other, 4))
    script = f'touch {tmp_path}/"a b" && mount --bind {other.path} {tmp_path}/"a b" && exec "$@"'
    groups, _ = states(ns=lone, prefix=("unshare", "-m", "sh", "-c", script, "sh"))
    assert one(groups, "listener", netns=other.inode)["local"]["port"] == port_of(server)


def test_without_rights(states, lone, keep):
    """As nobody: its own namespace, without the owners of others; and both is said."""
    server = keep(listener(lone, 4))
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
    groups, summary = states(ns=lone, prefix=nobody)
    assert {g["netns"] for g in groups} == {lone.inode}
    assert summary["netns_seen"] == 1
    assert summary["netns_hidden_processes"] > 0 and summary["files_hidden_processes"] > 0
    found = one(groups, "listener")
    assert (found["local"]["port"], found["process"]) == (port_of(server), None)
    assert one(groups, "netns")["unfound"] == 1
    with lone.inside():
        text = subprocess.run([*nobody, env.TCPSHAKE, "states", "--once"], check=True, capture_output=True,
                              text=True).stdout
    assert "there may be more of them" in text and "could not be read" in text


def test_a_namespace_that_is_not_there():
    done = subprocess.run([env.TCPSHAKE, "states", "--once", "--netns", "1"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "no such network namespace" in done.stderr


def test_filters_and_tables(states, lone, keep):
    servers = [keep(listener(lone, 4, addr=f"127.0.0.{n}")) for n in (1, 2)]
    for server in servers:
        keep(connected(lone, 4, server.getsockname()))
        keep(accepted(server))
    port = port_of(servers[0])
    groups, _ = states("--port", str(port), ns=lone)
    assert one(groups, "netns", netns=lone.inode)["sockets"] == 3
    groups, _ = states("--remote", "127.0.0.2", "--by", "destination", ns=lone)
    assert {(g["by"], g["remote"]["addr"]) for g in groups} == {("destination", "127.0.0.2")}
    groups, _ = states("--by", "listener,netns", ns=lone)
    assert {g["by"] for g in groups} == {"listener", "netns"}


def test_cgroup(states, lone, cgroups):
    """Those made in the cgroup or in one below it; what is no whole socket has none."""
    above = cgroups.make("tcpshake-above")[0]
    below = cgroups.make("tcpshake-above/.below")[0]
    other = cgroups.make("tcpshake-other")[0]
    agents = [Agent(lone, cgroup=str(path), listen={"port": port}) for path, port in ((above, 71), (below, 72), (other, 73))]
    try:
        for path, ports in ((above, {71, 72}), (below, {72}), (other, {73})):
            groups, _ = states("--cgroup", str(path), ns=lone)
            assert {g["local"]["port"] for g in of(groups, "listener", netns=lone.inode)} == ports, path
    finally:
        for agent in agents:
            agent.close()


@pytest.mark.parametrize("key", ["limit", "close_wait", "time_wait", "sockets"])
def test_sorted(states, lone, key, keep):
    for n, clients in enumerate((1, 3, 2), 1):
        server = keep(listener(lone, 4, backlog=9 * n))
        for _ in range(clients):
            keep(connected(lone, 4, ("127.0.0.1", port_of(server))))
    groups, _ = states("--by", "listener", "--sort", key, "--netns", str(lone.inode), ns=lone)
    value = {"limit": lambda g: g["accept_queue"]["len"] / g["accept_queue"]["room"], "sockets": lambda g: g["sockets"],
             "close_wait": lambda g: g["states"]["close_wait"], "time_wait": lambda g: g["states"]["time_wait"]}[key]
    values = [value(g) for g in groups]
    assert len(values) == 3 and values == sorted(values, reverse=True)


def test_keys_of_another_view():
    for view, key in (("states", "drops"), ("listeners", "time_wait")):
        done = subprocess.run([env.TCPSHAKE, view, "--sort", key], capture_output=True, text=True)
        assert done.returncode == 2 and f"--sort: '{key}' is unknown; use " in done.stderr


def test_redrawn_on_a_terminal(cli, lone, keep):
    server = keep(listener(lone, 4))
    with lone.inside():
        program = cli("states", "--netns", str(lone.inode), terminal=100)
    program.until("LISTEN")
    keep(connected(lone, 4, ("127.0.0.1", port_of(server))))
    env.poll_until(lambda: re.search(r"2 established.* 1/129 ", ESCAPE.sub("", program.stdout_text), re.S), 20,
                   "the connection on the screen")
    assert ESCAPE.sub("", program.end(signal.SIGINT)).count("in 1 network namespace") >= 2


def test_no_look_after_the_duration(cli, lone):
    """A look at many processes takes long, and nobody waits for another one."""
    with lone.inside():
        program = cli("states", "--netns", str(lone.inode), "--duration", "900ms", terminal=100)
    assert ESCAPE.sub("", program.end()).count("in 1 network namespace") == 1
