# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kernels of the matrix, and what build/vm/results holds of its runs.

TCPSHAKE_BUILD          another build directory
"""
import collections
import errno
import json
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree

import kernel_log
import lab

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

# Modules and tests (or how their names begin) that say nothing new about a kernel, and why; a guest's
# time is dear.
LEFT_OUT = {
    "test_kernel_log.py": "how the guests' kernel logs are searched; nothing runs",
    "test_schemas.py": "compares examples with the schemas; nothing runs",
    "test_demo.py": "a demonstration for users, which takes minutes",
    "test_cli.py": "terminals, rendering, man pages: the CLI reads only the daemon's feed",
    "test_cli_views.py": "the same",
    "test_top.py": "the same",
    "test_top_load.py": "the same, under load",
    "test_completion.py": "shells",
    "test_hardening.py": "how the programs are built",
    "test_hosts.py": "recordings of several hosts, and the CLI's view of them",
    "test_lab.py": "the lab itself runs on every kernel, twice (docs/backlog.md)",
    "test_nginx_queue.py": "wrk, strace and tcpdump at once: a guest may take minutes",
    "test_lab_page.py": "what that page makes of it; nothing runs",
    "test_notify.py": "the service manager's socket: user space",
    "test_unit.py": "files of systemd",
    "test_install.py": "files",
    "test_doctor.py": "how the CLI shows the probe, which is in test_daemon.py, and sysctls",
    "test_culprits.py": "nginx, curl and Node under sock_diag: a guest's Python and Node take minutes",
    "test_findings.py": "recordings, and sock_diag and /proc, which were tried by hand on each kernel",
    "test_progress.py": "files and terminals: user space",
    "test_fleet.py": "databases on a fleet of daemons: a guest has neither the memory nor the time",
    "test_clickhouse.py": "a database that reads recordings: user space",
    "test_ways_in.py": "log shippers and a database: the same",
    "test_states.py": "sock_diag and /proc, which were tried by hand on each kernel",
    "test_grammar.py": "the command line",
    "test_manual.py": "a man page",
    "test_record.py": "files: user space",
    "test_explain.py": "recordings, and the CLI's view of them",
    "test_report.py": "the same",
    "test_recorder.py": "files: user space",
    "test_incident.py": "the same",
    "test_packages.py": "files of Debian and Kubernetes",
    "test_unseen.py": "recordings, and the CLI's view of them",
    "test_scenarios.py": "real programs under load; a guest is too slow for them",
    "test_socket.py": "subscribers that are slow, many or wrong: user space on both sides",
    "test_confusion.py": "600 handshakes at once; each kind alone is in test_causes.py",
    "test_sinks.py": "full disks and rotation: user space, and a file system that tests mount",
    "test_rotation.py": "renamed files: the same",
    "test_pipelines.py": "programs that read the file: the same",
    "test_recipes.py": "jq on recordings",
    "test_metrics.py": "HTTP, and numbers that are in the feed, too",
    "test_metrics_http.py": "clients and their requests: user space on both sides",
    "test_metrics_shipped.py": "pages and rules that name metrics",
    "test_prometheus.py": "a scraper of the metrics",
    "test_fixtures.py": "namespaces, links and firewalls of the tests, which all other tests use",
    "test_accounting.py": "a full ring, a full disk, stopped readers: a guest's Python takes minutes",
    "test_filters.py::test_stream": "a filter decides alike on every kernel",
    "test_filtered_causes.py": "what the daemon concludes from a feed with gaps; the causes are in test_causes.py",
    "test_filter_cgroup.py::test_no_cgroup": "words of the command line",
    "test_filter_cgroup.py::test_subscriber": "the daemon's own filter",
    "test_filter_cgroup.py::test_recording": "the CLI's own filter",
    "test_daemon.py::test_socket_": "the path of a socket, and which daemon serves it: user space",
    "test_daemon.py::test_file_": "a file that is written, kept and opened again: user space",
    "test_daemon.py::test_signal_right_after_hello": "20 daemons one after the other",
    "test_daemon.py::test_usage_errors": "words of the command line",
    "test_descriptors.py::test_storm_of_listeners": "compares two CPU times: Python's and a daemon's are not slowed down alike",
    "test_exact.py::test_losses_are_counted_when_the_reader_stands_still":
        "a full ring; a guest's Python takes 40 s to check its contents",
}

# What is refused, by the names of `tcpshaked --probe`.
Mode = collections.namedtuple("Mode", "name refuse")
AS_OFFERED = Mode("as offered", "")
HOOKS_REFUSED = Mode("hooks refused", "function_hooks,ack_hooks,reset_hooks,request_function,accept_function")
ALL_REFUSED = Mode("all refused", "all")

# Where it matters whether functions can be hooked: what runs once more with the hooks refused. Of
# tests for both families, IPv4 then runs with the hooks and IPv6 without.
HOOKS = ["test_accept_wait.py", "test_audit.py", "test_causes.py", "test_exact.py",
         "test_listeners.py", "test_overflow.py", "test_resets.py", "test_strangers.py"]

AGAIN = 3  # so many failures of a run are tried once more: noise fails no test twice

# What CI runs (`matrix --brief`): each thing the daemon asks of a kernel, by tests that wait for
# events and not for a race, so that a guest on a busy machine passes them.
BRIEF = {
    "test_daemon.py": ["test_hello", "test_probe", "test_idle_feed_is_hello_and_bye"],
    "test_active.py": ["test_established", "test_mapped_address_is_ipv4", "test_refused",
                       "test_timeout", "test_no_port", "test_cancelled_at_once",
                       "test_second_connect_on_the_same_socket", "test_self_connect",
                       "test_mptcp_shows_its_subflow_only"],
    "test_passive.py": ["test_owner", "test_dual_stack_listener", "test_accept_queue",
                        "test_syncookies"],
    "test_loss.py": ["test_first_syn_lost", "test_first_synack_lost", "test_final_ack_lost"],
    "test_fastopen.py": ["test_with_a_cookie"],
    "test_identity.py": ["test_caller", "test_caller_that_connects_in_many_threads"],
    "test_exact.py": ["test_every_connection_is_in_the_file"],
    "test_filters.py": ["test_remote"],
    "test_listeners.py": ["test_opened_and_closed", "test_from_before_the_daemon",
                          "test_queue_and_oldest_wait", "test_syn_queue"],
    "test_overflow.py": ["test_syns_beyond_the_accept_queue", "test_syn_queue_full",
                         "test_defer_accept_is_no_overflow"],
    "test_audit.py": ["test_counters", "test_between_namespaces", "test_refusals"],
    "test_accept_wait.py": ["test_wait", "test_order_and_count"],
}

# Why a test may be skipped in a guest (regular expressions on the reason); any other skip fails.
EXPECTED_SKIPS = [
    "this kernel has no (IPVS|NFS server)",
    # of 32-bit programs, or of io_uring before 6.11
    r"this kernel has no listen\(\) by ",
    "this kernel's Landlock has no rules for TCP",  # before 6.7
    "this kernel has no MPTCP: ",  # Debian's 5.10 is built without
    # before 6.10 without hooks, where tcp_send_reset is silent without a full socket: docs/limits.md
    "this kernel does not report RSTs that are sent without a socket",
    "^kernel: a dropped packet has no reason before 5.17$",
    "^kernel: a namespace has no table of connections of its own$",  # before 6.1
    "^there is one CPU: ",  # guests of the matrix have one: with more, emulation runs them in turns
    "^evidence: ",  # that the run refused: tests/integration/lib/evidence.py
]


def selection(brief, mode, hooks):
    """What pytest is to run: its arguments, from the root of the sources. `hooks`: there are hooks."""
    refused = mode == HOOKS_REFUSED
    if brief or mode == ALL_REFUSED:
        return [f"tests/integration/{name}::{test}" for name in BRIEF for test in BRIEF[name]
                if name in HOOKS or not refused]
    without = [f"--{'deselect' if '::' in name else 'ignore'}=tests/integration/{name}"
               for name in LEFT_OUT]
    twice = " or ".join(name.removesuffix(".py") for name in HOOKS)
    family = ["-k", "not ipv4" if refused else f"not (ipv6 and ({twice}))"] if hooks or refused else []
    return [*(f"tests/integration/{name}" for name in (HOOKS if refused else [""])), *without, *family]


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


def rejected(probe):
    """The capabilities whose programs the verifier does not take, which is no kernel's lack but ours."""
    return [name for name, one in probe["capabilities"].items()
            if one.get("error") == os.strerror(errno.EACCES)]


class Junit:
    """What pytest wrote: how many passed, which failed, and why the others were skipped."""

    def __init__(self, path):
        self.passes, self.failures, self.skipped = set(), set(), collections.Counter()
        for case in xml.etree.ElementTree.parse(path).iter("testcase"):
            name = f"{case.get('classname', '').rpartition('.')[2]}.py::{case.get('name')}"
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                self.failures.add(name)
            elif skip is not None:
                self.skipped[skip.get("message", "no reason")] += 1
            else:
                self.passes.add(name)
        self.passes -= self.failures  # one that fails when it is torn down is there twice
        self.failures = sorted(self.failures)
        self.passed = len(self.passes)
        self.unexpected = [reason for reason in self.skipped
                           if not any(re.search(one, reason) for one in EXPECTED_SKIPS)]


class Run:
    def __init__(self, values):
        self.mode, self.error, self.seconds = (values[k] for k in ("mode", "error", "seconds"))
        self.probe = load(values["probe"])
        path = DIR / values["junit"]
        self.junit = Junit(path) if path.exists() else None
        self.booted = values.get("booted", True)
        again = DIR / values["again"] if values.get("again") else None
        self.failures = list(self.junit.failures) if self.junit else []
        self.flaky = []  # what failed, but passed when it was tried again
        if again and again.exists():
            passes = Junit(again).passes
            self.flaky = [name for name in self.failures if name in passes]
            self.failures = [name for name in self.failures if name not in passes]
        # One log a guest: the probe's, the suite's, the second try's. Results from before have none.
        self.kernel = [kernel_log.read(DIR / name) for name in values.get("kernel", [])]

    @property
    def complaints(self):
        """What the kernel complained of, each once; None if nobody looked."""
        if not self.kernel or not self.booted:
            return None
        return list(dict.fromkeys(wrong for log in self.kernel for wrong in log.wrong))

    def kernel_lines(self):
        """The lines around each of the kernel's complaints, where it came first, and where the rest is."""
        seen = set()
        for log in self.kernel:
            new = [one for one in log.complaints if one.head not in seen]
            seen.update(one.head for one in new)
            if log.wrong:
                yield f"{log.path}:"
            yield from (f"  {line}" for one in new for line in one.lines)

    @property
    def wrong(self):
        """What makes it a failure; empty if nothing does."""
        wrong = [self.error] if self.error else []
        if self.junit:
            wrong += self.failures
            wrong += [f"unexpected skip: {reason}" for reason in self.junit.unexpected]
        wrong += self.complaints or []
        return wrong if wrong or self.junit else ["no results"]

    @property
    def ok(self):
        return not self.wrong

    def summary(self):
        if not self.booted:
            return f"NOT RUN: {self.error}"
        text = "" if self.ok else f"FAILED: {', '.join(self.wrong)}; "
        if self.junit:
            text += (f"{self.junit.passed + len(self.flaky)} passed, {len(self.failures)} failed, "
                     f"{self.junit.skipped.total()} skipped in {self.seconds} s")
        if self.flaky:
            text += f"; PASSED THE SECOND TIME ONLY: {', '.join(self.flaky)}"
        return text.removesuffix("; ")


class Row:
    """The results of one kernel."""

    def __init__(self, values):
        self.name, self.suite, self.release = (values[k] for k in ("row", "suite", "release"))
        self.build, self.at = values["build"], values["at"]
        self.runs = [Run(run) for run in values["runs"]]
        self.ok = all(run.ok for run in self.runs)
        self.booted = all(run.booted for run in self.runs)


class LabRow:
    """What the lab's scenarios showed on one kernel: the files of its runs."""

    def __init__(self, values):
        self.name, self.release = values["lab_row"], values["release"]
        self.build, self.at, self.seconds = values["build"], values["at"], values["seconds"]
        self.short = ".".join(re.findall(r"\d+", self.release)[:2])
        self.paths = [DIR / name for name in values["runs"]]
        self.errors = values["errors"]

    @property
    def wrong(self):
        """What makes it a failure; empty if nothing does."""
        wrong = list(self.errors)
        for path in self.paths:
            wrong += [f"{name}: {one}" for name, statements in lab.read(path).items() for one in lab.failed(statements)]
        return wrong

    def summary(self):
        wrong = self.wrong
        return f"FAILED: {', '.join(wrong)}" if wrong else f"every scenario holds, {len(self.paths)} times, in {self.seconds} s"


def last_of(key):
    """The last results that have this key, by its value."""
    last = {}
    for path in DIR.glob("*.json"):
        values = json.loads(path.read_text())
        if key in values and values["at"] >= last.get(values[key], values)["at"]:
            last[values[key]] = values
    return [last[kernel.name] for kernel in KERNELS if kernel.name in last]


def rows():
    """The last results of each row, oldest kernel first."""
    return [Row(values) for values in last_of("row")]


def lab_rows():
    """The same of the lab."""
    return [LabRow(values) for values in last_of("lab_row")]
