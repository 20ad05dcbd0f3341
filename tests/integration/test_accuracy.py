# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Latencies against what others measure in the same run, on the side of the wire where each is measured.

A latency ends when TCP takes the segment, and a capture stamps that segment before. What the machine
takes in between is not an error of the daemon: an idle virtual CPU needs 100 us. So there are three
witnesses:

tracepoint   from the capture's stamp of the segment that this side sends until TCP sets the state,
             as ftrace records it; where the machine has no ftrace the test says so
TCP_INFO     the round trip as TCP itself measures it, on the socket; the passive latency is that number
tcpdump      between the capture's two stamps, which is printed, and which no latency may fall short of

TCPSHAKE_ACCURACY_RESULT=FILE also writes the figures there, as JSON, a line for each witness.
"""
import json
import os

import pytest

from lib import env, feed, ftrace, pcap, traffic
from lib.traffic import connect, listener, port_of

COUNT = 1000 if env.SLOW < 4 else 200
# p50 and p99 in us. Between a segment's time and the stamp or the tracepoint TCP builds a segment or
# completes a socket, and may be interrupted; TCP_INFO rests on the same two readings of the clock.
BOUNDS = {"tracepoint": (30, 2000), "TCP_INFO": (5, 50)}


def report(title, witness, differences):
    size = [abs(value) for value in differences]
    figures = {"count": len(size), "p50_us": pcap.percentile(size, 50) / 1000,
               "p99_us": pcap.percentile(size, 99) / 1000, "max_us": max(size) / 1000,
               "median_signed_us": pcap.percentile(differences, 50) / 1000}
    print(f"accuracy, {title}: |difference| to {witness} over {figures['count']} handshakes: "
          f"p50 {figures['p50_us']:.1f} us, p99 {figures['p99_us']:.1f} us, "
          f"max {figures['max_us']:.1f} us (signed median {figures['median_signed_us']:+.1f} us)")
    path = os.environ.get("TCPSHAKE_ACCURACY_RESULT")
    if path:
        with open(path, "a") as file:
            file.write(json.dumps({"title": title, "witness": witness, **figures}) + "\n")
    return figures


def all_but_skipped(records, count, wanted):
    """The handshakes, if all are there but those of state changes that the kernel skipped."""
    skipped = sum(r["count"] for r in records if r["type"] == "loss" and feed.is_noise(r))
    found = [r for r in records if r["type"] == "handshake" and feed.matches(r, wanted)]
    return found if len(found) >= count - skipped else None


class Witnesses:
    """What each of them says about a latency, by the side and the client's port."""

    def __init__(self, captures, trace):
        self.captures, self.trace = captures, trace
        self.rtt = {"active": {}, "passive": {}}
        self.offset = {}

    def handshake(self, client, ip, address, listening):
        """Make one, and ask its sockets."""
        sock, error = connect(client, ip, address)
        assert error == 0
        port = port_of(sock)
        self.offset[port] = pcap.clock_offset()
        self.rtt["active"][port] = traffic.rtt_ns(sock)
        sock.close()
        child = listening.accept()[0]
        self.rtt["passive"][port] = traffic.rtt_ns(child)
        child.close()

    def differences(self, role, records, server_port):
        wire = pcap.handshakes(self.captures[role].stop(server_port, len(self.offset)), server_port)
        taken = self.trace.times()[role] if self.trace else None
        begin, end = ("syn", "synack") if role == "active" else ("synack", "ack")
        found = {"tcpdump": [], "TCP_INFO": [], **({"tracepoint": []} if taken else {})}
        for record in records:
            assert record["outcome"] == "established" and record["retransmits"] == 0
            latency = record["latency_ns"]
            if latency is None:
                continue
            port = record["local" if role == "active" else "remote"]["port"]
            found["tcpdump"].append(latency - (wire[port][end] - wire[port][begin]))
            found["TCP_INFO"].append(latency - self.rtt[role][port])
            if taken:
                sent = wire[port][begin] - self.offset[port]
                found["tracepoint"].append(latency - (taken[port] - sent))
        return found


def check(client, server, ip, tmp_path, keep, daemon, title, count):
    listening = keep(listener(server, ip, backlog=64))
    port = port_of(listening)
    trace = ftrace.established(port, keep)  # before the daemon: the kernel calls ftrace first, then our programs
    d = daemon("--port", str(port))
    witnesses = Witnesses(
        {"active": keep(pcap.Capture(client, "c0", tmp_path / "c.pcap", f"port {port}")),
         "passive": keep(pcap.Capture(server, "s0", tmp_path / "s.pcap", f"port {port}"))}, trace)
    for _ in range(count):
        witnesses.handshake(client, ip, (server.addr[ip], port), listening)
    figures = {}
    for role, ns in (("active", client), ("passive", server)):
        records = d.feed.wait_for(lambda all, wanted={"netns": ns.inode, "role": role}:
                                  all_but_skipped(all, count, wanted), 20, f"{count} × {role}")
        for witness, differences in witnesses.differences(role, records, port).items():
            # Only a handshake that looks like a syncookie's may have none.
            assert len(differences) >= 0.99 * len(records)
            figures[role, witness] = report(f"{title}, {role}", witness, differences)
    for (_, witness), said in figures.items():
        if witness == "tcpdump":  # the segment is stamped before TCP takes it
            assert said["median_signed_us"] > -BOUNDS["tracepoint"][0] * env.SLOW, figures
            continue
        p50, p99 = BOUNDS[witness]
        assert said["p50_us"] < p50 * env.SLOW and said["p99_us"] < p99 * env.SLOW, figures


@pytest.mark.parametrize("delay_ms", [1, 20], ids=["2ms", "40ms"])
def test_over_a_delayed_link(delayed, tmp_path, keep, daemon, delay_ms):
    link = delayed(delay_ms)
    check(link.client, link.server, 4, tmp_path, keep, daemon, f"RTT {2 * delay_ms} ms",
          COUNT if delay_ms == 1 else COUNT // 10)


def test_over_a_short_link(pair, ip, tmp_path, keep, daemon):
    check(pair.client, pair.server, ip, tmp_path, keep, daemon, f"veth, {traffic.NAME[ip]}", COUNT)
