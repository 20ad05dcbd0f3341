# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What `top` must show, computed from the records by other means than its own."""
import collections
import math
import re

from . import env

SECONDS = {"1s": 1, "10s": 10, "1m": 60, "5m": 300, "start": None}
UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def of_window(records, window, end):
    """Those of the whole seconds before the second `end`."""
    length = SECONDS[window]
    return [r for r in records if length is None or
            end - length <= r["mono_ns"] // env.SECOND < end]


def quantile(values, percent):
    """The nearest rank."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def place(end):
    return f"[{end['addr']}]:{end['port']}" if ":" in end["addr"] else f"{end['addr']}:{end['port']}"


class Expected:
    def __init__(self, records):
        self.handshakes = [r for r in records if r["type"] == "handshake"]
        refused = [r for r in records if r["type"] == "overflow" and r["action"] != "cookie"]
        self.counts = {
            "active": sum(h["role"] == "active" for h in self.handshakes),
            "passive": sum(h["role"] == "passive" for h in self.handshakes),
            "failed": sum(h["outcome"] != "established" for h in self.handshakes),
            "retrans": sum(h["retransmits"] > 0 for h in self.handshakes),
            "overflowed": sum(r["count"] for r in refused),
            "lost": sum(r["count"] for r in records
                        if r["type"] == "loss" and r["why"] != "rate_limit"),
        }
        self.destinations = collections.Counter(
            place(h["remote"]) for h in self.handshakes if h["role"] == "active")
        self.failed_destinations = collections.Counter(
            place(h["remote"]) for h in self.handshakes
            if h["role"] == "active" and h["outcome"] != "established")
        self.processes = collections.Counter(
            (h["process"]["comm"], h["role"]) for h in self.handshakes if h.get("process"))
        self.causes = collections.Counter(
            h["cause"]["code"] for h in self.handshakes if h.get("cause"))
        self.refused = collections.Counter()
        for r in refused:
            self.refused[place(r["listener"]), r["stage"]] += r["count"]

    def latencies(self, role):
        return [h["latency_ns"] for h in self.handshakes if h["role"] == role and
                h["outcome"] == "established" and h["latency_ns"] is not None]


def time_of(word):
    """"35.5us" in nanoseconds."""
    number, unit = re.fullmatch(r"([0-9.]+)([a-z]+)", word).groups()
    return float(number) * UNITS[unit]


class Shown:
    """A screen, or what --once printed."""

    def __init__(self, text):
        self.text = text

    def count(self, name):
        found = re.search(rf"(?:^| ){name} +(\d+) +\S+/s", self.text, re.M)
        assert found, f"no {name} in\n{self.text}"
        return int(found[1])

    def counts(self):
        return {name: self.count(name) for name in
                ("active", "passive", "failed", "retrans(?:mitted)?", "overflowed", "lost")}

    def latency(self, role):
        """p50, p90, p99, max in ns, and of how many."""
        found = re.search(rf"^{role} +(\S+) +(\S+) +(\S+) +(\S+) +(\d+) timed", self.text, re.M)
        assert found, f"no latency of {role} in\n{self.text}"
        values = [None if word == "-" else time_of(word) for word in found.groups()[:4]]
        return values, int(found[5])

    def rows(self, number, title):
        """The words of each row of a pane of the report, by its first."""
        lines = self.text.split("\n")
        start = next(i for i, line in enumerate(lines) if line.startswith(f" {number} {title} "))
        rows = {}
        for line in lines[start + 2:]:
            if not line.strip() or re.match(r" \d [A-Z]", line):
                break
            words = line.split()
            rows[words[0]] = words
        return rows

    def check(self, expected):
        """Every count is the same, and every quantile within 4 % (and its rounding to 3 digits)."""
        shown = dict(zip(expected.counts, self.counts().values()))
        assert shown == expected.counts, f"{shown} is not {expected.counts}\n{self.text}"
        for role in ("active", "passive"):
            values, count = self.latency(role)
            exact = expected.latencies(role)
            assert count == len(exact)
            for value, percent in zip(values, (50, 90, 99, 100)):
                if not exact:
                    assert value is None
                    continue
                wanted = quantile(exact, percent)
                assert abs(value - wanted) <= 0.045 * wanted + 1, (role, percent, value, wanted)
