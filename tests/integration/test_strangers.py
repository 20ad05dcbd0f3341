# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The audit, while programs that nobody wrote for this suite are all at work at once."""
import pytest

from lib import strangers
from lib.feed import nested
from lib.traffic import Nginx


@pytest.fixture
def town(pair, keep, tmp_path):
    """The servers of both namespaces."""
    lacking = strangers.missing()
    if lacking:
        pytest.skip(f"not installed: {' '.join(lacking)}")
    pair.server.sysctl("net.ipv4.conf.all.rp_filter", 0)  # or forged SYNs would come to no listener
    for ns in (pair.client, pair.server):
        ns.sysctl("net.ipv4.tcp_fastopen", 0x207)
    keep(Nginx(pair.server, tmp_path, "fastopen=16"))
    keep(strangers.redis(pair.server))
    pair.mptcp = strangers.mptcp(pair.server)
    if pair.mptcp:
        keep(pair.mptcp)
    return pair


def test_all_at_once(town, keep, audited, tmp_path):
    books = audited(town.client, town.server, losses=True)
    checks = keep(strangers.haproxy(town.client, town.server.addr[4], tmp_path))
    crowd = keep(strangers.Crowd(town.client, town.server, town.mptcp))
    crowd.connect(20)
    crowd.wait(60)
    crowd.close()
    checks.close()
    moved = {name: books.moved(town.server, name) for name in ("ListenDrops", "EmbryonicRsts", "OutRsts", "PassiveOpens")}
    assert all(moved.values()), moved  # each stranger was there
    books.check()
    losses = {(r["what"], r["why"]) for r in books.d.feed.records("loss")}
    expected = {("overflow", "rate_limit"), ("reset", "rate_limit"), ("transition", "nested")}
    if ("transition", "nested") in losses:  # tasks are preempted inside of programs, so of accept()'s, too
        expected.add(("accept", "nested"))
    assert losses <= expected
    check_refusals(books, town, moved["ListenDrops"])
    check_sides(books, town)


def check_refusals(books, town, drops):
    """Forged SYNs are named; no queue was full."""
    told = books.d.feed.records("overflow", netns=town.server.inode)
    assert {r["cause"]["code"] for r in told} == {"no_route_back"}
    limited = sum(r["count"] for r in books.d.feed.records("loss", what="overflow"))
    assert sum(r["count"] for r in told) + limited == drops


def check_sides(books, town):
    """Who was connected has a record at the server, unless a RST took the request's place, which the audit explains."""
    feed = books.d.feed
    served = {r["remote"]["port"] for r in feed.records("handshake", netns=town.server.inode, role="passive")}
    alone = [r for r in feed.records("handshake", netns=town.client.inode, role="active", outcome="established")
             if r["remote"]["addr"] == town.server.addr[4] and r["local"]["port"] not in served]
    unseen = books.moved(town.server, "EmbryonicRsts") - books.sum(town.server, "EmbryonicRsts", "observed")
    assert len(alone) <= max(unseen, 0) + nested(feed.all), alone[:3]
