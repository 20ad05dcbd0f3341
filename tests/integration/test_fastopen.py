# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""TCP Fast Open (RFC 7413): data in the SYN, and a child that exists before the final ACK."""
import os
import socket

import pytest

from lib import env, netns, traffic
from lib.env import MS, SECOND
from lib.traffic import listener, port_of


@pytest.fixture
def fast(delayed):
    link = delayed(20)
    for ns in (link.client, link.server):
        try:
            ns.sysctl("net.ipv4.tcp_fastopen", 3)
        except FileNotFoundError:
            pytest.skip("this kernel has no TCP Fast Open")
    return link


def send_first(ns, ip, address, blocking=False):
    """connect() and send() in one; only a non-blocking one returns before it is connected."""
    sock = traffic.client(ns, ip)
    sock.setblocking(blocking)
    assert sock.sendto(b"hello", socket.MSG_FASTOPEN, address) == 5
    return sock


def without_cookies(fast):
    for ns in (fast.client, fast.server):
        ns.sysctl("net.ipv4.tcp_fastopen", 0x207)


def test_with_a_cookie(fast, ip, keep, daemon):
    """The first connection asks for a cookie, the second one uses it."""
    d = daemon()
    server = keep(listener(fast.server, ip, fastopen=16))
    to = (fast.server.addr[ip], port_of(server))
    first = keep(send_first(fast.client, ip, to, blocking=True))
    d.handshake(netns=fast.client.inode, local={"port": first.getsockname()[1]}, fastopen=False,
                outcome="established")
    d.handshake(netns=fast.server.inode, role="passive", remote={"port": first.getsockname()[1]},
                fastopen=False, outcome="established")

    # Without a cookie sendto() would fail here, with EINPROGRESS.
    second = keep(send_first(fast.client, ip, to))
    port = second.getsockname()[1]
    active = d.handshake(netns=fast.client.inode, local={"port": port})
    passive = d.handshake(netns=fast.server.inode, role="passive", remote={"port": port})
    for record in (active, passive):
        assert record["outcome"] == "established" and record["fastopen"] is True
        assert not record["partial"] and not record["simultaneous"] and not record["syncookie"]
        assert record["process"]["pid"] == os.getpid()
        assert record["latency_ns"] is not None
        assert fast.rtt_ns - MS <= record["latency_ns"] <= fast.rtt_ns + 20 * MS * env.SLOW
    assert active["conn"] == passive["conn"]


def test_accepted_before_it_is_established(fast, ip, keep, daemon):
    """accept() may take the child before the final ACK: still a passive handshake."""
    without_cookies(fast)
    d = daemon()
    server = keep(listener(fast.server, ip, fastopen=16))
    to = (fast.server.addr[ip], port_of(server))
    sock = keep(send_first(fast.client, ip, to))
    child, _ = server.accept()
    keep(child)
    assert child.recv(5) == b"hello"
    passive = d.handshake(netns=fast.server.inode)
    active = d.handshake(netns=fast.client.inode)
    assert (passive["role"], active["role"]) == ("passive", "active")
    assert passive["fastopen"] and active["fastopen"]
    assert passive["outcome"] == active["outcome"] == "established"
    assert passive["remote"]["port"] == sock.getsockname()[1]


def test_child_that_dies(fast, ip, keep, daemon):
    """Its SYN-ACK is lost, the client has gone, and its RST meets the child: a passive reset."""
    without_cookies(fast)
    fast.client.lose(f"{netns.SYNACK} {netns.first(1)}")
    d = daemon()
    server = keep(listener(fast.server, ip, fastopen=16))
    sock = send_first(fast.client, ip, (fast.server.addr[ip], port_of(server)))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    active = d.handshake(netns=fast.client.inode)
    assert (active["role"], active["outcome"]) == ("active", "cancelled")
    passive = d.handshake(netns=fast.server.inode, timeout=15)
    assert (passive["role"], passive["outcome"]) == ("passive", "reset")
    assert passive["errno_name"] == "ECONNRESET"
    assert passive["conn"] == active["conn"]
    assert passive["retransmits"] >= 1
    assert passive["latency_ns"] is None or passive["latency_ns"] > 0.9 * SECOND


def test_closed_before_it_is_established(fast, ip, keep, daemon):
    """The server has read, answered and closed before the final ACK comes: established, nothing was cancelled."""
    without_cookies(fast)
    fast.server.lose(f"{netns.ACK}")
    d = daemon()
    server = keep(listener(fast.server, ip, fastopen=16))
    keep(send_first(fast.client, ip, (fast.server.addr[ip], port_of(server))))
    with server.accept()[0] as child:
        assert child.recv(5) == b"hello"  # or the end would be a RST
    passive = d.handshake(netns=fast.server.inode, role="passive")
    assert passive["outcome"] == "established" and passive["fastopen"] is True
    assert passive["syncookie"] is False
    assert passive["latency_ns"] is passive["rtt_ns"] is None
    fast.server.nft_flush()
