# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Segments of handshakes that this host throws away itself: each with the kernel's reason, counted exactly."""
import json

import pytest

from lib import env, kernel, netns, scrape
from lib.traffic import connect, finish, listener, port_of, start

pytestmark = pytest.mark.sanitize

needs_reasons = pytest.mark.skipif(not kernel.has("SKB_DROP_REASON_NETFILTER_DROP"),
                                   reason="kernel: a dropped packet has no reason before 5.17")


@pytest.fixture
def quick(pair):
    pair.client.sysctl("net.ipv4.tcp_syn_retries", 1)
    pair.client.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0, optional=True)
    return pair


def drops(d, ns, **subset):
    return d.feed.records("drop", netns=ns.inode, **subset)


@needs_reasons
def test_syns_on_their_way_out(quick, ip, keep, daemon):
    """With the process that called connect(), and the handshake's name."""
    quick.client.nft("tcp dport 80 drop", hook="output")
    d = daemon()
    finish(keep(start(quick.client, ip, quick.address(ip, 80))), 15)
    handshake = d.handshake(netns=quick.client.inode)
    found = drops(d, quick.client)
    assert len(found) == handshake["retransmits"] + 1
    for r in found:
        assert (r["segment"], r["direction"], r["reason"]) == ("syn", "out", "netfilter_drop")
        assert r["conn"] == handshake["conn"] and r["process"] == handshake["process"]
        assert (r["local"], r["remote"]) == (handshake["local"], handshake["remote"])


@needs_reasons
def test_synacks_and_acks(quick, ip, keep, daemon):
    """As they come in: with the owner of what they were for."""
    server = keep(listener(quick.server, ip))
    d = daemon()
    quick.client.nft(f"tcp sport {port_of(server)} {netns.SYNACK} {netns.first(1)} drop")
    quick.server.nft(f"tcp dport {port_of(server)} {netns.ACK} {netns.first(1)} drop")
    sock, error = connect(quick.client, ip, quick.address(ip, port_of(server)))
    keep(sock)
    assert error == 0
    active = d.handshake(10, role="active", netns=quick.client.inode)
    d.handshake(15, role="passive", netns=quick.server.inode)
    synack, ack = drops(d, quick.client)[0], drops(d, quick.server)[0]
    assert (synack["segment"], synack["direction"]) == ("synack", "in")
    assert (ack["segment"], ack["direction"]) == ("ack", "in")
    assert synack["conn"] == ack["conn"] == active["conn"]
    assert synack["process"] == active["process"]


@needs_reasons
def test_nothing_else_is_a_drop(quick, ip, keep, daemon):
    """A closed port, a full path, data: segments that are dropped for what is no deed of this host."""
    server = keep(listener(quick.server, ip))
    d = daemon()
    connect(quick.client, ip, quick.address(ip, 9))[0].close()
    sock, error = connect(quick.client, ip, quick.address(ip, port_of(server)))
    keep(sock)
    assert error == 0
    quick.server.nft(f"tcp dport {port_of(server)} drop")
    sock.send(b"data that is dropped")
    d.handshakes(2, netns=lambda inode: inode in (quick.client.inode, quick.server.inode), role="active")
    d.stop()
    assert not drops(d, quick.client) and not drops(d, quick.server)


@needs_reasons
def test_left_out_and_counted(quick, keep, daemon):
    """--events leaves the records out; the cause needs none of them, and the totals have them all."""
    quick.client.nft("tcp dport 80 drop", hook="output")
    d = daemon("--events", "handshake")
    finish(keep(start(quick.client, 4, quick.address(4, 80))), 15)
    assert d.handshake(netns=quick.client.inode)["cause"]["code"] == "local_drop"
    d.stop()
    total = d.feed.all[-1]["totals"]["drop"]
    assert not d.feed.records("drop") and total["seen"] >= 2
    assert total["seen"] == total["delivered"] + total["filtered"] + total["limited"] + total["lost"]
    assert total["filtered"] >= 2


@needs_reasons
def test_metric_and_limit(quick, daemon):
    """A flood that the firewall drops: 500 records a second, and every one of them counted."""
    quick.server.nft("tcp dport 80 drop")
    quick.server.sysctl("net.ipv4.conf.all.rp_filter", 0)
    quick.server.ip("route add 198.18.0.0/15 dev s0")
    port = scrape.free_port()
    d = daemon("--metrics", f"127.0.0.1:{port}", losses=True)
    quick.client.run(env.tool("synflood"), quick.server.addr[4], "80", "3000", "6000")
    counted = scrape.Metrics(port).scrape().one("tcpshake_drops_total", segment="syn", direction="in",
                                                reason="netfilter_drop")
    assert counted >= 3000
    d.stop()
    total = d.feed.all[-1]["totals"]["drop"]
    assert total["seen"] >= 3000 and total["limited"] > 0
    assert total["seen"] == total["delivered"] + total["filtered"] + total["limited"] + total["lost"]
    found = drops(d, quick.server, segment="syn", direction="in")
    assert 500 <= len(found) <= 2000
    losses = sum(r["count"] for r in d.feed.records("loss", what="drop", why="rate_limit"))
    assert losses == total["limited"]


ADVICE = {"netfilter_drop": "nft monitor trace", "ip_rpfilter": "rp_filter", "tcp_md5notfound": "the same key",
          "bpf_cgroup_egress": "bpftool cgroup tree", "proto_mem": "tcp_mem", "qdisc_drop": "softnet_stat",
          "a_newer_kernels": "The kernel's reason says who decided it"}


@pytest.mark.parametrize("reason", ADVICE)
def test_views(tmp_path, cli, reason):
    """tail has a line, explain advises by the reason, top counts it in the row of the cause."""
    handshake = example("handshake-retransmitted-cause")
    handshake["cause"] = {"code": "local_drop", "certainty": "proven",
                          "detail": f"SYN dropped once by this host itself, on its way out: {reason}"}
    records = [example("hello"), {**example("drop-syn-out"), "reason": reason}, handshake]
    path = tmp_path / "recording"
    path.write_text("".join(json.dumps({**r, "seq": seq}) + "\n" for seq, r in enumerate(records, 1)))
    line = cli("tail", "--no-summary", "--from", str(path)).end().splitlines()[0]
    assert line.split()[1:4] == ["SYN", "drop", "out"] and f"reason={reason}" in line
    report = " ".join(cli("explain", "--from", str(path)).end().split())
    assert "1. local_drop" in report and ADVICE[reason] in report
    row = next(line for line in cli("top", "--once", "--from", str(path)).end().splitlines() if line.startswith("local_drop"))
    assert row.split()[1:5] == ["1", "0", "1", "1"], row  # one handshake, one segment


def example(name):
    return json.loads((env.SCHEMAS / "examples" / "valid" / f"{name}.json").read_text())
