# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Both sides of a connection whose addresses and ports NAT changes on the way."""
import errno
import os
import time

import pytest

from lib import netns, traffic
from lib.evidence import capabilities
from lib.explained import explained, write
from lib.queues import Crowd
from lib.translated import PUBLISHED, Published, balance, first_isn, redirect, syns

pytestmark = pytest.mark.sanitize


@pytest.mark.parametrize("fails", [False, True], ids=["established", "refused"])
def test_isn_is_that_of_the_syn(ip, fails, pair, keep, daemon):
    wire = keep(syns(pair.server, ip))
    sock = keep(traffic.listener(pair.server, ip))
    port = traffic.port_of(sock)
    if fails:
        sock.close()
    d = daemon("--port", str(port))
    keep(traffic.connect(pair.client, ip, pair.address(ip, port))[0])
    isn = first_isn(wire, ip)
    assert d.handshake(role="active", netns=pair.client.inode)["client_isn"] == isn
    if not fails:
        assert d.handshake(role="passive", netns=pair.server.inode)["client_isn"] == isn


def test_no_isn_without_a_syn(ip, pair, keep, daemon):
    pair.client.sysctl("net.ipv4.ip_local_port_range", "40000 40000")
    port = traffic.port_of(keep(traffic.listener(pair.server, ip)))
    d = daemon("--port", str(port))
    for _ in range(2):
        keep(traffic.connect(pair.client, ip, pair.address(ip, port))[0])
    assert d.handshake(outcome="no_port", netns=pair.client.inode)["client_isn"] is None


@pytest.fixture
def published(pair, keep):
    return Published(pair, keep)


def end(address):
    return {"addr": address[0], "port": address[1]}


def sides(d, client, server, **more):
    """Both records of one connection."""
    return (d.handshake(role="active", netns=client.inode, **more),
            d.handshake(role="passive", netns=server.inode, **more))


def check_sides(active, passive, nat, client):
    """They are one connection: where its server really is, and its client; None: nothing was changed."""
    assert active["client_isn"] == passive["client_isn"]
    assert active["conn"] == passive["conn"]
    assert active.get("nat") == nat
    assert passive.get("nat") == client
    assert active["outcome"] == passive["outcome"] == "established"


def test_nothing_translated(ip, pair, keep, daemon):
    port = traffic.port_of(keep(traffic.listener(pair.server, ip)))
    d = daemon("--port", str(port))
    keep(traffic.connect(pair.client, ip, pair.address(ip, port))[0])
    check_sides(*sides(d, pair.client, pair.server), None, None)


@pytest.mark.parametrize("count", [1, 20])
def test_published_port(ip, count, published, keep, daemon):
    port = traffic.port_of(keep(traffic.listener(published.server, ip)))
    published.publish(port)
    d = daemon()
    ports = set()
    for _ in range(count):
        sock, error = traffic.connect(published.client, ip, published.at(ip))
        assert error == 0
        ports.add(traffic.port_of(keep(sock)))
    for port_of_client in ports:
        active = d.handshake(role="active", netns=published.client.inode, local={"port": port_of_client})
        passive = d.handshake(role="passive", netns=published.server.inode, remote={"port": port_of_client})
        check_sides(active, passive, end(published.address(ip, port)), end((published.client.addr[ip], port_of_client)))


def test_published_port_of_the_host_itself(ip, published, keep, daemon):
    port = traffic.port_of(keep(traffic.listener(published.server, ip)))
    published.publish(port)
    d = daemon()
    sock, error = traffic.connect(published.host, ip, published.at(ip))
    keep(sock)
    assert error == 0
    check_sides(*sides(d, published.host, published.server), end(published.address(ip, port)),
                end(sock.getsockname()[:2]))


def test_masquerade(ip, published, keep, daemon):
    """The container connects outward: the server sees the host."""
    port = traffic.port_of(keep(traffic.listener(published.client, ip)))
    published.publish(port, masquerade="random")
    d = daemon()
    sock, error = traffic.connect(published.server, ip, (published.client.addr[ip], port))
    keep(sock)
    assert error == 0
    active, passive = sides(d, published.server, published.client)
    assert passive["remote"]["addr"] == published.host.addr[ip]
    check_sides(active, passive, end((published.client.addr[ip], port)), end(sock.getsockname()[:2]))


@pytest.mark.parametrize("ports", ["", "random"], ids=["port-kept", "nothing-kept"])
def test_hairpin(ip, ports, published, keep, daemon):
    """The container connects to its own published port: it sees the host, and is seen as the host."""
    port = traffic.port_of(keep(traffic.listener(published.server, ip)))
    published.publish(port, masquerade=ports)
    d = daemon()
    sock, error = traffic.connect(published.server, ip, published.at(ip))
    keep(sock)
    assert error == 0
    active, passive = sides(d, published.server, published.server)
    assert passive["remote"]["addr"] != published.server.addr[ip]
    check_sides(active, passive, end(published.address(ip, port)), end(sock.getsockname()[:2]))


@pytest.mark.parametrize("fails", [False, True], ids=["established", "refused"])
def test_virtual_address_of_ipvs(fails, published, keep, daemon):
    """As of a service: the address is of nobody, and IPVS chooses the server."""
    sock = traffic.listener(published.server, 4)
    port = traffic.port_of(keep(sock))
    if not balance(published.host, published.at(4), published.address(4, port)):
        pytest.skip("this kernel has no IPVS")
    if fails:
        sock.close()
    d = daemon()
    sock, error = traffic.connect(published.client, 4, published.at(4))
    keep(sock)
    assert error == (errno.ECONNREFUSED if fails else 0)
    if fails:
        refused = d.handshake(role="active", netns=published.client.inode)
        assert (refused["outcome"], refused["cause"]["code"]) == ("refused", "port_closed")
        assert refused["cause"]["certainty"] == "proven" and refused["nat"] == end(published.address(4, port))
    else:
        check_sides(*sides(d, published.client, published.server), end(published.address(4, port)), end(sock.getsockname()[:2]))


def test_redirect_to_a_proxy(ip, pair, keep, daemon):
    """A sidecar: what the client sends anywhere goes to a proxy of its own namespace."""
    proxy = keep(traffic.listener(pair.client, ip))
    port = traffic.port_of(proxy)
    redirect(pair.client, ip, port)
    d = daemon()
    sock, error = traffic.connect(pair.client, ip, pair.address(ip, 80))
    keep(sock)
    assert error == 0
    active, passive = sides(d, pair.client, pair.client)
    assert active["remote"] == end(pair.address(ip, 80))
    check_sides(active, passive, passive["local"], end(sock.getsockname()[:2]))


def test_whose_latency_it_is(ip, pair, keep, tmp_path, daemon, cli):
    """A slow handshake with a sidecar's proxy says nothing of the server that the client means."""
    proxy = keep(traffic.listener(pair.client, ip))
    redirect(pair.client, ip, traffic.port_of(proxy))
    d = daemon("--slow", "1us", "--listener-interval", "200ms")
    origin = pair.address(ip, 80)
    keep(traffic.connect(pair.client, ip, origin)[0])
    active, _ = sides(d, pair.client, pair.client)
    owned = d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and r["process"]
                                         and r["local"]["port"] == traffic.port_of(proxy)], what="the proxy's owner")
    path = write(tmp_path / "feed", [*d.feed.records("hello"), *owned, active])
    [found], _ = explained(cli, path)
    assert found["nat"] == {"handshakes": 1, "others": 0, "own_host": True, "from": end(origin), "to": active["nat"],
                            "process": found["nat"]["process"]}
    assert found["nat"]["process"]["pid"] == os.getpid()
    shown = cli("tail", "--no-summary", "--from", str(path)).end()
    address = "{addr}:{port}" if ip == 4 else "[{addr}]:{port}"
    assert (f"(NAT led it to {address.format(**active['nat'])}, on its own host: latency and outcome are from there, "
            f"not from {address.format(**end(origin))})") in shown


def test_closed_port_of_a_container(ip, published, keep, daemon):
    port = traffic.port_of(sock := traffic.listener(published.server, ip))
    sock.close()
    published.publish(port)
    d = daemon()
    sock, error = traffic.connect(published.client, ip, published.at(ip))
    keep(sock)
    refused = d.handshake(role="active", netns=published.client.inode)
    assert refused["outcome"] == "refused"
    assert refused["cause"]["code"] == "port_closed"
    assert refused["cause"]["certainty"] == "proven"
    assert refused["nat"] == end(published.address(ip, port))
    sent = d.feed.records("reset", direction="sent", netns=published.server.inode)
    assert [r["conn"] for r in sent] == [refused["conn"]]


@pytest.mark.parametrize("gives_up", [False, True], ids=["timeout", "given-up"])
def test_full_queue_of_a_container(ip, gives_up, published, keep, daemon):
    """Where refused SYNs are only counted, what led earlier clients there makes it probable."""
    published.client.sysctl("net.ipv4.tcp_syn_retries", 1)
    published.client.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0, optional=True)
    d = daemon("--listener-interval", "300ms")
    crowd = Crowd(published, ip, keep, 1)
    published.publish(crowd.port)
    crowd.address = published.at(ip)
    crowd.fill()
    d.handshakes(2, role="passive", netns=published.server.inode, outcome="established")
    [sock] = crowd.begin(1)
    port = traffic.port_of(sock)
    if gives_up:
        d.feed.wait_for(lambda all: any(r["type"] == "overflow" for r in all), what="a refusal")
        time.sleep(1.3)  # the second SYN is refused, too
        sock.close()
        crowd.clients.remove(sock)
    else:
        assert traffic.finish(sock, 20) == errno.ETIMEDOUT
    failed = d.handshake(20, role="active", netns=published.client.inode, local={"port": port})
    assert failed["cause"]["code"] == "accept_queue_full", failed
    hooked = capabilities()["function_hooks"]["ok"]
    assert failed["cause"]["certainty"] == ("proven" if hooked else "probable")
    assert failed.get("nat") == (end(published.address(ip, crowd.port)) if hooked else None)


def test_lost_synack_of_a_container(ip, published, keep, daemon):
    """Both sides are in trouble, and of different ends."""
    port = traffic.port_of(keep(traffic.listener(published.server, ip)))
    published.publish(port)
    published.client.lose(f"tcp sport {PUBLISHED} {netns.SYNACK} {netns.first(1)}")
    d = daemon()
    sock, error = traffic.connect(published.client, ip, published.at(ip))
    keep(sock)
    assert error == 0
    active, passive = sides(d, published.client, published.server)
    check_sides(active, passive, end(published.address(ip, port)), end(sock.getsockname()[:2]))
    assert active["cause"]["code"] in ("synack_lost", "segment_lost"), active


def test_without_the_evidence_nothing_is_proven(ip, published, keep, daemon):
    port = traffic.port_of(sock := traffic.listener(published.server, ip))
    sock.close()
    published.publish(port)
    d = daemon(env={**os.environ, "TCPSHAKE_REFUSE": "kfree_skb,tcp_send_reset,reset_hooks"})
    keep(traffic.connect(published.client, ip, published.at(ip))[0])
    refused = d.handshake(role="active", netns=published.client.inode)
    assert (refused["outcome"], refused["cause"]["certainty"]) == ("refused", "probable")
    assert "nat" not in refused
