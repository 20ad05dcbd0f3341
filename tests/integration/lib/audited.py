# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The audits of a feed, added up and held against the kernel's counters."""
import json

# Those that every handshake moves, or a queue: what moves them must be audited.
ALWAYS = {"ActiveOpens", "PassiveOpens", "AttemptFails", "ListenOverflows", "ListenDrops", "OutRsts"}


class Audited:
    """What the audits of some namespaces must add up to, from now on."""

    def __init__(self, d, *namespaces):
        self.d = d
        self.before = {ns: ns.counters() for ns in namespaces}

    def audits(self, ns):
        return self.d.feed.records("audit", netns=ns.inode)

    def sum(self, ns, name, column="kernel"):
        return sum(counter[column] for audit in self.audits(ns) for counter in audit["counters"]
                   if counter["name"] == name)

    def moved(self, ns, name):
        """How far the kernel's counter has."""
        return ns.counters()[name] - self.before[ns][name]

    def check(self, kept=None):
        """End the daemon; every audit balances, and together they are what happened.

        `kept`: of these counters so many events were kept from BPF programs (lib/blind.py).
        """
        kept = {name: count for name, count in (kept or {}).items() if count}
        names = set()
        early = {ns: ns.counters() for ns in self.before}
        self.d.stop()
        after = {ns: ns.counters() for ns in self.before}
        for ns, before in self.before.items():
            audits = self.audits(ns)
            changed = {name: early[ns][name] - before[name] for name in ALWAYS
                       if early[ns][name] != before[name]}
            assert audits or not changed, f"no audit of {ns.name}, where {changed}"
            for audit in audits:
                wrong = [c for c in audit["counters"] if c["difference"] and not c["rule"]]
                assert audit["balanced"] is (not wrong) or kept  # what is owed stays owed
                assert all(c["difference"] == c["kernel"] - c["observed"]
                           for c in audit["counters"]), audit
                wrong = [c for c in wrong if c["name"] not in kept]
                assert not wrong, f"{ns.name}: {json.dumps(wrong)}"
                names = {c["name"] for c in audit["counters"]}
                assert len(names) == len(audit["counters"])
            for name, count in kept.items():
                assert 0 <= self.sum(ns, name, "difference") <= count, (ns.name, name, count)
            for name in names:
                # the last audit was between the two, which differ if a timer went off just then
                least, most = (book[ns][name] - before[name] for book in (early, after))
                assert least <= self.sum(ns, name) <= most, (ns.name, name)
