# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is shown of how connections end: tail's lines, and the metrics of all and of each port."""
import json
import socket
import time

from lib import env
from lib.scrape import Metrics, free_port
from lib.traffic import connect, listener

PORT = 7171  # no other test's: series of remote ports are the host's


def test_lines(tmp_path, cli):
    """tail has a line for each, and the sum of them."""
    names = ("hello", "close-active", "close-passive-ipv6", "close-both", "close-reset", "close-timeout", "close-unseen")
    path = tmp_path / "recording"
    path.write_text("".join(json.dumps({**json.loads((env.SCHEMAS / "examples" / "valid" / f"{name}.json").read_text()),
                                        "seq": seq}) + "\n" for seq, name in enumerate(names, 1)))
    lines = [line for line in cli("tail", "--from", str(path)).end().splitlines() if " close " in line]
    assert [line.split()[2] for line in lines] == ["fin", "fin", "fin", "reset", "timeout", "fin"]
    for words in ("1.83 s", "first=local", "call=shutdown", "fin_wait2=50.1 ms", "time_wait"):
        assert words in lines[0]
    assert "close_wait=61.2 s" in lines[1] and "first=both" in lines[2] and "first" not in lines[4] and "call" not in lines[4]
    program = cli("tail", "--from", str(path))
    program.end()
    assert "4 connections that ended by FIN" in program.stderr_text
    assert "1 connections that the kernel gave up" in program.stderr_text
    only = cli("tail", "--no-summary", "--events", "close", "--port", "443", "--remote", "2001:db8::1", "--from", str(path)).end()
    assert len(only.splitlines()) == 1


def test_all_and_each_port(pair, ip, keep, daemon):
    """Counters, states and times, whatever becomes of the stream, of all and of each port; nothing of them without --events close."""
    listening = keep(listener(pair.server, ip, PORT))
    port = free_port()
    d = daemon("--metrics", f"127.0.0.1:{port}", "--events", "close", "--port", "9")  # no record passes the filter
    metrics = keep(Metrics(port))
    ends = {kind: dict(role=role, first=first, how="fin") for kind, role, first in
            (("mine", "active", "local"), ("other", "passive", "remote"))}
    here = dict(netns=pair.server.inode, port=PORT)

    def made():
        sock, error = connect(pair.client, ip, pair.address(ip, PORT))
        assert error == 0
        return keep(sock), keep(listening.accept()[0])
    before = metrics.scrape()
    held = [made() for _ in range(5)]
    for sock, _ in held:
        sock.shutdown(socket.SHUT_WR)

    def moved(now, name, **labels):
        return now.sum(name, **labels) - before.sum(name, **labels)

    def half_closed_are(count):
        def are(now):
            return (now.sum("tcpshake_listener_closing_connections", **here, state="close_wait") == count and
                    now.sum("tcpshake_listener_closing_connections", **here) == count and
                    moved(now, "tcpshake_remote_port_closing_connections", port=PORT, state="fin_wait2") == count)
        return are
    metrics.until(lambda now: moved(now, "tcpshake_closing_connections", state="close_wait") >= 5 and
                  moved(now, "tcpshake_closing_connections", state="fin_wait2") >= 5 and half_closed_are(5)(now), 10,
                  "five half-closed connections")
    time.sleep(0.1)
    for sock, child in held:
        child.close()
        sock.close()
    after = metrics.until(lambda now: moved(now, "tcpshake_closes_total", **ends["other"]) >= 5 and half_closed_are(0)(now), 10,
                          "their ends")
    assert moved(after, "tcpshake_closes_total", **ends["mine"]) >= 5
    assert moved(after, "tcpshake_time_waits_total", role="active") >= 5
    assert moved(after, "tcpshake_connection_duration_seconds_count", role="active", how="fin") >= 5
    assert after.sum("tcpshake_listener_connection_duration_seconds_count", **here) == 5
    assert after.sum("tcpshake_listener_connection_duration_seconds_sum", **here) >= 5 * 0.1
    assert moved(after, "tcpshake_remote_port_connection_duration_seconds_count", port=PORT) == 5
    for name, role in (("close_wait", "passive"), ("fin_wait2", "active"), ("last_ack", "passive")):
        assert moved(after, f"tcpshake_{name}_seconds_count", role=role) >= 5, name
        assert after.sum(f"tcpshake_listener_{name}_seconds_count", **here) == (5 if role == "passive" else 0), name
        assert moved(after, f"tcpshake_remote_port_{name}_seconds_count", port=PORT) == (5 if role == "active" else 0), name
    assert moved(after, "tcpshake_close_wait_seconds_sum", role="passive") >= 5 * 0.1
    assert after.sum("tcpshake_listener_close_wait_seconds_sum", **here) >= 5 * 0.1
    metrics.until(ports_add_up, 10, "ports that add up to their roles")
    d.stop()
    assert not d.feed.records("close")
    assert d.feed.all[-1]["totals"]["close"]["filtered"] >= 10


def ports_add_up(now):
    """What has no port of its own is in `other`."""
    return all(now.sum(f"tcpshake_{kind}_{name}_count") == now.sum(f"tcpshake_{name}_count", role=role)
               for kind, role in (("remote_port", "active"), ("listener", "passive"))
               for name in ("connection_duration_seconds", "close_wait_seconds", "fin_wait2_seconds", "last_ack_seconds"))


def test_ports_without_room(lone, keep, daemon):
    """64 remote ports have series, the rest is in `other`. Ports that lose theirs go there with what is open, and all leave it."""
    port = free_port()
    d = daemon("--metrics", f"127.0.0.1:{port}", "--events", "close", "--netns", str(lone.inode), "--listener-interval", "20ms",
               losses=True)
    metrics = keep(Metrics(port))
    name, held = "tcpshake_remote_port_closing_connections", []

    def count(now, **labels):
        return now.sum(name, **labels, state="fin_wait2")

    def seen():
        """How many of the 80: a kernel that does not nest programs keeps changes of state from them, and the feed says so."""
        return 80 - sum(r["count"] for r in d.feed.records("loss") if r["what"] == "close")
    ports = range(3000, 3080)
    for at in ports:
        server = keep(listener(lone, 4, at))
        sock, error = connect(lone, 4, ("127.0.0.1", at))
        assert error == 0
        sock.shutdown(socket.SHUT_WR)
        held.append((keep(server.accept()[0]), keep(sock)))
    full = metrics.until(lambda now: sum(count(now, port=at) for at in (*ports, "other")) >= seen(), 10,
                         "80 half-closed connections")
    own = {int(labels["port"]) for labels, _ in full.all(name) if labels["port"] in map(str, ports)}
    assert len(own) <= 64 and sum(count(full, port=at) == 1 for at in own) >= len(own) - (80 - seen())
    assert count(full, port="other") >= seen() - len(own)  # and what is half-closed elsewhere on this host
    given = metrics.until(lambda now: count(now, port="other") >= seen() and not any(count(now, port=at) for at in ports), 60,
                          "ports without their series")
    for pair in held:
        for sock in pair:
            sock.close()
    metrics.until(lambda now: count(now, port="other") <= count(given, port="other") - seen(), 10, "all closed")
