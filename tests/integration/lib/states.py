# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What tcpshake states says, beside ss(8) and /proc."""
import contextlib
import json

from . import env, schema

SS_NAMES = {"ESTAB": "established", "SYN-SENT": "syn_sent", "SYN-RECV": "syn_recv", "FIN-WAIT-1": "fin_wait1",
            "FIN-WAIT-2": "fin_wait2", "TIME-WAIT": "time_wait", "CLOSE-WAIT": "close_wait", "LAST-ACK": "last_ack",
            "LISTEN": "listen", "CLOSING": "closing"}


def states_of(cli, *flags, ns=None, code=0, prefix=()):
    """What it says of a namespace, each line held against the schema: (groups, summary)."""
    with ns.inside() if ns else contextlib.nullcontext():
        program = cli("states", "--json", *flags, prefix=prefix)
    assert program.wait(40) == code, program.stderr_text
    lines = [json.loads(line) for line in program.end(code=code).splitlines()]
    check = schema.Checker()
    for line in lines:
        assert check.errors(line) == []
    assert [line["type"] for line in lines] == ["states"] * (len(lines) - 1) + ["states_summary"]
    return lines[:-1], lines[-1]


def of(groups, by, **wanted):
    return [g for g in groups if g["by"] == by and all(g[key] == value for key, value in wanted.items())]


def one(groups, by, **wanted):
    found = of(groups, by, **wanted)
    assert len(found) == 1, (by, wanted, groups)
    return found[0]


def by_ss(ns):
    """The number of sockets in each state, as ss(8) counts them."""
    counts = dict.fromkeys(SS_NAMES.values(), 0)
    for line in ns.run("ss", "-Htan").stdout.splitlines():
        counts[SS_NAMES[line.split()[0]]] += 1
    return counts


def sockstat(ns):
    with ns.inside(), open("/proc/thread-self/net/sockstat") as file:
        words = next(line for line in file if line.startswith("TCP:")).split()[1:]
    return dict(zip(words[::2], map(int, words[1::2])))


def acknowledged(ns):
    """Wait for each FIN's acknowledgement, which may be delayed."""
    env.poll_until(lambda: by_ss(ns)["fin_wait1"] == 0, 5, "each FIN's acknowledgement")
