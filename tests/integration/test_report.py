# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake report: what the page says is what explain says, and no name in a feed gets the better of it."""
import collections
import gzip
import json
import re
import shutil
import subprocess

import pytest

from lib import env
from lib.disk import Disk
from lib.explained import CODES, cause, example, explained, hello, timeout, write
from lib.page import Page, rows

pytestmark = pytest.mark.sanitize

EVIL = ["<script>alert(1)</script>", "</title><img src=x onerror=alert(1)>", "\" onload=\"alert(1)", "' autofocus '",
        "&lt;b&gt;&#60;", "\x1b[31m\x07\n\t\x00", "\u202etxt.exe\u2066\u200f", "]]><!--", "--><svg/onload=x>",
        "javascript:alert(1)", "{{7*7}}", "\u05d0\u05d1\u05d2", "\U000e0001", "%s%n"]


def at(second, **changes):
    return {**changes, "ts": f"2026-11-20T10:{second // 60:02}:{second % 60:02}.000000000Z"}


@pytest.fixture
def report(cli, tmp_path):
    """The page that it makes of some records, and the same as text."""
    def run(records, *flags, raw=None):
        recording = tmp_path / "recording"
        if raw is None:
            write(recording, records)
        else:
            recording.write_bytes(raw)
        output = tmp_path / "page.html"
        output.unlink(missing_ok=True)
        assert cli("report", "--from", str(recording), "-o", str(output), *flags).end() == ""
        page = Page(output.read_text(encoding="utf-8"))
        assert not page.tags & {"script", "img", "link", "iframe", "object", "foreignobject", "base", "form"}
        page.path = output
        return page
    return run


def incident():
    """120 s: a queue that overflows from 10:01:00 on, a closed port, one that was slow."""
    records = [at(0, **hello())]
    for second in range(120):
        for n in range(3):
            number = second * 8 + n + 1
            records.append(at(second, **example("handshake-active", conn=f"{number:016x}",
                                                latency_ns=100000 * (1 + n) * (50 if second > 60 else 1))))
        if second >= 60:
            records.append(at(second, **timeout(second * 8 + 5, "10.0.0.9", "accept_queue_full")))
            records.append(at(second, **example("overflow-ack", count=4)))
        if second % 30 == 0:
            records.append(at(second, **timeout(second * 8 + 6, "10.0.0.8", "port_closed", outcome="refused",
                                                errno=111, errno_name="ECONNREFUSED")))
        depth = 17 if second >= 60 else 3
        records.append(at(second, **example(
            "listener-sample", backlog=16, accept_queue={"len": depth, "max": 16, "peak": depth},
            oldest_wait_ns=2000000000)))
    records += [at(119, **example("audit")), at(119, **example("loss"))]
    return records


# the numbers are explain's

def plural(count, what):
    return f"{count} {what}{'' if count == 1 else 's'}"


def terms(article):
    """What stands under each term of its list."""
    return dict(zip((t.text for t in article.all("dt")), (d.text for d in article.all("dd"))))


def check_texts(article, wanted):
    """What has no field of its own in the page: whose, outcomes, what was refused, NAT, values to look at."""
    said = terms(article)
    whose = said[wanted["by"]]
    if wanted.get("at"):
        addr = wanted["at"]["addr"]
        assert (f"[{addr}]" if ":" in addr else addr) + f":{wanted['at']['port']}" in whose
    if wanted["process"]:
        assert f"{wanted['process']['comm']}/{wanted['process']['pid']}" in whose
    assert said.get("outcomes", "") == ", ".join(f"{name} {count}" for name, count in wanted["outcomes"].items())
    refused = wanted.get("refused", {"syn": 0, "ack": 0, "cookie": 0})
    for key, form in (("syn", "{}"), ("ack", "{}"), ("cookie", "answered {} with cookies")):
        what = form.format(plural(refused[key], "final ACK" if key == "ack" else "SYN"))
        assert (what in said["numbers"]) == bool(refused[key]), (key, said)
    if 0 < wanted["untimed"] < wanted["handshakes"]:
        assert article.number("untimed") == wanted["untimed"]
    assert ("NAT" in said) == ("nat" in wanted)
    if "nat" in wanted:
        nat = wanted["nat"]
        assert said["NAT"].startswith(f"led {nat['handshakes']} of these from {nat['from']['addr']}:{nat['from']['port']} to "
                                      f"{nat['to']['addr']}:{nat['to']['port']}")
    for look in wanted["look_at"]:
        assert (f"{look['name']} = {look['value']}" if look["value"] is not None else look["name"]) in said["look at"]


def check_folded(page, causes):
    """Those that have no place of their own, in sum."""
    rest = causes[40:]
    assert len(list(page.root.all(id="causes-folded"))) == bool(rest)
    if rest:
        folded = page.id("causes-folded")
        assert folded.number("more") == len(rest)
        for field in ("handshakes", "failed"):
            assert folded.number(field) == sum(c[field] for c in rest), field


def check_summary(page, summary):
    totals, notes = page.id("totals"), page.id("unseen").text
    for field in ("handshakes", "failed", "harmed", "time_lost_ns", "lost_records"):
        if field != "lost_records" or summary[field]:
            assert totals.number(field) == summary[field], field
    for field, words in (("undiagnosed", "{} without a cause"), ("forgotten", "{} forgotten"), ("others", "{} counted among others")):
        count = summary.get(field, 0)
        what = {"undiagnosed": "handshake", "forgotten": "connection", "others": "record"}[field]
        assert (words.format(plural(count, what)) in notes) == bool(count), field


def check_causes(page, causes):
    check_folded(page, causes)
    for wanted in causes[:40]:
        check_texts(page.id(f"cause-{wanted['rank']}"), wanted)
        article = page.id(f"cause-{wanted['rank']}")
        assert wanted["code"] in article.one("h3").text
        assert article.number("handshakes") == wanted["handshakes"]
        if wanted["handshakes"]:
            for field in ("failed", "proven", "probable"):
                found = wanted["certainty"].get(field, wanted.get(field))
                assert article.number(field) == found, field
            if wanted["untimed"] < wanted["handshakes"]:
                assert article.number("time_lost_ns") == wanted["time_lost_ns"]
        assert wanted["advice"] in article.text
        for look in wanted["look_at"]:
            assert look["name"] in article.text and look["why"] in article.text
        if wanted["evidence"]:
            assert wanted["evidence"] in article.text
        if wanted["first"]:
            assert [t.attributes["datetime"] for t in article.all("time")] == list(
                dict.fromkeys([wanted["first"], wanted["last"]]))


def test_as_explain_counts(report, cli, tmp_path):
    page = report(incident())
    causes, summary = explained(cli, tmp_path / "recording")
    check_summary(page, summary)
    assert [c["code"] for c in causes] == ["accept_queue_full", "port_closed"]
    check_causes(page, causes)
    assert page.id("headline").text == "64 of 424 handshakes failed, 60 of them for one cause: the accept queue was full"
    assert "2026-11-20 10:01:00.000 UTC" in page.id("since").text
    assert page.id("first").text == causes[0]["advice"]
    assert "0.0.0.0:443" in page.id("whose").text or "10.0.0.9:443" in page.id("whose").text


def test_every_code(report, cli, tmp_path):
    page = report([hello()] + [timeout(number, code=code) for number, code in enumerate(CODES, 1)])
    check_causes(page, explained(cli, tmp_path / "recording")[0])


def codes_at(places, count):
    return [timeout(number, f"10.0.{number % places}.9", CODES[number % len(CODES)]) for number in range(1, count + 1)]


def test_whatever_explain_says(report, cli, tmp_path):
    """Refusals, cookies, times that are not known, records of an older daemon."""
    records = [hello(), *codes_at(1, 20)]
    records += [example(name, count=count) for name, count in (("overflow-syn", 5), ("overflow-ack", 1), ("overflow-syn-cookie", 7), ("loss", 3))]
    records += [timeout(300, latency_ns=None), timeout(301, latency_ns=5_000_000)]
    records += [{k: v for k, v in timeout(number).items() if k != "cause"} for number in range(400, 404)]
    page = report(records)
    causes, summary = explained(cli, tmp_path / "recording")
    refused = [c["refused"] for c in causes if "refused" in c]
    assert all(any(r[key] for r in refused) for key in ("syn", "ack", "cookie")) and len(causes) <= 40, refused
    assert summary["undiagnosed"] == 4 and summary["lost_records"] == 3
    check_causes(page, causes)
    check_summary(page, summary)


def test_more_causes_than_have_room(report, cli, tmp_path):
    page = report([hello(), *codes_at(60, 200)])
    causes, summary = explained(cli, tmp_path / "recording")
    assert len(causes) > 40
    check_causes(page, causes)
    check_summary(page, summary)


def test_over_time(report):
    """The table below the timeline adds up to what came, second by second."""
    page = report(incident())
    table = page.id("columns")
    heads = [head.text for head in table.one("thead").all("th")]
    body = [[cell.text.replace(",", "") for cell in row] for row in rows(table)]
    assert len(body) == 120 and heads[:3] == ["from", "established", "refused"]
    columns = {head: [int(row[i]) for row in body] for i, head in enumerate(heads) if i}
    assert columns["established"] == [3] * 120
    assert columns["timeout"] == [0] * 60 + [1] * 60
    assert columns["final ACKs refused by queues"] == [0] * 60 + [4] * 60
    assert body[61][0] == "10:01:01"
    latency = page.id("latency-active")
    assert latency.number("count") == 360
    assert abs(latency.number("p50") - 300000) < 300000 / 32
    assert abs(latency.number("p99") - 15000000) < 15000000 / 32
    assert latency.number("max") == 15000000


def test_a_long_recording_has_wider_columns(report):
    records = [at(second, **example("handshake-active", conn=f"{second + 1:016x}")) for second in range(0, 3000, 5)]
    page = report([at(0, **hello()), *records])
    body = rows(page.id("columns"))
    assert 100 <= len(body) <= 240 and sum(int(row[1].text) for row in body) == 600
    assert "A column is 16.0 s." in page.id("timeline").text


def test_queues_places_and_audit(report):
    page = report(incident())
    listener, = rows(page.id("listeners"))
    assert "0.0.0.0:443" in listener[0].text and listener[1].text == "17 full" and listener[2].text == "16"
    assert listener[5].number("refused_ack") == 240
    pictures = [svg.attributes["aria-label"] for svg in page.id("queues").all("svg", role="img")]
    assert "at most 17 connections waited, the limit is 16; it was full" in pictures[0]
    places = {row[0].text.split()[0]: row for row in rows(page.id("destinations"))}
    assert list(places)[0] == "10.0.0.9:443" and places["10.0.0.9:443"][2].number("failed") == 60
    assert sum(row[1].number("handshakes") for row in places.values()) == 424
    audit = example("audit")
    counters = {row[0].text: row for row in rows(page.id("counters"))}
    for counter in audit["counters"]:
        assert [cell.text for cell in counters[counter["name"]][1:4]] == [
            str(counter[key]) for key in ("kernel", "observed", "difference")]
    assert "12 records lost" in page.id("unseen").text


def test_pictures_have_words(report):
    """Each says what it shows to who does not see it, or is said elsewhere; the pictures are few and small."""
    page = report(incident())
    pictures = list(page.root.all("svg", role="img"))
    assert len(pictures) >= 8
    assert all(len(svg.attributes["aria-label"]) > 20 for svg in pictures)
    inner = {id(child) for svg in pictures for child in svg.all("svg")}
    for svg in page.root.all("svg"):
        assert "role" in svg.attributes or svg.attributes.get("aria-hidden") == "true" or id(svg) in inner


def test_a_live_feed(cli, tmp_path):
    """What it names is not a recording."""
    output = tmp_path / "page.html"
    program = cli("report", "--duration", "500ms", "--port", "1", "-o", str(output))
    program.end()
    assert "watching for 500 ms" in program.stderr_text
    page = Page(output.read_text())
    assert page.id("queues").text.strip().endswith(" in this feed.")


# nobody sees everything

def test_empty(report):
    page = report([], raw=b"")
    assert page.id("headline").text == "No handshake was seen"
    assert page.id("totals").number("handshakes") == 0
    assert "does not say what could be seen" in page.id("unseen").text
    assert "refusals by queues: not seen" in page.id("totals").text
    assert "There is no audit" in page.id("audit").text


def test_nothing_harmed(report):
    page = report([hello(), example("handshake-active")])
    assert page.id("headline").text == "No handshake failed or was retransmitted: 1 seen"
    assert not list(page.root.all(id="cause-1"))


def test_whose_latency_it_is(report):
    """NAT led a client elsewhere: its latency is not that of the address that the cause names."""
    led = timeout(1, code="slow_path", nat={"addr": "fd00::2", "port": 15001})
    page = report([hello(), led, timeout(2)])
    article, = (a for a in page.root.all("article") if "slow_path" in a.one("h3").text)
    assert "NATled 1 of these from 10.0.0.9:443 to [fd00::2]:15001: latency and outcome are from there" in article.text
    other, = (a for a in page.root.all("article") if "no_answer" in a.one("h3").text)
    assert "NATled" not in other.text


def test_time_that_nobody_knows(report):
    """Of a handshake that is merely slow, where nothing says what is usual."""
    slow = timeout(1, code="slow_path", outcome="established", errno=None, errno_name=None, retransmits=0)
    totals = report([hello(), slow]).id("totals")
    assert "time lost: not known" in totals.text and not list(totals.all("data", cls="time_lost_ns"))
    totals = report([hello(), slow, timeout(2)]).id("totals")
    assert "time lost at least: not all are timed" in totals.text and totals.number("time_lost_ns")
    assert "time lost in all" in report([hello(), timeout(2)]).id("totals").text


def test_hello_of_a_segment(report):
    """It is repeated, and has its time elsewhere: no record lacks one. A record without a time is said."""
    records = [at(0, **hello(repeated=True)), at(1, **timeout(1))]
    assert "no time" not in report(records).id("unseen").text
    assert "1 record has no time" in report([*records, {**timeout(2), "ts": "soon"}]).id("unseen").text


def test_more_containers_than_are_kept(report):
    records = [hello(), *(timeout(n, container={"id": f"{n:064x}"}) for n in range(1, 4099))]
    unseen = report(records).id("unseen").text
    assert "2 records of containers that are too many to be kept: their processes are shown without one" in unseen
    assert "2 records of containers that are too many to be kept: processes of one name count as one" in unseen


def test_refusals_only(report):
    page = report([hello(), example("overflow-ack", count=3)])
    assert page.id("headline").text == "refused 3 final ACKs: the accept queue was full"


def test_queues_that_nobody_could_look_at(report):
    refused = hello()
    refused["capabilities"] = {**refused.get("capabilities", {}), "queue_look": False, "queue_iterator": False,
                               "function_hooks": False, "listener_iterator": True}
    refused["capability_errors"] = {"queue_look": "Operation not permitted"}
    page = report([refused, example("handshake-active"), timeout(2),
                   example("listener-sample", accept_queue=None, syn_queue=None, backlog=None, drops=None)])
    note = page.id("queues-not-seen").text
    assert note.startswith("Not seen on this host: queues not shown: queue_look")
    listener, = rows(page.id("listeners"))
    assert [cell.text for cell in listener[1:4]] == ["–", "–", "–"]
    assert "refusals by queues: not seen" in page.id("totals").text
    assert "SYNs that a listener refuses" in page.id("unseen").text
    assert not list(page.id("queues").all("svg", role="img"))


def test_cut_and_damaged(cli, tmp_path):
    """What can be read is shown, and that it is not all."""
    data = write(tmp_path / "whole", [hello(), timeout(1), timeout(2)]).read_bytes()
    recording, output = tmp_path / "recording", tmp_path / "page.html"
    recording.write_bytes(gzip.compress(data) + b"\x1f\x8b\x08garbage" + b"\0" * 40)
    program = cli("report", "--from", str(recording), "-o", str(output))
    program.end(code=1)
    assert "is damaged" in program.stderr_text
    page = Page(output.read_text())
    assert "could not be read to its end" in page.id("unseen").text
    assert page.id("totals").number("failed") == 2
    recording.write_bytes(data[:-20])
    cli("report", "--from", str(recording), "-o", str(output), "--force").end()
    assert "1 line skipped" in Page(output.read_text()).id("unseen").text


# hostile names

def hostile(names=EVIL):
    """In every field that a page shows, whatever a schema says of it."""
    records = []
    for n, evil in enumerate(names, 1):
        end = {"addr": evil, "port": 80 + n}
        process = {"pid": 7, "comm": evil, "uid": 0}
        records += [
            at(n, **hello(host=evil, kernel=evil, boot_id=evil, filters={"port": evil, evil: evil})),
            at(n, **timeout(n, code=evil, role="active") | {
                "cause": cause(evil, evil, evil), "remote": end, "local": end, "process": process, "conn": f"{n:016x}"}),
            at(n, **example("handshake-passive", conn=f"{n + 100:016x}") | {
                "local": end, "remote": end, "process": process, "outcome": evil, "cause": cause(evil, detail=evil)}),
            at(n, **example("overflow-ack") | {"listener": end, "process": process, "cause": cause(evil, detail=evil)}),
            at(n, **example("listener-sample") | {"local": end, "process": process,
                                                 "accept_queue": {"len": 9, "max": 8, "peak": 9}}),
            at(n, **example("audit") | {"counters": [{"name": evil, "kernel": 2, "observed": 1, "difference": 1,
                                                      "rule": evil}]}),
            at(n, **example("loss") | {"what": evil, "why": evil}),
            {**timeout(n), "ts": evil, "conn": f"{n + 200:016x}", "host": evil, "feed": evil},
        ]
    return records


def structure(node):
    return [(child.tag, sorted(child.attributes)) for child in node.all()]


def test_names_are_no_markup(report):
    """The elements are those that plain names make, and each name stands there as text."""
    plain = report(hostile([f"name{n}" for n in range(len(EVIL))]))
    page = report(hostile())
    assert collections.Counter(map(str, structure(page.root))) == collections.Counter(map(str, structure(plain.root)))
    text = page.path.read_text(encoding="utf-8")
    assert not re.search(r"<(script|img|svg/)", text, re.I)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", text)
    assert all(not name.startswith("on") for node in page.root.all() for name in node.attributes)
    assert all(link.attributes["href"].startswith("#") for link in page.root.all("a"))
    whole = page.root.text
    for evil in EVIL[:4] + EVIL[8:]:
        assert evil in whole, evil
    assert "\ufffd[31m\ufffd" in whole and "\ufffdtxt.exe\ufffd\ufffd" in whole
    # an id or a class is never the feed's
    known = re.compile(r"[a-z0-9_ -]+")
    for node in page.root.all():
        for key in ("class", "id"):
            assert known.fullmatch(node.attributes.get(key, "x")), node.attributes


def test_bytes_that_are_no_utf8(report):
    line = json.dumps(timeout(1)).encode().replace(b'"curl"', b'"\xff\xfe\xc0\xbc<"')
    page = report([], raw=json.dumps(hello()).encode() + b"\n" + line + b"\n")
    assert page.id("totals").number("failed") == 1


def test_nothing_is_fetched(report):
    """A policy of the page's own forbids it, too."""
    page = report(incident())
    policy = page.root.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy.startswith("default-src 'none';")
    text = page.path.read_text()
    assert "http:" not in text and "https:" not in text and "url(" not in text and "@import" not in text


# bounds

def test_it_stays_small(report, tmp_path):
    """20,000 places, causes and listeners with long names: what is folded is said, and its numbers are kept."""
    path = tmp_path / "many"
    with open(path, "w") as file:
        file.write(json.dumps(hello()) + "\n")
        for n in range(20000):
            end = {"addr": str(n) + "<" * 50, "port": 443}
            file.write(json.dumps(at(n % 3600, **timeout(n + 1) | {
                "remote": end, "cause": cause("no_answer", detail="&" * 5000),
                "process": {"pid": n + 1, "comm": f"p{n}", "uid": 0}})) + "\n")
            file.write(json.dumps(at(n % 3600, **example("listener-sample") | {
                "local": end, "accept_queue": {"len": 2, "max": 8, "peak": 3}})) + "\n")
    page = report([], raw=path.read_bytes())
    assert page.path.stat().st_size < 2 * 1024 * 1024
    folded = page.id("causes-folded")
    assert folded.number("handshakes") + sum(
        page.id(f"cause-{n}").number("handshakes") for n in range(1, 41)) == 20000
    assert "counted among others" in page.id("unseen").text
    assert "records of these are not counted here" in page.id("queues").text
    assert sum(row[1].number("handshakes") for row in rows(page.id("destinations"))) <= 20000
    assert "others, which are too many to be kept apart" in page.id("destinations").text


# the file

def test_the_file(cli, tmp_path):
    recording = write(tmp_path / "recording", [hello(), timeout(1)])
    output = tmp_path / "page.html"
    cli("report", "--from", str(recording), "-o", str(output)).end()
    first = output.read_bytes()
    again = cli("report", "--from", str(recording), "-o", str(output))
    again.end(code=1)
    assert again.error_line() == f"tcpshake: {output} exists; give another name, or --force to replace it"
    assert output.read_bytes() == first
    cli("report", "--from", str(recording), "-o", str(output), "--force").end()
    assert output.read_bytes() == first, "the same recording, the same page"
    assert cli("report", "--from", str(recording), "-o", "-").end().encode() == first
    same = cli("report", "--from", str(recording), "-o", str(recording), "--force")
    same.end(code=1)
    assert "is what --from reads" in same.stderr_text and recording.stat().st_size
    missing = tmp_path / "other.html"
    cli("report", "--from", str(tmp_path / "nothing"), "-o", str(missing)).end(code=1)
    assert not missing.exists(), "no page about nothing"
    cli("report", "--from", str(tmp_path / "nothing"), "-o", str(output), "--force").end(code=1)
    assert output.read_bytes() == first, "what is there is replaced by a page only"
    output.write_bytes(first + b"longer")
    cli("report", "--from", str(recording), "-o", str(output), "--force").end()
    assert output.read_bytes() == first


def test_a_full_disk(cli, keep, tmp_path):
    disk = keep(Disk(tmp_path / "disk", "1m"))
    disk.fill(leave=8192)
    recording = write(tmp_path / "recording", [hello(), timeout(1)])
    output = disk.path / "page.html"
    program = cli("report", "--from", str(recording), "-o", str(output))
    program.end(code=1)
    assert f"cannot write to {output}: No space left on device" in program.stderr_text
    assert not output.exists(), "half a page"


@pytest.mark.parametrize("argv, why", [
    (["--from", "x"], "needs -o FILE"),
    (["-o", ""], "is no file"),
    (["-o"], "needs a value"),
    (["-o", "x", "y"], "unexpected argument"),
    (["-o", "x", "--json"], "has no option --json"),
    (["-o", "x", "--port", "no"], "--port"),
])
def test_usage(cli, argv, why):
    program = cli("report", *argv)
    program.end(code=2)
    assert why in program.stderr_text and len(program.stderr_text.splitlines()) == 1


def test_filters(report):
    page = report([hello(), timeout(1), timeout(2, "10.0.0.8")], "--remote", "10.0.0.8")
    assert page.id("totals").number("handshakes") == 1
    assert "only --remote 10.0.0.8" in page.root.one("header").text


@pytest.mark.parametrize("flags, said", [
    (["--since", "2026-11-20T10:00:10Z"], "; only from 2026-11-20 10:00:10.000 UTC"),
    (["--until", "2026-11-20T10:00:20Z"], "; only to 2026-11-20 10:00:20.000 UTC"),
    (["--since", "2026-11-20T10:00:10Z", "--until", "2026-11-20T10:00:20Z"],
     "; only from 2026-11-20 10:00:10.000 UTC to 2026-11-20 10:00:20.000 UTC")])
def test_part_of_a_recording(report, flags, said):
    page = report([at(0, **hello()), *(at(second, **timeout(second + 1)) for second in range(30))], *flags)
    assert said in page.root.one("header").text
    assert page.id("totals").number("handshakes") == (11 if len(flags) == 4 else 20 if "--since" in flags else 21)


def test_filters_of_an_earlier_feed(report):
    """What the daemon of one of several feeds left out is not there, whatever the last one reports."""
    page = report([hello(filters={"port": "443"}), timeout(1), hello(filters={"port": "443", "comm": "a"}), hello()])
    assert "; a daemon reports only port=443 comm=a" in page.root.one("header").text


def test_several_hosts(cli, tmp_path):
    """As explain reads them: one connection that failed, seen on both sides."""
    paths = []
    for name, role in (("alpha", "active"), ("beta", "passive")):
        paths.append(write(tmp_path / name, [hello(host=name), timeout(1)] if role == "active" else
                           [hello(host=name), example("handshake-passive", conn="9" * 16)]))
    output = tmp_path / "page.html"
    flags = [flag for path in paths for flag in ("--from", str(path))]
    cli("report", *flags, "-o", str(output)).end()
    page = Page(output.read_text())
    assert "several hosts" in page.root.one("header").text
    assert page.id("totals").number("handshakes") == 2


def test_which_host(report):
    """Where there are several, the same address and the same name may be of any of them."""
    tables = ("destinations", "processes", "listeners")
    page = report([record for host in ("alpha", "beta") for record in (
        hello(host=host, feed=host), timeout(1, host=host), example("listener-sample", host=host))])
    for table in tables:
        assert sorted(row[0].text.split(" of ")[1].split()[0] for row in rows(page.id(table))) == ["alpha", "beta"], table
    page = report([hello(), timeout(1), example("listener-sample")])
    assert not [row for table in tables for row in rows(page.id(table)) if " of " in row[0].text]


# a browser

@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed: tools/install-deps pages")
def test_in_a_browser(report, cli, tmp_path):
    """What Chromium makes of it has the same numbers; hostile names make it run nothing."""
    def dumped(page):
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
             "--dump-dom", f"file://{page.path}"], capture_output=True, text=True, timeout=120 * env.SLOW, check=True)
        return Page(done.stdout)
    page = dumped(report(incident()))
    causes, summary = explained(cli, tmp_path / "recording")
    check_summary(page, summary)
    check_causes(page, causes)
    made = report(hostile())
    again = dumped(made)
    assert structure(again.root) == structure(made.root) and "script" not in again.tags
