# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpdump as the witness: nanosecond captures, and the handshakes in them."""
import signal
import struct
import subprocess
import time
import typing

from . import env

ETHERNET, ETHERNET_HEADER = 1, 14
FIN, SYN, RST, ACK = 1, 2, 4, 16


class Capture:
    """tcpdump on one interface of a namespace, from when it is ready until stop()."""

    def __init__(self, ns, interface, path, expression="tcp"):
        self.path = path
        self.process = ns.popen(
            ["tcpdump", "-i", interface, "-w", str(path), "-U", "--immediate-mode", "-s", "128",
             "-B", "16384", "--time-stamp-precision=nano", "-Z", "root", "-n", expression],
            stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        assert "listening on" in line, line
        self.dropped = None

    def stop(self, server_port, count):
        """Wait until it wrote `count` whole handshakes, and end it; the packets."""
        def whole():
            found = handshakes(read(self.path), server_port).values()
            return sum(len(seen) == 3 for seen in found) >= count
        env.poll_until(whole, 20, f"tcpdump writing {count} handshakes", interval=0.1)
        self.end()
        return list(read(self.path))

    def end(self):
        """End it, with all that it saw written."""
        self.process.send_signal(signal.SIGINT)
        _, text = self.process.communicate(timeout=10 * env.SLOW)
        for line in text.splitlines():
            if "dropped by kernel" in line:
                self.dropped = int(line.split()[0])
        assert self.dropped == 0, f"tcpdump lost packets: {text}"

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()


class Segment(typing.NamedTuple):
    """One of TCP over IPv4 or IPv6; `when`: in ns since the epoch."""

    when: int
    source: int
    destination: int
    flags: int
    seq: int
    ack: int


def segments(path):
    data = path.read_bytes()
    if len(data) < 24:
        return
    magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    assert magic == 0xA1B23C4D and link == ETHERNET, "not a nanosecond Ethernet capture"
    at = 24
    while at + 16 <= len(data):
        seconds, nanoseconds, kept, _ = struct.unpack_from("<IIII", data, at)
        if at + 16 + kept > len(data):
            return  # it is still being written
        frame = data[at + 16:at + 16 + kept]
        at += 16 + kept
        kind = struct.unpack_from("!H", frame, 12)[0]
        if kind == 0x0800:
            tcp = ETHERNET_HEADER + (frame[ETHERNET_HEADER] & 15) * 4
        elif kind == 0x86DD:
            tcp = ETHERNET_HEADER + 40
        else:
            continue
        source, destination, seq, ack = struct.unpack_from("!HHII", frame, tcp)
        yield Segment(seconds * env.SECOND + nanoseconds, source, destination, frame[tcp + 13], seq, ack)


def read(path):
    """(time in ns, source port, destination port, flags) of each segment."""
    return (segment[:4] for segment in segments(path))


def handshakes(packets, server_port):
    """By client port: the times of the first SYN, the first SYN-ACK and the ACK after it."""
    found = {}
    for when, source, destination, flags in packets:
        if destination == server_port and flags & (SYN | ACK) == SYN:
            found.setdefault(source, {}).setdefault("syn", when)
        elif source == server_port and flags & (SYN | ACK) == SYN | ACK:
            found.setdefault(destination, {}).setdefault("synack", when)
        elif destination == server_port and flags & ACK and "synack" in found.get(source, {}):
            found[source].setdefault("ack", when)
    return found


def clock_offset():
    """CLOCK_REALTIME, which stamps packets, less CLOCK_MONOTONIC: the reading that took least of several."""
    def read_both():
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        return after - before, wall - (before + after) // 2
    return min(read_both() for _ in range(5))[1]


def percentile(values, percent):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
