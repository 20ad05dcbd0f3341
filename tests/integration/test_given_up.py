# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients that give up by themselves, as most do: the cause is why nothing came, with any evidence.

Each fault is met by clients with time-outs of their own, all at once, before several daemons: one with all evidence,
others without some of it. What is said is right, or vaguer and then never proven.
"""
import os
import time

import pytest

from lib import env, evidence, netns
from lib.causes import DROPS, QUEUES, REFUSALS, Scene, absent, slow_neighbours
from lib.traffic import Agent
from test_causes import FAST, able, said

TIME_OUTS = (0.3, 1.5, 2.5, 5, 10)
EARLY_NS = 950 * env.MS  # its SYN is due again after 1 s
REFUSE = (None, "function_hooks,ack_hooks,reset_hooks", "queue_look,function_hooks", "tcp_retransmit_skb",
          "neigh_timer_handler", "all")
REFUSE_SLOW = (None, "function_hooks,ack_hooks,reset_hooks", "all")

WHEN = ("tcp_retransmit_skb",)  # each SYN was sent

# What is done to the clients of one kind: the cause, and what the daemon has to see for it.
TRUTH = {
    "SYN lost": ("no_answer", ()),
    "SYN-ACK lost": ("synack_lost", WHEN + DROPS),
    "accept queue full": ("accept_queue_full", REFUSALS + WHEN),
    "SYN queue full": ("syn_queue_full", QUEUES + WHEN),
    "next hop silent": ("neighbour_failed", ()),
}


class Stage:
    """A place for each fault."""

    def __init__(self, pair, ip, keep):
        self.s = s = Scene(pair, ip, keep)
        self.keep, self.ip = keep, ip
        s.client.sysctl("net.ipv4.tcp_syn_retries", 6)
        s.server.sysctl("net.ipv4.tcp_synack_retries", 5)
        s.server.sysctl("net.ipv4.tcp_syncookies", 0)
        slow_neighbours(s)
        s.client.sysctl(f"net.ipv{ip}.neigh.c0.mcast_solicit", 20)  # longer than anybody waits
        lost, unanswered = self.listener(), self.listener()
        s.server.lose(f"tcp dport {lost}")
        s.client.lose(f"tcp sport {unanswered} {netns.SYNACK}")
        full, busy = s.crowd(1), s.crowd(1)
        full.fill()
        busy.late(2)
        self.to = {
            "SYN lost": (s.address[0], lost),
            "SYN-ACK lost": (s.address[0], unanswered),
            "accept queue full": full.address,
            "SYN queue full": busy.address,
            "next hop silent": (absent(s), 80),
        }

    def listener(self):
        options = {"family": self.ip, **({"v6only": 1} if self.ip == 6 else {})}
        return self.keep(Agent(self.s.server, comm="resident", listen=options)).port

    def play(self):
        """The clients, by their ports: (kind, how long each waits)."""
        made, waiting = {}, []
        begun = time.monotonic()
        for after in TIME_OUTS:
            for kind, address in self.to.items():
                sock = self.s.begin(address)
                made[sock.getsockname()[1]] = kind
                waiting.append((begun + after, sock))
        for when, sock in waiting:
            time.sleep(max(0, when - time.monotonic()))
            sock.close()
        return made


def judge(d, kind, record, sure):
    """`sure`: this daemon sees all there is."""
    code, needs = TRUTH[kind]
    outcome, found, certainty = said(record)
    where = f"{kind}: {outcome}, {found}, {certainty}: {record['cause']['detail']}"
    early = record["latency_ns"] < EARLY_NS
    assert outcome == "cancelled" and "the application gave up after" in record["cause"]["detail"], where
    right = found == code or early and found == "application_cancelled"
    assert right or found in evidence.VAGUE.get(code, ()) and certainty != "proven", where
    assert not sure or right, where
    assert found != "application_cancelled" or early, where
    assert found != "no_answer" or certainty == "probable", where
    if not early and kind == "SYN-ACK lost" and able(d, needs):
        assert (found, certainty) == (code, "proven"), where


@pytest.mark.parametrize("lone_client", [False, True], ids=["many", "one"])
def test_each_fault_and_time_out(pair, ip, keep, daemon, lone_client):
    if evidence.refuses():
        pytest.skip("evidence: this run refuses some by itself")
    stage = Stage(pair, ip, keep)
    daemons = {}
    for name in REFUSE_SLOW if env.SLOW >= 4 else REFUSE:
        refused = {"TCPSHAKE_REFUSE": name} if name else {}
        daemons[name] = daemon(*FAST, env={**os.environ, **refused})
        stage.s.known(daemons[name])
    if lone_client:  # nobody else's SYN can have been refused: each queue's is proven
        sock = stage.s.begin(stage.to["accept queue full"])
        clients = {sock.getsockname()[1]: "accept queue full"}
        time.sleep(2.5)
        sock.close()
    else:
        clients = stage.play()
    for name, d in daemons.items():
        def found(d=d):
            return {r["local"]["port"]: r for r in d.feed.records(role="active", netns=stage.s.client.inode)
                    if r["local"]["port"] in clients and r["outcome"] != "established"}
        env.poll_until(lambda found=found: len(found()) == len(clients), 15, f"the clients without {name}")
        for port, record in found().items():
            sure = able(d, TRUTH[clients[port]][1])
            judge(d, clients[port], record, sure)
            if lone_client and sure:
                assert said(record)[2] == "proven", record


@pytest.mark.parametrize("retries", [1, 2])
def test_silent_next_hop_with_few_retries(pair, ip, keep, daemon, retries):
    """The kernel gives up before the neighbour fails, or just then: neither is a firewall's doing."""
    s = Scene(pair, ip, keep)
    d = daemon(*FAST)
    s.known(d)
    s.client.sysctl("net.ipv4.tcp_syn_retries", retries)
    s.client.sysctl(f"net.ipv{ip}.neigh.c0.retrans_time_ms", 1000)
    for last in range(8):  # nobody asks them for their error: who is fast takes it away before the record has it
        s.begin((absent(s)[:-1] + str(last), 80))
    for port in s.ports:
        record = d.handshake(role="active", netns=s.client.inode, local={"port": port}, timeout=20)
        assert record["outcome"] in ("timeout", "unreachable"), record
        assert record["cause"]["code"] == "neighbour_failed" or not able(d, ["neigh_timer_handler"]), record
