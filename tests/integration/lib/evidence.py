# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which tests need which evidence, and what may be said without it: one table for the suite and the docs.

A test whose evidence is not granted, by the kernel or for TCPSHAKE_REFUSE, is skipped with the daemon's own
words of what is lost; nothing else is. The names are those of `tcpshaked --probe`.
"""
import functools
import json
import os
import subprocess

from . import env

# What the daemon can do without and this suite takes away one by one (test_refusals.py).
ONE_BY_ONE = ("queue_look", "listener_iterator", "kfree_skb", "tcp_send_reset", "tcp_receive_reset",
              "tcp_retransmit_skb", "neigh_timer_handler", "overflow_reason", "fetch_atomics")

# Modules and functions that test what this evidence shows.
NEEDED_BY = {
    "queue_look": [
        "test_overflow.py", "test_distributions.py",
        *(f"test_listeners.py::{name}" for name in (
            "test_from_before_the_daemon", "test_second_listen_changes_the_limit", "test_limit_is_clamped",
            "test_dual_stack", "test_families_with_one_port", "test_reuseport_members_are_apart",
            "test_namespace_that_goes_away", "test_queue_and_oldest_wait", "test_syn_queue",
            "test_peak_between_samples", "test_peak_of_a_family", "test_peak_of_an_address",
            "test_peak_of_a_member", "test_idle_listeners_say_nothing",
            "test_question", "test_question_of_a_daemon_with_a_filter")),
        *(f"test_backlog_asked.py::{name}" for name in (
            "test_asked_and_got", "test_another_call_that_changes_the_limit", "test_another_call_before_the_first_look",
            "test_it_listens_again", "test_from_before_the_daemon", "test_calls_that_are_not_seen",
            "test_what_the_views_say", "test_a_full_member_among_idle_ones")),
        "test_identity.py::test_mptcp_listener",  # it waits for looks
        "test_idle.py::test_looks_wait_for_traffic",
        "test_audit.py::test_overflow_at_both_stages",
        "test_audit.py::test_refusals",
        "test_audit.py::test_refused_before",
    ],
    "listener_iterator": ["test_overflow.py::test_listener_from_before_the_daemon",
                          "test_listeners.py::test_from_before_the_daemon",
                          "test_owners.py::test_workers_from_before_the_daemon"],
    "tcp_send_reset": [
        "test_resets.py",
        "test_active.py::test_reused_socket_addresses",  # in order, for each is explained at once
        *(f"test_audit.py::{name}" for name in ("test_shared_slot", "test_aborts", "test_scan",
                                                "test_bad_syn_to_a_request")),
    ],
    "tcp_receive_reset": ["test_resets.py"],
    "connection_ends": ["test_close.py", "test_close_shown.py"],
    "kfree_skb": ["test_drops.py", "test_resets.py", "test_audit.py::test_pending_requests_reset"],
    "tcp_retransmit_skb": [
        *(f"test_retransmits.py::{name}" for name in (
            "test_off_by_default", "test_syn", "test_answer_to_a_repeated_syn",
            "test_failed_send_is_counted_only")),
    ],
    "connect_syscall": ["test_connect_errors.py",
                        *(f"test_metrics_shipped.py::{name}" for name in ("test_page", "test_dashboard", "test_rules"))],
    "no_preemption": ["test_identity.py::test_caller_that_connects_in_many_threads"],
    "accept_syscall": ["test_accept_wait.py", "test_daemon.py::test_no_tracefs",
                       *(f"test_metrics_shipped.py::{name}" for name in ("test_page", "test_dashboard", "test_rules"))],
}
# What stands in for it: hooks see what these see, and a kernel without drop reasons has its own tests.
INSTEAD = {"kfree_skb": ("ack_hooks",), "connect_syscall": ("connect_function",)}

# What is right to say, though vaguer, of a handshake with the first cause; never as proven.
VAGUE = {
    "accept_queue_full": ("no_answer", "unknown"),
    "descriptors_exhausted": ("accept_queue_full", "no_answer", "unknown"),
    "listener_closed": ("port_closed", "ack_lost", "synack_lost", "segment_lost", "no_answer", "client_reset", "unknown"),
    "syn_queue_full": ("no_answer",),
    "syn_queue_three_quarters": ("no_answer",),
    "no_route_back": ("no_answer",),
    "syn_lost": ("no_answer", "segment_lost"),
    "synack_lost": ("no_answer", "segment_lost"),
    "ack_lost": ("segment_lost", "unknown"),
    "local_drop": ("no_answer", "syn_lost", "synack_lost", "ack_lost", "segment_lost"),
    "client_reset": ("unknown",),
    "filtered": ("port_closed",),  # "…, or a firewall rejects it"
    "icmp_unreachable": ("filtered", "port_closed"),  # "by a RST or an ICMP message"
    "neighbour_failed": ("icmp_unreachable",),  # "… or a next hop that did not answer"
    "port_reused": ("segment_lost", "no_answer"),
    "unknown": ("segment_lost", "no_answer"),
}

# What no sentence may hold without this evidence (regular expressions).
UNSAYABLE = {
    "queue_look": ("refused none", "not full"),
    "listener_iterator": ("refused none",),
    "tcp_receive_reset": ("^RST in answer", "port unreachable; no RST came"),
    "neigh_timer_handler": ("^an ICMP error ended it .EHOSTUNREACH",),
}


@functools.lru_cache(maxsize=None)
def capabilities():
    """Of the daemon here, as it says itself; nothing if it does not run at all."""
    done = subprocess.run([env.TCPSHAKED, "--probe"], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)["capabilities"]
    except (ValueError, KeyError):
        return {}


def refuses():
    """Does this run refuse evidence by itself?"""
    return bool(os.environ.get("TCPSHAKE_REFUSE"))


def missing(module, function):
    """Why this test cannot run here, or None. Without TCPSHAKE_REFUSE tests know their kernels themselves."""
    if not refuses():
        return None
    granted = capabilities()
    for name, tests in NEEDED_BY.items():
        if not {module, f"{module}::{function}"} & set(tests):
            continue
        one = granted.get(name, {"ok": True})
        if not one["ok"] and not any(granted[other]["ok"] for other in INSTEAD.get(name, ())):
            return f"evidence: {name}: {one['without']}"
    return None
