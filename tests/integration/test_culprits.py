# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whom states and explain name: nginx with keep-alive, curl, and Node without an agent; counts as ss(8) has them.

Who leaks descriptors has to do it for a minute before explain says so: test_findings.py.
"""
import subprocess

import pytest

from lib import env
from lib.explained import live
from lib.states import by_ss, of, one, sockstat, states_of
from lib.traffic import KEEPS, Nginx

COUNT = 12  # connections, and as many local ports
PORT = 80

# One request after the other, each on a connection of its own. With an agent Node would keep it.
NODE = """
const http = require("http");
const [host, count, connection] = process.argv.slice(1);
const options = {host, agent: false, headers: {"Connection": connection, "Accept-Encoding": "gzip"}};
function next(left) {
  if (left) http.get(options, (answer) => answer.resume().on("end", () => next(left - 1)));
}
next(+count);
"""

# Answers without a length: they end where the connection does.
ENDLESS = "gzip on; gzip_min_length 1; gzip_types text/plain; chunked_transfer_encoding off;"


def by_curl(ns, addr):
    for _ in range(COUNT):
        ns.run("curl", "-sSf", "-o", "/dev/null", f"http://{addr}/")


def by_node(connection):
    def run(ns, addr):
        ns.run("node", "-e", NODE, addr, str(COUNT), connection)
    return run


def counted(cli, ns):
    """What states says of a namespace, which is what ss(8) says."""
    groups, _ = states_of(cli, ns=ns)
    total = one(groups, "netns", netns=ns.inode)["states"]
    assert total == by_ss(ns)
    assert sockstat(ns)["tw"] == total["time_wait"]
    return groups


@pytest.mark.parametrize("clients", [by_curl, by_node("keep-alive")], ids=["curl", "node"])
def test_client_closes_first(cli, pair, keep, tmp_path, clients):
    """Each connection leaves one of the client's ports in TIME_WAIT: towards nginx none is left."""
    pair.client.sysctl("net.ipv4.ip_local_port_range", f"40000 {40000 + COUNT - 1}")
    pair.client.sysctl("net.ipv4.tcp_tw_reuse", 0)
    keep(Nginx(pair.server, tmp_path))
    addr = pair.server.addr[4]
    clients(pair.client, addr)
    env.poll_until(lambda: by_ss(pair.client)["time_wait"] == COUNT, 5, "each in TIME_WAIT")
    groups = counted(cli, pair.client)
    taken = one(groups, "destination", netns=pair.client.inode)
    assert taken["remote"] == {"addr": addr, "port": PORT} and taken["states"]["time_wait"] == COUNT
    assert (taken["ports"]["left"], taken["taken_percent"]) == (0, 100)
    found = live(cli, pair.client)
    assert [(f["code"], f["connections"], f["left"], f["remote"]) for f in found] == [("ports", COUNT, 0, taken["remote"])]
    assert by_ss(pair.server)["time_wait"] == 0


def test_server_closes_first(cli, pair, keep, tmp_path):
    """Node without an agent asks nginx to close: TIME_WAIT is nginx's, takes no port, and nobody is to blame."""
    keep(Nginx(pair.server, tmp_path, more=ENDLESS))
    by_node("close")(pair.client, pair.server.addr[4])
    env.poll_until(lambda: by_ss(pair.server)["time_wait"] == COUNT, 5, "each in TIME_WAIT")
    groups = counted(cli, pair.server)
    ends = [g for g in of(groups, "listener", netns=pair.server.inode) if g["states"]["time_wait"]]
    assert [(g["local"]["port"], g["states"]["time_wait"]) for g in ends] == [(PORT, COUNT)]
    assert not of(groups, "destination", netns=pair.server.inode)
    assert not any(by_ss(pair.client).values())
    assert not [g for g in states_of(cli, ns=pair.client)[0] if g["netns"] == pair.client.inode]
    assert live(cli, pair.client) == live(cli, pair.server) == []


def test_keepalive_ends(cli, pair, keep, tmp_path):
    """nginx closes what was idle for a second; its client has it open: CLOSE_WAIT, by the client's process."""
    keep(Nginx(pair.server, tmp_path, more="keepalive_timeout 1s;"))
    addr = pair.server.addr[4]
    process = pair.client.popen([env.PYTHON, "-c", KEEPS, addr, str(COUNT)], stdout=subprocess.PIPE)
    keep(process.stdout)
    try:
        process.stdout.readline()
        env.poll_until(lambda: by_ss(pair.client)["close_wait"] == COUNT, 10, "nginx to close each")
        groups = counted(cli, pair.client)
        culprit = one(groups, "owner", netns=pair.client.inode, process={"pid": process.pid, "comm": "python3"})
        assert culprit["states"]["close_wait"] == COUNT
        held = one(groups, "destination", netns=pair.client.inode)
        assert (held["remote"], held["states"]["close_wait"]) == ({"addr": addr, "port": PORT}, COUNT)
        stubs = [g for g in of(states_of(cli, ns=pair.server)[0], "owner", netns=pair.server.inode) if g["states"]["fin_wait2"]]
        assert [(g["process"], g["states"]["fin_wait2"]) for g in stubs] == [(None, COUNT)]
    finally:
        process.kill()
        process.wait()
