# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How often the kernel ran a program, skipped it, or kept an event from it.

An event that the kernel counts neither as a run nor as a skipped one was kept from all BPF programs
(lib/blind.py): ftrace counts it all the same.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import subprocess

from . import ftrace

SYS_BPF, BPF_ENABLE_STATS = 321, 32
EVENT = "sock/inet_sock_set_state"


def _stats():
    """A descriptor: while it is open the kernel counts runs."""
    attr = ctypes.create_string_buffer(4)
    fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF, BPF_ENABLE_STATS, attr, 4)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "BPF_ENABLE_STATS")
    return fd


class Runs:
    """Of the daemon's programs of state changes, from here to kept()."""

    def __init__(self, pid):
        self.pid = pid
        self.stats = _stats()
        self.trace = ftrace.Instance("runs", 64)
        self.trace.enable(EVENT)
        self.before = self._read()

    def _programs(self):
        """The numbers of those it holds."""
        for path in pathlib.Path(f"/proc/{self.pid}/fdinfo").iterdir():
            with contextlib.suppress(OSError):
                yield from map(int, re.findall(r"^prog_id:\s+(\d+)$", path.read_text(), re.M))

    def _read(self):
        """{name: (runs, skipped)} of its programs."""
        done = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True, check=True)
        mine = set(self._programs())
        return {one["name"]: (one.get("run_cnt", 0), one.get("recursion_misses", 0))
                for one in json.loads(done.stdout)
                if one["id"] in mine and one.get("name", "").startswith("state_")}

    def _fired(self):
        return sum(int(number) for path in self.trace.path.glob("per_cpu/cpu*/stats")
                   for number in re.findall(r"^(?:entries|overrun): (\d+)$", path.read_text(), re.M))

    def end(self):
        """(how many events were kept from all programs, {program: skipped runs})."""
        now, fired = self._read(), self._fired()
        moved = {name: tuple(b - a for a, b in zip(self.before.get(name, (0, 0)), now[name])) for name in now}
        os.close(self.stats)
        self.trace.close()
        called = max(runs + skipped for runs, skipped in moved.values())
        assert called, f"nobody counted how often they ran: {moved}"
        return max(0, fired - called), {name: skipped for name, (_, skipped) in moved.items()}
