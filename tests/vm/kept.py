# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Rows of the matrix as docs/compatibility.json keeps them: each may be run on a day and a machine of its own."""
import collections
import json
import types

import results

LICENSE = "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause"
WORDS = ("required", "needed_for", "without")  # of a capability, the same on every kernel


def run_digest(run):
    probe = run.probe and {"evidence": run.probe["evidence"],
                           "granted": {name: one["ok"] or one.get("error", "no reason given")
                                       for name, one in run.probe["capabilities"].items()}}
    junit = run.junit and {"passed": run.junit.passed, "skipped": dict(sorted(run.junit.skipped.items()))}
    return {"mode": run.mode, "error": run.error, "seconds": run.seconds, "booted": run.booted, "junit": junit,
            "failures": run.failures, "flaky": run.flaky, "complaints": run.complaints, "probe": probe}


def row_digest(row):
    return {"row": row.name, "suite": row.suite, "release": row.release, "build": row.build, "at": row.at,
            "runs": [run_digest(run) for run in row.runs]}


class Kept:
    """The last results of each row, as a file has them."""

    def __init__(self, path):
        self.path = path
        content = json.loads(path.read_text()) if path.exists() else {}
        self.capabilities = content.get("capabilities", {})
        self.digests = {one["row"]: one for one in content.get("rows", [])}

    def take(self, rows):
        """What this machine has run, unless the file has later results of that row."""
        for row in sorted(rows, key=lambda row: row.at):
            if row.at < self.digests.get(row.name, {}).get("at", ""):
                continue
            self.digests[row.name] = row_digest(row)
            for run in row.runs:
                self.capabilities |= {name: {word: one[word] for word in WORDS if word in one}
                                      for name, one in (run.probe or {"capabilities": {}})["capabilities"].items()}

    def write(self):
        self.path.write_text(json.dumps({"$comment": LICENSE, "capabilities": self.capabilities, "rows": self.ordered()},
                                        indent=1, ensure_ascii=False) + "\n")

    def ordered(self):
        return [self.digests[kernel.name] for kernel in results.KERNELS if kernel.name in self.digests]

    def rows(self):
        """Oldest kernel first, as results.rows() has them."""
        return [types.SimpleNamespace(**{**one, "name": one["row"], "runs": [self.run(run) for run in one["runs"]]})
                for one in self.ordered()]

    def run(self, digest):
        run = types.SimpleNamespace(**digest)
        if run.junit:
            run.junit = types.SimpleNamespace(passed=run.junit["passed"], skipped=collections.Counter(run.junit["skipped"]))
        if run.probe:
            run.probe = {"evidence": run.probe["evidence"], "capabilities": {
                name: {**self.capabilities[name], "ok": got is True, **({} if got is True else {"error": got})}
                for name, got in run.probe["granted"].items()}}
        return run
