# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""make bench: it runs, counts right, and writes what it found, also of who is missing or does not start."""
import importlib
import json
import os
import subprocess
import sys
import xml.dom.minidom

import pytest

from lib import env

BENCH = env.ROOT / "tests" / "bench"


def bench(tmp_path, *flags):
    (tmp_path / "build").mkdir()
    for name in ("tests", "tcpshaked", "tcpshake"):
        (tmp_path / "build" / name).symlink_to(env.BUILD / name)
    done = subprocess.run([str(BENCH / "compare"), "--no-docs", *flags], text=True, capture_output=True,
                          env={**os.environ, "TCPSHAKE_BUILD": str(tmp_path / "build")}, timeout=120 * env.SLOW)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_comparison(tmp_path):
    """Of the daemon not a record is missing, and the table has a row for it."""
    text = bench(tmp_path, "--only", "handshakes only", "--rounds", "2", "--connections", "1000")
    assert "| tcpshaked, handshakes only |" in text and "does not run" not in text
    result = json.loads((tmp_path / "build" / "bench" / "compare.json").read_text())
    none, ours = result["tracers"]
    assert [run["rate"] > 0 for run in none["runs"]] == [True] * 2
    assert [(run["got"], run["wanted"]) for run in ours["runs"]] == [(2000, 2000)] * 2
    assert ours["first_ms"] > 0 and all(run["rss_kb"] > 1000 and run["cpu_s"] >= 0 for run in ours["runs"])


@pytest.fixture
def modules(monkeypatch):
    """The bench's own modules, whose package is called lib, too."""
    mine = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "lib"}
    for name in mine:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(BENCH))
    yield {name: importlib.import_module(f"lib.{name}") for name in ("report", "svg", "measure", "tracers")}
    for name in [name for name in sys.modules if name.split(".")[0] == "lib"]:
        del sys.modules[name]
    sys.modules.update(mine)


RUN = {"rate": 50000.0, "relative": 0.9, "cpu_s": 0.1, "rss_kb": 20480, "maps": [1 << 20, 1 << 20, 3 << 20], "got": 99,
       "wanted": 100}
ABOUT = {"kernel": "6.18", "cpus": 2, "load": "0.10", "date": "2026-01-01"}


def tracer(name, **values):
    return {"name": name, "version": "", "failed": None, "first_ms": 50.0, "runs": [RUN, RUN], **values}


def test_report(modules, tmp_path, monkeypatch):
    """Between the markers and nowhere else; plots are XML; who did not run has the reason in its row."""
    report = modules["report"]
    result = {"about": ABOUT, "rounds": 2, "connections": 50000, "tracers": [
        tracer("no tracer", first_ms=None, runs=[{"rate": 1000.0, "relative": 1.0}]), tracer("tcpshaked <x>"),
        tracer("gone", failed="not installed", runs=[]), tracer("bad", failed="a | b", runs=[])]}
    text = report.comparison(result)
    assert "| gone | does not run here: `not installed` |" in text and "`a / b`" in text
    assert "| tcpshaked <x> | 0.90 | 0.20 | 1 % | 20.0 | 1.0 (1.0, 3.0) | 50 |" in text
    document = tmp_path / "performance.md"
    document.write_text("before\n" + report.BEGIN.format("comparison") + "what was there\n" +
                        report.END.format("comparison") + "after\n")
    monkeypatch.setattr(report, "DOC", document)
    monkeypatch.setattr(report, "PLOTS", {name: tmp_path / f"{name}.svg" for name in report.PLOTS})
    for _ in range(2):
        report.put("comparison", text)
    written = document.read_text()
    assert written.startswith("before\n") and written.endswith("after\n") and written.count(text) == 1
    assert "what was there" not in written
    report.draw_comparison(result)
    point = {"cpu_percent": 0.5, "look_ms": None, "looks_percent": 0.1, "interval_s": 1.0, "rate": 1000.0,
             "wake_ups": 2.0, "seconds": 30.0}
    growth = {"about": ABOUT, "seconds": 8, **{name: [{"x": x, **point} for x in (1000, 5000)]
                                               for name in ("idle", "rate", "listeners", "namespaces", "both")}}
    assert "| 1,000 | 0.50 | – | 0.10 | 1 |" in report.growth(growth)
    assert "2.0 wake-ups a second, 0.500 % of a CPU, in 30 s" in report.growth(growth)
    report.draw_growth(growth)
    for path in tmp_path.glob("*.svg"):
        xml.dom.minidom.parse(str(path))
    assert len(list(tmp_path.glob("*.svg"))) == 3


def test_why(modules):
    """Of all that a program says as it fails, the line that tells why."""
    why = modules["measure"].why
    assert why("Traceback (most recent call last):\n  File \"x\"\nUnable to find kernel headers. Try\nException: y") == \
        "Unable to find kernel headers. Try"
    assert why("ERROR: Unknown error -1: couldn't set RLIMIT_MEMLOCK for bpftrace\nAttaching 3 probes...\n"
               "ERROR: Error attaching probe: 'kprobe:tcp_set_state'") == \
        "ERROR: Error attaching probe: 'kprobe:tcp_set_state'"
    assert why("") == "it ended without a word"


def test_markers():
    """What make bench writes into is there, once each."""
    document = (env.ROOT / "docs" / "performance.md").read_text()
    for name in ("comparison", "growth"):
        for marker in (f"<!-- bench {name}: begin; written by make bench -->\n", f"<!-- bench {name}: end -->\n"):
            assert document.count(marker) == 1
