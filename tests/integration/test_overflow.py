# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every way in which a queue refuses a handshake; the kernel's counters are the witness.

The feed's counts must be those of /proc/net/netstat in the same namespace, exactly.
"""
import signal
import errno
import os

import pytest

from lib import env
from lib.queues import Books, Crowd, pending, reset
from lib.traffic import connect, finish, listener, port_of, start

FAST = ("--listener-interval", "200ms")
ACCEPT = {"queue": "accept", "cause": {"code": "accept_queue_full"}}
# Records of single packets, which name the client.
IMMEDIATE = ("kfree_skb", "synack_retransmit", "tcp_conn_request", "tcp_check_req",
             "tcp_get_cookie_sock")


def able(d, name):
    """Does this kernel offer it, as the daemon says?"""
    return d.feed.all[0]["capabilities"][name]


def knows_acks(d):
    """Is each refused final ACK told by itself? Else whether it was one is only probable."""
    return able(d, "ack_hooks") or (able(d, "kfree_skb") and able(d, "overflow_reason"))


def settle_acks(d, books, crowd, **subset):
    """Final ACKs were refused, and nothing else: each is told as such, or nothing wrong is proven."""
    if knows_acks(d):
        records = books.settle("ListenOverflows", stage="ack", **subset, **ACCEPT)
        check_place(records, crowd, crowd.backlog + 1)
        assert all(record["cause"]["certainty"] == "proven" for record in records)
        return
    for record in books.settle("ListenOverflows", **ACCEPT):
        assert record["stage"] == "ack" or record["cause"]["certainty"] == "probable", record
        check_place([record], crowd)


def close_acks(d, books, **subset):
    books.close("ListenOverflows", **(subset if knows_acks(d) else ACCEPT))


@pytest.fixture
def watch(daemon):
    """A daemon and the books of a namespace, opened once it watches."""
    def start_watching(ns, *flags):
        d = daemon(*FAST, *flags)
        return d, Books(d, ns)
    return start_watching


def check_place(records, crowd, queue_len=None):
    """Each names the listener, its owner and, if it is about one packet, the client."""
    clients = [sock.getsockname()[1] for sock in crowd.clients if sock.fileno() >= 0]
    for record in records:
        assert record["listener"]["port"] == crowd.port, record
        assert record["process"] == crowd.process, record
        if queue_len is not None:
            assert record["accept_queue"] == {"len": queue_len, "max": crowd.backlog}, record
        if record["evidence"] in IMMEDIATE:
            assert record["count"] == 1
            assert record["remote"]["addr"] == crowd.pair.client.addr[crowd.ip], record
            assert not clients or record["remote"]["port"] in clients, (record, clients)
        else:
            assert 0 < record["interval_ns"] < 10 * env.SECOND, record


def sampled(d, crowd):
    """Until the daemon knows the listener's queues, and with them the namespace's counters."""
    d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and r["accept_queue"] and
                                 r["netns"] == crowd.pair.server.inode and
                                 r["local"]["port"] == crowd.port], what="a first look")


def test_cookies_for_every_syn(pair, ip, keep, watch):
    """tcp_syncookies=2: each SYN counts TCPReqQFullDoCookies, and no queue is full."""
    pair.server.sysctl("net.ipv4.tcp_syncookies", 2)
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 64)
    sampled(d, crowd)
    crowd.taken(5)
    books.wait_kernel("TCPReqQFullDoCookies", 5)
    d.feed.wait_for(lambda all: [r for r in all if r["type"] == "audit" and r["netns"] == pair.server.inode and
                                 any(c["name"] == "TCPReqQFullDoCookies" and c["observed"] for c in r["counters"])],
                    5, "an audit of the cookies")
    d.stop()
    assert not books.overflows()
    assert all(r["balanced"] for r in d.feed.records("audit", netns=pair.server.inode))


@pytest.mark.parametrize("backlog", [0, 1, 5, 128])
def test_syns_beyond_the_accept_queue(pair, ip, keep, watch, backlog):
    """listen(fd, N) and nobody accepts: N + 1 are taken, the rest refused at the SYN."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, backlog)
    sampled(d, crowd)
    crowd.fill()
    taken = d.handshakes(backlog + 1, netns=pair.server.inode, role="passive",
                         local={"port": crowd.port})
    assert sorted(r["accept_queue"]["len"] for r in taken) == list(range(backlog + 1))
    assert books.delta("ListenOverflows") == 0 and not books.overflows()
    crowd.begin(7)
    books.wait_kernel("ListenOverflows", 7)
    records = books.settle("ListenOverflows", stage="syn", action="dropped", **ACCEPT)
    check_place(records, crowd, backlog + 1)
    certainty = "proven" if knows_acks(d) or able(d, "kfree_skb") else "probable"
    assert all(record["cause"]["certainty"] == certainty for record in records)
    crowd.leave()
    books.close("ListenOverflows")


@pytest.mark.parametrize("full", ["accept", "syn", "three_quarters"])
def test_client_of_a_refused_syn(pair, ip, keep, watch, full):
    """Which SYN was refused is told where the function that refuses it can be hooked."""
    pair.server.sysctl("net.ipv4.tcp_syncookies", 0)
    pair.server.sysctl("net.ipv4.tcp_max_syn_backlog", 8 if full == "three_quarters" else 4096)
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 128 if full == "three_quarters" else 4)
    if full == "accept":
        crowd.fill()
    else:
        crowd.late(7 if full == "three_quarters" else 5)
    clients = {sock.getsockname()[1] for sock in crowd.begin(6)}
    counter, queue = {"accept": ("ListenOverflows", "accept"), "syn": ("TCPReqQFullDrop", "syn"),
                      "three_quarters": ("ListenDrops", "syn")}[full]
    books.wait_kernel(counter, 6)
    records = books.settle(counter, stage="syn", queue=queue, action="dropped")
    check_place(records, crowd, 5 if full == "accept" else 0)
    if able(d, "function_hooks"):
        assert {record["evidence"] for record in records} == {"tcp_conn_request"}
        assert {record["remote"]["port"] for record in records} == clients
        proven = [record["cause"]["certainty"] == "proven" for record in records]
        assert all(proven) if full != "three_quarters" else not any(proven)
    else:
        assert {record["evidence"] for record in records} == {"sk_drops"}
        assert not any("remote" in record for record in records)
    crowd.leave()
    books.close(counter)


def test_before_the_first_look(pair, ip, keep, watch):
    """Opened, filled and refused within one interval: the counts are exact all the same."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 2)
    crowd.fill()
    crowd.begin(5)
    books.wait_kernel("ListenOverflows", 5)
    check_place(books.settle("ListenOverflows", stage="syn", **ACCEPT), crowd, 3)
    crowd.leave()
    books.close("ListenOverflows")


def test_listener_from_before_the_daemon(pair, ip, keep, watch):
    """What was refused before the daemon is not told, all that is refused from hello on is."""
    crowd = Crowd(pair, ip, keep, 2)
    crowd.fill()
    for sock in crowd.begin(3):
        env.poll_until(lambda: pair.server.counters()["ListenOverflows"] >= 3)
        reset(sock)
        crowd.clients.remove(sock)
    d, books = watch(pair.server)
    crowd.begin(5)
    books.wait_kernel("ListenOverflows", 5)
    check_place(books.settle("ListenOverflows", stage="syn", **ACCEPT), crowd, 3)
    crowd.leave()
    books.close("ListenOverflows")


def test_listener_is_named_as_it_listens(pair, ip, keep, watch):
    """One key for all evidence: the address it is bound to, not that of the connection."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 2)
    late = refuse_acks(crowd, books, 1)
    crowd.begin(1)
    books.wait_kernel("ListenOverflows", 2)
    records = books.settle("ListenOverflows")
    # Both within one look, and no word of the ACK: then which it was is only probable.
    assert {r["stage"] for r in records} == {"syn", "ack"} or not knows_acks(d) and \
        all(r["cause"]["certainty"] == "probable" for r in records)
    wanted = {"addr": "0.0.0.0" if ip == 4 else "::", "port": crowd.port}
    assert [r["listener"] for r in records] == [wanted] * len(records), late


def refuse_acks(crowd, books, count):
    """Final ACKs that come when the queue is full."""
    late = crowd.late(count)
    crowd.find_acks()
    crowd.fill()
    for sock in late:
        sock.send(b"x")
    books.wait_kernel("ListenOverflows", count)
    return late


@pytest.mark.parametrize("backlog", [0, 1, 5, 128])
def test_final_acks_beyond_the_accept_queue(pair, ip, keep, watch, backlog):
    """The SYN was answered, then others filled the queue: refused at the final ACK."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, backlog)
    refuse_acks(crowd, books, 1 if backlog == 0 else min(backlog, 4))
    settle_acks(d, books, crowd, action="dropped")
    crowd.leave()
    books.close("ListenOverflows")


def test_retransmitted_final_acks(pair, ip, keep, watch):
    """A stuck handshake is refused again at each try; all of them are counted, none twice."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 4)
    late = refuse_acks(crowd, books, 3)
    ports = {sock.getsockname()[1] for sock in late}
    # The client's data is sent again, and the server's SYN-ACK after 1 s, which is answered.
    books.wait_kernel("ListenOverflows", 10, 8)
    records = books.settle("ListenOverflows", stage="ack", action="dropped", **ACCEPT)
    check_place(records, crowd, 5)
    told = {record["remote"]["port"] for record in records if "remote" in record}
    assert told in (set(), ports)
    crowd.leave()
    books.close("ListenOverflows", stage="ack")


def test_client_that_went_away(pair, ip, keep, watch):
    """Its ACK was refused once, though its SYN-ACK goes out again and again."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 4)
    late = refuse_acks(crowd, books, 1)
    pair.server.lose(f"tcp dport {crowd.port} tcp sport {late[0].getsockname()[1]}")
    books.wait_kernel("RetransSegs", 2)
    settle_acks(d, books, crowd, action="dropped")
    crowd.leave()
    books.close("ListenOverflows")


def test_refusals_while_the_daemon_looks(pair, ip, keep, watch):
    """They go on over many looks at the queues: none is told twice, by its event and in a sum."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 0)
    sampled(d, crowd)
    crowd.fill()
    looks = len(d.feed.records("listener", local={"port": crowd.port}))

    def enough():
        if len(crowd.clients) < 300:
            crowd.begin(3)
        return len(d.feed.records("listener", local={"port": crowd.port})) >= looks + 5
    env.poll_until(enough, 20, "five looks")
    crowd.leave()
    books.close("ListenOverflows", **ACCEPT)


@pytest.mark.parametrize("rounds", [1, 3])
def test_both_stages_mixed(pair, ip, keep, watch, rounds):
    """Two listeners, SYNs and final ACKs refused at once: the sums hold for each stage."""
    d, books = watch(pair.server)
    crowds = [Crowd(pair, ip, keep, backlog) for backlog in (2, 9)]
    for crowd in crowds:
        late = crowd.late(2)
        crowd.find_acks()
        crowd.fill()
        for _ in range(rounds):
            crowd.begin(3)
            for sock in late:
                sock.send(b"x")
    syns = 2 * 3 * rounds
    books.wait_kernel("ListenOverflows", syns + 2 * 2)
    books.settle("ListenOverflows", **ACCEPT)
    for crowd in crowds:
        for stage in ("syn", "ack"):
            records = books.overflows(stage=stage, listener={"port": crowd.port})
            assert records, (stage, crowd.port)
            assert all(record["accept_queue"] == {"len": crowd.backlog + 1, "max": crowd.backlog}
                       for record in records)
    for crowd in crowds:
        crowd.leave()
    # SYNs are sent again only after 1 s, but the data of refused clients is.
    books.close("ListenOverflows", **ACCEPT)
    if books.delta("ListenOverflows") == books.delta("ListenDrops"):
        assert books.total("ListenOverflows", stage="syn") >= syns


def test_listeners_drop_side_by_side(pair, ip, keep, watch):
    """The refusals of one listener are not put on another."""
    d, books = watch(pair.server)
    crowds = [Crowd(pair, ip, keep, 0) for _ in range(3)]
    for number, crowd in enumerate(crowds, 1):
        crowd.fill()
        crowd.begin(number)
    books.wait_kernel("ListenOverflows", 6)
    books.settle("ListenOverflows", stage="syn")
    for number, crowd in enumerate(crowds, 1):
        assert books.total("ListenOverflows", listener={"port": crowd.port}) == number
        crowd.leave()
    books.close("ListenOverflows", stage="syn")


def test_owner_outside_the_namespace(pair, ip, keep, watch):
    """Nobody who holds the listener lives where it listens: the counters there cannot be read, and
    its own drops make it probable, not proven; only the function that refuses a SYN can prove it."""
    server = keep(listener(pair.server, ip, backlog=3))
    address = pair.address(ip, port_of(server))
    d, books = watch(pair.server)
    clients = [connect(pair.client, ip, address)[0] for _ in range(4)]
    clients += [start(pair.client, ip, address) for _ in range(5)]
    books.wait_kernel("ListenOverflows", 5)
    for record in books.settle("ListenOverflows", stage="syn"):
        assert record["process"]["pid"] == os.getpid()
        assert record["accept_queue"] == {"len": 4, "max": 3}
        proven = record["evidence"] == "tcp_conn_request"
        assert record["cause"]["certainty"] == ("proven" if proven else "probable")
        assert proven == able(d, "function_hooks")
    for sock in clients:
        reset(sock)
    books.close("ListenOverflows")


def test_abort_on_overflow(pair, ip, keep, watch):
    """tcp_abort_on_overflow=1: the client is told, by a RST."""
    pair.server.sysctl("net.ipv4.tcp_abort_on_overflow", 1)
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 5)
    late = refuse_acks(crowd, books, 3)
    for sock in late:
        sock.settimeout(5 * env.SLOW)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert books.delta("EmbryonicRsts") == 3
    settle_acks(d, books, crowd, action="reset")
    crowd.leave()
    close_acks(d, books, action="reset")


def test_ack_of_many_segments(pair, ip, keep, watch):
    """One packet of several segments is one refusal: what is left of the drops is the other listener's, for certain."""
    d, books = watch(pair.server)
    if not knows_acks(d):
        pytest.skip("evidence: the stage of a refusal is not known here")
    crowd, other = Crowd(pair, ip, keep, 5), Crowd(pair, ip, keep, 2)
    made = crowd.late(1)[0]
    crowd.find_acks()
    crowd.fill()
    other.fill()
    sampled(d, other)
    d.send(signal.SIGSTOP)
    try:
        made.send(bytes(14000))
        other.begin(3)
        books.wait_kernel("ListenOverflows", 4)
    finally:
        d.send(signal.SIGCONT)
    records = books.settle("ListenOverflows", **ACCEPT)
    crowd.leave()
    other.leave()
    assert {r["listener"]["port"] for r in records if r["stage"] == "syn"} == {other.port}
    assert all(r["cause"]["certainty"] == "proven" for r in records), records
    books.close("ListenOverflows")


def test_cookie_ack(pair, ip, keep, watch):
    """A final ACK with a valid cookie, when the accept queue is full."""
    pair.server.sysctl("net.ipv4.tcp_syncookies", 2)
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 5)
    late = crowd.late(3, cookies=True)
    assert pending(pair.server, crowd.port) == 0
    crowd.find_acks()
    crowd.fill()
    for sock in late:
        sock.send(b"x")
    books.wait_kernel("ListenOverflows", 3)
    if able(d, "ack_hooks") or able(d, "kfree_skb"):
        records = books.settle("ListenOverflows", stage="ack", action="dropped", **ACCEPT)
        check_place(records, crowd, 6)
        assert all("remote" in record for record in records)
    else:
        settle_acks(d, books, crowd)
        crowd.leave()
        books.close("ListenOverflows", **ACCEPT)
        return
    crowd.leave()
    books.settle("ListenOverflows", stage="ack")

    def told(all):
        return [r for r in all if r["type"] == "listener" and r["local"]["port"] == crowd.port and
                r["overflows"]["cookie"] == books.delta("ListenOverflows")]
    d.feed.wait_for(told, 5, "a listener record that counts the refused cookies")
    books.close("ListenOverflows", stage="ack")


def test_syn_queue_full(pair, ip, keep, watch):
    """tcp_syncookies=0: requests that are not finished keep others out."""
    pair.server.sysctl("net.ipv4.tcp_syncookies", 0)
    pair.server.sysctl("net.ipv4.tcp_max_syn_backlog", 4096)
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 4)
    crowd.late(5)  # its limit is the backlog's, and it, too, holds one more
    crowd.begin(6)
    books.wait_kernel("TCPReqQFullDrop", 6)
    assert books.delta("ListenOverflows") == 0
    records = books.settle("TCPReqQFullDrop", stage="syn", queue="syn", action="dropped",
                           cause={"code": "syn_queue_full"})
    check_place(records, crowd, 0)
    crowd.leave()
    books.close("TCPReqQFullDrop", queue="syn")
    assert not books.overflows(queue="accept")


def test_syn_queue_full_with_cookies(pair, ip, keep, watch):
    """tcp_syncookies=1: what finds the SYN queue full is answered with a cookie."""
    pair.server.sysctl("net.ipv4.tcp_syncookies", 1)
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 4)
    crowd.late(5)
    crowd.late(6, cookies=True)
    books.wait_kernel("TCPReqQFullDoCookies", 6)
    records = books.settle("TCPReqQFullDoCookies", stage="syn", queue="syn", action="cookie",
                           cause={"code": "syn_queue_full"})
    assert all(r["listener"] is None or r["listener"]["port"] == crowd.port for r in records)
    assert books.delta("ListenDrops") == 0
    crowd.leave()
    books.close("TCPReqQFullDoCookies", action="cookie")
    assert not books.overflows(action="dropped")


def test_three_quarters_rule(pair, ip, keep, watch):
    """tcp_syncookies=0: the last quarter of tcp_max_syn_backlog is for peers that are proven."""
    pair.server.sysctl("net.ipv4.tcp_syncookies", 0)
    pair.server.sysctl("net.ipv4.tcp_max_syn_backlog", 8)
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 128)
    crowd.late(7)
    crowd.begin(5)
    books.wait_kernel("ListenDrops", 5)
    assert books.delta("ListenOverflows") == books.delta("TCPReqQFullDrop") == 0
    records = books.settle("ListenDrops", stage="syn", queue="syn", action="dropped",
                           cause={"code": "syn_queue_three_quarters"})
    check_place(records, crowd, 0)
    crowd.leave()
    books.close("ListenDrops", queue="syn")


# what is no overflow

def quiet(d, books):
    """Nothing was refused, whatever else happened; the daemon looks once more as it ends."""
    d.stop()
    assert not books.overflows(), books.overflows()
    assert [books.delta(name) for name in ("ListenOverflows", "TCPReqQFullDrop")] == [0, 0]


def test_defer_accept_is_no_overflow(pair, ip, keep, watch):
    """TCP_DEFER_ACCEPT drops ACKs without data on purpose, and marks them as a full queue does."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 5, defer=1)
    made = crowd.begin(3)
    for sock in made:
        assert finish(sock) == 0
    books.wait_kernel("TCPDeferAcceptDrop", 3)
    books.wait_kernel("RetransSegs", 3)  # SYN-ACKs, sent again with the ACK's mark set
    for sock in made:
        sock.send(b"x")
    d.handshakes(3, netns=pair.server.inode, role="passive")
    quiet(d, books)


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_defer_accept_with_a_full_queue(pair, ip, keep, watch, known):
    """Both at once: only what the kernel counts is told, though sk_drops counts all."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 1, defer=1)
    if known:
        sampled(d, crowd)
    late = crowd.begin(2)
    for sock in late:
        assert finish(sock) == 0
    books.wait_kernel("TCPDeferAcceptDrop", 2)
    for _ in range(2):
        sock, error = connect(pair.client, ip, crowd.address)
        assert error == 0
        sock.send(b"x")
        crowd.clients.append(sock)
    d.handshakes(2, netns=pair.server.inode, role="passive", outcome="established")
    books.wait_kernel("RetransSegs", 2)
    crowd.leave()
    books.close("ListenOverflows", queue="accept")


def test_lost_final_ack_is_no_overflow(pair, ip, keep, watch):
    """The ACK did not come: the SYN-ACK is sent again, and the handshake ends well."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 0)
    crowd.late(1)
    crowd.find_acks()
    record = d.handshake(netns=pair.server.inode, role="passive", local={"port": crowd.port})
    assert record["retransmits"] == 1
    quiet(d, books)


def test_lost_final_ack_while_the_queue_is_full(pair, ip, keep, watch):
    """The queue is full, but no ACK came that it could have refused."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 1)
    late = crowd.late(1)
    crowd.find_acks()
    crowd.fill()
    pair.server.lose(f"tcp dport {crowd.port} tcp sport {late[0].getsockname()[1]}")
    books.wait_kernel("RetransSegs", 1)
    crowd.accept(1)
    quiet(d, books)


def test_listener_closed_between_syn_and_ack(pair, ip, keep, watch):
    """No child is made, but not because a queue is full."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 5)
    late = crowd.late(3)
    crowd.close_listener()
    crowd.find_acks()
    for sock in late:
        sock.settimeout(5 * env.SLOW)
        sock.send(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    quiet(d, books)


def test_refused_port_is_no_overflow(pair, ip, keep, watch):
    d, books = watch(pair.server)
    for _ in range(20):
        sock, error = connect(pair.client, ip, pair.address(ip, 9))
        sock.close()
        assert error == errno.ECONNREFUSED
    quiet(d, books)


def test_verdict_after_the_queue_has_emptied(pair, ip, keep, watch):
    """Refused, then there is room: the counts stay exact, and the client gets in at last."""
    d, books = watch(pair.server)
    crowd = Crowd(pair, ip, keep, 1)
    late = refuse_acks(crowd, books, 1)
    crowd.accept(2)
    d.handshake(netns=pair.server.inode, role="passive",
                remote={"port": late[0].getsockname()[1]}, timeout=8)
    crowd.leave()
    books.close("ListenOverflows", stage="ack", queue="accept")


def test_filtered_stream_still_counts(pair, keep, daemon):
    """--events without overflow: no such record, but the totals know."""
    d = daemon(*FAST, "--events", "handshake,listener")
    books = Books(d, pair.server)
    crowd = Crowd(pair, 4, keep, 0)
    crowd.fill()
    crowd.begin(4)
    books.wait_kernel("ListenOverflows", 4)

    def told(all):
        return [r for r in all if r["type"] == "listener" and r["local"]["port"] == crowd.port and
                r["overflows"]["syn"] == 4]
    d.feed.wait_for(told, 5, "a listener record that counts them")
    crowd.leave()
    d.stop()
    assert not books.overflows()


def test_totals_of_bye(pair, keep, watch):
    d, books = watch(pair.server)
    crowd = Crowd(pair, 4, keep, 0)
    crowd.fill()
    crowd.begin(4)
    books.wait_kernel("ListenOverflows", 4)
    books.settle("ListenOverflows")
    crowd.leave()
    d.stop()
    for name in ("overflow", "listener"):
        total = d.feed.all[-1]["totals"][name]
        assert total["seen"] == total["delivered"] + total["filtered"] + total["lost"]
        before = d.feed.all[-1]["feed"]["types"][name]["before"]
        assert total["lost"] == 0 and total["delivered"] == before + len(d.feed.records(name))
