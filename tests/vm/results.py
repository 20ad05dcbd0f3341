# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kernels of the matrix, and what build/vm/results holds of its runs.

TCPSHAKE_BUILD          another build directory
"""
import collections
import json
import os
import pathlib
import subprocess
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TCPSHAKE_BUILD", ROOT / "build")).resolve()
VM = BUILD / "vm"
DIR = VM / "results"

# series: the kernels that may stand in for the row; None: any later than LATEST_SERIES.
Kernel = collections.namedtuple("Kernel", "name series suites")
KERNELS = [
    Kernel("5.10", "5.10", ["bullseye-security"]),
    Kernel("6.1", "6.1", ["bookworm-security"]),
    Kernel("6.12", "6.12", ["trixie"]),
    Kernel("newest", None, ["sid", "trixie-backports"]),
]
LATEST_SERIES = [6, 12]

# Modules of the suite that say nothing new about a kernel, and why; a guest's time is dear.
LEFT_OUT = {
    "test_schemas.py": "holds examples against the schemas; nothing runs",
    "test_cli.py": "terminals, rendering, man pages: what the CLI reads is the daemon's feed",
    "test_socket.py": "subscribers that are slow, many or wrong: user space on both sides",
}


def names():
    return ["oldest", *(kernel.name for kernel in KERNELS), *(s for k in KERNELS for s in k.suites)]


def choose(wanted):
    """The rows that these names mean, all if there are none; KeyError says which is unknown."""
    rows = []
    for name in wanted:
        if name == "oldest":
            rows.append(KERNELS[0])
            continue
        found = [kernel for kernel in KERNELS if name == kernel.name or name in kernel.suites]
        if not found:
            raise KeyError(name)
        row = found[0]
        rows.append(row if name == row.name else row._replace(suites=[name]))
    return rows or KERNELS


def version():
    """Of the sources, as git describes them."""
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True,
                          capture_output=True)
    return done.stdout.strip() or "unknown"


def load(name):
    try:
        return json.loads((DIR / name).read_text())
    except (OSError, ValueError):
        return None


def has_hooks(probe):
    """Does a probe record say that function hooks load?"""
    return bool(probe and probe["capabilities"].get("function_hooks", {}).get("ok"))


class Junit:
    """What pytest wrote: how many passed, which failed, and why the others were skipped."""

    def __init__(self, path):
        self.passed, self.failures, self.skipped = 0, [], collections.Counter()
        for case in xml.etree.ElementTree.parse(path).iter("testcase"):
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                module = case.get("classname", "").rpartition(".")[2]
                self.failures.append(f"{module}.py::{case.get('name')}")
            elif skip is not None:
                self.skipped[skip.get("message", "no reason")] += 1
            else:
                self.passed += 1
        self.failures = sorted(set(self.failures))


class Run:
    def __init__(self, values):
        self.mode, self.error, self.seconds = (values[k] for k in ("mode", "error", "seconds"))
        self.probe = load(values["probe"])
        path = DIR / values["junit"]
        self.junit = Junit(path) if path.exists() else None
        self.ok = not self.error and self.junit is not None and not self.junit.failures

    def summary(self):
        if self.junit is None:
            return f"FAILED: {self.error}"
        text = (f"{self.junit.passed} passed, {len(self.junit.failures)} failed, "
                f"{self.junit.skipped.total()} skipped in {self.seconds} s")
        return text if self.ok else f"FAILED: {self.error or ', '.join(self.junit.failures)}; {text}"


class Row:
    """The results of one kernel."""

    def __init__(self, values):
        self.name, self.suite, self.release = (values[k] for k in ("row", "suite", "release"))
        self.build, self.at = values["build"], values["at"]
        self.runs = [Run(run) for run in values["runs"]]
        self.ok = all(run.ok for run in self.runs)


def rows():
    """The last results of each row, oldest kernel first."""
    last = {}
    for path in DIR.glob("*.json"):
        values = json.loads(path.read_text())
        if "row" in values and values["at"] >= last.get(values["row"], values)["at"]:
            last[values["row"]] = values
    return [Row(last[kernel.name]) for kernel in KERNELS if kernel.name in last]
