# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""/metrics: every number against the kernel's counters or the feed, whatever the stream leaves out."""
import collections
import ctypes
import errno
import os
import platform
import signal
import struct
import subprocess

import pytest

from lib import env, netns
from lib.queues import Books, Crowd
from lib.scrape import Metrics, Scrape, free_port, quantile
from lib.traffic import Agent, connect, listener, port_of

PORT = 7070  # not of the ephemeral range
COUNT = 3000 if env.SLOW < 4 else 600
FAST = ("--listener-interval", "200ms")
# All but established handshakes, of which other tests on the host may make more than the feed takes.
EVERYTHING = ("--events", "handshake,listener,overflow,audit,reset,retransmit", "--outcome", "failed")
LISTENER = "tcpshake_listener_handshake_duration_seconds"
REMOTE = "tcpshake_remote_port_handshake_duration_seconds"
TOTAL = "tcpshake_handshake_duration_seconds"


@pytest.fixture
def measured(daemon, keep):
    """A daemon with metrics, and these."""
    def start(*flags, **kwargs):
        port = free_port()
        d = daemon("--metrics", f"127.0.0.1:{port}", *flags, **kwargs)
        return d, keep(Metrics(port))
    return start


def storm(ns, count=COUNT, port=PORT, threads=1):
    child = ns.popen([env.tool("storm"), "-n", str(count), "-p", str(port), "-t", str(threads)],
                     stdout=subprocess.PIPE)
    child.communicate(timeout=120 * env.SLOW)
    assert child.returncode == 0


def lanes(count, threads, port=PORT):
    """The connections of each port of a storm."""
    return {port + i: count // threads + (i < count % threads) for i in range(threads)}


def check_identities(s):
    """What holds in any scrape of a host that is idle as it is made, and the text of the sums."""
    for role in ("active", "passive"):
        assert s.sum((REMOTE if role == "active" else LISTENER) + "_count") == \
            s.one(TOTAL + "_count", role=role)


def balanced(s):
    """seen = delivered + filtered + limited + lost, by kind."""
    return all(value == s.sum("tcpshake_events_total", kind=labels["kind"])
               for labels, value in s.all("tcpshake_events_seen_total"))


def complete(s):
    """Each handshake is in a histogram, or its latency unknown."""
    return all(s.one("tcpshake_handshakes_total", role=role, outcome="established") ==
               s.one(TOTAL + "_count", role=role) +
               s.one("tcpshake_handshake_duration_unknown_total", role=role)
               for role in ("active", "passive"))


def test_both_formats(measured, lone):
    d, metrics = measured()
    storm(lone, 200)
    text, om = metrics.scrape(), metrics.scrape(openmetrics=True)
    counters = {name for name, kind in text.types.items() if kind == "counter"}
    assert {name.removesuffix("_total") if name in counters else name for name in text.types} == \
        set(om.types)
    assert text.names() == om.names()
    with_curl = subprocess.run(["curl", "-sS", f"http://127.0.0.1:{metrics.port}/metrics"], text=True,
                               capture_output=True, check=True)
    assert Scrape(with_curl.stdout).types == text.types
    assert text.one("tcpshake_build_info") == 1


CASES = {
    "everything": [],
    "no_handshakes": ["--events", "listener"],
    "one_role": ["--role", "active"],
    "other_port": ["--port", "1"],
    "slow": ["--slow", "30s"],
    "other_outcome": ["--outcome", "timeout"],
    "other_remote": ["--remote", "192.0.2.0/24"],
}


@pytest.mark.parametrize("case", CASES)
def test_histograms_are_complete(measured, lone, case):
    """As many as the kernel opened, by port, whatever is in the stream."""
    d, metrics = measured(*CASES[case])
    before = lone.snmp()
    storm(lone, COUNT, threads=3)
    after = lone.snmp()
    opened = {name: after[name] - before[name] for name in ("ActiveOpens", "PassiveOpens")}
    assert opened == {"ActiveOpens": COUNT, "PassiveOpens": COUNT}
    s = metrics.until(lambda s: balanced(s) and complete(s), what="a quiet moment")
    check_identities(s)
    for port, count in lanes(COUNT, 3).items():
        assert s.one(LISTENER + "_count", netns=lone.inode, port=port) == count
        assert s.one(REMOTE + "_count", port=port) == count
    if case != "everything":
        hidden = s.one("tcpshake_events_total", kind="handshake", fate="filtered")
        assert hidden >= COUNT
    else:
        # the sums, from the records
        d.feed.wait_for(lambda all: len(all) and len(d.feed.records(netns=lone.inode)) == 2 * COUNT,
                        20, "all records")
        for port in lanes(COUNT, 3):
            latencies = [r["latency_ns"] for r in
                         d.feed.records(netns=lone.inode, role="passive", local={"port": port})]
            assert s.one(LISTENER + "_sum", netns=lone.inode, port=port) == \
                pytest.approx(sum(latencies) / 1e9, rel=1e-12)


def test_histograms_while_the_ring_is_full(measured, lone):
    """The daemon stands still, the ring overflows: what is lost is counted, the histogram is whole."""
    d, metrics = measured(losses=True)
    count = 20000  # 40,000 records of 128 bytes are more than 4 MiB
    d.send(signal.SIGSTOP)
    try:
        storm(lone, count)
    finally:
        d.send(signal.SIGCONT)
    s = metrics.until(lambda s: balanced(s) and complete(s), 20, "a quiet moment")
    assert s.one("tcpshake_events_total", kind="handshake", fate="lost") > 1000
    assert s.one(LISTENER + "_count", netns=lone.inode, port=PORT) == count
    assert s.one(REMOTE + "_count", port=PORT) == count
    d.feed.wait_for(lambda all: [r for r in all if r["type"] == "loss" and r["why"] == "ring_full"],
                    20, "the ring's loss")


def test_histograms_with_a_stalled_subscriber(measured, lone, tmp_path):
    """A reader that takes nothing loses records of its own; the metrics tell how many."""
    from lib.feed import Subscriber
    d, metrics = measured(sock=tmp_path / "s")
    reader = Subscriber(tmp_path / "s", {"op": "subscribe"}, read=False, rcvbuf=4096)
    d.feed.wait_for(lambda all: metrics.scrape().one("tcpshake_feeds") == 2, what="the subscriber")
    for _ in range(40):
        storm(lone, 1000)
        if metrics.scrape().one("tcpshake_feed_lost_total"):
            break
    s = metrics.until(lambda s: balanced(s) and complete(s), 20, "a quiet moment")
    lost, records = (s.one(f"tcpshake_feed_{what}_total") for what in ("lost", "records"))
    assert lost > 0
    assert s.one(REMOTE + "_count", port=PORT) == lone.snmp()["ActiveOpens"]
    reader.close()
    s = metrics.until(lambda s: s.one("tcpshake_feeds") == 1, what="the subscriber's end")
    assert s.one("tcpshake_feed_lost_total") >= lost
    assert s.one("tcpshake_feed_records_total") >= records


def exact(q, values):
    """The value of this rank, as histogram_quantile() counts."""
    ordered = sorted(values)
    return ordered[min(len(ordered), max(1, -int(-q * len(ordered) // 1))) - 1]


def compare_quantiles(s, family, labels, latencies):
    buckets = s.histograms(family)[tuple(sorted(labels.items()))]
    assert buckets[-1][1] == len(latencies)
    for q in (0.5, 0.9, 0.99, 0.999):
        told, true = quantile(q, buckets), exact(q, latencies) / 1e9
        assert abs(told - true) <= 0.04 * true, (q, told, true)


def test_quantiles(measured, lone):
    d, metrics = measured()
    storm(lone, COUNT)
    d.handshakes(2 * COUNT, 30, netns=lone.inode)
    s = metrics.scrape(f"/metrics?port={PORT}")
    for role, family, labels in (("active", REMOTE, {"port": str(PORT)}),
                                 ("passive", LISTENER, {"netns": str(lone.inode), "port": str(PORT)})):
        records = d.feed.records(netns=lone.inode, role=role)
        compare_quantiles(s, family, labels, [r["latency_ns"] for r in records])
        if role == "passive":
            coarse = metrics.scrape().histograms(family)[tuple(sorted(labels.items()))]
            assert [b for b, _ in coarse[:-1]] == [2 ** n / 1e9 for n in range(11, 37)]
            fine = dict(s.histograms(family)[tuple(sorted(labels.items()))])
            assert all(fine[bound] == count for bound, count in coarse)


def test_quantiles_of_slow_handshakes(delayed, measured, keep):
    """Spread over six orders of magnitude: loopback, a link of 10 ms, SYNs sent again."""
    link = delayed(5)
    d, metrics = measured()
    servers = [keep(Agent(link.server, listen={"port": PORT, "backlog": 500}))]
    servers.append(keep(Agent(link.client, listen={"port": PORT, "backlog": 500})))
    for _ in range(30):
        keep(connect(link.client, 4, ("127.0.0.1", PORT))[0])
        keep(connect(link.client, 4, (link.server.addr[4], PORT))[0])
    link.server.lose(f"{netns.SYN} {netns.first(3)}")
    for _ in range(3):
        keep(connect(link.client, 4, (link.server.addr[4], PORT), blocking=False)[0])
    d.handshakes(63, 20, netns=link.client.inode, role="active", remote={"port": PORT})
    s = metrics.scrape(f"/metrics?port={PORT}")
    latencies = [r["latency_ns"] for r in d.feed.records(netns=link.client.inode, role="active")]
    assert max(latencies) > 10_000 * min(latencies)
    compare_quantiles(s, REMOTE, {"port": str(PORT)}, latencies)


def tally(d):
    """What the records of a feed say, in the words of the metrics."""
    found = collections.Counter()
    for r in list(d.feed.all):
        if r["type"] == "handshake":
            found["tcpshake_handshakes_total", r["role"], r["outcome"]] += 1
            if r.get("cause"):
                found["tcpshake_handshake_causes_total", r["role"], r["cause"]["code"],
                      r["cause"]["certainty"]] += 1
        elif r["type"] == "reset":
            found["tcpshake_resets_total", r["direction"], r["cause"]] += 1
        elif r["type"] == "retransmit":
            found["tcpshake_retransmits_total", r["segment"]] += 1
        elif r["type"] == "overflow":
            found["tcpshake_overflows_total", r["stage"], r["queue"], r["action"]] += r["count"]
    return found


LABELS = {"tcpshake_handshakes_total": ("role", "outcome"),
          "tcpshake_handshake_causes_total": ("role", "cause", "certainty"),
          "tcpshake_resets_total": ("direction", "cause"),
          "tcpshake_retransmits_total": ("segment",),
          "tcpshake_overflows_total": ("stage", "queue", "action")}


def served(s):
    return collections.Counter({(name, *(labels[key] for key in keys)): int(value)
                                for name, keys in LABELS.items()
                                for labels, value in s.all(name)
                                if value and labels.get("outcome") != "established"})


KIND = {"tcpshake_resets_total": "reset", "tcpshake_retransmits_total": "retransmit"}


def whole(counts, s):
    """By cause, if all records are in the feed; where a flood was limited, only their number."""
    found = collections.Counter()
    for key, count in counts.items():
        name, kind = key[0], KIND.get(key[0])
        left_out = kind and sum(s.one("tcpshake_events_total", kind=kind, fate=fate)
                                for fate in ("limited", "lost"))
        found[(name, "all") if left_out else key] += count
    return found


def agree(d, metrics):
    """Wait until the metrics are what the feed's records add up to; the last scrape."""
    last = {}

    def same():
        s = last["scrape"] = metrics.scrape()
        last["served"], last["told"] = whole(served(s), s), whole(tally(d), s)
        for name, kind in KIND.items():
            if (name, "all") in last["told"]:
                last["told"][name, "all"] += int(sum(s.one("tcpshake_events_total", kind=kind, fate=fate)
                                                     for fate in ("limited", "lost")))
        return last["served"] == last["told"]
    try:
        env.poll_until(same, 20, interval=0.12)
    except AssertionError:
        raise AssertionError(f"served, not told: {last['served'] - last['told']}; told, not served: "
                             f"{last['told'] - last['served']}") from None
    return last["scrape"]


def test_failures_resets_and_retransmits(pair, ip, keep, measured):
    """Refused, reset, sent again: each in the metrics as in the records, by cause."""
    d, metrics = measured(*FAST, *EVERYTHING, losses=True)  # others' floods of RSTs are limited
    for _ in range(20):
        sock, error = connect(pair.client, ip, pair.address(ip, 9))
        sock.close()
        assert error == errno.ECONNREFUSED
    pair.server.lose(f"{netns.SYN} {netns.first(2)}")
    server = keep(listener(pair.server, ip, PORT))
    for _ in range(2):
        keep(connect(pair.client, ip, pair.address(ip, port_of(server)), blocking=False)[0])
    s = agree(d, metrics)
    here = tally(d)
    assert here["tcpshake_resets_total", "received", "refused"] >= 20
    assert here["tcpshake_retransmits_total", "syn"] >= 2
    assert pair.client.counters()["TCPSynRetrans"] == \
        len(d.feed.records("retransmit", netns=pair.client.inode, segment="syn")) == 2
    refused = s.sum("tcpshake_failed_handshake_duration_seconds_count", role="active",
                    outcome="refused")
    assert refused == s.one("tcpshake_handshakes_total", role="active", outcome="refused") >= 20
    assert s.sum("tcpshake_handshake_causes_total", role="active", cause="port_closed") >= 20


def here(crowd, **more):
    return {"netns": crowd.pair.server.inode, "port": crowd.port, **more}


def test_listeners_queue(pair, ip, keep, measured):
    d, metrics = measured(*FAST)
    crowd = Crowd(pair, ip, keep, 5)
    crowd.fill()
    name = "tcpshake_listener_accept_queue_"
    s = metrics.until(lambda s: s.sum(name + "length", **here(crowd)) == 6, what="a full queue")
    assert s.one(name + "limit", **here(crowd)) == 5
    assert s.one(name + "peak", **here(crowd)) == 6
    wanted = {"address": "0.0.0.0" if ip == 4 else "::", "comm": "sleepy", "socket": "0"}
    labels, _ = s.all(name + "length", **here(crowd))[0]
    assert {key: labels[key] for key in wanted} == wanted
    assert 0 < s.one("tcpshake_listener_oldest_wait_seconds", **here(crowd)) < 60 * env.SLOW
    crowd.accept(4)
    s = metrics.until(lambda s: s.one(name + "length", **here(crowd)) == 2, what="two that wait")
    assert s.one(name + "peak", **here(crowd)) == 6  # for half a minute
    crowd.leave()
    crowd.late(3)
    s = metrics.until(lambda s: s.one("tcpshake_listener_syn_queue_length", **here(crowd)) == 3,
                      what="three requests")
    crowd.close_listener()
    metrics.until(lambda s: not s.all(name + "length", **here(crowd)), what="the listener's end")


def test_listeners_of_one_port(lone, keep, measured):
    """SO_REUSEPORT: each has series of its own, and a successor its predecessor's."""
    d, metrics = measured(*FAST)
    name = "tcpshake_listener_accept_queue_limit"

    def sockets():
        return {labels["socket"] for labels, _ in
                metrics.scrape().all(name, netns=lone.inode, port=PORT)}
    one = Agent(lone, listen={"port": PORT, "reuseport": 3})
    env.poll_until(lambda: sockets() == {"0", "1", "2"}, what="three listeners", interval=0.12)
    one.close()
    env.poll_until(lambda: not sockets(), what="their end", interval=0.12)
    keep(Agent(lone, listen={"port": PORT, "reuseport": 2}))
    env.poll_until(lambda: sockets() == {"0", "1"}, what="their successors", interval=0.12)


@pytest.mark.parametrize("abort", [0, 1], ids=["drop", "abort"])
def test_overflows(pair, ip, keep, measured, abort):
    """By stage and by listener, they add up to the kernel's ListenOverflows."""
    pair.server.sysctl("net.ipv4.tcp_abort_on_overflow", abort)
    d, metrics = measured(*FAST, *EVERYTHING, losses=True)
    books = Books(d, pair.server)
    crowd = Crowd(pair, ip, keep, 3)
    late = crowd.late(2)
    crowd.find_acks()
    crowd.fill()
    for sock in late:
        sock.send(b"x")
    books.wait_kernel("ListenOverflows", 2)
    crowd.begin(4)
    books.wait_kernel("ListenOverflows", 6)

    def listed(s):
        return sum(s.sum(f"tcpshake_listener_refused_{what}_total", **here(crowd))
                   for what in ("syns", "acks"))
    s = metrics.until(lambda s: listed(s) == books.delta("ListenOverflows"), 15, "all refusals")
    assert s.one("tcpshake_listener_refused_syns_total", **here(crowd)) >= 4
    crowd.leave()
    agree(d, metrics)


def test_audit(lone, measured, keep):
    keep(Agent(lone, comm="resident", listen={"port": 7}))
    d, metrics = measured(*FAST)
    storm(lone, 500)
    s = metrics.until(lambda s: s.all("tcpshake_audit_difference", netns=lone.inode), 15, "an audit")
    found = {labels["counter"]: value for labels, value in
             s.all("tcpshake_audit_difference", netns=lone.inode)}
    assert {"ActiveOpens", "PassiveOpens", "ListenOverflows"} <= set(found)
    assert not any(found.values())
    assert not s.sum("tcpshake_audit_unexplained_total", netns=lone.inode)
    told = collections.Counter(r["balanced"] for r in list(d.feed.all) if r["type"] == "audit")
    last = metrics.scrape()
    for balanced in (True, False):
        name = str(balanced).lower()
        assert last.one("tcpshake_audits_total", balanced=name) >= told[balanced]
    assert s.sum("tcpshake_audits_total") >= 1


def test_the_daemon_itself(lone, measured):
    d, metrics = measured()
    first = metrics.scrape()
    storm(lone, 2000)
    second = metrics.until(lambda s: s.one("process_cpu_seconds_total") >
                           first.one("process_cpu_seconds_total"), what="CPU time")
    with open(f"/proc/{d.pid}/statm") as file:
        resident = int(file.read().split()[1]) * 4096
    assert abs(second.one("process_resident_memory_bytes") - resident) < 4 << 20
    with open(f"/proc/{d.pid}/stat") as file:
        started = int(file.read().rsplit(")")[1].split()[19]) / 100
    with open("/proc/stat") as file:
        boot = next(int(line.split()[1]) for line in file if line.startswith("btime"))
    assert abs(second.one("process_start_time_seconds") - boot - started) < 3 * env.SLOW
    assert second.one("tcpshake_missed_events_total") >= 0
    assert second.one("tcpshake_map_memory_bytes", map="events") >= 4 << 20
    assert 8 << 20 <= second.sum("tcpshake_map_memory_bytes") <= 64 << 20


def bpf_stats():
    """The kernel counts programs' runs and time as long as this descriptor is open (5.8)."""
    sys_bpf, bpf_enable_stats = 321, 32
    if platform.machine() != "x86_64":
        pytest.skip("the number of bpf(2) is that of x86-64")
    attribute = ctypes.create_string_buffer(struct.pack("I", 0), 64)
    descriptor = ctypes.CDLL(None, use_errno=True).syscall(sys_bpf, bpf_enable_stats, attribute, 64)
    assert descriptor >= 0, os.strerror(ctypes.get_errno())
    return descriptor


def test_price_of_the_programs(lone, measured):
    """What the kernel says each program cost, while it counts that."""
    d, metrics = measured()
    stats = bpf_stats()
    try:
        before = metrics.scrape().sum("tcpshake_bpf_runs_total")
        storm(lone, 1000)
        s = metrics.until(lambda s: s.sum("tcpshake_bpf_runs_total") >= before + 6000, what="the runs")
    finally:
        os.close(stats)
    assert 0 < s.sum("tcpshake_bpf_run_seconds_total") < 60
    assert any(labels["program"].startswith("state_") for labels, _ in s.all("tcpshake_bpf_runs_total"))


# ---- bounds ----

def connect_to_all(ns, ports):
    for port in ports:
        sock, error = connect(ns, 4, ("127.0.0.1", port))
        sock.close()
        assert error == 0


def remote_ports(s):
    return {int(labels["port"]) for labels, _ in s.all(REMOTE + "_count") if labels["port"] != "other"}


def test_many_remote_ports(lone, measured, keep):
    """64 have a histogram, the rest is in `other`; who is idle makes room. Nothing is lost or doubled."""
    d, metrics = measured("--listener-interval", "20ms")
    ports = range(2000, 2100)
    for port in ports:
        keep(listener(lone, 4, port))
    connect_to_all(lone, ports)
    s = metrics.until(complete, what="a quiet moment")
    check_identities(s)
    first = remote_ports(s)
    assert len(first) <= 64 and s.one("tcpshake_port_histograms", kind="remote_port") == len(first)
    assert s.one(REMOTE + "_count", port="other") >= 36
    # listeners are no remote ports: each has its own
    assert len(s.all(LISTENER + "_count", netns=lone.inode)) == 100
    late = 2100
    keep(listener(lone, 4, late))

    def has_own():
        connect_to_all(lone, [late])
        return late in remote_ports(metrics.scrape())
    env.poll_until(has_own, 20, "room for another port", interval=0.12)
    s = metrics.until(complete, what="a quiet moment")
    check_identities(s)
    assert len(s.all(LISTENER + "_count", netns=lone.inode)) == 101


def test_ephemeral_remote_port(lone, measured, keep):
    """Who listens where the kernel chose gets no histogram as a remote port, but one as a listener."""
    d, metrics = measured()
    server = keep(listener(lone, 4))
    connect_to_all(lone, [port_of(server)] * 3)
    s = metrics.until(complete, what="a quiet moment")
    assert port_of(server) >= 32768 and port_of(server) not in remote_ports(s)
    assert s.one(LISTENER + "_count", netns=lone.inode, port=port_of(server)) == 3
    assert s.one(REMOTE + "_count", port="other") >= 3


def test_many_listeners(lone, measured, keep):
    """At most 256 have series, those with something to say first; the rest is counted."""
    busy = keep(Agent(lone, listen={"port": 999, "backlog": 8}))
    for base in range(1000, 1500, 50):
        for port in range(base, base + 50):
            keep(listener(lone, 4, port, backlog=1))
    assert busy.port == 999
    d, metrics = measured(*FAST)
    keep(connect(lone, 4, ("127.0.0.1", 999))[0])
    s = metrics.until(lambda s: s.sum("tcpshake_listener_accept_queue_length", netns=lone.inode,
                                      port=999) == 1, 15, "the one that is busy")
    shown = len(s.all("tcpshake_listener_accept_queue_limit"))
    assert shown == 256
    assert s.one("tcpshake_listeners") == shown + s.one("tcpshake_listeners_omitted") >= 501
