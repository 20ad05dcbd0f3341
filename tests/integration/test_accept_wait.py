# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How long connections waited for accept()."""
import ctypes
import os
import subprocess
import time

import pytest

from lib import env
from lib.traffic import NAME, connect, listener, port_of

SYSCALL = ("--accept-wait", "syscall", "--events", "handshake,accept")


@pytest.fixture(params=[(), env.NO_TRACEFS], ids=["tracefs", "no_tracefs"])
def waiting(request, daemon):
    """A daemon that watches the accept calls, or a skip with its reason."""
    def start(*flags):
        d = daemon(*flags, prefix=request.param)
        able = {name: ok for name, ok in d.feed.all[0]["capabilities"].items() if "accept" in name}
        if able and not any(able.values()):
            pytest.skip(f"this kernel cannot tell when accept() returns: {able}")
        return d
    return start


def accepted(d, ns, port, timeout=5):
    """The record of the connection from a client's port."""
    def found(all):
        return [r for r in all if r["type"] == "accept" and r["netns"] == ns.inode and
                r["remote"]["port"] == port]
    records = d.feed.wait_for(found, timeout, f"accept of port {port}")
    assert len(records) == 1
    return records[0]


def established(d, ns, port):
    """When the server's side of that connection was."""
    return d.handshake(netns=ns.inode, role="passive", remote={"port": port})["mono_ns"]


def pause(ns):
    """A wait whose length is what is measured."""
    until = time.monotonic_ns() + ns
    env.poll_until(lambda: time.monotonic_ns() >= until, interval=0.002)


@pytest.mark.parametrize("wait_ms", [0, 300])
def test_wait(pair, ip, keep, waiting, wait_ms):
    d = waiting(*SYSCALL)
    server = keep(listener(pair.server, ip, backlog=7))
    sock, error = connect(pair.client, ip, pair.address(ip, port_of(server)))
    keep(sock)
    assert error == 0
    passive = d.handshake(netns=pair.server.inode, role="passive",
                          remote={"port": sock.getsockname()[1]})
    pause(wait_ms * env.MS)
    called = time.monotonic_ns()
    child, _ = server.accept()
    returned = time.monotonic_ns()
    keep(child)
    record = accepted(d, pair.server, sock.getsockname()[1])
    assert called < record["mono_ns"] < returned
    assert record["wait_ns"] == record["mono_ns"] - passive["mono_ns"] >= wait_ms * env.MS
    assert record["family"] == NAME[ip] and record["evidence"] in ("syscall", "function")
    assert record["local"] == {"addr": pair.server.addr[ip], "port": port_of(server)}
    assert record["remote"]["addr"] == pair.client.addr[ip]
    assert record["process"]["pid"] == os.getpid()
    assert record["conn"] == passive["conn"]


def test_accept_that_waits_for_the_connection(pair, ip, keep, waiting):
    """accept() blocks first: the connection waits for nothing."""
    d = waiting(*SYSCALL)
    server = keep(listener(pair.server, ip, port=8080))
    with server:
        child = pair.server.popen(
            [env.PYTHON, "-c", "import socket,sys,time\ns=socket.socket(fileno=int(sys.argv[1]))\n"
             "print(flush=True)\nc,_=s.accept()\nprint(time.monotonic_ns(),flush=True)\n"
             "sys.stdin.read()",
             str(server.fileno())], pass_fds=[server.fileno()], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        child.stdout.readline()
        pause(100 * env.MS)
        begun = time.monotonic_ns()
        sock, error = connect(pair.client, ip, pair.address(ip, 8080))
        keep(sock)
        assert error == 0
        returned = int(child.stdout.readline())
        record = accepted(d, pair.server, sock.getsockname()[1])
        child.stdin.close()
        child.stdout.close()
        child.wait(5 * env.SLOW)
    since = established(d, pair.server, sock.getsockname()[1])
    assert begun < since <= record["mono_ns"] < returned
    assert record["wait_ns"] == record["mono_ns"] - since
    assert record["process"]["pid"] == child.pid


def test_order_and_count(pair, keep, waiting):
    """Each connection once, first come, first taken; an accept() without any is none."""
    d = waiting(*SYSCALL)
    server = keep(listener(pair.server, 4, backlog=64))
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.accept()
    ports = []
    for _ in range(20):
        sock = keep(connect(pair.client, 4, pair.address(4, port_of(server)))[0])
        ports.append(sock.getsockname()[1])
        pause(5 * env.MS)
    for _ in ports:
        keep(server.accept()[0])
    records = [accepted(d, pair.server, port) for port in ports]
    taken = [record["mono_ns"] for record in records]
    since = [established(d, pair.server, port) for port in ports]
    assert taken == sorted(taken) and since == sorted(since) and since[-1] < taken[0]
    assert [record["wait_ns"] for record in records] == [t - s for t, s in zip(taken, since)]
    assert records[0]["wait_ns"] >= 95 * env.MS
    d.stop()
    assert len(d.feed.records("accept", netns=pair.server.inode)) == 20


@pytest.mark.parametrize("call", ["accept", "accept4"])
def test_call(pair, keep, waiting, call):
    """Either call is seen, and no other that returns the same descriptor or takes its place."""
    d = waiting(*SYSCALL)
    server = keep(listener(pair.server, 4))
    sock = keep(connect(pair.client, 4, pair.address(4, port_of(server)))[0])
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.accept(server.fileno(), None, None) if call == "accept" else \
        libc.accept4(server.fileno(), None, None, 0)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    os.dup2(fd, fd)
    os.close(os.dup(fd))
    os.close(fd)
    record = accepted(d, pair.server, sock.getsockname()[1])
    assert record["evidence"] == "syscall"
    d.stop()
    assert d.feed.records("accept", netns=pair.server.inode) == [record]


def test_call_of_a_32_bit_program(pair, keep, waiting):
    """Its calls have other numbers: what is accept4() elsewhere is keyctl(), and may return a socket's number."""
    d = waiting(*SYSCALL)
    server = keep(listener(pair.server, 4))
    sock = keep(connect(pair.client, 4, pair.address(4, port_of(server)))[0])
    child = keep(server.accept()[0])
    done = subprocess.run([env.tool("compat_call"), str(child.fileno())], pass_fds=[child.fileno()], text=True,
                          stdout=subprocess.PIPE, timeout=10 * env.SLOW)
    if done.returncode:
        pytest.skip(f"this machine runs no 32-bit system calls: {done.stdout.strip() or done.returncode}")
    assert int(done.stdout) == child.fileno()
    record = accepted(d, pair.server, sock.getsockname()[1])
    d.stop()
    assert d.feed.records("accept", netns=pair.server.inode) == [record]


def test_from_before_the_daemon(pair, keep, waiting):
    """Nobody saw the end of its handshake, so nobody knows how long it waited."""
    server = keep(listener(pair.server, 4))
    sock = keep(connect(pair.client, 4, pair.address(4, port_of(server)))[0])
    d = waiting(*SYSCALL)
    keep(server.accept()[0])
    other = keep(connect(pair.client, 4, pair.address(4, port_of(server)))[0])
    keep(server.accept()[0])
    accepted(d, pair.server, other.getsockname()[1])
    told = [r for r in d.feed.records("accept", netns=pair.server.inode)
            if r["remote"]["port"] == sock.getsockname()[1]]
    assert all(r["wait_ns"] is None for r in told)


def test_stall(pair, keep, waiting):
    """A server that stands still for a second, and then takes all at once."""
    d = waiting(*SYSCALL)
    server = keep(listener(pair.server, 4, backlog=64))
    ports = [keep(connect(pair.client, 4, pair.address(4, port_of(server)))[0]).getsockname()[1]
             for _ in range(10)]
    since = {port: established(d, pair.server, port) for port in ports}
    pause(1000 * env.MS)
    for _ in ports:
        keep(server.accept()[0])
    over = time.monotonic_ns()
    for port in ports:
        record = accepted(d, pair.server, port)
        assert 1000 * env.MS <= record["wait_ns"] < over - since[port]


def test_off_by_default(pair, keep, daemon):
    d = daemon()
    server = keep(listener(pair.server, 4))
    sock = keep(connect(pair.client, 4, pair.address(4, port_of(server)))[0])
    keep(server.accept()[0])
    d.handshake(netns=pair.server.inode, remote={"port": sock.getsockname()[1]})
    d.stop()
    assert not d.feed.records("accept")


def test_off(pair, keep, daemon):
    d = daemon("--accept-wait", "off", "--events", "handshake,accept")
    server = keep(listener(pair.server, 4))
    sock = keep(connect(pair.client, 4, pair.address(4, port_of(server)))[0])
    keep(server.accept()[0])
    d.handshake(netns=pair.server.inode, remote={"port": sock.getsockname()[1]})
    d.stop()
    assert not d.feed.records("accept")
