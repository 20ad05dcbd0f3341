# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Feeds of several hosts: whose a record is, and what both hosts' records say together."""
import itertools
import json
import re
import subprocess
import time

import pytest

from lib import env
from lib.feed import Subscriber
from lib.hosts import CLIENT, SERVER, Hosts, named, shifted


def names(records):
    """(host, feed) of each record; `feed` of bye says more, and hello is its host's anyway."""
    return {(r["host"], r["feed"]["id"] if r["type"] == "bye" else r["feed"]) for r in records}


def test_with_host(pair, daemon, tmp_path):
    """Each record of the output and of each subscriber says whose it is: host, feed and seq are one record's."""
    first = daemon("--with-host", sock=tmp_path / "sock")
    subscribers = [Subscriber(tmp_path / "sock", {"op": "subscribe"}) for _ in range(2)]
    asker = Subscriber(tmp_path / "sock", {"op": "listeners"})
    pair.client.socket().connect_ex(pair.address(4, 9))
    first.handshake(netns=pair.client.inode)
    answers = asker.feed.wait_for(lambda all: all and all[-1]["type"] == "end" and list(all), what="the answer")
    first.stop()
    feeds = [first.feed.all, *(s.feed.all for s in subscribers), answers]
    for one in [*subscribers, asker]:
        one.close()
    second = daemon("--with-host")
    second.stop()
    feeds.append(second.feed.all)
    hosts = {host for records in feeds for host, _ in names(records)}
    assert len(hosts) == 1 and "" not in hosts
    ids = [feed for records in feeds for _, feed in names(records)]
    assert len(ids) == len(set(ids)) == len(feeds), ids  # one in each, and each another
    assert all(re.fullmatch("[0-9a-f]{8}", feed) for feed in ids)


def test_the_name_is_the_hosts(pair, daemon):
    d = daemon("--with-host", prefix=named("host-b"))
    d.stop()
    assert {host for host, _ in names(d.feed.all)} == {"host-b"}


def test_without_it_nothing_is_named(daemon):
    d = daemon()
    d.stop()
    assert not [r for r in d.feed.all if "host" in r and r["type"] != "hello" or "feed" in r and r["type"] != "bye"]
    assert "id" not in d.feed.all[-1]["feed"]


# ---- two hosts, each with a daemon that does not see the other ----

AHEAD_MS = 300
UNREACHED = 9999


def run(view, *paths, flags=(), **kwargs):
    argv = [env.TCPSHAKE, *view.split(), *(part for path in paths for part in ("--from", str(path))), *flags]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60 * env.SLOW, **kwargs).stdout


def explained(*paths, **kwargs):
    """The causes in their order, each without what only the place of the daemon decides; and the summary."""
    *causes, summary = map(json.loads, run("explain --json", *paths, **kwargs).splitlines())
    return causes, summary


def gist(causes):
    return [(c["code"], c["by"], c["netns"], c["at"], c["handshakes"], c["failed"], c.get("refused", {}).get("syn"))
            for c in causes]


@pytest.fixture
def hosts(pair, keep, daemon):
    return Hosts(pair, keep, daemon)


def record(hosts, directory):
    """A full accept queue, a closed port, a path that loses, and what is healthy."""
    hosts.healthy(30)
    hosts.server.lose(f"tcp dport {UNREACHED}")
    dropped = hosts.begin((hosts.address[0], UNREACHED))
    crowd = hosts.crowd(2)
    crowd.fill()
    refused = hosts.join(crowd, 3)
    for _ in range(2):
        assert hosts.connect((hosts.address[0], 9))[1]
    ended = {sock.getsockname()[1] for sock in (dropped, *refused)}
    for d in (hosts.a, hosts.both):
        d.feed.wait_for(lambda all: ended <= {r["local"]["port"] for r in all if r["type"] == "handshake" and
                                              r["outcome"] == "timeout"}, 15, "the ends of all")
    time.sleep(0.5 * env.SLOW)  # what the listeners' host says of that moment
    hosts.stop()
    return hosts.recordings(directory, AHEAD_MS * env.MS)


whole = []  # recordings from which no event was kept


@pytest.fixture
def recorded(request, tmp_path_factory, blind):
    """It takes 5 seconds, and tests only read it: once for all."""
    if whole:
        return whole[0]
    before = blind.count()
    files = record(request.getfixturevalue("hosts"), tmp_path_factory.mktemp("hosts"))
    if blind.count() == before:
        whole.append(files)
    return files


def test_two_hosts_are_explained_as_one_daemon_would(recorded):
    """The same causes, at the same places, in the same order, of as many handshakes; the client's host alone is vague."""
    a, b, both = recorded
    wanted, whole = explained(both)
    causes, summary = explained(a, b)
    assert [c["code"] for c in wanted] == ["accept_queue_full", "port_closed", "no_answer"]
    assert gist(causes) == gist(wanted)
    assert [c["host"] for c in causes] == [SERVER, CLIENT, CLIENT]
    assert [summary[key] for key in ("handshakes", "harmed", "failed")] == \
        [whole[key] for key in ("handshakes", "harmed", "failed")]
    queue, closed, silent = causes
    assert queue["certainty"] == {"proven": 0, "probable": 3}  # it rests on a clock
    assert f"of {SERVER} refused" in queue["evidence"] and "by clocks compared to ±" in queue["evidence"]
    assert closed["certainty"] == {"proven": 2, "probable": 0}  # the RST has the connection's name
    assert silent["evidence"].endswith(f"{SERVER}, which has that address, has no record of it")
    alone, _ = explained(a)
    assert {c["code"] for c in alone} == {"no_answer", "port_closed"}
    assert not any(c["certainty"]["proven"] for c in alone), alone


def test_the_clocks_are_compared(recorded):
    a, b, _ = recorded
    for first, second, sign in ((a, b, 1), (b, a, -1)):
        clock, = explained(first, second)[1]["clocks"]
        assert clock["connections"] >= 30
        assert abs(clock["ahead_ns"] - sign * AHEAD_MS * env.MS) <= clock["bound_ns"] <= 5 * env.MS, clock
    text = run("explain", a, b)
    assert re.search(rf"clocks: {SERVER} is 300 ms ahead of {CLIENT} \(±[0-9.]+ [mun]s, from [0-9]+ connections\)", text), text
    assert "clocks" not in run("explain", a)


def test_records_are_in_the_order_of_one_clock(recorded):
    """What one daemon saw, and when. A record waits for the other side's for a moment, less than the clocks are apart."""
    a, b, both = recorded

    def sides(*paths):
        lines = map(json.loads, run("tail --json --no-summary --events handshake", *paths).splitlines())
        return {(r["conn"], r["role"]): r["mono_ns"] for r in lines if r["type"] == "handshake"}
    merged, single = list(sides(a, b)), sides(both)
    assert sorted(merged) == sorted(single)
    times = [single[side] for side in merged]
    early = max(before - after for before, after in itertools.pairwise(times))
    assert early < AHEAD_MS * env.MS / 2, early


def test_one_stream_of_several_hosts(recorded, tmp_path):
    """As from a database: mixed, and on standard input."""
    a, b, both = recorded
    mixed = tmp_path / "mixed.ndjson"
    lines = [line for path in (a, b) for line in open(path)]
    mixed.write_text("".join(sorted(lines, key=lambda line: json.loads(line)["ts"])))
    with open(mixed) as stream:
        causes, summary = explained("-", stdin=stream)
    assert gist(causes) == gist(explained(both)[0])
    assert len(summary["clocks"]) == 1


# ---- the host is part of every identity ----

def twin_of(path, to, without=None, **changes):
    """The same records, as another host has them: the same inodes, pids and sockets. None removes a key."""
    lines = [json.loads(line) for line in open(path)]
    with open(to, "w") as file:
        for r in lines:
            if r["seq"] == without:
                continue
            r.update(changes)
            if "feed" in changes and r["type"] == "bye":
                r["feed"] = {"records": r["seq"], "lost": 0}
            file.write(json.dumps({key: value for key, value in r.items() if value is not None}) + "\n")
    return to


@pytest.mark.parametrize("named_in", ["records", "files"])
def test_hosts_with_the_same_numbers_are_kept_apart(recorded, tmp_path, named_in):
    b = recorded[1]
    if named_in == "records":
        one, two = b, twin_of(b, tmp_path / "c.ndjson", host="host-c", feed="00c0ffee")
        names = [SERVER, "host-c"]
    else:
        one, two = (twin_of(b, tmp_path / name, host=None, feed=None) for name in ("x.ndjson", "y.ndjson"))
        names = ["..." + str(path)[-60:] for path in (one, two)]
    single, _ = explained(b)
    causes, summary = explained(one, two)
    assert len(causes) == 2 * len(single) and {c["host"] for c in causes} == set(names)
    assert {json.dumps(gist([c])) for c in causes} == {json.dumps(gist([c])) for c in single}
    assert [clock["ahead_ns"] for clock in summary["clocks"]] == [None]  # no connection between the two
    both, alone = (run("listeners", *paths, flags=["--once"]).splitlines() for paths in ((one, two), (b,)))
    assert len(both) - len(alone) == len([line for line in alone if line.startswith(("0.0.0.0", "[::]", "10."))]) > 0
    assert [run("stats", one, two).count(f"host {name}\n") for name in names] == [1, 1]
    assert len(run("stats --json", one, two).splitlines()) == 2 * len(run("stats --json", b).splitlines())
    top = run("top --once", one, two)
    assert all(f"@{name}"[:20] in top for name in names), top
    for view in ("tail", "record"):
        copied = run(f"{view} {'--json' if view == 'tail' else '-'}", one, two, flags=["--no-summary"]).splitlines()
        assert sorted(copied) == sorted(line.rstrip("\n") for path in (one, two) for line in open(path))


def test_gaps_are_those_of_a_feed(recorded, tmp_path):
    a, b, _ = recorded
    cut = twin_of(b, tmp_path / "cut.ndjson", without=9)

    def summary(*paths):
        argv = [env.TCPSHAKE, "tail", *(part for path in paths for part in ("--from", str(path)))]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60 * env.SLOW).stderr
    assert "missing" not in summary(a, b)
    said = summary(a, cut)
    assert re.search(r"missing +1 records, by the gaps in seq", said)
    assert re.search(rf"records of {SERVER}, 1 missing by its gaps in seq", said)
    assert not re.search(rf"records of {CLIENT},", said)


def test_a_hello_after_its_first_records_is_no_gap(recorded):
    """A database sorts by `ts`, and what a daemon looks at first may be older than its hello. The next feed's beginning is one."""
    lines = [json.loads(line) for line in open(recorded[0])]
    hello, rest = lines[0], lines[1:]
    third = {**hello, "ts": lines[3]["ts"], "mono_ns": lines[3]["mono_ns"]}
    later = {**hello, "feed": "00c0ffee", "ts": shifted(lines[-1]["ts"], 10**10), "mono_ns": lines[-1]["mono_ns"] + 10**10}
    argv = [env.TCPSHAKE, "tail", "--from", "-"]
    for more, gaps in (([], 0), ([later], 1)):
        text = "".join(json.dumps(r) + "\n" for r in [*rest[:3], third, *rest[3:], *more])
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=True, timeout=60 * env.SLOW)
        assert len(re.findall("before a hello", done.stderr)) == gaps, done.stderr


def test_lines_that_come_twice_are_no_gap(recorded):
    """A store that keeps a batch twice may return it twice."""
    lines = [line for path in recorded[:2] for line in open(path) for _ in range(2)]
    argv = [env.TCPSHAKE, "tail", "--from", "-"]
    done = subprocess.run(argv, input="".join(lines), capture_output=True, text=True, check=True, timeout=60 * env.SLOW)
    assert "missing" not in done.stderr


@pytest.mark.parametrize("argv, said", [
    (["--from", "-", "--from", "-"], "one standard input"),
    ([part for n in range(65) for part in ("--from", f"{n}")], "up to 64 times"),
])
def test_sources_that_make_no_sense(cli, argv, said):
    program = cli("tail", *argv)
    assert program.wait() == 2
    assert said in program.error_line()


def test_pipes_are_merged_as_they_come(recorded, tmp_path):
    """One that stays silent holds the others up for a moment only."""
    a, b, _ = recorded
    script = f"exec {env.TCPSHAKE} tail --json --no-summary --from <(cat {a}; sleep 4) --from <(sleep 4; cat {b})"
    with subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE, text=True) as program:
        began = time.monotonic()
        first = json.loads(program.stdout.readline())
        waited = time.monotonic() - began
        rest = program.stdout.read().splitlines()
        assert program.wait(30) == 0
    assert first["host"] == CLIENT and waited < 3
    assert len(rest) + 1 == sum(len(path.read_text().splitlines()) for path in (a, b))


def test_a_recording_that_is_cut_off_is_named(recorded, tmp_path):
    a, b, _ = recorded
    cut = tmp_path / "cut.ndjson"
    cut.write_bytes(b"".join(a.read_bytes().splitlines(keepends=True)[:3]) + b'{"v":1,"ty')
    argv = [env.TCPSHAKE, "tail", "--no-summary", "--from", str(cut), "--from", str(b)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60 * env.SLOW)
    assert done.stderr == f"tcpshake: {cut} is cut off: it is read up to line 3, the last whole one\n"
