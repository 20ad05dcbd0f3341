# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a process may do, by /proc/PID/status, and what was refused to it, by the kernel's log."""
import contextlib
import os
import pathlib
import re

CAPABILITIES = {2: "DAC_READ_SEARCH", 19: "SYS_PTRACE", 21: "SYS_ADMIN", 38: "PERFMON", 39: "BPF"}
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def names(mask):
    return {CAPABILITIES.get(bit, str(bit)) for bit in range(64) if mask >> bit & 1}


class Status:
    """Of one thread."""

    def __init__(self, path):
        fields = dict(re.findall(r"^(\w+):\s*(.*)$", pathlib.Path(path).read_text(), re.M))
        for one in SETS:
            setattr(self, one, names(int(fields[one], 16)))
        self.no_new_privs = fields["NoNewPrivs"] == "1"
        self.seccomp = int(fields["Seccomp"])
        self.uids = set(map(int, fields["Uid"].split()))


def threads(pid):
    """Those that do not end meanwhile, as the second one of a start does."""
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append(Status(path))
    return found


def kernel_log():
    """The lines that the kernel still keeps; none where it shows them to nobody."""
    try:
        log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        while True:
            try:
                yield os.read(log, 8192).decode(errors="replace")
            except BrokenPipeError:
                continue  # overwritten before it was read: the next one that is left
    except OSError:
        return
    finally:
        os.close(log)


def refused(pid, since):
    """System calls that a filter refused to this process of ours, as the kernel logs them (SECCOMP_RET_ERRNO), from a
    time.time() on: an earlier process may have had the same number."""
    wanted = re.compile(rf'type=1326 audit\((\d+\.\d+):.* pid={pid} comm="tcpshaked".* syscall=(\d+) ')
    return {int(match[2]) for line in kernel_log() if (match := wanted.search(line)) and float(match[1]) >= since}
