# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Two hosts on one machine: a daemon for each of two namespaces, with a name and a clock of its own."""
import datetime
import json
import os
import time

from .causes import Scene

CLIENT, SERVER = "host-a", "host-b"
# What a daemon sees of a host elsewhere: no queue, no RST that is sent, no segment that is dropped.
ELSEWHERE = ("queue_look", "function_hooks", "ack_hooks", "overflow_reason", "kfree_skb", "tcp_send_reset", "reset_hooks")


def named(name, *command):
    """A command that runs in a UTS namespace with this host name."""
    return ["unshare", "--uts", "sh", "-c", f'hostname {name} && exec "$0" "$@"', *command]


def shifted(ts, ns):
    """RFC 3339 with nanoseconds, moved."""
    whole, fraction = ts[:-1].split(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00").timestamp()
    total = int(seconds) * 10**9 + int(fraction) + ns
    moved = datetime.datetime.fromtimestamp(total // 10**9, datetime.timezone.utc)
    return moved.strftime("%Y-%m-%dT%H:%M:%S") + f".{total % 10**9:09d}Z"


def write(path, records, ahead_ns=0):
    """A recording; `ahead_ns`: how far the clocks of its host are ahead."""
    with open(path, "w") as file:
        for r in records:
            # CLOCK_MONOTONIC is another on every host
            moved = {**r, "ts": shifted(r["ts"], ahead_ns), "mono_ns": r["mono_ns"] + 17 * ahead_ns}
            file.write(json.dumps(moved) + "\n")
    return path


class Hosts(Scene):
    """A client on one host, a server on the other; and a daemon that sees both, to compare with."""

    FLAGS = ("--listener-interval", "100ms")

    def __init__(self, pair, keep, daemon):
        super().__init__(pair, 4, keep)
        self.a = daemon(*self.FLAGS, "--with-host", "--netns", str(self.client.inode), prefix=named(CLIENT),
                        env={**os.environ, "TCPSHAKE_REFUSE": ",".join(ELSEWHERE)})
        self.b = daemon(*self.FLAGS, "--with-host", "--netns", str(self.server.inode), prefix=named(SERVER))
        self.both = daemon(*self.FLAGS)
        for d, namespaces in ((self.a, [self.client]), (self.b, [self.server]), (self.both, [self.client, self.server])):
            d.feed.wait_for(lambda all, namespaces=namespaces: {r["netns"] for r in all if r["type"] == "listener"} >=
                            {ns.inode for ns in namespaces}, what="the residents")

    def healthy(self, count):
        """Connections both ways, from which the clocks can be compared."""
        for _ in range(count):
            self.connect()[0].close()

    def stop(self):
        time.sleep(0.5)
        for d in (self.a, self.b, self.both):
            d.stop()

    def recordings(self, directory, ahead_ns):
        """What the two wrote, the server's clock ahead; and what one that sees both wrote, of these two namespaces."""
        mine = {self.client.inode, self.server.inode, None}
        both = [r for r in self.both.feed.all if r.get("netns") in mine]
        return (write(directory / "a.ndjson", self.a.feed.all), write(directory / "b.ndjson", self.b.feed.all, ahead_ns),
                write(directory / "both.ndjson", both))
