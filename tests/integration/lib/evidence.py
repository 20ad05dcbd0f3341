# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which tests need which evidence, and what may be said without it: one table for the suite and the docs."""
import fnmatch
import functools
import json
import os
import subprocess

from . import env

# What the daemon can do without, by the names of --probe, that this suite takes away one by one.
ONE_BY_ONE = ("queue_look", "listener_iterator", "kfree_skb", "tcp_send_reset", "tcp_receive_reset",
              "tcp_retransmit_skb", "neigh_timer_handler", "overflow_reason", "fetch_atomics")

# What is right to say, though vaguer, of a handshake with the first cause; never as proven.
VAGUE = {
    "accept_queue_full": ("no_answer",),
    "syn_queue_full": ("no_answer",),
    "syn_queue_three_quarters": ("no_answer",),
    "syn_lost": ("no_answer", "segment_lost"),
    "synack_lost": ("no_answer", "segment_lost"),
    "ack_lost": ("segment_lost", "unknown"),
    "client_reset": ("unknown",),
    "filtered": ("port_closed",),  # "…, or a firewall rejects it"
    "icmp_unreachable": ("filtered", "port_closed"),  # "by a RST or an ICMP message"
    "neighbour_failed": ("icmp_unreachable",),  # "… or a next hop that did not answer"
    "unknown": ("segment_lost", "no_answer"),
}

# What no sentence may hold without this evidence (regular expressions).
UNSAYABLE = {
    "queue_look": ("refused none", "not full"),
    "listener_iterator": ("refused none",),
    "tcp_receive_reset": ("^RST in answer", "port unreachable; no RST came"),
    "neigh_timer_handler": ("^an ICMP error ended it .EHOSTUNREACH",),
}


def reason(name, what):
    return f"evidence: {name}: {what}"
