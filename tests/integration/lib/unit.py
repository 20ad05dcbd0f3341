# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The units of contrib/systemd: what they grant, and commands that run a program with just that."""
import re
import subprocess

from . import env

DIRECTORY = env.ROOT / "contrib" / "systemd"
TEXT = (DIRECTORY / "tcpshaked.service").read_text()
RECORDER = (DIRECTORY / "tcpshake-record.service").read_text()

# Run argv[2:] under a filter that allows the calls of argv[1], refuses the others as the unit does, and logs them.
FILTER = """import ctypes, os, sys
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
filter = ctypes.c_void_p(lib.seccomp_init(0x00050001))
assert lib.seccomp_attr_set(filter, 6, 1) == 0
for name in sys.argv[1].split(","):
    number = lib.seccomp_syscall_resolve_name(name.encode())
    assert number < 0 or lib.seccomp_rule_add(filter, 0x7fff0000, number, 0) == 0
assert lib.seccomp_load(filter) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""


def values(key, text=TEXT):
    return [word for line in re.findall(rf"^{key}=(.*)$", text, re.M) for word in line.split()]


def capabilities(text=TEXT):
    """As setpriv(1) names them."""
    return [name.removeprefix("CAP_").lower() for name in values("AmbientCapabilities", text)]


def _calls(name):
    if not name.startswith("@"):
        return {name}
    done = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True)
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    return set().union(*(_calls(line) for line in lines if line and not line.startswith("#")))


def system_calls(text=TEXT):
    """What SystemCallFilter= allows, read as systemd.exec(5) says; @default is always allowed."""
    allowed = _calls("@default")
    for line in re.findall(r"^SystemCallFilter=(.*)$", text, re.M):
        named = set().union(*map(_calls, line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def prefix(uid, text=TEXT):
    """A command that runs another as that user, with the unit's capabilities and system calls."""
    caps = ",".join(["-all", *("+" + name for name in capabilities(text))])
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", f"--inh-caps={caps}",
            f"--ambient-caps={caps}", f"--bounding-set={caps}", "--no-new-privs",
            env.PYTHON, "-c", FILTER, ",".join(sorted(system_calls(text)))]
