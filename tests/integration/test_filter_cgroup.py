# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""--cgroup: whose handshakes are told, by the kernel side, to a subscriber, and out of a recording."""
import json
import os

import pytest

from lib import env, feed, netns
from lib.queues import pending, reset
from lib.traffic import Agent, finish, start

# Where who is, below one top of this test's.
GROUPS = {"web": "web.slice/web.service", "job": "web.slice/job.service/step", "other": "other.slice"}
# Who is in the group or below it; a neighbour whose name only begins alike is not.
WITHIN = {"": {"web", "job", "other"}, "web.slice": {"web", "job"}, "web.slice/web.service": {"web"},
          "web.slice/job.service": {"job"}, "other.slice": {"other"}, "web.slic": set()}


@pytest.fixture
def groups(cgroups):
    top = f"tcpshake-test-{os.getpid()}"
    made = {name: cgroups.make(f"{top}/{path}") for name, path in GROUPS.items()}
    made |= {path: cgroups.make(f"{top}/{path}") for path in WITHIN}
    return made


def play(pair, ip, keep, groups):
    """Each listens in the server's namespace and connects to each from the client's; and to nobody."""
    pids = {}
    servers = {name: keep(Agent(pair.server, cgroup=groups[name][0], comm=f"s-{name}",
                                listen={"family": ip, **({"v6only": 1} if ip == 6 else {})}))
               for name in GROUPS}
    for name in GROUPS:
        for server in servers.values():
            client = keep(Agent(pair.client, cgroup=groups[name][0], comm=f"c-{name}",
                                connect={"addr": pair.server.addr[ip], "port": server.port, "family": ip}))
            pids[client.pid] = name
        client = keep(Agent(pair.client, cgroup=groups[name][0],
                            connect={"addr": pair.server.addr[ip], "port": 9, "family": ip}))
        pids[client.pid] = name
    return pids | {server.pid: name for name, server in servers.items()}


def check(records, pair, pids, wanted):
    """Exactly theirs: as clients four each, of which one is refused, as servers three."""
    mine = [r for r in records if r.get("netns") in (pair.client.inode, pair.server.inode)]
    found = sorted((r["role"], pids[r["process"]["pid"]], r["outcome"]) for r in mine
                   if r["type"] == "handshake")
    assert found == sorted([("active", name, "established") for name in wanted] * 3 +
                           [("active", name, "refused") for name in wanted] +
                           [("passive", name, "established") for name in wanted] * 3)
    for r in mine:  # of what has no cgroup in its record, the kernel side knows it
        if r["type"] == "listener":
            assert pids[r["process"]["pid"]] in wanted, r
        elif r["type"] == "reset" and r["process"]:
            assert pids[r["process"]["pid"]] in wanted, r
        elif r["type"] == "reset":
            assert wanted == set(GROUPS), r


@pytest.mark.parametrize("path", WITHIN)
def test_kernel_side(groups, pair, ip, keep, daemon, path):
    """The totals know the rest."""
    d = daemon("--cgroup", groups[path][0])
    pids = play(pair, ip, keep, groups)
    d.stop()
    check(d.feed.all, pair, pids, WITHIN[path])
    assert d.feed.all[0]["filters"] == {"cgroup": groups[path][0]}
    total = d.feed.all[-1]["totals"]["handshake"]
    assert total["filtered"] >= 7 * (len(GROUPS) - len(WITHIN[path]))
    assert d.feed.all[-1]["outcomes"]["passive"]["established"] >= 9


@pytest.mark.parametrize("path", ["web.slice", "web.slice/job.service"])
def test_subscriber(groups, pair, keep, daemon, tmp_path, path):
    """By the path as records show it; of another subscriber it hides nothing."""
    sock = tmp_path / "sock"
    d = daemon(sock=sock, output="none")
    everything = keep(feed.Subscriber(sock, {"op": "subscribe"}))
    some = keep(feed.Subscriber(sock, {"op": "subscribe", "filter": {"cgroup": groups[path][2]}}))
    for each in (everything, some):
        each.feed.wait_for(lambda all: all, what="hello")
    assert some.feed.all[0]["subscription"] == {"cgroup": groups[path][2]}
    pids = play(pair, 4, keep, groups)
    d.stop()
    for each, wanted in ((everything, set(GROUPS)), (some, WITHIN[path])):
        each.feed.wait_end()
        check([r for r in each.feed.all if r["type"] != "reset" or r["process"] or each is some], pair,
              pids, wanted)


def test_recording(groups, pair, keep, daemon, tmp_path, cli):
    """Paths are those in the records; the cgroup need not be on this host."""
    path = tmp_path / "feed.ndjson"
    d = daemon("--events", "handshake,listener", output=path)
    pids = play(pair, 4, keep, groups)
    d.stop()
    recording = tmp_path / "elsewhere.ndjson"
    recording.write_text(path.read_text().replace(groups[""][2], "/far.slice"))
    for name in ("web.slice", "web.slice/web.service", "web.slic"):
        program = cli("tail", "--json", "--events", "handshake", "--from", str(recording), "--cgroup",
                      f"/far.slice/{name}")
        check([json.loads(line) for line in program.end().splitlines()], pair, pids, WITHIN[name])


@pytest.mark.parametrize("what", ["no_directory", "missing", "file", "number"])
@pytest.mark.parametrize("program", ["daemon", "cli"])
def test_no_cgroup(groups, cli, tmp_path, what, program):
    """One clear line, and exit 2."""
    path = {"no_directory": str(tmp_path), "missing": "/no/such.slice", "number": "17",
            "file": os.path.join(groups["web"][0], "cgroup.procs")}[what]
    if program == "daemon":
        p = feed.Program([env.TCPSHAKED, "-s", "none", "--cgroup", path])
    else:
        p = cli("tail", "--cgroup", path)
    assert p.wait() == 2
    line = p.error_line()
    assert "is no cgroup" in line and "/sys/fs/cgroup" in line and path[:40] in line


def test_no_cgroup_for_a_subscriber(daemon, tmp_path, keep):
    sock = tmp_path / "sock"
    daemon(sock=sock, output="none")
    asked = keep(feed.Subscriber(sock, {"op": "subscribe", "filter": {"cgroup": str(tmp_path)}}))
    asked.feed.wait_for(lambda all: all, what="an answer")
    assert asked.feed.all[0]["type"] == "end" and "is no cgroup" in asked.feed.all[0]["error"]


def test_made_anew(cgroups, pair, keep, daemon):
    """A service that is started again is in another cgroup with the same path: within a second it counts."""
    name = f"tcpshake-test-{os.getpid()}/again.service"
    directory, first, _ = cgroups.make(name)
    d = daemon("--cgroup", directory)
    os.rmdir(directory)
    _, second, path = cgroups.make(name)
    assert first != second

    def told():
        sock = keep(Agent(pair.client, cgroup=directory, comm="again",
                          connect={"addr": pair.server.addr[4], "port": 9}))
        sock.close()
        return d.feed.records(netns=pair.client.inode)
    record = env.poll_until(told, 10, "a record", interval=0.1)[0]
    assert record["cgroup"] == {"id": second, "path": path}


def test_request_that_is_reset(groups, pair, keep, daemon):
    """A request is its listener's."""
    d = daemon("--cgroup", groups["web"][0], "--events", "handshake,reset", "--role", "passive")
    if not d.feed.all[0]["capabilities"]["ack_hooks"]:
        pytest.skip("this kernel does not report RSTs for a pending request")
    pair.server.lose(f"{netns.ACK}")
    for name, port in (("job", 7002), ("web", 7001)):
        keep(Agent(pair.server, cgroup=groups[name][0], listen={"port": port}))
        sock = start(pair.client, 4, (pair.server.addr[4], port))
        assert finish(sock) == 0
        env.poll_until(lambda port=port: pending(pair.server, port) == 1, what="a request")
        reset(sock)
    d.feed.wait_for(lambda all: d.feed.records("handshake", netns=pair.server.inode), what="a handshake")
    d.stop()
    for kind in ("handshake", "reset"):
        assert [r["local"]["port"] for r in d.feed.records(kind, netns=pair.server.inode)] == [7001]


def test_refusals(groups, pair, keep, daemon):
    """Those of a listener are told with its cgroup, whoever the client is."""
    d = daemon("--cgroup", groups["web"][0], "--listener-interval", "200ms", "--events",
               "overflow,listener,handshake")
    for name, port in (("web", 7001), ("job", 7002)):
        keep(Agent(pair.server, cgroup=groups[name][0], listen={"port": port, "backlog": 1}))
    for port in (7001, 7002):
        for _ in range(5):
            keep(start(pair.client, 4, (pair.server.addr[4], port)))
    d.feed.wait_for(lambda all: [r for r in all if r["type"] == "overflow" and
                                 r["netns"] == pair.server.inode], 10, "a refusal")
    d.stop()
    ports = {r["listener"]["port"] for r in d.feed.records("overflow", netns=pair.server.inode)}
    assert ports == {7001}
