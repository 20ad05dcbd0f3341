# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One tracer, one run; and whether it starts at all, and when its first record comes."""
import os
import pty
import re
import select
import signal
import subprocess
import time

from . import host, memory

CPUS = 2, 256  # the memory of maps is computed for hosts with so many

TRICKLE = 200  # connections a second while the first record is waited for
PATIENCE = 12  # seconds for it
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
# What says nothing about why a program did not start.
NOISE = re.compile(r"^\s*(Traceback|File \"|raise |\^+|chdir|sh: |b = BPF|Attaching|Tracing|$)|RLIMIT_MEMLOCK|WARNING")


def quit_of(process, name, patience=20):
    """Ask it to end; its rusage."""
    process.send_signal(getattr(signal, "SIG" + name))
    deadline = time.monotonic() + patience
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        if time.monotonic() > deadline:
            process.kill()
            deadline += 60
        time.sleep(0.01)


def why(text):
    """The line of a program's output that says best why it failed."""
    seen = [line.strip() for line in text.splitlines() if not NOISE.search(line)]
    telling = [line for line in seen if re.search(r"unable|fail|error|not |denied", line, re.I)]
    line = (telling or seen or ["it ended without a word"])[0]
    return line if len(line) <= 160 else line[:157] + "..."


def first_record(tracer):
    """(milliseconds until the first record, None) or (None, why there is none); on a terminal."""
    host.private_netns()
    trickle = subprocess.Popen([host.tool("storm"), "-n", str(TRICKLE * (PATIENCE + 8)), "-p", str(host.PORT),
                                "-r", str(TRICKLE)], stdout=subprocess.DEVNULL)
    master, slave = pty.openpty()
    begin = time.monotonic()
    process = subprocess.Popen(tracer.first, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
    os.close(slave)
    text, found = b"", None
    wanted = re.compile(rb"(^|\n)[^\n]*\b%d\b[^\n]*\n" % host.PORT)
    while found is None and time.monotonic() - begin < PATIENCE:
        if not select.select([master], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(master, 65536)
        except OSError:  # EIO: it has gone
            break
        if not data:
            break
        text += ESCAPES.sub(b"", data).replace(b"\r", b"")
        if wanted.search(text):
            found = (time.monotonic() - begin) * 1000
    os.close(master)
    if process.poll() is None:
        quit_of(process, tracer.stop)
    trickle.kill()
    trickle.wait()
    if found is not None:
        return found, None
    return None, why(text.decode(errors="replace"))


class Run:
    """A storm with a tracer; what it cost, and what it told."""

    def __init__(self, tracer, connections, directory):
        self.connections = connections
        self.path, self.errors_path = directory / "out", directory / "errors"
        self.path.unlink(missing_ok=True)
        self.netns = host.private_netns()
        self.result = {"rate": None}
        if not tracer.argv:
            self.result.update(host.storm(connections))
            return
        with open(self.path, "wb") as out, open(self.errors_path, "wb") as errors:
            process = subprocess.Popen(tracer.argv(self.path), stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=errors)
        self._wait_ready(process, tracer)
        started = host.family_cpu_s(process.pid)
        self.result.update(host.storm(connections))
        self._settle()
        self.result["rss_kb"] = host.peak_rss_kb(process.pid)
        maps = memory.of_maps(process.pid)
        self.result["maps"] = [memory.with_cpus(maps, cpus) for cpus in (os.cpu_count(), *CPUS)]
        alive = process.poll() is None
        usage = quit_of(process, tracer.stop) if alive else None
        if usage:
            self.result["cpu_s"] = max(usage.ru_utime + usage.ru_stime - started, 0)
            self.result["start_cpu_s"] = started
        if tracer.count and alive:
            self.result["got"], self.result["wanted"] = tracer.count(self)

    def errors(self):
        return self.errors_path.read_text(errors="replace")

    def _wait_ready(self, process, tracer):
        """As long as its first record took, once more as long, and half a second; or until it says so."""
        if not tracer.first or "tcpshaked" in tracer.first[0]:
            host.wait_until(lambda: self.path.stat().st_size or process.poll() is not None, 10)
        else:
            time.sleep(2 * tracer_delay.get(tracer.name, 2000) / 1000 + 0.5)

    def _settle(self):
        """Until its output does not grow any more: what it still works at is its own cost."""
        size = -1
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline and (now := self.path.stat().st_size) != size:
            size = now
            time.sleep(0.3)


tracer_delay = {}  # milliseconds until the first record, by name
