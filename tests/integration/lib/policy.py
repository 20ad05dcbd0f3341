# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What forbids a process to connect: a BPF program of its cgroup, or Landlock."""
import contextlib
import ctypes
import os
import platform
import resource
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
NR_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_PROG_LOAD, BPF_PROG_ATTACH, BPF_PROG_DETACH = 5, 8, 9
CGROUP_SOCK_ADDR = 18
CONNECT = {4: 10, 6: 11}  # BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT
REFUSE = struct.pack("<BBhiBBhi", 0xb7, 0, 0, 0, 0x95, 0, 0, 0)  # r0 = 0; exit

NR_LANDLOCK = 444  # create_ruleset, add_rule, restrict_self
LANDLOCK_CONNECT = 1 << 1  # LANDLOCK_ACCESS_NET_CONNECT_TCP
PR_SET_NO_NEW_PRIVS = 38


def _bpf(command, attributes):
    attributes = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = LIBC.syscall(NR_BPF, command, attributes, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Refusing:
    """No process of that group connects."""

    def __init__(self, directory, ip):
        with contextlib.suppress(ValueError):  # before 5.11 it is charged; who may not raise it does not need to, later
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        code, licence = ctypes.create_string_buffer(REFUSE), ctypes.create_string_buffer(b"GPL")
        load = struct.pack("<IIQQIIQII16sII", CGROUP_SOCK_ADDR, 2, ctypes.addressof(code), ctypes.addressof(licence),
                           0, 0, 0, 0, 0, b"refuse", 0, CONNECT[ip])
        self.program = _bpf(BPF_PROG_LOAD, load)
        self.group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.how = struct.pack("<III", self.group, self.program, CONNECT[ip])
        _bpf(BPF_PROG_ATTACH, self.how)

    def close(self):
        _bpf(BPF_PROG_DETACH, self.how)
        os.close(self.program)
        os.close(self.group)


def landlock_forbids_tcp():
    """Of the calling process, from now on. False: the kernel cannot (before 6.7, or built without)."""
    version = LIBC.syscall(NR_LANDLOCK, None, 0, 1)
    if version < 4:
        return False
    handled = ctypes.create_string_buffer(struct.pack("<QQ", 0, LANDLOCK_CONNECT), 16)
    ruleset = LIBC.syscall(NR_LANDLOCK, handled, 16, 0)
    return ruleset >= 0 and LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and \
        LIBC.syscall(NR_LANDLOCK + 2, ruleset, 0) == 0
