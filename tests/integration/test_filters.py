# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Filters choose what is in the stream; the totals stay complete."""
import subprocess
import time

import pytest

from lib import env, netns, traffic
from lib.traffic import connect, listener, port_of

PORT_A, PORT_B = 8001, 8002
KINDS = [("active", PORT_A, "established"), ("active", PORT_B, "established"),
         ("passive", PORT_A, "established"), ("passive", PORT_B, "established"),
         ("active", 999, "refused")]


def make_all(pair, ip, keep):
    """One of each of KINDS, the last one refused."""
    for port in (PORT_A, PORT_B):
        keep(listener(pair.server, ip, port))
        keep(connect(pair.client, ip, pair.address(ip, port))[0])
    keep(connect(pair.client, ip, pair.address(ip, 999))[0])


def seen(d, pair):
    found = []
    for record in d.feed.records():
        if record["netns"] in (pair.client.inode, pair.server.inode):
            side = "remote" if record["role"] == "active" else "local"
            found.append((record["role"], record[side]["port"], record["outcome"]))
    return sorted(found)


def only(**wanted):
    def keep_it(kind):
        role, port, outcome = kind
        return (role in wanted.get("role", (role,)) and port in wanted.get("port", (port,))
                and outcome in wanted.get("outcome", (outcome,)))
    return sorted(filter(keep_it, KINDS))


CASES = {
    "none": ([], only()),
    "port": (["--port", str(PORT_A)], only(port=(PORT_A,))),
    "ports": (["--port", f"{PORT_A},999"], only(port=(PORT_A, 999))),
    "port_range": (["--port", f"{PORT_A}-{PORT_B}"], only(port=(PORT_A, PORT_B))),
    "role_active": (["--role", "active"], only(role=("active",))),
    "role_passive": (["--role", "passive"], only(role=("passive",))),
    "outcome": (["--outcome", "refused"], only(outcome=("refused",))),
    "outcomes": (["--outcome", "refused,timeout"], only(outcome=("refused",))),
    "failed": (["--outcome", "failed"], only(outcome=("refused",))),
    "slow_none": (["--slow", "30s"], []),
    "slow_all": (["--slow", "1ns"], only()),
    "remote_none": (["--remote", "192.0.2.0/24"], []),
    "joined": (["--role", "active", "--port", str(PORT_B), "--outcome", "established"],
               only(role=("active",), port=(PORT_B,))),
}


@pytest.mark.parametrize("case", CASES)
def test_stream(pair, ip, keep, daemon, case):
    flags, wanted = CASES[case]
    d = daemon(*flags)
    make_all(pair, ip, keep)
    # What is filtered leaves no trace in the stream but in the totals: stop, then look.
    d.stop()
    assert seen(d, pair) == wanted
    bye = d.feed.all[-1]
    total = bye["totals"]["handshake"]
    assert total["seen"] >= len(KINDS)
    assert total["filtered"] >= len(KINDS) - len(wanted)
    assert bye["outcomes"]["active"]["established"] >= 2
    assert bye["outcomes"]["active"]["refused"] >= 1
    assert bye["outcomes"]["passive"]["established"] >= 2
    names = dict(zip((flag.lstrip("-") for flag in flags[::2]), flags[1::2]))
    assert d.feed.all[0]["filters"] == names
    if not flags:
        assert total["filtered"] == 0


@pytest.mark.parametrize("flag,sides", [
    ("10.9.0.0/24", {4: "both"}), ("10.9.0.2", {4: "active"}), ("10.9.0.1/32", {4: "passive"}),
    ("10.9.0.2/31", {4: "active"}), ("0.0.0.0/0", {4: "both"}),
    ("fd09::/64", {6: "both"}), ("fd09::2", {6: "active"}), ("fd09::1/128", {6: "passive"}),
    ("::ffff:10.9.0.2", {4: "active"}), ("::/0", {4: "both", 6: "both"})])
def test_remote(pair, keep, daemon, flag, sides):
    """The prefix counts, IPv4 and IPv6 apart."""
    d = daemon("--remote", flag)
    for ip in (4, 6):
        server = keep(listener(pair.server, ip))
        keep(connect(pair.client, ip, pair.address(ip, port_of(server)))[0])
    d.stop()
    found = sorted((r["family"], r["role"]) for r in d.feed.records()
                   if r["netns"] in (pair.client.inode, pair.server.inode))
    wanted = []
    for ip, side in sides.items():
        for role in ("active", "passive") if side == "both" else (side,):
            wanted.append((traffic.NAME[ip], role))
    assert found == sorted(wanted)


@pytest.mark.parametrize("how", ["inode", "path"])
def test_netns(pair, ip, keep, daemon, how):
    """Only what happened there, handshakes and all else; the totals know the rest."""
    side = pair.server
    d = daemon("--netns", str(side.inode) if how == "inode" else side.path)
    make_all(pair, ip, keep)
    d.stop()
    told = {r["netns"] for r in d.feed.all if "netns" in r}
    assert told == {side.inode}, told
    assert seen(d, pair) == only(role=("passive",))
    assert d.feed.all[-1]["totals"]["handshake"]["filtered"] >= 3


def test_max_rate(lone, daemon):
    """A token bucket: about N a second and a second's worth at once; the rest is counted and told."""
    rate, count = 200, 3000
    d = daemon("--max-rate", str(rate), "--netns", str(lone.inode), losses=True)
    begin = time.monotonic()
    child = lone.popen([env.tool("storm"), "-n", str(count), "-t", "1"], stdout=subprocess.DEVNULL)
    assert child.wait(60 * env.SLOW) == 0
    seconds = time.monotonic() - begin
    d.stop()
    total = d.feed.all[-1]["totals"]["handshake"]
    told = len(d.feed.records(netns=lone.inode))
    lost = sum(r["count"] for r in d.feed.records("loss")
               if (r["what"], r["why"]) == ("handshake", "rate_limit"))
    missed = sum(r["count"] for r in d.feed.records("loss") if r["what"] == "transition")
    assert told == total["delivered"] and lost == total["limited"] >= 2 * count - told - missed
    assert rate <= told <= rate * (2 + seconds) + 20
    assert total["seen"] == sum(total[k] for k in ("delivered", "filtered", "limited", "lost"))


def test_slow_is_by_latency(delayed, keep, daemon):
    """10 ms pass, 60 ms do not; what has no latency is not slow."""
    link = delayed(15)
    d = daemon("--slow", "60ms")
    server = keep(listener(link.server, 4))
    to = (link.server.addr[4], port_of(server))
    keep(connect(link.client, 4, to)[0])
    link.server.sysctl("net.ipv4.tcp_syncookies", 2)
    keep(connect(link.client, 4, to)[0])
    link.server.sysctl("net.ipv4.tcp_syncookies", 1)
    link.server.lose(f"{netns.SYN} {netns.first(1)}")
    slow, error = connect(link.client, 4, to)
    keep(slow)
    assert error == 0
    record = d.handshake(netns=link.client.inode)
    assert record["local"]["port"] == slow.getsockname()[1]
    d.stop()
    assert not d.feed.records(netns=link.server.inode)
