# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kernel memory of the BPF maps that a process holds, here and on a host with more CPUs."""
import os

PER_CPU_ARRAY = 6  # enum bpf_map_type
# bpf/latency.h: a slot for each role and outcome, 256 listeners' and 64 remote ports; a copy for each CPU up to four,
# and one for what takes over.
SLOTS, SLOT_BYTES, COPIES = 16 + 256 + 64, 16 + 27 * 32 * 8, 4


def of_maps(pid):
    """What fdinfo says of each map, once: the kernel knows its type, entries and memory."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}") as file:
                info = dict(line.split(":", 1) for line in file if ":" in line)
        except OSError:
            continue
        if "map_id" in info:
            found[int(info["map_id"])] = {key: int(info[key], 0) for key in
                                          ("map_type", "value_size", "max_entries", "memlock")}
    return list(found.values())


def total(maps):
    return sum(m["memlock"] for m in maps)


def with_cpus(maps, cpus):
    """The same where there are so many: only arrays have all of their entries from the start."""
    here = os.cpu_count()
    grows = sum((m["value_size"] + 7) // 8 * 8 * m["max_entries"] for m in maps if m["map_type"] == PER_CPU_ARRAY)
    return total(maps) + grows * (cpus - here)


def of_histograms(cpus):
    copies = 1
    while copies < COPIES and copies * 2 <= cpus:
        copies *= 2
    return SLOTS * SLOT_BYTES * (copies + 1)
