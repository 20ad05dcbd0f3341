# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A filter or a limit hides a side: what was not seen proves nothing then.

Without one, each of these cases has a proven cause that rests on what the other side did not do
(test_causes.py). Here the other side did or did not do it just the same, but is hidden.
"""
import os

import pytest

from lib import env
from lib.causes import CASES, Scene
from lib.traffic import Agent, connect

FAST = ("--listener-interval", "200ms", "--events", "handshake,listener")
LOST = ("first_syn_lost", "first_synack_lost", "all_synacks_lost", "first_ack_lost", "all_acks_lost")
# What each side would say by what the other did not do. (That a SYN-ACK was lost, a client knows by the
# server's: it went out again, and no filter hides that from the daemon.)
ABSENCE = {"active": {"syn_lost", "no_answer"}, "passive": {"synack_lost", "ack_lost"}}


def server_in(scene, group):
    """The server is another process, and all that matters is its cgroup."""
    options = {"family": scene.ip, **({"v6only": 1} if scene.ip == 6 else {})}
    scene.port = scene.keep(Agent(scene.server, cgroup=group, comm="grouped", listen=options)).port
    scene.address = (scene.server.addr[scene.ip], scene.port)


def flags_for(how, scene, cgroups):
    if how == "netns_client":
        return ["--netns", str(scene.client.inode)]
    if how == "netns_server":
        return ["--netns", str(scene.server.inode)]
    if how == "slow":
        return ["--slow", "1500ms"]  # after the SYN that is sent again, and before the end
    if how == "max_rate":
        return ["--max-rate", "1", "--remote", "10.0.0.0/8"]
    group = cgroups.make(f"tcpshake-test-{os.getpid()}.slice/server")[0]
    other = cgroups.make(f"tcpshake-test-{os.getpid()}.slice/nobody")[0]
    server_in(scene, group)
    return ["--cgroup", group if how == "cgroup_server" else other]


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("how", ["netns_client", "netns_server", "cgroup_server", "cgroup_nobody", "max_rate", "slow"])
def test_nothing_is_proven_by_absence(cgroups, pair, keep, daemon, how, name):
    scene = Scene(pair, 4, keep)
    d = daemon(*FAST, *flags_for(how, scene, cgroups), losses=True)
    hidden = {"netns_client": scene.server.inode, "netns_server": scene.client.inode,
              "cgroup_server": scene.client.inode}.get(how)
    if how == "max_rate":  # use up the tokens, and go on doing so
        for _ in range(30):
            connect(scene.client, 4, (scene.address[0], 9))[0].close()
    elif how != "cgroup_nobody":
        seen = {scene.client.inode, scene.server.inode} - {hidden}
        if how == "cgroup_server":
            seen = {scene.server.inode}
        d.feed.wait_for(lambda all: seen <= {r["netns"] for r in all if r["type"] == "listener"},
                        what="the residents")
    case = next(case for case in CASES if case.name == name)
    case.run(scene)
    if how == "max_rate":
        for _ in range(30):
            connect(scene.client, 4, (scene.address[0], 9))[0].close()
    elif how.endswith("client") and case.client:
        d.feed.wait_for(lambda all: [r for r in all if r["type"] == "handshake" and r["role"] == "active"
                                     and r["netns"] == scene.client.inode
                                     and r["local"]["port"] in scene.ports], 25, "the client's record")
    elif how.endswith("server") and case.server:
        d.feed.wait_for(lambda all: [r for r in all if r["type"] == "handshake" and r["role"] == "passive"
                                     and r["netns"] == scene.server.inode
                                     and r["remote"]["port"] in scene.ports], 25, "the server's record")
    d.stop()
    mine = [r for r in d.feed.records() if r["netns"] in (scene.client.inode, scene.server.inode)]
    assert not [r for r in mine if r["netns"] == hidden]
    if how == "cgroup_nobody":
        assert not mine
    for r in mine:
        cause = r.get("cause") or {}
        if cause.get("code") in ABSENCE[r["role"]]:
            assert cause["certainty"] == "probable", r
    if how == "max_rate":
        assert d.feed.all[-1]["totals"]["handshake"]["limited"] > 0


@pytest.mark.parametrize("slow, certainty", [("500ms", "proven"), ("1500ms", "probable")])
def test_slow_hides_no_client_that_was_slow(pair, ip, keep, daemon, slow, certainty):
    """Its SYN was sent again after 1 s: had it been connected with that one, it would have taken as long."""
    scene = Scene(pair, ip, keep)
    d = daemon(*FAST, "--slow", slow)
    scene.known(d)
    case = next(case for case in CASES if case.name == "all_synacks_lost")
    case.run(scene)
    record = d.handshake(25, role="passive", netns=scene.server.inode, remote={"port": scene.ports[0]})
    assert record["outcome"] == "timeout" and record["cause"]["certainty"] == certainty
    assert (record["cause"]["code"] == "synack_lost") is (certainty == "proven")
