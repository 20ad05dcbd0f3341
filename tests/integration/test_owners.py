# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which process a passive handshake belongs to, where several could be meant."""
import subprocess

import pytest

from lib import env
from lib.traffic import FAMILY, client

pytestmark = pytest.mark.sanitize

# Listens at a port that it shares, and answers each connection with its pid.
WORKER = """
import os, socket, sys
sock = socket.socket(int(sys.argv[1]))
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
sock.bind(("", int(sys.argv[2])))
sock.listen(64)
print("ready", flush=True)
while True:
    other = sock.accept()[0]
    other.sendall(b"%d" % os.getpid())
    other.close()
"""


class Server:
    """A program that answers each connection with the pid of the process that took it."""

    def __init__(self, ns, script, *args, **options):
        self.process = ns.popen([env.PYTHON, "-SE", "-c", script, *map(str, args)], stdout=subprocess.PIPE,
                                text=True, **options)
        self.pid = self.process.pid
        assert self.process.stdout.readline() == "ready\n"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def taker(pair, ip, port):
    """Connect; the client's port, and the pid that the server's process says it has."""
    with client(pair.client, ip) as sock:
        sock.connect(pair.address(ip, port))
        mine = sock.getsockname()[1]
        return mine, int(b"".join(iter(lambda: sock.recv(16), b"")))


def owners(d, pair, count):
    """By the client's port, the process of each passive record."""
    return {record["remote"]["port"]: record["process"]
            for record in d.handshakes(count, role="passive", netns=pair.server.inode)}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("cookies", [0, 2], ids=["requests", "syncookies"])
def test_workers_with_a_listener_each(pair, ip, keep, daemon, when, cookies):
    """SO_REUSEPORT: the record names the worker whose socket took the connection."""
    pair.server.sysctl("net.ipv4.tcp_syncookies", cookies)
    d = daemon() if when == "after" else None
    workers = {keep(Server(pair.server, WORKER, int(FAMILY[ip]), 8080)).pid for _ in range(4)}
    d = d or daemon()
    taken = dict(taker(pair, ip, 8080) for _ in range(40))
    assert set(taken.values()) == workers  # each has its share
    found = owners(d, pair, len(taken))
    assert {port: process and process["pid"] for port, process in found.items()} == taken
