# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""nginx under wrk, its worker stopped for 3 s: depth and accept wait against strace and tcpdump.

tcpdump says when each client's last ACK came, strace when accept4() took it, and nothing of either comes from BPF.
"""
import os
import re
import signal
import subprocess
import time

import pytest

from lib import env, evidence, pcap
from lib.queues import ask
from lib.traffic import Nginx, wrk

PORT = 80
ACCEPTED = re.compile(r"^(?:\d+ +)?(\d+)\.(\d{6}) accept4\(.*sin_port=htons\((\d+)\).*= \d+$", re.M)
STALL = 3


class Strace:
    """When accept4() was called, by the client's port: ns of CLOCK_REALTIME."""

    def __init__(self, pid, path):
        self.path = path
        self.process = subprocess.Popen(["strace", "-ttt", "-e", "trace=accept4", "-e", "signal=none", "-o", str(path),
                                         "-p", str(pid)], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        assert "attached" in line, line

    def accepted(self):
        return {int(port): int(seconds) * env.SECOND + int(micros) * 1000
                for seconds, micros, port in ACCEPTED.findall(self.path.read_text())}

    def close(self):
        self.process.terminate()
        self.process.wait(5 * env.SLOW)
        self.process.stderr.close()


def stop_clients(clients):
    """wrk ends as after its time."""
    for client in clients:
        client.send_signal(signal.SIGINT)
    for client in clients:
        client.communicate(timeout=20 * env.SLOW)


def load(pair, worker, directory):
    """A few clients all the time, and while the worker stands still 20 more each quarter of a second."""
    address = pair.address(4, PORT)[0]
    clients = [wrk(pair.client, directory, address, 60, 8)]
    time.sleep(1.5)
    os.kill(worker, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        while time.monotonic() < begin + STALL - 0.4:
            clients.append(wrk(pair.client, directory, address, 60, 20))
            time.sleep(0.25)
        time.sleep(max(0, begin + STALL - time.monotonic()))
    finally:
        os.kill(worker, signal.SIGCONT)
    time.sleep(0.3)
    stop_clients(clients)


def depths_of(joined, taken):
    """How many waited when each came."""
    events = sorted([(at, 1, port) for port, at in joined.items()] + [(at, 0, port) for port, at in taken.items()])
    waiting, found = 0, []
    for _, comes, _ in events:
        if comes:
            found.append(waiting)
        waiting += 1 if comes else -1
    return found


def close_to(value, true):
    return abs(value - true) <= 0.04 * true


@pytest.mark.parametrize("way", ["function", "syscall"])
def test_stopped_worker(pair, keep, tmp_path, daemon, way):
    able = evidence.capabilities()[f"accept_{way}"]
    if not able["ok"]:
        pytest.skip(f"evidence: accept_{way} is not granted here: {able['error']}")
    daemon("--accept-wait", way, "--events", "listener", "--netns", str(pair.server.inode), "--listener-interval", "200ms",
               sock=tmp_path / "sock")
    nginx = keep(Nginx(pair.server, tmp_path, "backlog=4000"))
    strace = keep(Strace(nginx.worker(), tmp_path / "strace"))
    capture = keep(pcap.Capture(pair.server, "s0", tmp_path / "pcap", f"tcp port {PORT}"))
    load(pair, nginx.worker(), tmp_path)

    def answer():
        found = [r for r in ask(tmp_path / "sock", "listeners") if r["netns"] == pair.server.inode and r["family"] == "ipv4"]
        return found[0] if len(found) == 1 and found[0]["accept_queue"]["len"] == 0 else None
    def joined_at():
        return {port: seen["ack"] for port, seen in pcap.handshakes(pcap.read(tmp_path / "pcap"), PORT).items() if "ack" in seen}
    env.poll_until(answer, 10, "an empty queue")
    env.poll_until(lambda: joined_at().keys() == strace.accepted().keys(), 10, "both to have written all")  # each on its own
    taken = strace.accepted()
    capture.stop(PORT, len(taken))
    joined = joined_at()
    assert joined.keys() == taken.keys()
    listener = env.poll_until(lambda: answer() and answer()["accept_wait"]["count"] == len(joined) and answer(), 10,
                              f"{len(joined)} connections")

    waits = [max(0, taken[port] - joined[port]) for port in joined]
    depths = depths_of(joined, taken)
    depth, wait = listener["accept_depth"], listener["accept_wait"]
    print(f"\n{len(joined)} connections\ndepth p99 {pcap.percentile(depths, 99)} max {max(depths)}: {depth}\n"
          f"wait p99 {pcap.percentile(waits, 99)} max {max(waits)}: {wait}")
    assert pcap.percentile(waits, 99) > env.SECOND and pcap.percentile(depths, 99) > 50  # it did stand still
    assert depth["count"] == len(joined)
    for name, percent in (("p99", 99), ("max", 100)):
        assert close_to(depth[name], pcap.percentile(depths, percent)), name
        assert close_to(wait[f"{name}_ns"], pcap.percentile(waits, percent)), name
