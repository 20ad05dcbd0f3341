# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What listen() asked for, beside what it got: right, or null."""
import ctypes
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from lib import env
from lib.feed import matches
from lib.traffic import Agent, connect, listener, port_of, start

FAST = ("--listener-interval", "200ms")
IPPROTO_MPTCP = 262


def listener_record(d, ns, port, **subset):
    def found(all):
        return [r for r in all if r["type"] == "listener" and r["netns"] == ns.inode and
                r["local"]["port"] == port and matches(r, subset)]
    return d.feed.wait_for(found, 5, f"a listener of port {port} with {subset}")[-1]


def asked_and_got(d, ns, port, got):
    """Once its queues were looked at."""
    record = listener_record(d, ns, port, backlog=got)
    return record["backlog_asked"], record["backlog"]


def libc_listen(sock, backlog):
    """socket.listen() takes no less than 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.listen(sock.fileno(), ctypes.c_int(backlog)) == 0, os.strerror(ctypes.get_errno())


@pytest.mark.parametrize("somaxconn", [4096, 128])
@pytest.mark.parametrize("asked", [65535, 4097, 128, 5, 0, -1, -2147483648, 2147483647])
def test_asked_and_got(pair, ip, keep, daemon, somaxconn, asked):
    pair.server.sysctl("net.core.somaxconn", somaxconn)
    d = daemon(*FAST)
    server = keep(pair.server.socket({4: socket.AF_INET, 6: socket.AF_INET6}[ip]))
    server.bind(("", 8080))
    libc_listen(server, asked)
    got = somaxconn if asked < 0 else min(asked, somaxconn)
    opened = listener_record(d, pair.server, 8080, event="opened")
    assert (opened["backlog_asked"], opened["backlog"]) == (asked, None)
    assert asked_and_got(d, pair.server, 8080, got) == (asked, got)
    server.close()
    assert listener_record(d, pair.server, 8080, event="closed")["backlog_asked"] == asked


def test_another_call_that_changes_the_limit(pair, keep, daemon):
    """It is no change of state: what it was given is not seen, and what the first one was given is no longer true."""
    d = daemon(*FAST)
    server = keep(listener(pair.server, 4, backlog=7))
    assert asked_and_got(d, pair.server, port_of(server), 7) == (7, 7)
    server.listen(9)
    assert asked_and_got(d, pair.server, port_of(server), 9) == (None, 9)
    server.listen(7)
    changed = listener_record(d, pair.server, port_of(server), event="changed", backlog=7)
    assert changed["backlog_asked"] is None, "which call it was, nobody knows"


def test_another_call_before_the_first_look(pair, keep, daemon):
    d = daemon(*FAST)
    for number in range(10):
        server = keep(listener(pair.server, 4, backlog=7))
        server.listen(30 + number)
        assert asked_and_got(d, pair.server, port_of(server), 30 + number) == (None, 30 + number)


def test_it_listens_again(pair, keep, daemon):
    """shutdown() ends LISTEN; the next listen() is a change of state again."""
    d = daemon(*FAST)
    server = keep(listener(pair.server, 4, port=8080, backlog=7))  # what bind() chose would not stay
    port = port_of(server)
    assert listener_record(d, pair.server, port, event="opened")["backlog_asked"] == 7
    server.shutdown(socket.SHUT_RDWR)
    listener_record(d, pair.server, port, event="closed")
    libc_listen(server, 11)
    listener_record(d, pair.server, port, event="opened", backlog_asked=11)
    assert asked_and_got(d, pair.server, port, 11) == (11, 11)


def test_from_before_the_daemon(pair, ip, keep, daemon):
    """Its listen() was not seen, and who holds it now does not matter."""
    server = keep(listener(pair.server, ip, backlog=7))
    d = daemon(*FAST)
    assert listener_record(d, pair.server, port_of(server), event="sample")["backlog_asked"] is None


class Activator:
    """systemd-socket-activate under strace: it listens, and would start the service at the first connection."""

    def __init__(self, ns, port, log):
        self.log = log
        self.process = ns.popen(["strace", "-f", "-o", str(log), "-e", "trace=listen", "systemd-socket-activate", "-l",
                                 str(port), "cat"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, start_new_session=True)

    def asked(self):
        def found():
            lines = self.log.read_text() if self.log.exists() else ""
            return re.search(r"listen\(\d+, (-?\d+)\)\s+= 0", lines)
        env.poll_until(found, 10, "its listen()")
        return int(found()[1])

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5 * env.SLOW)


@pytest.mark.parametrize("when", ["before", "after"])
def test_socket_activation(pair, keep, tmp_path, daemon, when):
    """The manager's listen(): what strace shows of it, or null where it came before the daemon."""
    d = daemon(*FAST) if when == "after" else None
    manager = keep(Activator(pair.server, 8080, tmp_path / "strace"))
    asked = manager.asked()
    d = d or daemon(*FAST)
    assert listener_record(d, pair.server, 8080)["backlog_asked"] == (asked if when == "after" else None)


@pytest.mark.parametrize("how", ["compat", "uring"])
def test_calls_that_are_not_seen(pair, keep, daemon, how):
    """The registers of another ABI or of io_uring say nothing of it."""
    d = daemon(*FAST)
    server = keep(pair.server.socket(socket.AF_INET))
    server.bind(("", 8080))
    done = subprocess.run([env.tool("listen_call"), how, str(server.fileno()), "7"], pass_fds=[server.fileno()],
                          text=True, stdout=subprocess.PIPE, timeout=10 * env.SLOW)
    if done.returncode or int(done.stdout):
        reason = os.strerror(int(done.stdout)) if not done.returncode else f"status {done.returncode}"
        pytest.skip(f"this kernel has no listen() by {how}: {reason}")
    assert listener_record(d, pair.server, 8080, event="opened")["backlog_asked"] is None
    assert asked_and_got(d, pair.server, 8080, 7)[0] is None


def test_mptcp(pair, keep, daemon):
    """The socket that enters LISTEN is the subflow's; the call names the one that the application holds."""
    try:
        with pair.server.inside():
            server = keep(socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP))
    except OSError as error:
        pytest.skip(f"this kernel has no MPTCP: {error}")
    d = daemon(*FAST)
    server.bind(("", 8080))
    server.listen(65535)
    opened = listener_record(d, pair.server, 8080, event="opened")
    assert opened["backlog_asked"] == 65535


def view(d, ns, path, *argv):
    """What a view says of a namespace's records so far."""
    path.write_text("".join(json.dumps(r) + "\n" for r in d.feed.all if r.get("netns", ns.inode) == ns.inode))
    done = subprocess.run([env.TCPSHAKE, *argv, "--from", str(path)], text=True, stdout=subprocess.PIPE,
                          timeout=10 * env.SLOW, check=True)
    return " ".join(done.stdout.split())


def test_what_the_views_say(pair, keep, tmp_path, daemon):
    pair.server.sysctl("net.core.somaxconn", 3)
    d = daemon(*FAST)
    keep(listener(pair.server, 4, port=8080, backlog=511))
    for _ in range(4):
        keep(connect(pair.client, 4, pair.address(4, 8080))[0])
    keep(start(pair.client, 4, pair.address(4, 8080)))
    d.feed.wait_for(lambda all: [r for r in all if r["type"] == "overflow" and r["netns"] == pair.server.inode], 5,
                    "an overflow")
    listener_record(d, pair.server, 8080, backlog=3)
    said = "asked 511, got 3: net.core.somaxconn of this namespace (511 may be the default of nginx"
    text = view(d, pair.server, tmp_path / "feed", "listeners")
    assert "ASKED" in text and f"Port 8080 {said}" in text
    assert f"It {said}" in view(d, pair.server, tmp_path / "feed", "explain")


def test_a_full_member_among_idle_ones(pair, keep, tmp_path, daemon):
    """12 listeners of one port, of which each holds two, and 13 clients: one at least is full, and some have nobody."""
    d = daemon(*FAST)
    agent = keep(Agent(pair.server, comm="shards", listen={"backlog": 1, "port": 8080, "reuseport": 12}))
    for _ in range(13):
        keep(start(pair.client, 4, pair.address(4, 8080)))

    def full(all):
        return [r for r in all if r["type"] == "listener" and r["netns"] == pair.server.inode and r["accept_queue"] and
                r["accept_queue"]["len"] > 1]
    d.feed.wait_for(full, 5, "a full one")
    text = view(d, pair.server, tmp_path / "feed", "listeners")
    said = re.search(r"Port 8080: (\d+) of 12 listeners of this port (?:was|were) full(?: \(pid (\d+)\))? while (\d+) had room",
                     text)
    assert said and int(said[1]) + int(said[3]) <= 12
    assert said[2] in (None, str(agent.pid))


def test_many_descriptors(pair, keep, daemon):
    """The descriptor that the call names, high up in the table of a process of its own."""
    d = daemon(*FAST)
    agent = keep(Agent(pair.server, comm="asker", listen={"backlog": 77, "reuseport": 40}))

    def opened(all):
        found = [r for r in all if r["type"] == "listener" and r["event"] == "opened" and
                 r["process"] and r["process"]["comm"] == "asker"]
        return found if len(found) == 40 else None
    assert {r["backlog_asked"] for r in d.feed.wait_for(opened, 5, "40 listeners")} == {77}
