# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The jq recipes of docs/pipelines.md: each prints what Python makes of the same recording."""
import collections
import csv
import io
import json
import re
import subprocess

import pytest

from lib import env, feed
from lib.traffic import connect, listener, port_of

DOC = (env.ROOT / "docs" / "pipelines.md").read_text()
RECIPES = {part.split("\n", 1)[0]: re.search(r"```sh\n(.*?)```", part, re.S).group(1)
           for part in DOC.split("\n### ")[1:]}


def hs(records):
    return [r for r in records if r["type"] == "handshake"]


def counted(rows):
    """What `sort | uniq -c` makes of them, as a set."""
    return {f"{count} {row}" for row, count in collections.Counter(rows).items()}


def tab(*columns):
    return "\t".join(map(str, columns))


def number(value):
    """As jq prints it."""
    return str(int(value)) if value == int(value) else repr(value)


def groups(records, key):
    found = collections.defaultdict(list)
    for record in records:
        found[key(record)].append(record)
    return found


def comm(r):
    return (r["process"] or {}).get("comm") or "-"


def slowest(records):
    known = sorted((r for r in hs(records) if r["latency_ns"] is not None),
                   key=lambda r: -r["latency_ns"])[:10]
    return [tab(number(r["latency_ns"] / 1e6), r["role"], r["outcome"], r["remote"]["addr"],
                r["remote"]["port"], comm(r)) for r in known]


def by_port(records):
    known = [r for r in hs(records) if r["role"] == "passive" and r["latency_ns"] is not None]
    rows = set()
    for port, those in groups(known, lambda r: r["local"]["port"]).items():
        values = sorted(r["latency_ns"] for r in those)
        rows.add(tab(port, len(values), *(number(values[int((len(values) - 1) * q)] / 1e6)
                                          for q in (0.5, 0.99, 1))))
    return rows


def retransmitted(records):
    again = groups([r for r in hs(records) if r["retransmits"]], lambda r: r["remote"]["addr"])
    return {tab(addr, sum(r["retransmits"] for r in those),
                number(sum(r["retransmit_wait_ns"] or 0 for r in those) / 1e6))
            for addr, those in again.items()}


def refused_by_queue(records):
    found = groups([r for r in records if r["type"] == "overflow"],
                   lambda r: ((r["listener"] or {}).get("port", ""), r["stage"], r["queue"]))
    return {tab(*key, sum(r["count"] for r in those)) for key, those in found.items()}


def both_sides(records):
    found = groups([r for r in hs(records) if r["conn"]], lambda r: r["conn"])
    return {json.dumps({"conn": conn, **{r["role"]: r["latency_ns"] for r in two}},
                       separators=(",", ":"), sort_keys=True)
            for conn, two in found.items() if len(two) == 2}


def unbalanced(records):
    return {json.dumps({"ts": r["ts"], "netns": r["netns"],
                        "counters": [c for c in r["counters"] if c["difference"]]},
                       separators=(",", ":"), sort_keys=True)
            for r in records if r["type"] == "audit" and not r["balanced"]}


def missing(records):
    lost = collections.Counter()
    for r in records:
        if r["type"] == "loss":
            lost[f"{r['what']} {r['why']}"] += r["count"]
    return {f"{key} {count}" for key, count in lost.items()}


def spreadsheet(records):
    out = io.StringIO()
    write = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    for r in hs(records):
        write.writerow([r["ts"], r["role"], r["outcome"], r["remote"]["addr"], r["remote"]["port"],
                        r["latency_ns"], r["retransmits"]])
    # None is quoted by Python and nothing for jq
    return out.getvalue().replace('""', "").splitlines()


EXPECTED = {
    "How handshakes failed": lambda all: counted(
        tab(r["role"], r["outcome"], r["errno_name"] or "-") for r in hs(all)
        if r["outcome"] != "established"),
    "Why, and how sure that is": lambda all: counted(
        tab(r["cause"]["code"], r["cause"]["certainty"]) for r in all
        if isinstance(r.get("cause"), dict)),
    "The ten slowest, in ms": slowest,
    "Latency by server port: p50, p99, maximum, in ms": by_port,
    "What waiting for retransmission timers cost, by remote address, in ms": retransmitted,
    "Refused by a full queue, by listener": refused_by_queue,
    "Resets, by cause": lambda all: counted(
        tab(r["direction"], r["phase"], r["cause"]) for r in all if r["type"] == "reset"),
    "Who connects where": lambda all: counted(
        f"{comm(r)} {r['remote']['addr']}:{r['remote']['port']}" for r in hs(all)
        if r["role"] == "active"),
    "Both sides of a connection on one host": both_sides,
    "Counters out of balance": unbalanced,
    "What is missing": missing,
    "Are there gaps?": lambda all: [str(len(all))],
    "Does it add up?": lambda all: [
        json.dumps({name: True for name in r["totals"]}, separators=(",", ":"), sort_keys=True)
        for r in all if r["type"] == "bye"],
    "A table for a spreadsheet": spreadsheet,
}


def run(recipe, directory):
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", recipe], cwd=directory, text=True,
                          capture_output=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    return done.returncode, done.stdout, done.stderr


def normal(line):
    """Columns of uniq, and the order of an object's keys, are none of ours."""
    line = line.strip(" ")
    return json.dumps(json.loads(line), separators=(",", ":"), sort_keys=True) \
        if line.startswith("{") else line


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A recording that holds every kind of record: the schemas' examples."""
    directory = tmp_path_factory.mktemp("examples")
    stems = [path.stem for path in sorted((env.SCHEMAS / "examples" / "valid").glob("*.json"))]
    of_feed = ("handshake", "overflow", "reset", "audit-", "retransmit", "loss", "accept", "listener")
    records = [json.loads((env.SCHEMAS / "examples" / "valid" / f"{stem}.json").read_text())
               for stem in ["hello-1.2", *(s for s in stems if s.startswith(of_feed)), "bye-1.2"]]
    records = [{**r, "seq": seq} for seq, r in enumerate(records, 1)]
    active = next(r for r in records if r["type"] == "handshake" and r["role"] == "active")
    passive = next(r for r in records if r["type"] == "handshake" and r["role"] == "passive")
    for number_, r in enumerate(hs(records)):  # one pair, and nobody else
        r["conn"] = active["conn"] if r is passive else f"{number_:016x}" if r is not active else r["conn"]
    (directory / "feed.ndjson").write_text("".join(json.dumps(r) + "\n" for r in records))
    return directory, records


def test_every_recipe_is_tested():
    assert set(RECIPES) == set(EXPECTED) and len(RECIPES) == DOC.count("```sh")


@pytest.mark.parametrize("title", EXPECTED)
def test_recipe(title, examples):
    directory, records = examples
    code, out, err = run(RECIPES[title], directory)
    assert (code, err) == (0, "")
    wanted = EXPECTED[title](records)
    assert wanted, "the recording shows nothing of it"
    lines = [normal(line) for line in out.splitlines()]
    if isinstance(wanted, set):
        assert len(lines) == len(wanted) and set(lines) == wanted
    else:
        assert lines == wanted


def test_gap_is_found(examples, tmp_path):
    directory, records = examples
    lines = (directory / "feed.ndjson").read_text().splitlines(keepends=True)
    del lines[5]
    (tmp_path / "feed.ndjson").write_text("".join(lines))
    code, _, err = run(RECIPES["Are there gaps?"], tmp_path)
    assert code != 0 and f"a gap before seq {records[6]['seq']}" in err


def test_recipes_of_a_real_recording(lone, keep, daemon, tmp_path):
    path = tmp_path / "feed.ndjson"
    d = daemon(output=path)
    server = keep(listener(lone, 4))
    for _ in range(5):
        keep(connect(lone, 4, ("127.0.0.1", port_of(server)))[0])
        connect(lone, 4, ("127.0.0.1", 9))[0].close()
    d.stop()
    records = feed.read_file(path)
    for title, recipe in RECIPES.items():
        code, out, err = run(recipe, tmp_path)
        assert (code, err) == (0, ""), title
        lines, wanted = [normal(line) for line in out.splitlines()], EXPECTED[title](records)
        assert sorted(lines) == sorted(wanted), title
