# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What fails a guest's run: its kernel's log, as tests/vm/kernel_log.py reads it."""
import importlib

import pytest
from lib import env

BOOT = """\
[    0.000000] Linux version 5.10.0-46-cloud-amd64
[    1.100000] WARNING: CPU: 0 PID: 1 at arch/x86/mm/init.c:1 early+0x1/0x2
[    1.200000] Call Trace:
"""
BEGINS = "[    2.400000] vmtest: begins, tainted {}\n"
ENDS = "[   60.500000] vmtest: ends, tainted {}\n"
QUIET = """\
[    3.000000] clocksource: Switched to clocksource tsc
[    3.100000] TCP: request_sock_TCP: Possible SYN flooding on port 40815. Sending cookies.
[    3.200000] veth0: renamed from tmp123, no warning, no bug
"""
# As 5.10.262 logs it, without the registers
RUN_TIME_ALLOCATION = """\
[    3.460707] ------------[ cut here ]------------
[    3.460861] trace type BPF program uses run-time allocation
[    3.461404] WARNING: CPU: 0 PID: 106 at kernel/bpf/verifier.c:10519 bpf_check+0x2f8e/0x3470
[    3.461428] Modules linked in: virtio_console overlay virtiofs fuse virtio_pci virtio_ring virtio
[    3.461699] CPU: 0 PID: 106 Comm: tcpshaked Not tainted 5.10.0-46-cloud-amd64 #1 Debian 5.10.262-1
[    3.461848] RIP: 0010:bpf_check+0x2f8e/0x3470
[    3.462387] Call Trace:
[    3.463081]  bpf_prog_load+0x474/0x890
[    3.463685] ---[ end trace 666cf5149f968d7c ]---
"""
HEAD = ("trace type BPF program uses run-time allocation: "
        "WARNING: at kernel/bpf/verifier.c:10519 bpf_check+0x2f8e/0x3470")


@pytest.fixture
def kernel_log(monkeypatch):
    monkeypatch.syspath_prepend(str(env.ROOT / "tests" / "vm"))
    return importlib.import_module("kernel_log")


def guest(said, before=0, after=0):
    return BOOT + BEGINS.format(before) + said + ENDS.format(after)


def test_a_quiet_kernel_is_not_wrong(kernel_log):
    """The boot's own warnings and the taint it left do not count."""
    log = kernel_log.KernelLog(guest(QUIET, 512, 512))
    assert log.began and log.taint == 0 and not log.complaints and not log.wrong


def test_a_warning_with_its_message_and_taint(kernel_log):
    log = kernel_log.KernelLog(guest(QUIET + RUN_TIME_ALLOCATION, 0, 512))
    assert log.wrong == [f"kernel: {HEAD} (taint 512: W)"]
    shown = "\n".join(log.complaints[0].lines)
    assert "Comm: tcpshaked" in shown and " bpf_prog_load+0x474/0x890" in shown
    assert "flooding" not in shown and "early" not in shown


@pytest.mark.parametrize("line", [
    "WARNING: kernel/bpf/verifier.c:22 at bpf_check+0x1/0x2, CPU#0: tcpshaked/106",
    "WARNING: possible circular locking dependency detected",
    "WARNING: suspicious RCU usage",
    "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "BUG: sleeping function called from invalid context at mm/slab.h:1",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [python3:99]",
    "kernel BUG at net/core/skbuff.c:100!",
    "Oops: 0000 [#1] SMP NOPTI",
    "general protection fault, probably for non-canonical address 0xdead: 0000 [#1]",
    "Kernel panic - not syncing: Fatal exception in interrupt",
    "rcu: INFO: rcu_sched self-detected stall on CPU",
    "INFO: task tcpshaked:99 blocked for more than 120 seconds.",
    "Call Trace:",
    "UBSAN: array-index-out-of-bounds in net/ipv4/tcp.c:1:2",
    "unregister_netdevice: waiting for lo to become free. Usage count = 2",
])
def test_each_kind_of_complaint(kernel_log, line):
    log = kernel_log.KernelLog(guest(f"{QUIET}[    4.000000] {line}\n"))
    assert len(log.wrong) == 1 and log.wrong[0].startswith("kernel: " + line.split()[0].rstrip(":"))
    assert line in log.complaints[0].lines


def test_a_taint_alone(kernel_log):
    assert "taint 512: W" in kernel_log.KernelLog(guest(QUIET, 0, 512)).wrong[0]
    grown = kernel_log.KernelLog(guest(QUIET, 1, 1 + 128 + 4096))
    assert grown.taint == 4224 and "taint 4224: DO" in grown.wrong[0]


def test_two_that_follow_each_other_are_two(kernel_log):
    other = RUN_TIME_ALLOCATION.replace("verifier.c:10519", "core.c:7").replace("trace type", "that")
    log = kernel_log.KernelLog(guest(RUN_TIME_ALLOCATION + other + RUN_TIME_ALLOCATION, 0, 512))
    assert len(log.complaints) == 3
    assert log.wrong[0] == f"kernel: {HEAD}" and "core.c:7" in log.wrong[1] and len(log.wrong) == 2


def test_a_guest_that_dies(kernel_log):
    """Its console, whose lines end in a carriage return, has no second mark."""
    panic = "[    9.000000] Kernel panic - not syncing: sysrq triggered crash\n"
    log = kernel_log.KernelLog((BOOT + BEGINS.format(0) + panic).replace("\n", "\r\n"))
    assert log.began and log.taint is None
    assert log.wrong[0] == "kernel: Kernel panic - not syncing: sysrq triggered crash"
    assert len(log.wrong) == 2


def test_no_log_is_no_clean_log(kernel_log, tmp_path):
    assert kernel_log.read(tmp_path / "absent").wrong
    for text in ("", QUIET, QUIET + ENDS.format(0)):
        log = kernel_log.KernelLog(text)
        assert not log.began and log.wrong, text


def test_a_run_of_passed_tests_fails_by_its_kernel(kernel_log, monkeypatch, tmp_path):
    results = importlib.import_module("results")
    monkeypatch.setattr(results, "DIR", tmp_path)
    (tmp_path / "r.xml").write_text(
        '<testsuite><testcase classname="tests.test_x" name="test_y"/></testsuite>')
    values = {"mode": "as offered", "error": None, "seconds": 1, "probe": "none", "junit": "r.xml",
              "again": None, "kernel": ["r.kernel.log"]}
    for said, after, ok in ((QUIET, 0, True), (RUN_TIME_ALLOCATION, 512, False)):
        (tmp_path / "r.kernel.log").write_text(guest(said, 0, after))
        run = results.Run(values)
        assert run.ok == ok and run.junit.passed == 1
        assert bool(list(run.kernel_lines())) != ok
        assert ("(taint 512: W)" in run.summary()) != ok
