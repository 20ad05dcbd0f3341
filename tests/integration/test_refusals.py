# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Each fault under each refusal: what is said is right, or vaguer, or absent; never wrong, never wrongly proven.

Daemons run side by side, each without one piece of evidence, and one without any; each fault happens once. A slow
machine runs only one with all evidence and one with none: eleven would take half of a guest's time.
What they said is written into docs/causes.md (tests/integration/write_causes): TCPSHAKE_REFUSALS_RESULT=FILE
takes it, as JSON.
"""
import json
import os
import re

import pytest

from lib import env, evidence
from lib.causes import CASES, Scene, until
from test_causes import FAST, able, records_of, said


class Watcher:
    """A daemon that does without some evidence."""

    def __init__(self, name, daemon):
        refused = {"TCPSHAKE_REFUSE": name} if name else {}
        self.name = name or "nothing"
        self.d = daemon(*FAST, env={**os.environ, **refused})


@pytest.fixture
def watchers(daemon):
    if evidence.refuses():
        pytest.skip("evidence: this run refuses some by itself")
    one_by_one = evidence.ONE_BY_ONE if env.SLOW < 4 else ()
    return [Watcher(name, daemon) for name in (None, *one_by_one, "all")]


def note(case, role, watcher, words):
    path = os.environ.get("TCPSHAKE_REFUSALS_RESULT")
    if path:
        with open(path, "a") as file:
            file.write(json.dumps([case.name, role, watcher.name, words]) + "\n")


def check(case, role, watcher, wanted, record):
    outcome, code, certainty = said(record)
    note(case, role, watcher, [outcome, code, certainty])
    detail = (record.get("cause") or {}).get("detail", "")
    where = f"without {watcher.name}: {outcome}, {code}, {certainty}: {detail}"
    assert outcome == wanted[0] or record.get("inferred"), where
    assert code == wanted[1] or code in evidence.VAGUE.get(wanted[1], ()) and certainty != "proven", where
    assert certainty != "proven" or "proven" in wanted[2], where
    if certainty == "proven":
        return
    for name in evidence.ONE_BY_ONE if watcher.name == "all" else (watcher.name,):
        for words in evidence.UNSAYABLE.get(name, ()):
            assert not re.search(words, detail), where


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_fault(pair, keep, watchers, case):
    scene = Scene(pair, 4, keep)
    full = watchers[0].d
    for watcher in watchers:
        scene.known(watcher.d)
    case.run(scene)
    sides = [(case.client, "active", scene.client, "local"),
             (case.server, "passive", scene.server, "remote")]
    scene.d = full
    for wanted, role, ns, port_key in sides:
        if wanted and able(full, case.needs):
            until(lambda role=role, ns=ns, port_key=port_key:
                  len(records_of(scene, role, ns, port_key)) == len(scene.ports),
                  f"the {role} records of {scene.ports}", 25)
    for watcher in watchers:
        watcher.d.stop()
        scene.d = watcher.d
        for wanted, role, ns, port_key in sides:
            for record in records_of(scene, role, ns, port_key):
                if wanted is None:
                    assert "cause" not in record or said(record)[2] != "proven", record
                elif "cause" in record:
                    check(case, role, watcher, wanted, record)


def test_no_watcher_says_a_healthy_handshake_failed(pair, keep, watchers):
    scene = Scene(pair, 4, keep)
    for watcher in watchers:
        scene.known(watcher.d)
    for _ in range(5):
        assert scene.connect()[1] == 0
    for watcher in watchers:
        found = watcher.d.handshakes(5, netns=scene.client.inode, role="active", outcome="established")
        assert not any("cause" in record for record in found)
        assert all(record["latency_ns"] is not None and record["process"] for record in found)
        found = watcher.d.handshakes(5, netns=scene.server.inode, role="passive", outcome="established")
        assert all(record["process"]["comm"] == "resident" for record in found), watcher.name


def test_the_audit_balances_under_each_refusal(pair, keep, watchers):
    """Nothing is out of balance because something was not granted: the audit names it."""
    scene = Scene(pair, 4, keep)
    for watcher in watchers:
        scene.known(watcher.d)
    crowd = scene.crowd(1)
    crowd.fill()
    crowd.begin(3)
    until(lambda: scene.server.counters()["ListenOverflows"] >= 3, "overflows")
    scene.connect((scene.address[0], 9))
    overflows = scene.server.counters()["ListenOverflows"]
    for watcher in watchers:
        env.poll_until(lambda watcher=watcher: any(
            row["name"] == "ListenOverflows" and row["kernel"] for audit in
            watcher.d.feed.records(type="audit", netns=scene.server.inode) for row in audit["counters"]),
            10, f"an audit without {watcher.name}")
    for watcher in watchers:
        watcher.d.stop()
        audits = watcher.d.feed.records(type="audit", netns=scene.server.inode)
        assert all(audit["balanced"] for audit in audits), (watcher.name, audits)
        counted = sum(r["count"] for r in watcher.d.feed.records(type="overflow", netns=scene.server.inode)
                      if r["queue"] == "accept")
        assert counted <= scene.server.counters()["ListenOverflows"], watcher.name
        if watcher.name not in ("queue_look", "all"):
            assert counted >= overflows, (watcher.name, counted)
        else:
            assert all(r["cause"]["certainty"] == "probable" and r["listener"] is None
                       for r in watcher.d.feed.records(type="overflow", netns=scene.server.inode)
                       if r["evidence"] == "counters")
