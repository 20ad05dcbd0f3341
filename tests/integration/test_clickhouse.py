# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""contrib/clickhouse on Debian's clickhouse-server: two shards of one cluster, its tables and its queries."""
import collections
import datetime
import itertools
import json
import random
import subprocess

import pytest

from lib import clickhouse, env, netns

pytestmark = pytest.mark.skipif(not clickhouse.INSTALLED, reason=clickhouse.WHY_NOT)
DAYS = itertools.count(1)  # each test has a day, and feeds, of its own
FEEDS = itertools.count(0xfeed0000)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Its clock is another one than the records': a column that forgets that is seen."""
    ns = netns.Netns("store")
    made = clickhouse.Cluster(ns, tmp_path_factory.mktemp("clickhouse"), timezone="Asia/Kolkata")
    yield made
    made.close()
    ns.close()


class Day:
    """Records of one day, in feeds that are numbered as a daemon does it."""

    def __init__(self):
        self.begin = datetime.datetime(2026, 3, 1) + datetime.timedelta(days=next(DAYS))
        self.feeds = collections.defaultdict(list)
        self.names = {}

    def at(self, seconds):
        whole = self.begin + datetime.timedelta(seconds=int(seconds))
        return whole.strftime("%Y-%m-%dT%H:%M:%S") + f".{round(seconds % 1 * 1e9):09d}Z"

    @property
    def range(self):
        return {"since": self.at(0)[:19].replace("T", " "), "until": self.at(86400)[:19].replace("T", " ")}

    def add(self, host, seconds, type, **members):
        """As tcpshaked --with-host writes it: bye has its feed in `feed`."""
        feed = self.names.setdefault(host, f"{next(FEEDS):08x}")
        record = {"v": 1, "type": type, "seq": len(self.feeds[host]) + 1, "host": host, "feed": feed, "ts": self.at(seconds),
                  "mono_ns": 10**12, **members}
        self.feeds[host].append(record)
        return record

    def lines(self):
        return [json.dumps(record, separators=(",", ":"), ensure_ascii=False) for feed in self.feeds.values() for record in feed]

    def handshake(self, host, seconds, role, *, ends, port=443, outcome="established", cause=None, comm="curl", latency=10**6, retransmits=0,
                  conn=None, certainty="proven", **more):
        local, remote = ends
        ports = (port, 50000) if role == "passive" else (50000, port)
        extra = {"cause": {"code": cause, "certainty": certainty, "detail": "…"}} if cause else {}
        return self.add(host, seconds, "handshake", conn=conn or f"{random.getrandbits(64):016x}", client_isn="00000000", role=role,
                        outcome=outcome, family="ipv4", netns=4026531840, local={"addr": local, "port": ports[0]},
                        remote={"addr": remote, "port": ports[1]}, latency_ns=latency, rtt_ns=latency, retransmits=retransmits,
                        process={"pid": 7, "comm": comm, "uid": 0}, cgroup=None, **extra, **more)


@pytest.fixture
def day():
    return Day()


@pytest.fixture
def put(cluster, tmp_path):
    def insert(lines):
        path = tmp_path / "lines"
        path.write_text("".join(line + "\n" for line in lines))
        cluster.insert(path)
        return lines
    return insert


def stored(cluster, day, select="raw"):
    since, until = day.range.values()
    return cluster.first.client(f"SELECT {select} FROM tcpshake.fleet WHERE ts >= toDateTime('{since}', 'UTC') AND "
                                f"ts < toDateTime('{until}', 'UTC') ORDER BY host, feed, seq FORMAT TSVRaw").stdout.decode().splitlines()


def test_byte_for_byte(cluster, day, put):
    """Whatever a process calls itself; and no name is taken for a member of the record."""
    names = ['"', "\\", "a\\nb", "\x01\x1f", "\x7f", "é", "日本", "'; --", ',"host":"x"', '","seq":9,"', "\\N", " ", "\ttab", "", "\ud800x".encode(
        "utf-8", "replace").decode()]
    for number, name in enumerate(names * 3):
        day.handshake(f"h{number % 5}", number, "active", ends=("10.0.0.1", "10.0.0.2"), comm=name)
    put(day.lines())
    assert stored(cluster, day) == sorted(day.lines(), key=lambda line: (json.loads(line)["host"], json.loads(line)["seq"]))
    rows = stored(cluster, day, "concat(host, ' ', toString(seq), ' ', hex(comm))")
    assert rows == [f"{r['host']} {r['seq']} {r['process']['comm'].encode().hex().upper()}" for host in sorted(day.feeds)
                    for r in day.feeds[host]]


def test_a_hosts_lines_are_on_one_shard(cluster, day, put):
    for number in range(60):
        day.handshake(f"h{number % 12}", number, "active", ends=("10.0.0.1", "10.0.0.2"))
    put(day.lines())
    since, until = day.range.values()
    where = f"WHERE ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')"
    hosts = [{row["host"] for row in shard.ask(f"SELECT DISTINCT host FROM tcpshake.records {where}")} for shard in cluster.shards]
    assert all(hosts) and not hosts[0] & hosts[1] and len(hosts[0] | hosts[1]) == 12


def expected(r):
    """What the columns say of a record: in words of Python's."""
    cause = r.get("cause")
    near = r.get("listener" if r["type"] == "overflow" else "local")
    near, far, process = near if isinstance(near, dict) else {}, r.get("remote") or {}, r.get("process") or {}
    return {"type": r["type"], "host": r["host"], "feed": r["feed"].get("id", "") if r["type"] == "bye" else r["feed"], "seq": r["seq"],
            "ts": r["ts"][:19].replace("T", " "), "nanosecond": int(r["ts"][20:29]), "conn": int(r.get("conn") or "0", 16),
            "netns": r.get("netns") or 0, "role": r.get("role", ""), "outcome": r.get("outcome", ""),
            "cause": cause if isinstance(cause, str) else (cause or {}).get("code", ""),
            "certainty": cause.get("certainty", "") if isinstance(cause, dict) else "",
            "local_addr": near.get("addr", ""), "local_port": near.get("port", 0), "remote_addr": far.get("addr", ""),
            "remote_port": far.get("port", 0), "comm": process.get("comm", ""), "latency_ns": r.get("latency_ns"),
            "deferred": int(r.get("deferred", False)), "retransmits": r.get("retransmits") or 0,
            "count": r["count"] if isinstance(r.get("count"), int) else 0}


def test_columns(cluster, day, put):
    """Of every record in schemas/examples: each column is what the line says."""
    records = []
    for path in sorted((env.SCHEMAS / "examples" / "valid").glob("*.json")):
        r = json.loads(path.read_text())
        if "seq" not in r or r["type"] not in ("hello", "bye", "handshake", "reset", "drop", "overflow", "listener", "audit", "accept",
                                               "retransmit", "loss", "rotation"):
            continue
        name = f"{next(FEEDS):08x}"
        r.update(host=path.stem, ts=day.at(len(records) + 0.123456789))
        if r["type"] == "bye":
            r["feed"] = {"id": name, **{key: value for key, value in r["feed"].items() if key != "id"}}
        else:
            r["feed"] = name
        records.append(r)
    assert len({r["type"] for r in records}) == 12
    put([json.dumps(r, separators=(",", ":")) for r in records])
    since, until = day.range.values()
    rows = cluster.first.ask(f"SELECT {', '.join(expected(records[0]))} FROM tcpshake.fleet WHERE ts >= toDateTime('{since}', 'UTC') AND "
                             f"ts < toDateTime('{until}', 'UTC') ORDER BY host")
    for row, r in itertools.zip_longest(rows, sorted(records, key=lambda r: r["host"])):
        assert row == expected(r)


# ---- the queries ----

def bye(day, host, seconds, **wrong):
    """It adds up, unless a number is wrong."""
    kinds = collections.Counter(r["type"] for r in day.feeds[host] if r["type"] not in ("hello", "loss"))
    totals = {kind: {"seen": n + 7, "delivered": n + 3, "filtered": 1, "limited": 2, "lost": 1} for kind, n in kinds.items()}
    types = {kind: {"before": 1, "records": n, "filtered": 2, "lost": 0} for kind, n in kinds.items()}
    totals["handshake"].update(wrong)
    record = day.add(host, seconds, "bye", totals=totals)
    record["feed"] = {"id": record["feed"], "records": record["seq"], "lost": 0, "types": types}


@pytest.fixture
def fleet(day, put):
    """Three clients and a server that answers; and what goes wrong there."""
    random.seed(4)
    day.address = {f"client{n}": f"10.0.0.{n}" for n in (1, 2, 3)} | {"server": "10.0.1.1"}
    for host in day.address:
        day.add(host, 0, "hello", boot_id=None)
    for number in range(900):
        host, conn, latency = f"client{number % 3 + 1}", f"{number + 1:016x}", round(random.lognormvariate(14, 1))
        at = 36000 + number * 4
        ends = (day.address[host], "10.0.1.1")
        late = {"retransmits": 1} if host == "client3" and number % 2 else {}
        day.handshake(host, at, "active", ends=ends, latency=latency, conn=conn, comm="shop", **late)
        day.handshake("server", at, "passive", ends=ends[::-1], latency=latency, conn=conn, comm="api")
    for number in range(12):
        day.handshake("client2", 36000 + number, "active", ends=("10.0.0.2", "10.0.1.1"), port=9999, outcome="timeout", cause="no_answer",
                      certainty="probable", latency=3 * 10**9, comm="cron")
    for number in range(5):
        day.handshake("client1", 36000 + number, "active", ends=("10.0.0.1", "10.0.9.9"), port=80, outcome="refused", cause="port_closed")
    for number in range(4):
        day.add("server", 36000 + number * 60, "overflow", stage="syn", queue="accept", action="dropped", count=10 + number, cause={
            "code": "accept_queue_full", "certainty": "proven", "detail": "…"}, netns=1, listener={"addr": "::", "port": 443},
            process={"pid": 9, "comm": "api", "uid": 0})
    day.add("client3", 36000, "reset", direction="received", phase="syn_sent", reason=None, cause="refused", conn="00000000000000aa",
            local={"addr": "10.0.0.3", "port": 50001}, remote={"addr": "10.0.1.1", "port": 81}, process=None)
    day.add("server", 36000, "drop", segment="syn", direction="in", reason="netfilter_drop", conn="00000000000000ab",
            local={"addr": "10.0.1.1", "port": 25}, remote={"addr": "10.0.0.1", "port": 50001}, process=None)
    day.add("client1", 36001, "loss", what="handshake", why="rate_limit", count=9)
    for host in day.address:
        bye(day, host, 50000)
    put(day.lines())
    return day


def test_queries(cluster, fleet):
    def ask(name, **values):
        return cluster.ask(name, **fleet.range, **values)
    made = [r for feed in fleet.feeds.values() for r in feed]
    active = [r for r in made if r.get("role") == "active" and r["outcome"] == "established"]

    (full,) = ask("queues-full")
    assert full == {**full, "host": "server", "port": 443, "server": "api", "stage": "syn", "queue": "accept", "refused": 46,
                    "first": fleet.at(36000)[:19].replace("T", " ")}
    assert [(r["client"], r["comm"], r["remote_port"], r["server"], r["outcome"], r["cause"], r["proven"], r["failed"]) for r in ask("failures")] \
        == [("client2", "cron", 9999, "server", "timeout", "no_answer", 0, 12), ("client1", "curl", 80, "", "refused", "port_closed", 5, 5)]
    (pair,) = ask("pairs")
    latencies = sorted(r["latency_ns"] for r in active)
    p99 = latencies[int(0.99 * len(latencies))] / 1e6
    assert pair == {**pair, "client": "shop", "server": "api", "port": 443, "connections": 900, "client_hosts": 3, "server_hosts": 1}
    assert pair["p99_ms"] == pytest.approx(p99, rel=0.04)
    minutes = ask("p99-by-minute", port=443)
    assert len(minutes) == 60 and sum(r["handshakes"] for r in minutes) == 900
    outcomes = ask("outcomes-by-minute")
    assert sum(r["ended"] for r in outcomes) == 1817 and sum(r["failed"] for r in outcomes) == 17
    cluster.first.client("INSERT INTO tcpshake.fleet_hosts (host, rack) VALUES ('client1', 'r1'), ('client2', 'r1'), ('client3', 'r2')",
                         flags=clickhouse.INSERT[2:])
    racks = {r["rack"]: r for r in ask("retransmits-by-rack")}
    assert racks["r2"]["retransmits"] == 150 and racks["r2"]["per_1000"] == 500 and racks["r1"]["retransmits"] == 0
    (slow, *_) = slowest = ask("slowest")
    assert len(slowest) == 10 and slow["ms"] == pytest.approx(latencies[-1] / 1e6, abs=0.001)
    assert [(r["host"], r["cause"], r["resets"]) for r in ask("resets")] == [("client3", "refused", 1)]
    assert [(r["host"], r["reason"], r["drops"]) for r in ask("local-drops")] == [("server", "netfilter_drop", 1)]
    assert [(r["client"], r["server"], r["remote_port"], r["connections"]) for r in ask("never-came")] == [("client2", "server", 9999, 12)]
    assert [(r["host"], r["what"], r["why"], r["lost"]) for r in ask("losses")] == [("client1", "handshake", "rate_limit", 9)]
    sides = ask("both-sides", conn=f"{77:016x}")
    assert sorted((r["host"], r["role"]) for r in sides) == [("client2", "active"), ("server", "passive")]
    assert all(r["daemon_holds"] and r["feed_holds"] and r["all_here"] for r in ask("identity"))
    assert [r["missing"] for r in ask("gaps")] == [0] * 4 and all(r["begun"] and r["ended"] for r in ask("gaps"))
    assert ask("doubled") == [] and ask("silent") == []


def unanswered(day, address, port):
    day.handshake("client", 36000, "active", ends=("10.0.0.1", address), port=port, outcome="timeout", cause="no_answer",
                         certainty="probable")


def overflow(day, host, seconds, port):
    day.add(host, seconds, "overflow", stage="syn", queue="accept", action="dropped", count=1, cause={
        "code": "accept_queue_full", "certainty": "proven", "detail": "…"}, netns=1, listener={"addr": "::", "port": port},
        process={"pid": 9, "comm": "api", "uid": 0})


def pairs_of(rows):
    return sorted((r["server"], r["remote_addr"], r["remote_port"]) for r in rows)


def test_what_a_full_queue_refused_was_not_lost_between(cluster, day, put):
    """A refusal has no conn: a port that reported one in this time is left out, and no other port or host, nor time."""
    for host, address in (("server", "10.0.1.1"), ("other", "10.0.1.2")):
        day.handshake(host, 36000, "passive", ends=(address, "10.0.0.9"))
    overflow(day, "server", 36001, 80)
    overflow(day, "other", 36001, 81)
    overflow(day, "server", -100, 82)  # before that time
    for port in (80, 81, 82):
        unanswered(day, "10.0.1.1", port)
    unanswered(day, "10.0.1.2", 80)
    put(day.lines())
    assert pairs_of(cluster.ask("never-came", **day.range)) == [("other", "10.0.1.2", 80), ("server", "10.0.1.1", 81),
                                                                ("server", "10.0.1.1", 82)]


OF_EACH_HOST = ("127.0.0.1", "127.9.9.9", "::1", "fe80::1", "febf::2:1")
OF_ONE = ("10.127.0.1", "::12", "2001:db8::fe80", "fec0::1", "172.17.0.2")


def test_addresses_that_each_host_has(cluster, day, put):
    """They name no server; an address that two hosts have does not, either."""
    for address in (*OF_EACH_HOST, *OF_ONE):
        day.handshake("server", 36000, "passive", ends=(address, "10.0.0.9"))
        unanswered(day, address, 80)
    for host in ("server", "other"):
        day.handshake(host, 36000, "passive", ends=("172.18.0.2", "10.0.0.9"))
    unanswered(day, "172.18.0.2", 80)
    put(day.lines())
    assert pairs_of(cluster.ask("never-came", **day.range)) == sorted(("server", address, 80) for address in OF_ONE)
    assert pairs_of(cluster.ask("failures", **day.range)) == sorted(
        [("server", address, 80) for address in OF_ONE] + [("", address, 80) for address in (*OF_EACH_HOST, "172.18.0.2")])


def test_silent(cluster, day, put):
    """Without a bye, by the time since the last line: the feed of a host that stopped, and of an idle one."""
    for host, seconds in (("long", 86000), ("short", 86300), ("ended", 86000)):
        day.handshake(host, seconds, "active", ends=("10.0.0.1", "10.0.0.2"))
    bye(day, "ended", 86001)
    put(day.lines())

    def hosts(**values):
        return [r["host"] for r in cluster.ask("silent", **day.range, **values)]
    assert hosts() == ["long", "short"]
    assert hosts(quiet=300) == ["long"]
    assert hosts(quiet=600) == []


def test_releases(cluster, day, put):
    """One release fails more than the one before it, the other does not."""
    at = day.at(36000)[:19].replace("T", " ")
    for host, release in (("web1", "r-2.0"), ("web2", "r-2.0"), ("web3", "r-9.9")):
        for number in range(-1000, 1000):
            bad = release == "r-2.0" and number >= 0 and number % 10 == 0
            day.handshake(host, 36000 + 3 * number, "active", ends=("10.0.0.1", "10.0.0.2"), latency=10**6 if number < 0 else 2 * 10**6,
                          **({"outcome": "timeout", "cause": "no_answer"} if bad else {}))
        cluster.first.client(f"INSERT INTO tcpshake.fleet_releases VALUES ('{host}', '{release}', toDateTime('{at}', 'UTC'))",
                             flags=clickhouse.INSERT[2:])
    put(day.lines())
    worse, same = cluster.ask("releases", **day.range)
    assert worse == {"release": "r-2.0", "hosts": 2, "handshakes_before": 2000, "handshakes_after": 2000, "failed_percent_before": 0,
                     "failed_percent_after": 10, "p99_ms_before": 1, "p99_ms_after": 2}
    assert same["release"] == "r-9.9" and same["failed_percent_after"] == 0


def test_gaps_are_named(cluster, day, put):
    """What is taken out is what is missing, line by line; the order of ts, and the edges of the time, are no gap."""
    for number in range(2000):
        day.handshake("a", 100 + number + (3 if number % 7 == 0 else 0), "active", ends=("10.0.0.1", "10.0.0.2"))
        day.handshake("b", 100 + number, "active", ends=("10.0.0.1", "10.0.0.2"))
    for host in "ab":
        bye(day, host, 2200)
    gone = {("a", seq) for seq in (5, 6, 7, 900, 1500, 1501)}
    put([line for line in day.lines() if (json.loads(line)["host"], json.loads(line)["seq"]) not in gone])
    a, b = cluster.ask("gaps", **day.range)
    assert (a["host"], a["missing"], a["gaps"]) == ("a", 6, ["5-7", "900-900", "1500-1501"]) and a["lines"] == 1995
    assert (b["host"], b["missing"], b["gaps"], b["ended"], b["begun"]) == ("b", 0, [], 1, 0)
    part = cluster.ask("gaps", since=day.at(400)[:19].replace("T", " "), until=day.at(1300)[:19].replace("T", " "))
    assert [(r["host"], r["missing"], r["gaps"]) for r in part] == [("a", 1, ["900-900"]), ("b", 0, [])]
    wrong = [(r["host"], r["records"] - r["lines"]) for r in cluster.ask("identity", **day.range) if not r["all_here"]]
    assert wrong == [("a", 6)]


def test_identity_that_does_not_hold(cluster, day, put):
    for host, wrong in (("good", {}), ("more", {"seen": 99}), ("less", {"delivered": 2, "filtered": 3})):
        day.handshake(host, 5, "active", ends=("10.0.0.1", "10.0.0.2"))
        bye(day, host, 9, **wrong)
    put(day.lines())
    rows = {r["host"]: (r["daemon_holds"], r["feed_holds"]) for r in cluster.ask("identity", **day.range)}
    assert rows == {"good": (1, 1), "more": (0, 1), "less": (1, 0)}


def test_identity_of_each_type(cluster, day, put):
    """Each has its own numbers of both halves of `bye`, and a type that this version does not know has them, too."""
    for kind, records in (("overflow", 2), ("handshake", 1), ("beat", 5)):
        for _ in range(records):
            day.add("h", 1, kind)
    bye(day, "h", 9)
    put(day.lines())
    rows = cluster.ask("identity", **day.range)
    assert all(r["daemon_holds"] and r["feed_holds"] and r["all_here"] for r in rows)
    assert {r["type"]: (r["seen"], r["records"], r["lines"]) for r in rows} == {
        "overflow": (9, 2, 2), "handshake": (8, 1, 1), "beat": (12, 5, 5)}


def test_doubled_lines(cluster, day, put):
    """A batch that comes twice is named, is no gap, and is gone after a merge."""
    for number in range(50):
        day.handshake("h", 100 + number, "active", ends=("10.0.0.1", "10.0.0.2"))
    put(day.lines())
    put(day.lines()[10:20])
    assert [(r["stored"], r["lines"], r["doubled"]) for r in cluster.ask("doubled", **day.range)] == [(60, 50, 10)]
    assert cluster.ask("gaps", **day.range)[0]["missing"] == 0
    assert len(cluster.ask("silent", **day.range)) == 1
    for shard in cluster.shards:
        shard.client("OPTIMIZE TABLE tcpshake.records FINAL")
    assert cluster.ask("doubled", **day.range) == [] and stored(cluster, day) == day.lines()


def test_quantiles_of_the_rollup(cluster, day, put):
    """Merged from the states of six hosts on two shards: against the records."""
    random.seed(5)
    latencies = [round(random.lognormvariate(15, 1.5)) for _ in range(6000)]
    for number, latency in enumerate(latencies):
        day.handshake(f"h{number % 6}", number, "active", ends=("10.0.0.1", "10.0.0.2"), latency=latency)
    for more in ({"latency": None}, {"outcome": "timeout", "latency": 10**12}):
        for number in range(500):
            day.handshake("h1", number, "active", ends=("10.0.0.1", "10.0.0.2"), **more)
    put(day.lines())
    since, until = day.range.values()
    (row,) = cluster.first.ask("SELECT quantilesTDigestIfMerge(0.5, 0.9, 0.99)(latency) AS q, countMerge(handshakes) AS n FROM "
                               "tcpshake.fleet_handshakes_by_minute WHERE outcome = 'established' AND "
                               f"minute >= toDateTime('{since}', 'UTC') AND minute < toDateTime('{until}', 'UTC')")
    assert row["n"] == 6500
    assert row["q"] == pytest.approx([sorted(latencies)[int(q * 6000)] for q in (0.5, 0.9, 0.99)], rel=0.04)


def test_ship_takes_names_as_they_are(cluster, day, tmp_path):
    """A file that is called as a pattern is this one file."""
    for host in ("one", "two"):
        day.handshake(host, 5, "active", ends=("10.0.0.1", "10.0.0.2"))
    one, two = day.lines()
    (tmp_path / "feed*.ndjson").write_text(one + "\n")
    (tmp_path / "feed-2.ndjson").write_text(two + "\n")
    cluster.ship(tmp_path / "state", tmp_path / "feed*.ndjson")
    assert stored(cluster, day) == [one]


@pytest.mark.parametrize("argv, said", [
    (["nothing"], "no query is called 'nothing'"), (["gaps", "x=1"], "does not ask for 'x'"), (["gaps", "since=' OR 1"], "cannot be in a value"),
    (["both-sides"], "needs a value for: conn"), (["gaps", "x"], "not KEY=VALUE")])
def test_what_ask_refuses(argv, said):
    done = subprocess.run([clickhouse.HERE / "ask", *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_ask_lists_its_queries():
    done = subprocess.run([clickhouse.HERE / "ask"], capture_output=True, text=True, check=True)
    listed = [line.split(None, 1) for line in done.stdout.splitlines()]
    assert [name for name, _ in listed] == clickhouse.QUERIES and len(listed) >= 12
