# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The fixtures do what the other tests take for granted."""
import importlib
import os
import socket
import threading
import time

from lib import env, feed, netns
from lib.traffic import FAMILY, connect, listener, port_of


def test_first_drops_exactly_the_first(pair, ip, keep):
    """Over more packets than any test sends."""
    pair.server.nft("udp dport 9 " + netns.first(3) + " drop")
    with (pair.server.socket(FAMILY[ip], socket.SOCK_DGRAM) as sink,
          pair.client.socket(FAMILY[ip], socket.SOCK_DGRAM) as out):
        sink.bind(("", 9))
        for number in range(20):
            out.sendto(str(number).encode(), pair.address(ip, 9))
        sink.settimeout(5 * env.SLOW)
        assert [int(sink.recv(9)) for _ in range(17)] == list(range(3, 20))


def test_delayed_link_delays_and_loses_nothing(delayed, ip, keep):
    link = delayed(25)
    server = keep(listener(link.server, ip))
    times = []
    for _ in range(5):  # the best of them: others run on the machine, too
        begin = time.monotonic()
        sock, error = connect(link.client, ip, (link.server.addr[ip], port_of(server)))
        times.append(time.monotonic() - begin)
        keep(sock)
        assert error == 0
        child = keep(server.accept()[0])
    assert 0.050 <= min(times) < 0.065 * env.SLOW, times
    data = os.urandom(1 << 20)
    sender = threading.Thread(target=child.sendall, args=(data,))
    sender.start()
    sock.settimeout(20 * env.SLOW)
    got = b""
    while len(got) < len(data):
        got += sock.recv(1 << 16)
    sender.join()
    assert got == data
    assert link.server.snmp()["RetransSegs"] == 0
    assert link.client.snmp()["InErrs"] == link.server.snmp()["InErrs"] == 0


def test_namespaces_leave_nothing(keep):
    pair = netns.plain_pair()
    inodes = [ns.inode for ns in pair]
    fds = [ns.fd for ns in pair]
    here = os.stat("/proc/self/ns/net").st_ino
    assert here not in inodes and inodes[0] != inodes[1]
    for ns in pair:
        ns.close()
    for fd in fds:
        assert not os.path.exists(f"/proc/self/fd/{fd}")
    assert os.stat("/proc/self/ns/net").st_ino == here


def test_matches_tells_apart():
    record = {"a": 1, "b": {"c": None, "d": True}, "e": 0}
    assert feed.matches(record, {"a": 1, "b": {"d": True}})
    assert feed.matches(record, {"a": lambda value: value > 0, "b": {"c": None}})
    for subset in ({"a": 2}, {"b": {"d": 1}}, {"e": False}, {"x": None}, {"b": {"x": 1}}):
        assert not feed.matches(record, subset)


def test_check_feed_complains():
    common = {"v": 1, "type": "loss", "seq": 1, "ts": "2026-11-20T10:47:46.123456789Z",
              "mono_ns": 1}
    wrong = "\n".join(feed.check_feed([{**common, "what": "handshake", "why": "ring_full",
                                        "count": 0}, {**common, "seq": 3, "what": "record",
                                                      "why": "ring_full", "count": 1, "x": 1}]))
    for complaint in ("count: 0 is less", "seq 3", "is loss", "no bye", "a loss", "'x'"):
        assert complaint in wrong, complaint


def test_what_the_matrix_names_is_there(monkeypatch):
    """A module or a test that was renamed would fail, or be missed, only in a guest."""
    monkeypatch.syspath_prepend(str(env.ROOT / "tests" / "vm"))
    results = importlib.import_module("results")
    here = env.ROOT / "tests" / "integration"
    names = [*results.LEFT_OUT, *results.HOOKS]
    names += [f"{module}::{test}" for module, tests in results.BRIEF.items() for test in tests]
    for module, _, test in (name.partition("::") for name in names):
        assert (here / module).exists(), module
        assert not test or f"\ndef {test}" in (here / module).read_text(), test
