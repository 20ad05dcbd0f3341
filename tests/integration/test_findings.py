# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What explain says of connections that do not end: a leak of CLOSE_WAIT, ports that TIME_WAIT takes; and when it says nothing."""
import subprocess
import time

import pytest

from lib import env
from lib.explained import example, live, summary_of, write
from lib.states import acknowledged, by_ss, one, sockstat, states_of
from lib.traffic import KEEPS, Agent, Nginx, connect

SECOND = env.SECOND


@pytest.fixture
def explain(cli, tmp_path):
    """Of a recording: (findings, report)."""
    def run(records):
        path = write(tmp_path / "recording", records)
        found = summary_of(cli("explain", "--json", "--from", str(path)).end())["findings"]
        return found, " ".join(cli("explain", "--from", str(path)).end().split())
    return run


def ends(count, waited, **changes):
    return [example("close-passive-ipv6", close_wait_ns=waited, **changes) for _ in range(count)]


def test_closed_late(explain):
    """Ten or more of one process, for a minute or more: the worst first."""
    other = {"pid": 77, "comm": "other", "uid": 0}
    records = [example("hello"), *ends(12, 70 * SECOND), *ends(1, 400 * SECOND), *ends(30, 59 * SECOND),
               *ends(9, 90 * SECOND, process={**other, "pid": 78}), *ends(20, 61 * SECOND, process=other),
               *ends(11, None), *ends(11, 80 * SECOND, process=None)]
    found, report = explain(records)
    assert [(f["code"], f["connections"], f["longest_ns"], f["process"]["pid"] if f["process"] else None) for f in found] == [
        ("closed_late", 20, 61 * SECOND, 77), ("closed_late", 13, 400 * SECOND, 4321), ("closed_late", 11, 80 * SECOND, None)]
    assert "20 connections of other/77 were in CLOSE_WAIT for a minute or more before they ended" in report
    assert "must close a connection whose peer has sent a FIN, unless it still answers a half-closed peer" in report
    assert "11 connections whose processes are not known were in CLOSE_WAIT" in report and "may never have been accepted" in report
    assert not any("host" in f for f in found)


@pytest.mark.sanitize
def test_closed_late_on_several_hosts(explain):
    """Whose they are, where there is more than one host; the names are the records' own."""
    records = [record for host, count in (("web1", 12), ("web2", 15))
               for record in (example("hello", host=host, feed="5f3a09c1"), *ends(count, 70 * SECOND, host=host, feed="5f3a09c1"))]
    found, report = explain(records)
    assert [(f["host"], f["connections"]) for f in found] == [("web2", 15), ("web1", 12)]
    assert "web1: 12 connections of" in report and "web2: 15 connections of" in report
    found, report = explain(records[:13])
    assert [f["connections"] for f in found] == [12] and "host" not in found[0] and "web1: " not in report


def test_nothing_to_say(explain):
    found, report = explain([example("hello"), *ends(9, 70 * SECOND)])
    assert found == [] and "do not end" not in report


# Python's, whose handlers do not close: it leaks the descriptor of each client.
LEAKS = """
import http.server
kept = []
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
class Server(http.server.ThreadingHTTPServer):
    def shutdown_request(self, request):
        kept.append(request)
server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def test_leaks(cli, lone, tmp_path, keep):
    """A server that never closes, of curl's connections; a client that never looks at what nginx has closed: both are named
    once their connections have been so for a minute, and not before."""
    server = lone.popen([env.PYTHON, "-c", LEAKS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path)
    keep(Nginx(lone, tmp_path, more="keepalive_timeout 1s;"))
    client = lone.popen([env.PYTHON, "-c", KEEPS, "127.0.0.1", "15"], stdout=subprocess.PIPE, text=True)
    leaks = {server.pid: 12, client.pid: 15}
    try:
        port = int(server.stdout.readline())
        for _ in range(12):
            lone.run("curl", "-sSf", "-o", "/dev/null", f"http://127.0.0.1:{port}/")
        client.stdout.readline()
        env.poll_until(lambda: by_ss(lone)["close_wait"] == 27, 10, "nginx to close each of its own")
        closed = time.monotonic()
        acknowledged(lone)
        groups, _ = states_of(cli, ns=lone)
        counts = one(groups, "netns", netns=lone.inode)["states"]
        assert counts == by_ss(lone)
        # what curl or nginx has closed is a stub in FIN_WAIT2, which the kernel counts here
        assert (counts["close_wait"], counts["fin_wait2"], sockstat(lone)["tw"]) == (27, 27, 27)
        for pid, count in leaks.items():
            culprit = one(groups, "owner", process={"pid": pid, "comm": "python3"})
            assert (culprit["states"]["close_wait"], culprit["stuck"]) == (count, 0)
        assert live(cli, lone) == []
        time.sleep(max(0, closed + 61 - time.monotonic()))
        found = live(cli, lone)
        assert [(f["code"], f["netns"]) for f in found] == [("close_wait", lone.inode)] * 2
        assert {f["process"]["pid"]: f["connections"] for f in found} == leaks
        assert all(f["longest_ns"] >= 60 * SECOND and "descriptors open" in f["detail"] for f in found)
    finally:
        for process in (server, client):
            process.kill()
            process.wait()
            process.stdout.close()


def test_ports_that_are_taken(cli, pair, keep):
    """Each port towards one destination is in TIME_WAIT; towards another one there are some."""
    client, addr = pair.client, pair.server.addr[4]
    client.sysctl("net.ipv4.ip_local_port_range", "40000 40019")
    client.sysctl("net.ipv4.tcp_tw_reuse", 0)
    agent = keep(Agent(pair.server, listen={"port": 70}))
    for _ in range(20):
        sock, error = connect(client, 4, (addr, 70))
        assert error == 0
        agent.tell("accept 1")
        sock.close()
        agent.tell("drop")
    env.poll_until(lambda: len(client.run("ss", "-Htan", "state", "time-wait").stdout.splitlines()) == 20, 5, "each in TIME_WAIT")
    keep(connect(client, 4, (addr, 9))[0])
    found = live(cli, client)
    assert [(f["code"], f["connections"], f["usable"], f["left"], f["local_addr"], f["remote"]) for f in found] == [
        ("ports", 20, 20, 0, client.addr[4], {"addr": addr, "port": 70})]
    assert found[0]["detail"].startswith(f"no port is left: 20 of 20 ports from {client.addr[4]} to {addr}:70 are taken")
