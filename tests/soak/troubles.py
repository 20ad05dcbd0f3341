# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a soak does to a daemon: each trouble is one round of something that goes wrong or comes and goes, and
runs in a thread of its own, again and again, until the soak ends."""
import contextlib
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from lib import env, feed, netns  # noqa: E402
from lib.traffic import connect, listener, port_of  # noqa: E402

LONGEST_S = 120  # of one round of any trouble
TROUBLES = []  # (function, seconds from one round to the next)


def every(seconds):
    def add(function):
        TROUBLES.append((function, seconds))
        return function
    return add


class Scene:
    """Where the troubles happen, and how often each of them did."""

    def __init__(self, disk, path, sock, metrics):
        self.disk, self.path, self.sock, self.metrics = disk, path, sock, metrics
        self.over = threading.Event()
        self.turn = threading.Condition()
        self.busy, self.resting = 0, False
        self.rounds, self.failures = {}, []
        self.segments = []  # files that the daemon has left, in order, until somebody checks them
        self.lone = netns.Netns("lone")
        self.client, self.server = netns.plain_pair()
        self.server.ip(f"route add 198.18.0.0/15 via {self.client.addr[4]}")  # forged sources: tests/synflood
        self.client.nft("ip daddr 198.18.0.0/15 drop", hook="prerouting")
        self.full = listener(self.server, 4, backlog=1)  # nobody accepts
        self.waiting = [connect(self.client, 4, (self.server.addr[4], port_of(self.full)))[0] for _ in range(2)]

    def run(self, function, seconds):
        while not self.over.wait(seconds):
            with self.turn:
                self.turn.wait_for(lambda: not self.resting or self.over.is_set())
                self.busy += 1
            try:
                function(self)
                self.rounds[function.__name__] = self.rounds.get(function.__name__, 0) + 1
            except Exception as error:  # the soak goes on, and fails at its end
                self.failures.append(f"{function.__name__}: {error!r}")
            with self.turn:
                self.busy -= 1
                self.turn.notify_all()

    @contextlib.contextmanager
    def rest(self):
        """No trouble at all within: what began before has ended."""
        with self.turn:
            self.resting = True
            if not self.turn.wait_for(lambda: not self.busy, LONGEST_S):
                self.failures.append(f"{self.busy} troubles did not end within {LONGEST_S} s")
        try:
            yield
        finally:
            with self.turn:
                self.resting = False
                self.turn.notify_all()

    def begin(self):
        self.threads = [threading.Thread(target=self.run, args=trouble) for trouble in TROUBLES]
        for thread in self.threads:
            thread.start()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        for ns in (self.lone, self.client, self.server):
            ns.close()


def run(ns, *argv):
    assert ns.popen(argv, stdout=subprocess.DEVNULL).wait(60) == 0, argv


@every(11)
def flood(scene):
    """SYNs from everywhere against a full accept queue."""
    run(scene.client, env.tool("synflood"), scene.server.addr[4], str(port_of(scene.full)), "5000", "5000")


@every(13)
def scan(scene):
    """A SYN to each of 2,000 ports that nobody listens on."""
    run(scene.client, env.tool("portscan"), scene.server.addr[4], "1000", "2999")


@every(3)
def storm(scene):
    """2,000 connections that are as they should be."""
    run(scene.lone, env.tool("storm"), "-n", "2000", "-t", "2")


@every(1.2)
def namespace(scene):
    """A network namespace with a listener and a connection, gone at once."""
    ns = netns.Netns("passing")
    server = listener(ns, 4)
    client, error = connect(ns, 4, ("127.0.0.1", port_of(server)))
    assert error == 0
    client.close()
    server.close()
    ns.close()


def subscriber(scene):
    """Reads for a while, or stands still until its buffer is full, or is gone at once, or within its request."""
    kind = random.choice(["read", "stall", "die", "half"])
    reader = feed.Subscriber(scene.sock, read=False, rcvbuf=4096 if kind == "stall" else None)
    reader.sock.sendall(b'{"op":"subsc' if kind == "half" else b'{"op":"subscribe"}\n')
    end = time.monotonic() + random.uniform(1, 20)
    while kind == "read" and time.monotonic() < end:
        reader.sock.recv(1 << 20)
    if kind == "stall":
        scene.over.wait(end - time.monotonic())
    reader.close()


for _ in range(6):  # at a time
    every(2)(subscriber)


@every(5)
def scrape(scene):
    scene.metrics.scrape(random.choice(["/metrics", "/metrics?port=80", f"/metrics?port={port_of(scene.full)}"]))


@every(7)
def slow_scraper(scene):
    """A client that sends half a request."""
    with socket.create_connection(("127.0.0.1", scene.metrics.port)) as sock:
        sock.sendall(b"GET /metr")
        scene.over.wait(3)


@every(61)
def full_disk(scene):
    with contextlib.suppress(OSError):  # what the daemon wrote meanwhile took the rest
        scene.disk.fill(leave=65536)
    scene.over.wait(5)
    scene.disk.free()


@every(17)
def rotation(scene):
    """What logrotate does: another name, then SIGHUP."""
    segment = scene.path.with_name(f"segment-{len(scene.segments)}")
    scene.path.rename(segment)
    scene.daemon.send(signal.SIGHUP)
    env.poll_until(scene.path.exists, 30, "a new file after SIGHUP")
    scene.segments.append(segment)
