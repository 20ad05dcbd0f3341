# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A listener that nobody accepts from, its clients, and the kernel's books about them."""
import json
import os
import resource
import socket
import struct

from . import env, feed, netns
from .traffic import Agent, connect, finish, start

SYN_RECV, LISTEN = "03", "0A"


def pending(ns, port):
    """How many requests wait for their final ACK at a port: the SYN queue."""
    count = 0
    for name in ("tcp", "tcp6"):
        with ns.inside(), open(f"/proc/thread-self/net/{name}") as file:
            for line in list(file)[1:]:
                fields = line.split()
                if fields[3] == SYN_RECV and fields[1].endswith(f":{port:04X}"):
                    count += 1
    return count


def accept_queue(ns, port):
    """How many connections wait for accept() at a port."""
    count = 0
    for name in ("tcp", "tcp6"):
        with ns.inside(), open(f"/proc/thread-self/net/{name}") as file:
            for line in list(file)[1:]:
                fields = line.split()
                if fields[3] == LISTEN and fields[1].endswith(f":{port:04X}"):
                    count += int(fields[4].split(":")[1], 16)
    return count


def reset(sock):
    """Close with a RST, so that nothing goes on behind the test's back."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def ask(path, op):
    """The records of an answer, without its end, which must be ok."""
    one = feed.Subscriber(path, {"op": op})
    try:
        records = one.feed.wait_for(
            lambda all: all and all[-1]["type"] == "end" and list(all), 10, f"the answer to {op}")
    finally:
        one.close()
    assert records[-1]["ok"] is True, records[-1]
    checker = feed.schema.Checker()
    wrong = [f"{error} in {json.dumps(record)}" for record in records
             for error in checker.errors(record)]
    assert not wrong, "\n".join(wrong)
    return records[:-1]


def flood_gets_no_answer(pair):
    """The forged sources of tests/synflood: what the server answers gets to nobody."""
    pair.server.sysctl("net.ipv4.tcp_max_syn_backlog", 4096)
    pair.server.ip(f"route add 198.18.0.0/15 via {pair.client.addr[4]}")
    pair.client.lose("ip daddr 198.18.0.0/15")


class Crowd:
    """A listener in the server's namespace, whose owner sleeps, and its clients.

    The owner is a process of its own in that namespace. All clients end with a RST when the test
    is over, or with leave().
    """

    def __init__(self, pair, ip, keep, backlog, **options):
        self.pair, self.ip, self.backlog = pair, ip, backlog
        if ip == 6:
            options["v6only"] = 1
        self.owner = keep(Agent(pair.server, comm="sleepy",
                                listen={"family": ip, "backlog": backlog, **options}))
        self.process = {"pid": self.owner.pid, "comm": "sleepy", "uid": 0}
        self.port = self.owner.port
        self.address = pair.address(ip, self.port)
        self.clients = []
        self.filtered = False
        keep(self)

    def accept(self, count):
        self.owner.tell(f"accept {count}")

    def use_up_descriptors(self):
        """What its owner has open is all that it may have from now on. How many that is."""
        used = len(os.listdir(f"/proc/{self.owner.pid}/fd"))
        _, most = resource.prlimit(self.owner.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.owner.pid, resource.RLIMIT_NOFILE, (used, most))
        return used

    def close_listener(self):
        self.owner.tell("close")

    def close(self):
        self.leave()

    def leave(self):
        for sock in self.clients:
            reset(sock)
        self.clients = []

    def taken(self, count):
        """Connections that complete and go into the accept queue."""
        before = accept_queue(self.pair.server, self.port)
        for _ in range(count):
            sock, error = connect(self.pair.client, self.ip, self.address)
            self.clients.append(sock)
            assert error == 0
        # connect() returns at the SYN-ACK: the last ACKs may still be on their way
        env.poll_until(lambda: accept_queue(self.pair.server, self.port) >= before + count, 5,
                       f"{count} more in the accept queue than {before}")

    def fill(self):
        """Until the accept queue is full: it holds one more than its limit."""
        self.taken(self.backlog + 1)

    def begin(self, count):
        """SYNs of which nobody waits for an answer."""
        made = [start(self.pair.client, self.ip, self.address) for _ in range(count)]
        self.clients += made
        return made

    def lose_acks(self):
        """From now on the server's host gets no final ACK."""
        self.pair.server.lose(f"tcp dport {self.port} {netns.ACK}")
        self.filtered = True

    def find_acks(self):
        self.pair.server.nft_flush()
        self.filtered = False

    def late(self, count, cookies=False):
        """Connections that are established for the client and wait for their ACK at the server."""
        if not self.filtered:
            self.lose_acks()
        before = pending(self.pair.server, self.port)
        made = self.begin(count)
        for sock in made:
            assert finish(sock) == 0
        if not cookies:
            env.poll_until(lambda: pending(self.pair.server, self.port) == before + count, 5,
                           f"{before + count} requests")
        return made


class Books:
    """The counters of a namespace since now, and what the feed says happened there."""

    def __init__(self, d, ns):
        self.d, self.ns = d, ns
        self.before = ns.counters()

    def delta(self, name):
        return self.ns.counters()[name] - self.before[name]

    def overflows(self, **subset):
        return self.d.feed.records("overflow", netns=self.ns.inode, **subset)

    def total(self, name, **subset):
        """What the feed says of a counter; a SYN answered with a cookie is no ListenOverflow."""
        return sum(record["count"] for record in self.overflows(**subset)
                   if record["action"] != "cookie" or name != "ListenOverflows")

    def wait_kernel(self, name, count, timeout=5):
        """Until the kernel has counted `count`."""
        env.poll_until(lambda: self.delta(name) >= count, timeout, f"{name} of {count}")

    def settle(self, name, timeout=8, **subset):
        """Until the feed has told all that the kernel has counted; the records."""
        def say():
            return (f"the feed's sum over {subset} to be {name} ({self.delta(name)}), not "
                    f"{self.total(name, **subset)} in {json.dumps(self.overflows(), indent=1)}")
        try:
            env.poll_until(lambda: self.total(name, **subset) == self.delta(name), timeout,
                           interval=0.05)
        except AssertionError:
            raise AssertionError(say()) from None
        return self.overflows(**subset)

    def close(self, name, **subset):
        """The end of the daemon changes nothing: no more, no less than the kernel counted."""
        self.settle(name, **subset)
        self.d.stop()
        told, counted = self.total(name, **subset), self.delta(name)
        assert told == counted, (f"the feed says {told}, {name} {counted}: " +
                                 json.dumps(self.overflows(), indent=1))
