# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a kernel did in the scenarios of the lab, as `tcpshake lab --all --json` shows it, and where kernels differ.

A fact is a name and what was measured in each run of a kernel. Two kernels differ in it if no run of the one gave what
a run of the other gave.
"""
import collections
import json
import re

SECOND = 10**9
AT_ONCE = SECOND // 2  # what takes less is a matter of how fast the machine is
RECORDED = "recorded until the end: "
TAKEN = "connections that the server's kernel took"
SIDES = {"a": "client", "b": "server"}


def read(path):
    """{scenario: its statements}, of one run."""
    found = collections.OrderedDict()
    for line in path.read_text().splitlines():
        statement = json.loads(line)
        found.setdefault(statement["scenario"], []).append(statement)
    return found


def left_out(statements):
    """What the scenario required that this kernel has not, or None."""
    last = statements[-1]
    if last["statement"].startswith("require") and not last["expect"]["held"]:
        return f"`{last['statement']}`: {last['expect']['found']}"
    return None


def failed(statements):
    """The expectations that did not hold, and the statements that could not be made."""
    if left_out(statements):
        return []
    return [f"line {s['line']}: {s['statement']}: {s['error'] or s['expect']['found']}" for s in statements
            if s["error"] or (s["expect"] and not s["expect"]["held"])]


def duration(ns):
    """In half seconds: timers of the kernel are whole seconds, and what runs beside them is not ours to compare."""
    if ns is None:
        return "later"
    return "at once" if ns < AT_ONCE else f"after {round(2 * ns / SECOND) / 2:g} s"


def span(names):
    """c1, c2, c3 as c1..c3."""
    parts = [re.fullmatch(r"(\D+)(\d*)", name).groups() for name in names]
    stems = {stem for stem, _ in parts}
    numbers = [int(number) if number else None for _, number in parts]
    if len(names) > 1 and len(stems) == 1 and None not in numbers and \
            numbers == list(range(numbers[0], numbers[0] + len(names))):
        return f"{names[0]}..{names[-1]}"
    return ", ".join(names)


def clients(statements):
    """What each client saw: how its last connect() ended and when, and its last state."""
    saw, state, numbers = {}, {}, {}
    for statement in statements:
        for call in statement["calls"]:
            if call["call"] == "connect":
                end = "connected" if call["result"] in (0, None) else call["errno"]
                when = "" if call["errno"] == "EINPROGRESS" else f" {duration(call['blocked_ns'])}"
                saw[call["socket"]] = end + when
                state.pop(call["socket"], None)
        for socket in statement["sockets"]:
            if socket["socket"] in saw and socket["state"]:
                state[socket["socket"]] = socket["state"]
    for name, text in saw.items():
        if text.startswith("EINPROGRESS") and name in state:
            text = f"in the end {state[name]}"
        numbers.setdefault(text, []).append(name)
    return "; ".join(f"{span(names)} {text}" for text, names in numbers.items())


def refusals(statements):
    """What was refused, where, by the records: as far as they come before the scenario ends."""
    count = collections.Counter()
    for statement in statements:
        for record in statement["records"]:
            if record["type"] == "overflow":
                what = {"syn": "SYN", "ack": "final ACK"}[record["stage"]]
                count[f"{RECORDED}{what} {record['action']}, {record['queue']} queue"] += record["count"]
    return count


def facts(statements):
    """{name: value} of one run of one scenario."""
    found = collections.OrderedDict()
    missing = left_out(statements)
    if missing:
        return collections.OrderedDict({"left out": missing})
    expects = [s["expect"]["held"] for s in statements if s["expect"]]
    found["expectations that held"] = f"{sum(expects)} of {len(expects)}"
    moved = collections.Counter()
    for statement in statements:
        for counter in statement["counters"]:
            moved[counter["netns"], counter["name"]] += counter["moved"]
    found[TAKEN] = moved.pop(("b", "PassiveOpens"), 0)
    for what, count in sorted(refusals(statements).items()):
        found[what] = count
    saw = clients(statements)
    if saw:
        found["clients"] = saw
    for (netns, name), count in sorted(moved.items(), key=lambda item: (item[0][0] != "b", item[0][1])):
        found[f"{SIDES.get(netns, netns)}: `{name}`"] = count
    return found


def gather(runs):
    """{scenario: {fact: the values of all runs}} of one kernel; a number that one run has and another has not is 0."""
    found = collections.OrderedDict()
    for scenario in runs[0]:
        each = [facts(run[scenario]) for run in runs if scenario in run]
        names = list(dict.fromkeys(name for one in each for name in one))
        found[scenario] = collections.OrderedDict((name, [one.get(name, 0) for one in each]) for name in names)
    return found


def differs(kernels, scenario, name):
    """Is there a pair of kernels of which no run agrees? `kernels`: what gather() returns, of each. Records that come when a
    scenario has ended are no kernel's doing; what they are about is in its counters, too."""
    if name.startswith(RECORDED):
        return False
    values = [set(map(str, kernel.get(scenario, {}).get(name, [0]))) for kernel in kernels]
    return any(not one & other for index, one in enumerate(values) for other in values[:index])


def show(values):
    """One value, or the range of numbers, or what each run gave."""
    if values is None:
        return "0"
    if all(isinstance(value, int) for value in values):
        low, high = min(values), max(values)
        return str(low) if low == high else f"{low} to {high}"
    return " / ".join(dict.fromkeys(map(str, values)))
