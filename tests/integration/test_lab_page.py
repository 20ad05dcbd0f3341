# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tests/vm/lab.py: what docs/backlog.md makes of the lab's output of several kernels."""
import importlib.util

import pytest

from lib import env

SPEC = importlib.util.spec_from_file_location("vm_lab", env.ROOT / "tests/vm/lab.py")
page = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(page)


def statement(text, held=None, calls=(), sockets=(), counters=(), records=(), found="what was there"):
    return {"scenario": "s", "line": 1, "statement": text, "calls": list(calls), "sockets": list(sockets),
            "counters": [{"netns": n, "name": name, "moved": m} for n, name, m in counters], "records": list(records),
            "expect": None if held is None else {"held": held, "found": found}, "error": None}


def connect(name, result=0, errno=None, blocked_ns=1000):
    return {"call": "connect", "socket": name, "result": result, "errno": errno, "blocked_ns": blocked_ns}


def test_facts():
    facts = page.facts([
        statement("a: connect", calls=[connect("c1"), connect("c2"), connect("d", -1, "ETIMEDOUT", 3053186118),
                                       connect("e1", -1, "EINPROGRESS")],
                  sockets=[{"socket": "e1", "state": "SYN_SENT"}, {"socket": "c1", "state": "ESTABLISHED"}],
                  counters=[("b", "PassiveOpens", 2), ("b", "ListenDrops", 1)]),
        statement("expect x", held=True, counters=[("b", "ListenDrops", 2), ("a", "TCPTimeouts", 1)],
                  records=[{"type": "overflow", "stage": "syn", "action": "dropped", "queue": "accept", "count": 2}]),
        statement("expect y", held=False)])
    assert facts == {"expectations that held": "1 of 2", page.TAKEN: 2,
                     page.RECORDED + "SYN dropped, accept queue": 2,
                     "clients": "c1..c2 connected at once; d ETIMEDOUT after 3 s; e1 in the end SYN_SENT",
                     "server: `ListenDrops`": 3, "client: `TCPTimeouts`": 1}


def test_left_out():
    statements = [statement("require a", held=False, found="no MPTCP")]
    assert page.facts(statements) == {"left out": "`require a`: no MPTCP"} and page.failed(statements) == []


def test_failed():
    broken = {**statement("nft b x"), "error": "nft refused it"}
    assert page.failed([statement("expect x", held=True), broken, statement("expect y", held=False)]) == \
        ["line 1: nft b x: nft refused it", "line 1: expect y: what was there"]


@pytest.mark.parametrize("runs, different", [
    (([1, 1], [2, 2]), True), (([1, 2], [2, 2]), False), (([1, 1], [1, 1]), False), (([0, 0], None), False),
    (([1, 1], None), True), (([1, 1], [2, 2], [1, 2]), True)])
def test_differs(runs, different):
    kernels = [{"s": {"x": values} if values else {}} for values in runs]
    assert page.differs(kernels, "s", "x") is different
    assert not page.differs([{"s": {page.RECORDED + "x": values}} for values in runs if values], "s", page.RECORDED + "x")


def test_gathered_and_shown():
    runs = [{"s": [statement("x", counters=[("b", "A", 3)])]}, {"s": [statement("x")]}]
    assert page.gather(runs)["s"]["server: `A`"] == [3, 0]
    assert (page.show([3, 0]), page.show([2, 2]), page.show(["a", "b", "a"])) == ("0 to 3", "2", "a / b")
