# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is shipped for the metrics (page, dashboard, rules) names what is served, and Prometheus takes it."""
import json
import re
import socket
import subprocess

import pytest

from lib import env, evidence
from lib.scrape import Metrics, free_port

PROMETHEUS = env.ROOT / "contrib" / "prometheus"
METRIC = re.compile(r"\b((?:tcpshake|process)_[a-z0-9_]+)\b")


@pytest.fixture
def served(daemon, keep, lone):
    """A scrape with a sample of every family: one needs a namespace that is audited, one a dropped
    segment, one an accept(), one no route, others both sides of two half-closes."""
    from lib.traffic import Agent, connect, listener, start
    port = free_port()
    agent = keep(Agent(lone, listen={"port": 7}))
    daemon("--metrics", f"127.0.0.1:{port}", "--listener-interval", "200ms", "--events", "audit,close",
           "--accept-wait", "syscall", "--connect-errors", "auto", losses=True)
    keep(connect(lone, 4, ("127.0.0.1", 7))[0])
    agent.tell("accept 1")
    ending = keep(connect(lone, 4, ("127.0.0.1", 7))[0])
    agent.tell("accept 1")
    ending.shutdown(socket.SHUT_WR)
    agent.tell("drop")
    listening = keep(listener(lone, 4, 8))
    ending = keep(connect(lone, 4, ("127.0.0.1", 8))[0])
    child = keep(listening.accept()[0])
    child.shutdown(socket.SHUT_WR)
    assert ending.recv(1) == b""
    ending.close()
    assert child.recv(1) == b""
    child.close()
    lone.nft("tcp dport 9 drop", hook="output")
    keep(start(lone, 4, ("127.0.0.1", 9)))
    keep(connect(lone, 4, ("198.51.100.1", 9))[0])
    metrics = keep(Metrics(port))
    return metrics.until(lambda s: s.all("tcpshake_audit_difference") and s.all("tcpshake_drops_total"), 15,
                         "an audit and a drop")


def hidden():
    """Families of which this kernel lets nothing be seen."""
    if evidence.capabilities()["request_function"]["ok"]:
        return set()
    return {"tcpshake_listener_syn_queue_depth", "tcpshake_listener_syn_queue_crowded_total"}


def names_of(served):
    """What is served, here or where all is seen."""
    return served.names() | hidden() | {name + suffix for name in hidden() for suffix in ("_bucket", "_count", "_sum")}


def test_page(served):
    """docs/metrics.md has each family once, with its type and its labels, and no other."""
    page = (env.ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| (\w+) \| ([^|]*?) ?\|", page, re.M)
    assert {name: kind for name, kind, _ in rows} == served.types and len(rows) == len(served.types)
    labels = []
    for name, kind, text in rows:
        labels = labels if text == "the same" else [word for word in re.split(r", *", text) if word]
        suffix = "_count" if kind == "histogram" else ""
        found = {key for labels_, _ in served.all(name + suffix) for key in labels_}
        assert found == (set() if name in hidden() else set(labels)), name


def test_promtool_takes_them(served):
    """Nothing to complain about: names, units, types, help."""
    done = subprocess.run(["promtool", "check", "metrics"], input=served.text, text=True,
                          capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_dashboard(served):
    """Every expression of the dashboard is about metrics that are served."""
    dashboard = json.loads((env.ROOT / "contrib" / "grafana" / "tcpshake.json").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(found) > 30
    names = served.names()
    for expression in found:
        used = set(METRIC.findall(expression))
        assert used and used <= names_of(served), expression
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    unused = {name.removesuffix("_bucket") for name in names if not name.endswith(("_sum", "_count"))}
    unused -= {name.removesuffix("_bucket") for text in found for name in METRIC.findall(text)}
    text = json.dumps(dashboard["templating"])
    assert METRIC.findall(text) == ["tcpshake_build_info"]
    assert unused - {"tcpshake_build_info"} == {"tcpshake_events_seen_total", "tcpshake_feeds", "tcpshake_feed_records_total",
                      "process_start_time_seconds", "tcpshake_audit_difference", "tcpshake_looks_total",
                      "tcpshake_look_interval_seconds"}


def test_expressions_parse(tmp_path):
    """Prometheus itself parses the dashboard's expressions, as rules."""
    dashboard = json.loads((env.ROOT / "contrib" / "grafana" / "tcpshake.json").read_text())
    rules = [{"record": f"x:{number}", "expr": target["expr"].replace("$__rate_interval", "5m")}
             for number, target in enumerate(target for panel in dashboard["panels"]
                                             for target in panel.get("targets", []))]
    for rule in rules:
        rule["record"] = rule["record"].replace(":", "_n")
    path = tmp_path / "rules.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(path)], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules(served):
    """The rules pass their tests, and are about metrics that are served or that they record."""
    for argv in (["check", "rules", "tcpshake.rules.yml"], ["test", "rules", "tcpshake.rules.test.yml"]):
        done = subprocess.run(["promtool", *argv], cwd=PROMETHEUS, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
    text = (PROMETHEUS / "tcpshake.rules.yml").read_text()
    tests = (PROMETHEUS / "tcpshake.rules.test.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", text)
    assert len(alerts) >= 6
    for alert in alerts:
        assert re.search(rf"alertname: {alert}\n\s+exp_alerts:\n", tests), f"{alert} is not tested"
    recorded = set(re.findall(r"- record: (\S+)", text))
    expressions = re.findall(r"expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)", text)
    used = {name for pair in expressions for name in re.findall(r"[a-z][a-z0-9_:]*tcpshake_[a-z0-9_:]+|"
                                                                r"\btcpshake_[a-z0-9_]+", "".join(pair))}
    assert used and used <= names_of(served) | recorded, used - names_of(served) - recorded
