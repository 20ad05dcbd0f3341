# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One segment of the handshake lost, on a link that takes its time."""
import pytest

from lib import env, netns
from lib.env import MS, SECOND
from lib.traffic import connect, listener, port_of

DELAY_MS = 20
NEAR = 10 * MS * env.SLOW  # what a busy machine may add


def about(value, wanted):
    """A timer is never early, but for the tick of the kernel (4 ms at most)."""
    return wanted - 5 * MS <= value <= wanted + NEAR


def one_handshake(d, link, ip, keep):
    server = keep(listener(link.server, ip))
    sock, error = connect(link.client, ip, (link.server.addr[ip], port_of(server)), timeout=20)
    keep(sock)
    assert error == 0
    active = d.handshake(netns=link.client.inode, role="active", outcome="established", timeout=10)
    passive = d.handshake(netns=link.server.inode, role="passive", timeout=10)
    assert passive["outcome"] == "established"
    assert active["conn"] == passive["conn"]
    return active, passive


def true_or_absent(record, link):
    """The split of a retransmitted handshake is right, or null; never a guess."""
    rtt, wait = record["rtt_ns"], record["retransmit_wait_ns"]
    assert (rtt is None) == (wait is None)
    if rtt is not None:
        assert about(rtt, link.rtt_ns) and rtt + wait == record["latency_ns"]


def test_nothing_lost(delayed, ip, keep, daemon):
    link = delayed(DELAY_MS)
    d = daemon()
    for record in one_handshake(d, link, ip, keep):
        assert about(record["latency_ns"], link.rtt_ns)
        assert about(record["rtt_ns"], link.rtt_ns)
        assert (record["retransmits"], record["retransmit_wait_ns"]) == (0, 0)


def test_first_syn_lost(delayed, ip, keep, daemon):
    link = delayed(DELAY_MS)
    link.server.lose(f"{netns.SYN} {netns.first(1)}")
    d = daemon()
    active, passive = one_handshake(d, link, ip, keep)
    assert active["retransmits"] == 1
    assert SECOND - 5 * MS <= active["retransmit_wait_ns"] <= SECOND + 60 * MS * env.SLOW
    assert about(active["rtt_ns"], link.rtt_ns)
    assert active["rtt_ns"] + active["retransmit_wait_ns"] == active["latency_ns"]
    # the server never saw the first one
    assert passive["retransmits"] == 0 and about(passive["latency_ns"], link.rtt_ns)


def test_first_synack_lost(delayed, ip, keep, daemon):
    """Both sides retransmit after a second; the connection comes of whichever is first."""
    link = delayed(DELAY_MS)
    link.client.lose(f"{netns.SYNACK} {netns.first(1)}")
    d = daemon()
    active, passive = one_handshake(d, link, ip, keep)
    assert active["retransmits"] in (0, 1)
    for record in (active, passive):
        true_or_absent(record, link)
    assert SECOND <= active["latency_ns"] <= SECOND + 2 * link.rtt_ns + 100 * MS * env.SLOW
    assert passive["retransmits"] >= 1 and not passive["partial"]
    assert SECOND - DELAY_MS * MS - 5 * MS <= passive["latency_ns"] \
        <= SECOND + 2 * link.rtt_ns + 100 * MS * env.SLOW


def test_final_ack_lost(delayed, ip, keep, daemon):
    """The server's handshake has the whole time, not its last millisecond."""
    link = delayed(DELAY_MS)
    link.server.lose(f"{netns.ACK} {netns.first(1)}")
    d = daemon()
    active, passive = one_handshake(d, link, ip, keep)
    assert about(active["latency_ns"], link.rtt_ns) and active["retransmits"] == 0
    assert passive["retransmits"] == 1 and not passive["partial"]
    assert SECOND + link.rtt_ns - 5 * MS <= passive["latency_ns"] \
        <= SECOND + link.rtt_ns + 60 * MS * env.SLOW
    # The ACK that ends it echoes the first SYN-ACK's timestamp, but answers the second one
    # (a challenge ACK): by its echo alone the round trip would have taken a second.
    true_or_absent(passive, link)


@pytest.mark.parametrize("timestamps", [1, 0], ids=["timestamps", "no_timestamps"])
def test_two_syns_lost(delayed, keep, daemon, timestamps):
    """Without timestamps nothing proves which SYN was answered: the split is null, not guessed."""
    link = delayed(DELAY_MS)
    for ns in (link.client, link.server):
        ns.sysctl("net.ipv4.tcp_timestamps", timestamps)
    link.server.lose(f"{netns.SYN} {netns.first(2)}")
    d = daemon()
    active, _ = one_handshake(d, link, 4, keep)
    assert active["retransmits"] == 2
    assert 1.9 * SECOND < active["latency_ns"] < 4 * SECOND * env.SLOW
    true_or_absent(active, link)
    if timestamps:
        assert active["rtt_ns"] is not None


def test_syn_answered_late(delayed, keep, daemon):
    """The answer to the first SYN comes after the second one left: the wait was for nothing.

    A link of 600 ms each way; the SYN is sent again after 1 s, and answered 200 ms later. The
    round trip is 1.2 s; that it looks like 0.2 s is the mistake of who counts from the last SYN.
    """
    link = delayed(600)
    d = daemon()
    active, passive = one_handshake(d, link, 4, keep)
    assert active["retransmits"] == 1
    assert about(active["latency_ns"], link.rtt_ns)
    true_or_absent(active, link)
    # the second SYN makes the server send its SYN-ACK again
    assert about(passive["latency_ns"], link.rtt_ns)
    true_or_absent(passive, link)
