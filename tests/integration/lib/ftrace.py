# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""ftrace: the kernel's own record of tracepoints, apart from every BPF program."""
import os
import pathlib
import re
import subprocess

TRACEFS = pathlib.Path("/sys/kernel/tracing")
US = 1000


class Instance:
    """Trace buffers of their own. OSError where the machine grants none."""

    def __init__(self, name, buffer_kb, clock="local"):
        if not (TRACEFS / "instances").is_dir():
            subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], check=False)
        self.path = TRACEFS / "instances" / f"tcpshake-{name}-{os.getpid()}"
        self.path.mkdir()
        self.enabled = []
        (self.path / "buffer_size_kb").write_text(str(buffer_kb))
        (self.path / "trace_clock").write_text(clock)

    def enable(self, event, condition=""):
        """Record this tracepoint, if the kernel has it."""
        event = self.path / "events" / event
        if not event.is_dir():
            return
        if condition:
            (event / "filter").write_text(condition)
        (event / "enable").write_text("1")
        self.enabled.append(event)

    def lines(self):
        return (self.path / "trace").read_text().splitlines()

    def close(self):
        for event in self.enabled:
            (event / "enable").write_text("0")
        self.path.rmdir()


class Established:
    """When TCP took the segment that establishes a connection, on both sides, for one server port.

    The time is CLOCK_MONOTONIC. TCP sets the state while it processes the segment: what the machine
    takes to bring the segment from the interface to TCP has passed by then. OSError as above.
    """
    EVENT = re.compile(r" (\d+)\.(\d{6}): inet_sock_set_state: .* sport=(\d+) dport=(\d+) ")

    def __init__(self, server_port):
        self.port = server_port
        self.trace = Instance(f"established-{server_port}", 1024, "mono")
        self.trace.enable("sock/inet_sock_set_state",
                          f"newstate == 1 && (sport == {server_port} || dport == {server_port})")
        if not self.trace.enabled:
            self.close()
            raise FileNotFoundError("this kernel's ftrace has no sock:inet_sock_set_state")

    def times(self):
        """By role and the client's port, in nanoseconds."""
        found = {"active": {}, "passive": {}}
        for match in filter(None, map(self.EVENT.search, self.trace.lines())):
            seconds, microseconds, source, destination = map(int, match.groups())
            role, client = ("passive", destination) if source == self.port else ("active", source)
            found[role].setdefault(client, (seconds * 1_000_000 + microseconds) * US)
        return found

    def close(self):
        self.trace.close()


def established(server_port, keep):
    """The same, kept until the test is over; None, and a line that says why, where there is no ftrace."""
    try:
        return keep(Established(server_port))
    except OSError as error:
        print(f"no tracepoint as a witness: {error}")
        return None
