# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Scrapes of /metrics: fetched over one connection that stays, parsed strictly, added up."""
import collections
import http.client
import math
import re
import socket

from . import env

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _labels(text):
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"labels: {text}"
        assert match[1] not in found, f"a label twice: {text}"
        found[match[1]] = match[2]
        at = match.end()
    return found


class Scrape:
    """The samples of one answer; whatever the formats forbid is an AssertionError."""

    def __init__(self, text, openmetrics=False):
        self.text = text
        self.types, self.help, self.samples = {}, {}, []
        assert text.endswith("# EOF\n" if openmetrics else "\n")
        family, seen = None, set()
        for line in text.splitlines():
            if line == "# EOF" and openmetrics:
                continue
            if line.startswith("# "):
                _, what, name, rest = line.split(" ", 3)
                assert what in ("HELP", "TYPE", "UNIT"), line
                if what == "TYPE":
                    assert name not in self.types, f"{name} twice"
                    self.types[name] = rest
                    family = name
                elif what == "HELP":
                    self.help[name] = rest
                else:
                    assert openmetrics and name.endswith("_" + rest), line
                continue
            match = SAMPLE.match(line)
            assert match, f"not a sample: {line!r}"
            name, labels, value = match[1], _labels(match[2] or ""), float(match[3])
            wanted = [family + suffix for suffix in SUFFIXES[self.types[family]]]
            if not openmetrics and self.types[family] == "counter":
                wanted = [family]
                assert name.endswith("_total"), line
            assert name in wanted, f"{line} within {family}"
            key = (name, tuple(sorted(labels.items())))
            assert key not in seen, f"twice: {line}"
            seen.add(key)
            self.samples.append((name, labels, value))
        assert set(self.types) == set(self.help)
        self._check_histograms()

    def _check_histograms(self):
        for family in (name for name, kind in self.types.items() if kind == "histogram"):
            counts = {tuple(sorted(labels.items())): value
                      for name, labels, value in self.samples if name == family + "_count"}
            for labels, buckets in self.histograms(family).items():
                bounds = [bound for bound, _ in buckets]
                values = [value for _, value in buckets]
                assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, (family, labels)
                assert values == sorted(values) and values[-1] == counts.pop(labels), (family, labels)
            assert not counts, (family, counts)

    def all(self, name, **subset):
        return [(labels, value) for n, labels, value in self.samples
                if n == name and all(labels.get(k) == str(v) for k, v in subset.items())]

    def sum(self, name, **subset):
        return sum(value for _, value in self.all(name, **subset))

    def one(self, name, **subset):
        found = self.all(name, **subset)
        assert len(found) == 1, f"{name} {subset}: {found}"
        return found[0][1]

    def histograms(self, family):
        """By labels but `le`: the buckets, as (bound, cumulative count)."""
        found = collections.defaultdict(list)
        for name, labels, value in self.samples:
            if name == family + "_bucket":
                rest = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
                found[rest].append((float(labels["le"]), value))
        return found

    def names(self):
        """What a query can be about."""
        return {name for name, _, _ in self.samples}


def quantile(q, buckets):
    """histogram_quantile() of Prometheus, for classic histograms."""
    total = buckets[-1][1]
    rank = q * total
    index = next(i for i, (_, count) in enumerate(buckets) if count >= rank)
    if index == len(buckets) - 1:
        return buckets[-2][0]
    begin, below = (0.0, 0.0) if index == 0 else buckets[index - 1]
    end, count = buckets[index]
    return begin + (end - begin) * (rank - below) / (count - below)


class Metrics:
    """A daemon's metrics. The connection stays, so that scrapes make no handshakes of their own."""

    def __init__(self, port, host="127.0.0.1"):
        self.port, self.host = port, host
        self.connection = None

    def request(self, method="GET", path="/metrics", headers=None):
        for again in (True, False):
            self.connection = self.connection or http.client.HTTPConnection(
                self.host, self.port, timeout=10 * env.SLOW)
            try:
                self.connection.request(method, path, headers=headers or {})
                response = self.connection.getresponse()
                return response, response.read()
            except (ConnectionError, http.client.BadStatusLine):
                self.close()  # closed by its time-out since the last time
                if not again:
                    raise

    def scrape(self, path="/metrics", openmetrics=False):
        response, body = self.request(path=path,
                                      headers={"Accept": OPENMETRICS} if openmetrics else None)
        assert response.status == 200, body
        wanted = OPENMETRICS if openmetrics else "text/plain; version=0.0.4"
        assert response.headers["Content-Type"] == wanted + "; charset=utf-8"
        return Scrape(body.decode(), openmetrics)

    def until(self, condition, timeout=10.0, what="metrics", path="/metrics"):
        """The first scrape of which condition() is true."""
        found = []

        def good():
            found[:] = [self.scrape(path)]
            return condition(found[0])
        env.poll_until(good, timeout, what, interval=0.12)
        return found[0]

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None
