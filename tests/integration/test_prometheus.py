# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A real Prometheus scrapes while handshakes go on, and answers what the records say.

TCPSHAKE_PROMETHEUS_SECONDS   how long (default 15)
"""
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from lib import env
from lib.scrape import free_port
from test_metrics import PORT, REMOTE, exact, storm

SECONDS = float(os.environ.get("TCPSHAKE_PROMETHEUS_SECONDS", "15"))
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: tcpshake
    params: {{port: ["{port}"]}}
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
"""


class Prometheus:
    def __init__(self, directory, target):
        self.port = free_port()
        config = directory / "prometheus.yml"
        rules = env.ROOT / "contrib" / "prometheus" / "tcpshake.rules.yml"
        config.write_text(CONFIG.format(rules=rules, port=PORT, target=target))
        self.log = open(directory / "log", "w+")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def get(self, path, **query):
        assert self.process.poll() is None, self.said()
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=20 * env.SLOW) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return None  # not ready
            raise AssertionError(f"{url}: {error.read()}") from None
        except urllib.error.URLError:
            return None  # not there yet

    def value(self, expression):
        """Of the one series it gives; None if there is none."""
        answer = self.get("/api/v1/query", query=expression)
        result = answer and answer["data"]["result"]
        assert not result or len(result) == 1, result
        return float(result[0]["value"][1]) if result else None

    def said(self):
        self.log.seek(0)
        return self.log.read()[-3000:]

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10 * env.SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def test_prometheus(daemon, lone, keep, tmp_path):
    target = free_port()
    feed = tmp_path / "feed"
    d = daemon("--metrics", f"127.0.0.1:{target}", "--port", str(PORT), output=feed)
    prometheus = keep(Prometheus(tmp_path, target))
    env.poll_until(lambda: prometheus.value('up{job="tcpshake"}') == 1, 30, "the first scrape", 0.2)
    begin, count = time.monotonic(), 0
    while time.monotonic() - begin < SECONDS:
        storm(lone, 500)
        count += 500
        time.sleep(0.2)
    env.poll_until(lambda: prometheus.value(f'{REMOTE}_count{{port="{PORT}"}}') == count, 15,
                   f"a scrape with {count}", 0.2)
    told = {q: prometheus.value(f'histogram_quantile({q}, {REMOTE}_bucket{{port="{PORT}"}})')
            for q in (0.5, 0.9, 0.99, 0.999)}
    window = f"[{int(SECONDS) + 60}s]"
    # Over a window, as one asks: it begins with the first scrape that has this port.
    over_time = prometheus.value(
        f'histogram_quantile(0.5, rate({REMOTE}_bucket{{port="{PORT}"}}{window}))')
    p99 = prometheus.value('instance_role:tcpshake_handshake_duration_seconds:p99_5m{role="active"}')
    scrapes = prometheus.value(f'sum_over_time(up{{job="tcpshake"}}{window})')
    took = prometheus.value(f'max_over_time(scrape_duration_seconds{window})')
    d.stop()
    records = [json.loads(line) for line in feed.read_text().splitlines()]
    latencies = [r["latency_ns"] for r in records if r["type"] == "handshake" and
                 r["role"] == "active" and r["netns"] == lone.inode]
    assert len(latencies) == count == lone.snmp()["ActiveOpens"]
    true = {q: exact(q, latencies) / 1e9 for q in told}
    assert told == pytest.approx(true, rel=0.04)
    assert over_time == pytest.approx(true[0.5], rel=0.2)
    assert p99 and p99 > 0
    assert scrapes >= SECONDS / 2
    assert took < 2 * env.SLOW
    print(f"{count} handshakes, {scrapes:.0f} scrapes, the slowest {took:.3f} s; told {told}, true {true}")
