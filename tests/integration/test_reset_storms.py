# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""RSTs by the ten thousand: each is counted, few are told, and nothing else suffers."""
import collections
import errno
import json
import subprocess

import pytest

from lib import env, kernel
from lib.audited import Audited
from lib.traffic import Agent, connect, listener, port_of

FIRST, LAST = 2001, 62000 if env.SLOW < 4 else 5000
PORTS = LAST - FIRST + 1
LIMIT = 1000  # records a second
REFUSED = 100
FLAGS = ("--listener-interval", "300ms", "--remote", "10.9.0.0/24")  # not of other tests' storms


def tells_closed_ports(d):
    return (d.feed.all[0]["capabilities"]["reset_hooks"] or kernel.has("SKB_DROP_REASON_NO_SOCKET"))


def scan(pair):
    child = pair.client.popen([env.tool("portscan"), pair.server.addr[4], str(FIRST), str(LAST)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return child


def scanned(child):
    out, err = child.communicate(timeout=60 * env.SLOW)
    assert child.returncode == 0, err
    assert json.loads(out) == {"sent": PORTS}


def start_daemon(daemon, keep, pair, *flags):
    keep(Agent(pair.server, comm="resident", listen={"port": 7}))
    d = daemon(*FLAGS, *flags, losses=True)  # those of RSTs are looked at here
    d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and
                                 r["netns"] == pair.server.inode], what="the resident")
    if not tells_closed_ports(d):
        pytest.skip("this kernel does not report the RSTs of closed ports")
    return d


def check_sums(d, books, pair):
    """The books of RSTs, with all that was told."""
    bye = d.feed.all[-1]
    totals = bye["totals"]["reset"]
    assert totals["seen"] == sum(totals[key] for key in ("delivered", "filtered", "limited", "lost"))
    assert totals["lost"] == 0
    assert len(d.feed.records("reset")) + bye["feed"]["types"]["reset"]["before"] == totals["delivered"]
    assert totals["seen"] >= books.sum(pair.server, "OutRsts") >= PORTS
    told = collections.Counter((r["what"], r["why"]) for r in d.feed.records("loss")
                               for _ in range(r["count"]))
    assert told[("reset", "rate_limit")] == totals["limited"]
    assert not [what for what, why in told if what not in ("reset", "transition", "evidence")], told
    return totals


def check_rate(d):
    """No second, wherever it begins, has much more than the limit: two may meet in it."""
    times = [r["mono_ns"] for r in d.feed.records("reset")]
    begins = 0
    for number, moment in enumerate(times):
        while times[begins] <= moment - env.SECOND:
            begins += 1
        assert number - begins + 1 <= 2 * LIMIT + 16, f"{number - begins + 1} in a second"
    whole = (times[-1] - times[0]) / env.SECOND if times else 0
    assert len(times) <= LIMIT * (whole + 2) + 16, f"{len(times)} in {whole} s"


def test_port_scan(pair, keep, daemon):
    """Every RST counted, as the kernel does; handshakes of others meanwhile are all there."""
    d = start_daemon(daemon, keep, pair)
    books = Audited(d, pair.server)
    server = keep(listener(pair.server, 4, port=8, backlog=512))
    child = scan(pair)
    done = 0
    while child.poll() is None and done < 400:
        sock, error = connect(pair.client, 4, pair.address(4, port_of(server)))
        assert error == 0
        sock.close()
        server.accept()[0].close()
        done += 1
    scanned(child)
    assert done, "nothing went on beside the scan"
    d.handshakes(done, 20, netns=pair.client.inode, outcome="established")
    d.handshakes(done, 20, netns=pair.server.inode, outcome="established")
    books.check()
    assert books.sum(pair.server, "OutRsts", "observed") == books.sum(pair.server, "OutRsts")
    assert books.sum(pair.server, "OutRsts") >= PORTS
    totals = check_sums(d, books, pair)
    assert totals["limited"] > 0
    check_rate(d)


def test_not_in_the_stream(pair, keep, daemon):
    """Unwanted RSTs are counted as filtered, and no loss is told of them; the audit has them."""
    d = start_daemon(daemon, keep, pair, "--events", "listener,audit,handshake")
    books = Audited(d, pair.server)
    scanned(scan(pair))
    books.check()
    assert books.sum(pair.server, "OutRsts", "observed") == books.sum(pair.server, "OutRsts") >= PORTS
    totals = d.feed.all[-1]["totals"]["reset"]
    assert totals["delivered"] == totals["limited"] == 0
    assert totals["filtered"] == totals["seen"] >= PORTS
    assert not d.feed.records("loss", what="reset")


def test_refused_in_a_storm(pair, keep, daemon):
    """Why a connect() failed is known, however many RSTs go unrecorded."""
    d = start_daemon(daemon, keep, pair)
    child = scan(pair)
    for _ in range(REFUSED):
        sock, error = connect(pair.client, 4, pair.address(4, 9))
        assert error == errno.ECONNREFUSED
        sock.close()
    scanned(child)
    found = d.handshakes(REFUSED, 20, netns=pair.client.inode)
    causes = collections.Counter((r["cause"]["code"], r["cause"]["certainty"]) for r in found)
    assert causes == {("port_closed", "proven"): REFUSED}
