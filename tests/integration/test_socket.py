# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The daemon's Unix socket: subscriptions, requests, and readers that do not read."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from lib import env, feed, schema
from lib.scrape import Metrics, free_port
from lib.traffic import connect, listener, port_of

pytestmark = pytest.mark.sanitize


@pytest.fixture
def served(tmp_path, daemon, keep):
    """A daemon with a socket and no other output; subscribe(filter) makes a feed of it."""
    path = tmp_path / "sock"
    d = daemon("--events", "handshake", sock=path, output="none")
    d.path = path

    def subscribe(**filter):
        subscriber = keep(feed.Subscriber(path, {"op": "subscribe", "filter": filter}))
        subscriber.feed.wait_for(lambda all: all, what="hello")
        return subscriber.feed
    d.subscribe = subscribe
    return d


def ended(d, *feeds, losses=False):
    """Stop the daemon; every feed ends with bye, and keeps its promises."""
    d.stop()
    for one in feeds:
        one.wait_end()
        wrong = one.complaints(losses=losses)
        assert not wrong, "\n".join(wrong)


def test_subscribe(pair, keep, served, ip):
    one = served.subscribe()
    hello = one.all[0]
    assert hello["type"] == "hello" and hello["subscription"] == {} and hello["filters"] == {}
    server = keep(listener(pair.server, ip))
    keep(connect(pair.client, ip, pair.address(ip, port_of(server)))[0])
    one.handshake(netns=pair.client.inode, role="active")
    one.handshake(netns=pair.server.inode, role="passive")
    ended(served, one)


def test_subscribers_have_feeds_and_filters_of_their_own(pair, keep, served):
    every = served.subscribe()
    refused = served.subscribe(outcome="refused")
    passive = served.subscribe(role="passive", port="8001")
    assert refused.all[0]["subscription"] == {"outcome": "refused"}
    keep(listener(pair.server, 4, 8001))
    keep(listener(pair.server, 4, 8002))
    for port in (8001, 8002, 999):
        keep(connect(pair.client, 4, pair.address(4, port))[0])
    every.handshakes(3, netns=pair.client.inode, remote={"port": lambda port: port != 998})
    late = served.subscribe()
    keep(connect(pair.client, 4, pair.address(4, 998))[0])
    for one in (every, refused, late):
        one.handshake(netns=pair.client.inode, remote={"port": 998})
    ended(served, every, refused, passive, late)
    nets = (pair.client.inode, pair.server.inode)
    count = {name: sum(r["netns"] in nets for r in one.records()) for name, one in
             dict(every=every, refused=refused, passive=passive, late=late).items()}
    assert count == {"every": 6, "refused": 2, "passive": 1, "late": 1}
    assert [r["local"]["port"] for r in passive.records() if r["netns"] in nets] == [8001]


def test_filters_as_json_values(lone, served):
    """Numbers and lists, where they read better than strings."""
    one = served.subscribe(port=[998, 999], outcome=["refused", "timeout"], role="active")
    for port in (997, 998, 999):
        connect(lone, 4, ("127.0.0.1", port))[0].close()
    one.handshakes(2, netns=lone.inode)
    ended(served, one)


@pytest.mark.parametrize("request_line,word", [
    (b'{"op":"subscribe","filter":{"port":"none"}}', "none"),
    (b'{"op":"subscribe","filter":{"colour":"red"}}', "colour"),
    (b'{"op":"subscribe","filter":[]}', "filter"),
    (b'{"op":"dance"}', "op"), (b'{"op":1}', "op"), (b'{}', "op"), (b'[]', ""),
    (b'{"op":"stats"} x', "more than one"), (b'{"op":"stats"}{"op":"stats"}', "more than one"),
    (b'{"op":"stats"}\0', "NUL"), (b'{"op":"stats\0"}', "NUL"), (b'{"op":"stats\\u0000x"}', "NUL"),
    (b'\0{"op":"stats"}', "NUL"), (b'hello', ""), (b'', ""), (b'{"op":"subscribe"', ""), (b'\xff\xfe', ""),
], ids=lambda value: value.decode(errors="replace") if isinstance(value, bytes) else "")
def test_bad_requests(served, keep, request_line, word):
    """Each gets an end that says why, and harms nobody."""
    one = keep(feed.Subscriber(served.path, request_line))
    if request_line == b"":
        one.send({"op": "dance"})  # an empty line may be passed over, or answered
    end = one.feed.wait_for(lambda all: all, what="an answer")[0]
    assert schema.Checker().errors(end) == []
    assert end["type"] == "end" and end["ok"] is False
    assert word in end["error"]
    served.subscribe()


def test_requests_with_space_and_escapes(served, keep):
    """What JSON allows around and in a value is no garbage."""
    one = keep(feed.Subscriber(served.path))
    for line in (b' {"op":"stats"} \t\r', b'{"op":"stats","x":"\\\\u0000"}', b'{"op" : "st\\u0061ts"}'):
        one.send(line)

    def ends(all):
        return [r["ok"] for r in all if r["type"] == "end"]
    assert one.feed.wait_for(lambda all: len(ends(all)) == 3 and ends(all), what="answers") == [True] * 3


def test_request_without_end(served, keep):
    """A peer that never ends its line is cut off; one that goes away in it is forgotten."""
    endless = keep(feed.Subscriber(served.path, read=False))
    try:
        for _ in range(200):
            endless.sock.sendall(b"x" * 10000)
    except OSError:
        pass  # cut off
    gone = feed.Subscriber(served.path, read=False)
    gone.sock.sendall(b'{"op":"subs')
    gone.close()
    served.subscribe()


def closed(sock):
    """Has the daemon ended it? What it sent before is passed over."""
    try:
        while sock.recv(1 << 16, socket.MSG_DONTWAIT):
            pass
        return True
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_clients_that_are_slow(served, keep):
    """A request has 10 s; an answer of which nothing is read has 30 s; a subscriber has all the time."""
    slow, deaf, reader, lazy = [keep(feed.Subscriber(served.path, read=False)) for _ in range(4)]
    lazy.send({"op": "subscribe"})
    lazy.sock.sendall(b'{"op":')  # a subscription is not lost for it
    for byte in b'{"op":':
        slow.sock.sendall(bytes([byte]))
        time.sleep(0.01)
    for one in (deaf, reader):
        one.send(b'{"op":"stats"}\n' * 400)  # more than the kernel keeps for them
    env.poll_until(lambda: closed(slow.sock), 12, "the end of the slow one", interval=0.2)
    assert not closed(reader.sock) and not closed(lazy.sock)
    deaf.sock.setblocking(False)
    env.poll_until(lambda: "answer_time" in served.stderr_text, 32, "the end of the deaf one", interval=0.2)
    env.poll_until(lambda: closed(deaf.sock), what="its end")
    assert not closed(reader.sock) and not closed(lazy.sock)
    assert "request_time" in served.stderr_text and len(served.stderr_text.splitlines()) == 2


HOLD = """import socket, sys
socks = [socket.socket(socket.AF_UNIX) for _ in range(64)]
for sock in socks:
    sock.connect(sys.argv[1])
    sock.sendall(b'{"op":"subscribe"}\\n')
    sock.recv(1)
print(flush=True)
sys.stdin.read()
"""


def test_user_who_takes_every_place(daemon, keep):
    """Another user gets one of them, also where all are subscriptions. The metrics count it."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tcpshake-test-") as open_dir:
        os.chmod(open_dir, 0o755)
        path = f"{open_dir}/sock"
        daemon("--events", "audit", "--socket-group", "65534", "--metrics", str(port), sock=path, output="none")
        greedy = subprocess.Popen([env.PYTHON, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  user=65534, group=65534, extra_groups=[])
        try:
            assert greedy.stdout.readline() == b"\n"
            for _ in range(3):
                one = keep(feed.Subscriber(path, {"op": "subscribe"}))
                one.feed.wait_for(lambda all: all, what="hello")
            reached = keep(Metrics(port)).scrape().all("tcpshake_limits_reached_total", server="socket")
            assert {labels["limit"]: value for labels, value in reached} == {
                "places": 3, "request_bytes": 0, "request_time": 0, "answer_bytes": 0, "answer_time": 0,
                "descriptors": 0}
        finally:
            greedy.kill()
            greedy.communicate()


def test_probe(served, keep):
    one = keep(feed.Subscriber(served.path, {"op": "probe"}))
    records = one.feed.wait_for(lambda all: len(all) > 1 and list(all), what="probe and end")
    checker = schema.Checker()
    assert [error for record in records for error in checker.errors(record)] == []
    assert [r["type"] for r in records] == ["probe", "end"] and records[1]["ok"] is True
    done = subprocess.run([env.TCPSHAKED, "--probe"], capture_output=True, check=True,
                          timeout=20 * env.SLOW)
    same = ("version", "kernel", "host", "evidence", "capabilities")
    printed = json.loads(done.stdout)
    assert {k: printed[k] for k in same} == {k: records[0][k] for k in same}


def test_probe_is_made_once(served, keep):
    """What the kernel grants does not change: who asks often does not have programs loaded each time."""
    ones = [keep(feed.Subscriber(served.path, b'{"op":"probe"}\n' * 5)) for _ in range(2)]
    answers = [one.feed.wait_for(lambda all: len(all) >= 10 and list(all), what="5 answers") for one in ones]
    assert len({r["mono_ns"] for records in answers for r in records if r["type"] == "probe"}) == 1


def test_probe_delays_nobody(served, keep):
    """Programs are loaded for it, which takes a tenth of a second and more: that was at start, in a process of its own."""
    curious, modest = [keep(feed.Subscriber(served.path)) for _ in range(2)]
    served.send(signal.SIGSTOP)
    curious.send({"op": "probe"})
    modest.send({"op": "stats"})
    served.send(signal.SIGCONT)
    end = [one.feed.wait_for(lambda all: [r for r in all if r["type"] == "end"], 20, "an end")[0]
           for one in (modest, curious)]
    assert end[0]["mono_ns"] < end[1]["mono_ns"] + 50 * env.MS * env.SLOW


def test_one_request_a_turn(served, keep):
    """A client that asks much at once does not make the others wait for all of it."""
    greedy, modest = [keep(feed.Subscriber(served.path)) for _ in range(2)]
    for one in (greedy, modest):
        one.send({"op": "dance"})
        one.feed.wait_for(lambda all: all, what="being taken")
    served.send(signal.SIGSTOP)
    greedy.send(b'{"op":"stats"}\n' * 200)
    modest.send({"op": "stats"})
    served.send(signal.SIGCONT)

    def ends(one, count):
        return one.feed.wait_for(lambda all: [r for r in all if r["type"] == "end"][count:], 20, "the last end")[0]
    assert ends(modest, 1)["mono_ns"] < ends(greedy, 10)["mono_ns"] < ends(greedy, 200)["mono_ns"]


def test_half_closed_subscriber(lone, keep, served):
    """A client may say that it has nothing more to ask (as `nc -N` does) and still listen."""
    one = keep(feed.Subscriber(served.path, {"op": "subscribe"}))
    one.feed.wait_for(lambda all: all, what="hello")
    one.sock.shutdown(socket.SHUT_WR)
    connect(lone, 4, ("127.0.0.1", 9))[0].close()
    # Either is fine, but not silence: the record, or the end of the feed.
    env.poll_until(lambda: one.feed.ended or one.feed.records(netns=lone.inode))


def storm(ns, count, port=9001):
    child = ns.popen([env.tool("storm"), "-n", str(count), "-p", str(port)],
                     stdout=subprocess.PIPE)
    out, _ = child.communicate(timeout=120 * env.SLOW)
    assert child.returncode == 0
    return json.loads(out)


def test_subscriber_that_does_not_read(lone, keep, served):
    """It slows nobody; what it missed is counted in its own feed once it reads again."""
    rounds, count = 8, 2000
    ours = {"role": "active", "netns": lone.inode}
    good = served.subscribe(**ours)
    idle = keep(feed.Subscriber(served.path, {"op": "subscribe", "filter": ours}, read=False, rcvbuf=4096))
    idle.wait_answer()
    for done in range(rounds):
        storm(lone, count, 9001 + done)
        good.handshakes(count, 10, netns=lone.inode, remote={"port": 9001 + done})
    assert not good.records("loss")

    lazy = idle.start_reading()

    def told():
        connect(lone, 4, ("127.0.0.1", 9))[0].close()
        return lazy.records("loss")
    env.poll_until(told, 10, "its losses", interval=0.05)
    connect(lone, 4, ("127.0.0.1", 10))[0].close()
    lazy.handshake(netns=lone.inode, remote={"port": 10})
    ended(served, good)
    lazy.wait_end()
    wrong = lazy.complaints(losses=True)
    assert not wrong, "\n".join(wrong)
    losses = lazy.records("loss")
    assert {(r["what"], r["why"]) for r in losses} == {("handshake", "slow_reader")}
    lost, got = sum(r["count"] for r in losses), len(lazy.records())
    assert 0 < got < rounds * count
    assert got + lost == len(good.records())
    assert lazy.all[-1]["feed"]["lost"] == lost
    assert good.all[-1]["feed"]["lost"] == 0


def test_stop_does_not_wait_for_who_does_not_read(lone, keep, served):
    keep(feed.Subscriber(served.path, {"op": "subscribe"}, read=False, rcvbuf=4096))
    env.poll_until(lambda: served.subscribe(), what="another subscriber")
    storm(lone, 5000)
    begin = time.monotonic()
    served.stop(signal.SIGTERM)
    assert time.monotonic() - begin < 6 * env.SLOW  # it gives who is slow 2 s


def test_many_subscribers_come_and_go(lone, served):
    fds = f"/proc/{served.pid}/fd"
    before = len(os.listdir(fds))
    for _ in range(5):
        crowd = [feed.Subscriber(served.path, {"op": "subscribe", "filter": {"netns": lone.inode}})
                 for _ in range(20)]
        for one in crowd:
            one.feed.wait_for(lambda all: all, what="hello: from here on it is subscribed")
        connect(lone, 4, ("127.0.0.1", 9))[0].close()
        for one in crowd[::2]:
            one.feed.wait_for(lambda all: any(r.get("netns") == lone.inode for r in all))
        for one in crowd:
            one.close()
    # Those of 100 subscribers are closed; a namespace that is audited has a few of its own.
    env.poll_until(lambda: len(os.listdir(fds)) < before + 10, what="the descriptors being closed")
