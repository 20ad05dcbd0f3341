# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the kernel of a guest complained of: its log and its taint, from where vmtest's command begins.

vmtest writes two lines of its own into the log, each with the taint at that moment. Whatever comes
before the first one belongs to the boot and counts for nothing.
"""
import re

BEGIN = re.compile(r"^vmtest: begins, tainted (\d+)")
END = re.compile(r"^vmtest: ends, tainted (\d+)")
STAMP = re.compile(r"^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")

# What no line of a healthy kernel's log contains. Nothing is excused, not even a stall that a slow
# emulator may cause: none has come yet.
COMPLAINT = re.compile("|".join([
    r"\bWARNING: ",  # WARN(), lockdep, RCU usage
    r"\bBUG: ", r"\bkernel BUG at ",
    r"\bOops: ", r"\bgeneral protection fault\b", r"\b[Uu]nable to handle ", r"\bKernel panic\b",
    r"\bINFO: ",  # stalls of RCU, hung tasks, lockdep
    r"\bCall Trace:",  # whatever else dumps its stack: failed allocations, the OOM killer, RTNL
    r"\bUBSAN: ", r"\bKCSAN: ", r"\bkmemleak: .*suspected",
    r"\bunregister_netdevice: waiting for ",
]))
CUT = "[ cut here ]"
DONE = "[ end trace"
SPAN = 40  # a complaint has no two matching lines further apart
BEFORE, AFTER = 2, 6  # the lines shown around a match

# Words that differ between two occurrences of the same complaint
VARIES = re.compile(r"CPU: \d+ (?:UID: \d+ )?PID: \d+ |, CPU#\d+: \S+|\[#\d+\] ?")

# By bit, as in Documentation/admin-guide/tainted-kernels.rst
TAINTS = "PFSRMBUDAWCIOELKXTNJ"


def letters(taint):
    return "".join(letter for bit, letter in enumerate(TAINTS) if taint >> bit & 1) or "unknown"


class Complaint:
    """One of them: `head` says what it is, `lines` are those that matter."""

    def __init__(self, lines, matches):
        first = matches[0]
        self.head = VARIES.sub("", lines[first]).removesuffix(":").strip()
        if first >= 2 and CUT in lines[first - 2]:  # WARN() with a message of its own
            self.head = f"{lines[first - 1].strip()}: {self.head}"
        shown = {near for at in matches for near in range(at - BEFORE, at + AFTER + 1)}
        self.lines = [lines[at] for at in sorted(shown) if 0 <= at < len(lines)]


def complaints(lines):
    groups, open_ = [], False
    for at, line in enumerate(lines):
        if CUT in line or DONE in line:
            open_ = False
        elif COMPLAINT.search(line):
            if not open_ or at - groups[-1][-1] > SPAN:
                groups.append([])
            groups[-1].append(at)
            open_ = True
    return [Complaint(lines, group) for group in groups]


class KernelLog:
    """Of one guest. `began`: its command did; `taint`: the bits that were set since, None if unknown."""

    def __init__(self, text, path=None):
        self.path = path
        lines = [STAMP.sub("", line.rstrip()) for line in (text or "").splitlines()]
        begin = next((at for at, line in enumerate(lines) if BEGIN.search(line)), None)
        end = next((at for at, line in enumerate(lines) if END.search(line)), None)
        self.began = begin is not None
        self.missing = text is None
        self.taint = None
        if self.began and end is not None:
            self.taint = int(END.search(lines[end])[1]) & ~int(BEGIN.search(lines[begin])[1])
        self.complaints = complaints(lines[begin + 1:] if self.began else lines)

    @property
    def wrong(self):
        """What makes it a failure: a line for each complaint; empty if there is none."""
        if self.missing:
            return ["kernel: no log of it"]
        wrong = [] if self.began else ["kernel: its log does not reach back to where the command begins"]
        heads = list(dict.fromkeys(one.head for one in self.complaints))
        if self.taint:
            heads = heads or ["tainted, and nothing in its log says why"]
            heads[-1] += f" (taint {self.taint}: {letters(self.taint)})"
        elif self.taint is None and self.began:
            wrong.append("kernel: the guest ended before its taint could be read")
        return [*(f"kernel: {head}" for head in heads), *wrong]


def read(path):
    try:
        return KernelLog(path.read_text(errors="replace"), path)
    except OSError:
        return KernelLog(None, path)
