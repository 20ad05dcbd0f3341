# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Of tests for both families, one for each."""
import re

FAMILY = re.compile(r"\bipv[46]\b")


def in_turns(items):
    """Those that are left: of each pair that differs in nothing else one, by turns IPv4's and IPv6's."""
    both = {}
    for item in items:
        both.setdefault(FAMILY.sub("ip", item.nodeid), []).append(item)
    left_out, turn = set(), 0
    for pair in both.values():
        if len(pair) == 2:
            left_out.add(pair[turn].nodeid)
            turn = 1 - turn
    return [item for item in items if item.nodeid not in left_out]
