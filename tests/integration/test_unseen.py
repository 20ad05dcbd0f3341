# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake explain where a kernel refuses some evidence: what it says of what nobody saw."""
import json
import os

import pytest

from lib import env, schema
from lib.explained import CODES, cause, example, explained, hello, text_of, timeout, write
from lib.queues import Crowd
from lib.traffic import connect

pytestmark = pytest.mark.sanitize


@pytest.fixture
def explain(cli, tmp_path):
    """The causes and the summary that it makes of some records."""
    def run(records, *flags):
        return explained(cli, write(tmp_path / "recording", records), *flags)
    return run


GRANTED = dict.fromkeys(
    ("inet_sock_set_state", "tcp_retransmit_synack", "no_preemption", "listener_iterator", "queue_look",
     "kfree_skb", "tcp_send_reset", "tcp_receive_reset", "tcp_retransmit_skb", "neigh_timer_handler",
     "overflow_reason", "fetch_atomics", "function_hooks", "ack_hooks", "reset_hooks", "request_function", "accept_function",
     "accept_syscall", "connect_function", "connect_syscall"), True)
OPTIONAL = [name for name in GRANTED if name not in ("inet_sock_set_state", "tcp_retransmit_synack")]


def without(*names, **changes):
    """A hello of a kernel that refuses these, and has no hooks unless they are named."""
    refused = {name: {"error": "Operation not permitted", "without": "Less."} for name in names}
    granted = {**GRANTED, "function_hooks": False, "ack_hooks": False, **dict.fromkeys(names, False)}
    return hello(capabilities=granted, refused=refused, **changes)


def probable(number, code, **changes):
    return {**timeout(number, **changes), "cause": cause(code, "probable")}


def end_of(text):
    """The sentences after the causes, as one line."""
    return " ".join(text.split())


def test_nothing_is_said_where_all_was_seen(explain, cli, tmp_path):
    """Hooks stand in for looks at queues."""
    records = [probable(1, "no_answer"), probable(2, "icmp_unreachable"), probable(3, "port_closed")]
    hooks = {**dict.fromkeys(("queue_look", "kfree_skb", "overflow_reason"), False)}
    for first in (without(), hello(capabilities={**GRANTED, **hooks})):
        causes, summary = explain([first, *records])
        assert summary["unseen"] == [] and not [c for c in causes if "may_hide" in c]
        assert "Not seen" not in text_of(cli, tmp_path / "recording")


OF_QUEUES = ["accept_queue_full", "descriptors_exhausted", "syn_queue_full", "syn_queue_three_quarters", "no_route_back"]
OF_RESETS = ["filtered", "listener_closed", "port_reused"]


@pytest.mark.parametrize("name,code,hidden", [
    ("queue_look", "no_answer", OF_QUEUES),
    ("queue_iterator", "segment_lost", OF_QUEUES),
    ("tcp_retransmit_skb", "segment_lost", ["syn_lost", "synack_lost", "slow_path"]),
    ("tcp_send_reset", "port_closed", OF_RESETS),
    ("tcp_send_reset", "segment_lost", OF_RESETS),
    ("tcp_receive_reset", "port_closed", ["peer_reset", "icmp_unreachable"]),
    ("neigh_timer_handler", "icmp_unreachable", ["neighbour_failed"])])
def test_what_may_hide(explain, cli, tmp_path, name, code, hidden):
    """The cause that is reported, and what it may be instead for want of that evidence."""
    first = without(name)
    if name == "queue_iterator":  # of an older daemon
        del first["capabilities"]["queue_look"]
    causes, summary = explain([first, probable(1, code)])
    assert causes[0]["may_hide"] == hidden
    assert len(summary["unseen"]) == 1 and code in summary["unseen"][0]["behind"]
    shown = name.replace("iterator", "look")
    assert summary["unseen"][0]["refused"] == {shown: "Operation not permitted"}
    said = end_of(text_of(cli, tmp_path / "recording"))
    assert f"({shown}: Operation not permitted)" in said
    assert f"{hidden[-1]} may hide behind {code}" in said
    # what is proven hides nothing
    causes, _ = explain([first, timeout(1, code=code)])
    assert "may_hide" not in causes[0]


def test_client_that_gave_up(explain):
    """It is proven that it did, and not what it waited for."""
    causes, _ = explain([without("queue_look"), timeout(1, code="application_cancelled")])
    assert causes[0]["may_hide"][0] == "accept_queue_full"


def test_nothing_harmed_and_little_seen(cli, tmp_path):
    path = write(tmp_path / "recording", [without(*OPTIONAL), example("handshake-active")])
    said = end_of(text_of(cli, path))
    assert said.startswith("no handshake failed or was retransmitted: 1 seen Not seen on this host: SYNs")
    assert "kfree_skb: Operation not permitted, overflow_reason: Operation not permitted" in said
    # what concerns nothing that is shown is left out
    assert "neigh" not in said and "RSTs that this host" not in said
    assert len(text_of(cli, path).splitlines()) <= 9


def test_resets_that_nobody_saw(cli, tmp_path):
    records = [without("tcp_send_reset"), example("reset-refused")]
    assert "resets: those sent not seen, 1 received" in text_of(cli, write(tmp_path / "r", records))


def test_all_refused(explain, cli, tmp_path):
    records = [without(*OPTIONAL), *(probable(n, code) for n, code in enumerate(CODES, 1))]
    _, summary = explain(records)
    assert len(summary["unseen"]) == 6
    assert all(code in CODES for item in summary["unseen"] for code in item["causes"] + item["behind"])
    text = text_of(cli, tmp_path / "recording")
    assert text.count("Not seen on this host: ") == 6
    assert max(map(len, text.splitlines())) <= 80


def test_without_hello(explain, cli, tmp_path):
    _, summary = explain([timeout(1)])
    assert summary["unseen"] is None
    assert "(it has no hello)" in end_of(text_of(cli, tmp_path / "recording"))


def test_waiting_for_accept_is_not_promised(explain):
    """No view shows how long connections wait where queues cannot be looked at."""
    for first, says in ((without("queue_look"), "cannot be looked at"), (without(), "tcpshake listeners")):
        causes, _ = explain([first, example("overflow-ack")])
        assert says in causes[0]["advice"]


@pytest.mark.parametrize("refused", ["queue_look,function_hooks", "all"])
def test_refused_evidence_of_a_daemon(lone, tmp_path, daemon, cli, refused):
    """TCPSHAKE_REFUSE: a client that nobody answers, and what it may have been."""
    daemon("--netns", lone.path, sock=tmp_path / "sock", env={**os.environ, "TCPSHAKE_REFUSE": refused})
    program = cli("explain", "--json", "-s", str(tmp_path / "sock"), "--duration", f"{2 * env.SLOW:g}s")
    env.poll_until(lambda: "watching for" in program.stderr_text, 10, "a subscription")
    connect(lone, 4, ("127.0.0.1", 9))[0].close()
    made = [json.loads(line) for line in program.end().splitlines()]
    assert [error for record in made for error in schema.Checker().errors(record)] == []
    assert [c["code"] for c in made[:-1]] == ["port_closed"], made
    unseen = {name for item in made[-1]["unseen"] for name in item["refused"]}
    if refused == "all":
        assert made[0]["certainty"] == {"proven": 0, "probable": 1}
        assert "filtered" in made[0]["may_hide"]
        assert unseen >= {"queue_look", "kfree_skb", "tcp_send_reset", "neigh_timer_handler"}
    else:
        assert "may_hide" not in made[0] and "queue_look" in unseen


def test_a_full_queue_that_nobody_sees(pair, keep, tmp_path, daemon, cli):
    """The client's SYNs are refused, and explain says what it cannot rule out."""
    pair.client.sysctl("net.ipv4.tcp_syn_retries", 1)
    pair.client.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0, optional=True)
    crowd = Crowd(pair, 4, keep, 1)
    daemon("--listener-interval", "200ms", sock=tmp_path / "sock", losses=True,
           env={**os.environ, "TCPSHAKE_REFUSE": "queue_look,function_hooks"})
    program = cli("explain", "--json", "-s", str(tmp_path / "sock"), "--port", str(crowd.port),
                  "--duration", f"{5 * env.SLOW:g}s")
    env.poll_until(lambda: "watching for" in program.stderr_text, 10, "a subscription")
    crowd.fill()
    crowd.begin(1)
    *causes, summary = [json.loads(line) for line in program.end().splitlines()]
    assert [c["code"] for c in causes] == ["no_answer"], causes
    assert causes[0]["failed"] == causes[0]["certainty"]["probable"] == 1
    assert causes[0]["may_hide"][0] == "accept_queue_full"
    assert summary["unseen"][0]["refused"].keys() == {"queue_look"}
