# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Events that a kernel keeps from BPF programs, as ftrace saw them.

There are machines whose kernel runs no BPF program while a thread of process 1 is current, and a
softirq that interrupted it counts as well: a batch of timers, or of packets, for which the tracepoint
fires and nobody is called (docs/limits.md). No program can know. What is asked to be exact is exact
but for these, which ftrace still counts.
"""
import collections
import os
import re
import threading

from . import ftrace

EVENTS = {"sock/inet_sock_set_state": "", "tcp/tcp_retransmit_synack": "", "tcp/tcp_retransmit_skb": "",
          "tcp/tcp_send_reset": "", "tcp/tcp_receive_reset": "",
          "skb/kfree_skb": "protocol == 0x800 || protocol == 0x86dd"}
PORT = re.compile(r"[sd]port=(\d+)")
LINE = re.compile(r"^.*\[\d+\].*?: (\w+): (.*)$")


class Blind:
    """A trace of its own; one for the whole run of the tests."""

    def __init__(self):
        try:
            self.trace = ftrace.Instance("blind", 256)
        except OSError:
            self.trace = None  # no tracefs: nothing to be known
            return
        self.threads = set()
        self.closed = threading.Event()
        self.watch()
        self.watcher = threading.Thread(target=self.watch_on, daemon=True)
        self.watcher.start()
        for event, condition in EVENTS.items():
            self.trace.enable(event, condition)

    def watch(self):
        """Look at the threads that process 1 has now."""
        threads = set(os.listdir("/proc/1/task"))
        if threads != self.threads:
            (self.trace.path / "set_event_pid").write_text(" ".join(threads))
            self.threads = threads

    def watch_on(self):
        """They come and go."""
        while not self.closed.wait(0.1):
            self.watch()

    def count(self):
        """How many there were since the beginning."""
        if not self.trace:
            return 0
        return sum(int(number) for path in self.trace.path.glob("per_cpu/cpu*/stats")
                   for number in re.findall(r"^(?:entries|overrun): (\d+)$", path.read_text(), re.M))

    def events(self):
        """The (tracepoint, what it said) of the last ones."""
        if not self.trace:
            return []
        found = (LINE.match(line) for line in self.trace.lines())
        return [match.groups() for match in found if match]

    def at(self, ports, since=0):
        """How many there were with one of these ports on either side, of all after the first `since`."""
        return sum(bool({int(port) for port in PORT.findall(said)} & ports)
                   for _, said in self.events()[since:])

    def between(self, *addresses):
        """How many there were with each tracepoint between these addresses."""
        wanted = [f"addr={address} " for address in addresses]
        return collections.Counter(name for name, said in self.events()
                                   if all(text in said for text in wanted))

    def close(self):
        if self.trace:
            self.closed.set()
            self.watcher.join()
            self.trace.close()
            self.trace = None
