# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ways for a handshake to fail or to be slow: what is done, and what is to be said of it.

Each Case is run by test_causes.py and written into docs/causes.md.
"""
import collections
import errno
import os
import select
import socket
import time

from . import env, netns
from .queues import Crowd, pending, reset
from .traffic import Agent, client, connect, finish, start, waiting

# `client`, `server`: (outcome, code, certainty) of that side's record; None: it has no cause, or
# there is no record. `needs`: what the kernel must tell for it; else nothing wrong is proven.
Case = collections.namedtuple("Case", "name happens run client server needs advice")
CASES = []


def case(happens, client=None, server=None, needs=(), advice=""):
    def add(run):
        CASES.append(Case(run.__name__, happens, run, client, server, needs, advice))
        return run
    return add


def own_addresses(pair):
    """Addresses that no other namespace of this host has: else nobody can tell whose they are."""
    number = os.getpid()
    high, low = 128 + (number >> 8 & 127), number & 255
    own = {4: f"10.{high}.{low}.2", 6: f"fd{high:x}:{low:x}::2"}
    interface = "s0"
    pair.server.ip(f"address add {own[4]}/32 dev {interface}",
                   f"address add {own[6]}/128 dev {interface} nodad")
    pair.client.ip(f"route add {own[4]}/32 dev c0", f"route add {own[6]}/128 dev c0")
    pair.server.addr = own
    netns.acquaint(pair.client, pair.server)


class Scene:
    """A client and a server that the daemon knows, as somebody listens in both namespaces."""

    def __init__(self, pair, ip, keep):
        self.pair, self.ip, self.keep = pair, ip, keep
        self.client, self.server = pair.client, pair.server
        own_addresses(pair)
        self.client.sysctl("net.ipv4.tcp_syn_retries", 1)
        self.client.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0, optional=True)
        self.server.sysctl("net.ipv4.tcp_synack_retries", 1)
        keep(Agent(self.client, comm="resident", listen={"port": 7}))
        options = {"family": ip, "v6only": 1} if ip == 6 else {"family": ip}
        self.port = keep(Agent(self.server, comm="resident", listen=options)).port
        self.address = (self.server.addr[ip], self.port)
        self.ports = []  # of the clients that the case is about

    def known(self, d):
        """Until the daemon has looked at both."""
        d.feed.wait_for(lambda all: {r["netns"] for r in all if r["type"] == "listener"} >=
                        {self.client.inode, self.server.inode}, what="the residents")

    def begin(self, address=None, bind_port=0):
        sock = self.keep(start(self.client, self.ip, address or self.address, bind_port))
        self.ports.append(sock.getsockname()[1])
        return sock

    def connect(self, address=None, bind_port=0, timeout=10):
        sock = self.begin(address, bind_port)
        return sock, finish(sock, timeout)

    def give_up(self, address=None, after=2):
        """Before the kernel does, which takes 3 s."""
        sock = self.begin(address)
        time.sleep(after)
        sock.close()

    def reject(self, kinds):
        name = "icmp" if self.ip == 4 else "icmpv6"
        self.server.nft(f"tcp dport 9999 reject with {name} type {kinds[self.ip]}")
        self.connect((self.address[0], 9999))

    def crowd(self, backlog, **options):
        return Crowd(self.pair, self.ip, self.keep, backlog, **options)

    def join(self, crowd, count=1):
        """Clients of a crowd that the case is about."""
        made = crowd.begin(count)
        self.ports += [sock.getsockname()[1] for sock in made]
        return made


def until(condition, what, timeout=10):
    env.poll_until(condition, timeout, what)


RESETS_SENT = ("tcp_send_reset",)
CLOSED_PORTS = ("closed_ports",)
ACKS = ("overflow_reason",)
QUEUES = ("queue_look",)
HOOKS = ("function_hooks",)
DROPS = ("drops",)  # segments that this host drops itself; without it a loss may be one of them
REFUSALS = ("queue_look", "stages")  # and at which stage the accept queue refused


@case("connect() to a port where nobody listens", client=("refused", "port_closed", "proven"),
      needs=CLOSED_PORTS, advice="Start the service, or correct the port.")
def closed_port(s):
    s.connect((s.address[0], 9))


@case("a firewall rejects the SYN with a RST", client=("refused", "filtered", "probable"),
      needs=CLOSED_PORTS, advice="Look for a reject rule. For a host elsewhere the code is "
      "`port_closed`, probable: its RST looks the same.")
def rejected_with_reset(s):
    s.server.nft("tcp dport 9999 reject with tcp reset")
    s.connect((s.address[0], 9999))


@case("… with ICMP port unreachable", client=("refused", "icmp_unreachable", "proven"),
      advice="The sender of the ICMP message knows why.")
def rejected_port_unreachable(s):
    s.reject({4: "port-unreachable", 6: "port-unreachable"})


@case("… with ICMP host or address unreachable",
      client=("unreachable", "icmp_unreachable", "probable"),
      advice="EHOSTUNREACH is also the error of a next hop that does not answer.")
def rejected_host_unreachable(s):
    s.reject({4: "host-unreachable", 6: "addr-unreachable"})


@case("… with ICMP net unreachable or no route",
      client=("unreachable", "icmp_unreachable", "proven"))
def rejected_net_unreachable(s):
    s.reject({4: "net-unreachable", 6: "no-route"})


@case("… with ICMP administratively prohibited",
      client=("unreachable", "icmp_unreachable", "probable over IPv4 (EHOSTUNREACH), proven over IPv6"))
def rejected_admin_prohibited(s):
    s.reject({4: "admin-prohibited", 6: "admin-prohibited"})


@case("every SYN is dropped on its way", client=("timeout", "no_answer", "probable"),
      advice="A firewall drops the SYN or its answer, one of them is lost, or the host is down. The client does not "
      "show which.")
def all_syns_dropped(s):
    s.server.lose(f"tcp dport {s.port}")
    s.connect()


@case("every SYN is dropped on its way, and the application gives up after 2 s",
      client=("cancelled", "no_answer", "probable"),
      advice="The same. A longer time-out only makes it take longer.")
def all_syns_dropped_and_given_up(s):
    s.server.lose(f"tcp dport {s.port}")
    s.give_up()


@case("the first SYN is lost", client=("established", "syn_lost", "proven"), needs=QUEUES + DROPS,
      advice="Look at the path from client to server.")
def first_syn_lost(s):
    s.server.lose(f"tcp dport {s.port} {netns.SYN} {netns.first(1)}")
    s.connect()


@case("the first SYN-ACK is lost", client=("established", "synack_lost", "proven"),
      server=("established", "synack_lost", "proven"), needs=DROPS,
      advice="Look at the way back, which may be another path. If the server's timer runs out before "
      "the client's, the client never retransmits and its record has no cause.")
def first_synack_lost(s):
    s.client.lose(f"tcp sport {s.port} {netns.SYNACK} {netns.first(1)}")
    s.connect()


@case("every SYN-ACK is lost", client=("timeout", "synack_lost", "proven"),
      server=("timeout", "synack_lost", "proven"), needs=DROPS, advice="The same.")
def all_synacks_lost(s):
    s.client.lose(f"tcp sport {s.port} {netns.SYNACK}")
    s.connect()


@case("every SYN-ACK is lost, and the application gives up after 2 s", client=("cancelled", "synack_lost", "proven"),
      server=("timeout", "synack_lost", "proven"), needs=DROPS, advice="The same.")
def all_synacks_lost_and_given_up(s):
    s.client.lose(f"tcp sport {s.port} {netns.SYNACK}")
    s.give_up()


@case("the final ACK is lost", server=("established", "ack_lost", "proven"), needs=DROPS,
      advice="The client is already connected. The server is connected one retransmission later.")
def first_ack_lost(s):
    s.server.lose(f"tcp dport {s.port} {netns.ACK} {netns.first(1)}")
    s.connect()


@case("the final ACK is lost, and all that follows: data after a handshake the server never finished",
      server=("timeout", "ack_lost", "proven"), needs=DROPS,
      advice="The client's side is established and reports nothing: look at the path and at "
      "firewalls that keep state.")
def all_acks_lost(s):
    s.server.lose(f"tcp dport {s.port} {netns.ACK}")
    sock, error = s.connect()
    assert error == 0
    sock.send(b"data")


@case("this host's firewall drops every SYN on its way out", client=("timeout", "local_drop", "proven"), needs=DROPS,
      advice="`nft monitor trace` in that namespace. Without `kfree_skb` it is probable, since no SYN was seen to go out again.")
def own_firewall_drops_syns(s):
    s.client.nft(f"tcp dport {s.port} drop", hook="output")
    s.connect()


@case("… the first SYN", client=("established", "local_drop", "proven"), needs=DROPS)
def own_firewall_drops_the_first_syn(s):
    s.client.nft(f"tcp dport {s.port} {netns.SYN} {netns.first(1)} drop", hook="output")
    s.connect()


@case("… every SYN as it comes to the server, on the same host", client=("timeout", "local_drop", "proven"), needs=DROPS,
      advice="Where the server is elsewhere, or nothing reports drops: `no_answer`.")
def servers_firewall_drops_syns(s):
    s.server.nft(f"tcp dport {s.port} drop")
    s.connect()


@case("… every SYN-ACK that comes", client=("timeout", "local_drop", "proven"), server=("timeout", "local_drop", "proven"),
      needs=DROPS, advice="The same; a firewall that keeps state may have forgotten the SYN.")
def own_firewall_drops_synacks(s):
    s.client.nft(f"tcp sport {s.port} {netns.SYNACK} drop")
    s.connect()


@case("… the first SYN-ACK on its way out", client=("established", "local_drop", "proven"), needs=DROPS)
def servers_firewall_drops_the_first_synack(s):
    s.server.sysctl("net.ipv4.tcp_synack_retries", 3)
    s.server.nft(f"tcp sport {s.port} {netns.SYNACK} {netns.first(2)} drop", hook="output")
    s.connect()


@case("… the final ACK", server=("established", "local_drop", "proven"), needs=DROPS)
def servers_firewall_drops_the_ack(s):
    s.server.nft(f"tcp dport {s.port} {netns.ACK} {netns.first(1)} drop")
    s.connect()


@case("the check of sources by routes (rp_filter; over IPv6 a rule of the firewall) drops every SYN",
      client=("timeout", "local_drop", "proven"), needs=DROPS, advice="Compare the way back with the way that it comes.")
def source_checked_by_routes(s):
    if s.ip == 6:
        s.server.nft(f"tcp dport {s.port} fib saddr . iif oif missing drop", hook="prerouting")
    else:
        s.server.sysctl("net.ipv4.conf.all.rp_filter", 1)
    sock = s.keep(client(s.client, s.ip))
    sock.bind((netns.lost_source(s.client, s.ip), 0))
    sock.setblocking(False)
    sock.connect_ex(s.address)
    s.ports.append(sock.getsockname()[1])
    finish(sock, 15)


def absent(s):
    return "10.9.0.77" if s.ip == 4 else "fd09::77"


@case("the host does not answer ARP or neighbour discovery",
      client=("unreachable", "neighbour_failed", "proven"), needs=("neigh_timer_handler",),
      advice="The host is down, or not in this network.")
def no_neighbour(s):
    s.connect((absent(s), 80), timeout=20)


@case("the gateway does not", client=("unreachable", "neighbour_failed", "proven"),
      needs=("neigh_timer_handler",), advice="The gateway is down.")
def no_gateway(s):
    far = "10.77.0.0/16" if s.ip == 4 else "fd77::/64"
    s.client.ip(f"route add {far} via {absent(s)} dev c0")
    s.connect(("10.77.0.1" if s.ip == 4 else "fd77::1", 80), timeout=20)


def slow_neighbours(s):
    """Four questions, one a second: longer than the client's two SYNs are waited for."""
    for name, value in (("retrans_time_ms", 1000), ("mcast_solicit", 4)):
        s.client.sysctl(f"net.ipv{s.ip}.neigh.c0.{name}", value)


@case("the next hop does not answer, and the kernel stops waiting for it sooner than it stops asking (ETIMEDOUT)",
      client=("timeout", "neighbour_failed", "probable"),
      advice="With few tcp_syn_retries. The SYN never left this host.")
def no_neighbour_and_few_retries(s):
    slow_neighbours(s)
    s.connect((absent(s), 80), timeout=20)


@case("the next hop does not answer, and the application gives up after 2 s",
      client=("cancelled", "neighbour_failed", "probable"),
      advice="The same.")
def no_neighbour_and_given_up(s):
    slow_neighbours(s)
    s.give_up((absent(s), 80))


@case("no local port is left", client=("no_port", "ports_exhausted", "proven"),
      advice="Reuse connections; else a wider ip_local_port_range or another source address.")
def ports_used_up(s):
    s.client.sysctl("net.ipv4.ip_local_port_range", "40000 40001")
    for _ in range(2):
        s.keep(connect(s.client, s.ip, s.address)[0])
    sock = s.keep(client(s.client, s.ip))
    assert sock.connect_ex(s.address) != 0
    s.ports.append(0)


@case("the route is gone when the SYN is to leave (here with the first send(), by TCP_FASTOPEN_CONNECT)",
      client=("unreachable", "send_failed", "proven"),
      advice="The kernel gave it up: look at this host's routes and rules.")
def route_gone(s):
    far = "10.77.0.1" if s.ip == 4 else "fd77::1"
    s.client.ip(f"route add {far} via {absent(s)} dev c0")
    sock = s.keep(waiting(s.client, s.ip, (far, 80)))
    s.ports.append(sock.getsockname()[1])
    s.client.ip(f"route del {far}")
    try:
        sock.send(b"hello")
        raise AssertionError("sent")
    except ConnectionAbortedError:
        pass


CANCELLED = ("cancelled", "application_cancelled", "proven")


@case("the application's own time-out, before the SYN is sent again after 1 s (Python: settimeout())", client=CANCELLED,
      advice="A longer time-out helps only if answers do come later; it shows why none came.")
def timeout_of_python(s):
    s.server.lose(f"tcp dport {s.port}")
    sock = client(s.client, s.ip)
    sock.settimeout(0.3)
    try:
        sock.connect(s.address)
        raise AssertionError("connected")
    except TimeoutError:
        s.ports.append(sock.getsockname()[1])
    sock.close()


@case("the application's own time-out (curl --connect-timeout)", client=CANCELLED)
def timeout_of_curl(s):
    s.server.lose(f"tcp dport {s.port}")
    host = s.address[0] if s.ip == 4 else f"[{s.address[0]}]"
    s.client.run("curl", "-s", "-g", "--connect-timeout", "0.5", "--local-port", "41000",
                 f"http://{host}:{s.port}/", check=False)
    s.ports.append(41000)


@case("an address loses the race of happy eyeballs", client=CANCELLED,
      advice="Find out why that address did not answer. Users who reach the other one do not notice.")
def happy_eyeballs(s):
    """As Node and browsers do: the second address after 250 ms, and the loser is closed."""
    race(s, 250)


@case("an address loses the race of happy eyeballs after its SYN was sent again", client=("cancelled", "application_cancelled", "probable"),
      advice="The same. The sentence says when the loser's SYNs were sent.")
def happy_eyeballs_late(s):
    race(s, 1500)


def race(s, head_start_ms):
    other = 10 - s.ip
    options = {"family": other, "v6only": 1} if other == 6 else {"family": other}
    s.keep(Agent(s.server, listen={"port": s.port, **options}))
    s.server.lose(f"meta nfproto ipv{s.ip} tcp dport {s.port}")
    slow = s.begin()
    waiting = select.poll()
    waiting.register(slow, select.POLLOUT)
    assert not waiting.poll(head_start_ms)
    fast = s.keep(start(s.client, other, (s.server.addr[other], s.port)))
    assert finish(fast) == 0
    slow.close()


@case("the client gives up, and its host answers the SYN-ACK that comes then with a RST",
      client=CANCELLED, server=("reset", "client_reset", "proven"), needs=ACKS,
      advice="Port scans and health checks do this, and clients with short time-outs.")
def pending_request_given_up(s):
    s.client.lose(f"tcp sport {s.port} {netns.SYNACK} {netns.first(1)}")
    sock = s.begin()
    until(lambda: pending(s.server, s.port) == 1, "a request")
    sock.close()


@case("the accept queue is full as the SYN comes, and has room later",
      client=("established", "accept_queue_full", "proven"), needs=REFUSALS,
      advice="Only accept() empties this queue.")
def accept_queue_full_for_a_while(s):
    crowd = s.crowd(1)
    before = s.server.counters()["ListenOverflows"]
    crowd.fill()
    made = s.join(crowd)
    until(lambda: s.server.counters()["ListenOverflows"] > before, "an overflow")
    crowd.accept(2)
    assert finish(made[0]) == 0


@case("… and stays full", client=("timeout", "accept_queue_full", "proven"), needs=REFUSALS)
def accept_queue_full(s):
    crowd = s.crowd(1)
    crowd.fill()
    finish(s.join(crowd)[0], 15)


@case("the accept queue is full as the SYN comes, and the application gives up after 2 s",
      client=("cancelled", "accept_queue_full", "proven"), needs=REFUSALS, advice="The same.")
def accept_queue_full_and_given_up(s):
    crowd = s.crowd(1)
    crowd.fill()
    sock = s.join(crowd)[0]
    time.sleep(2)
    sock.shutdown(socket.SHUT_RDWR)


@case("the accept queue is full, and its owner has no descriptor left for accept()",
      client=("timeout", "descriptors_exhausted", "probable"), needs=REFUSALS,
      advice="Find what the owner does not close, or raise its limit. A larger backlog does not help.")
def descriptors_exhausted(s):
    crowd = s.crowd(1)
    crowd.use_up_descriptors()
    crowd.fill()
    finish(s.join(crowd)[0], 15)


@case("the accept queue is full as the SYN comes, and the listener is closed before the SYN comes again",
      client=("refused", "listener_closed", "proven"), needs=CLOSED_PORTS,
      advice="The service was stopped or restarted, or it died. A client that connects later gets `port_closed`.")
def listener_closed(s):
    crowd = s.crowd(1)
    before = s.server.counters()["ListenOverflows"]
    crowd.fill()
    sock = s.join(crowd)[0]
    until(lambda: s.server.counters()["ListenOverflows"] > before, "an overflow")
    crowd.close_listener()
    assert finish(sock, 15) == errno.ECONNREFUSED


@case("the listener is closed while a request waits for its final ACK", server=("timeout", "listener_closed", "proven"),
      needs=ACKS, advice="The client is connected, and gets a RST for what it sends.")
def listener_closed_with_a_request(s):
    s.server.sysctl("net.ipv4.tcp_synack_retries", 5)
    crowd = s.crowd(1)
    s.ports.append(crowd.late(1)[0].getsockname()[1])
    before = s.server.counters()["TCPSynRetrans"]
    until(lambda: s.server.counters()["TCPSynRetrans"] > before, "a SYN-ACK that is sent again")
    crowd.close_listener()
    crowd.find_acks()


@case("the accept queue is full as the final ACK comes, and has room later",
      server=("established", "accept_queue_full", "proven"), needs=ACKS,
      advice="The client is already connected, and waits for an answer to what it sends.")
def accept_queue_full_at_the_ack(s):
    s.server.sysctl("net.ipv4.tcp_synack_retries", 3)
    crowd = s.crowd(1)
    s.ports.append(crowd.late(1)[0].getsockname()[1])
    before = s.server.counters()["ListenOverflows"]
    crowd.find_acks()
    crowd.fill()
    until(lambda: s.server.counters()["ListenOverflows"] > before, "an overflow")
    crowd.accept(2)


@case("… and tcp_abort_on_overflow is 1", server=("timeout", "accept_queue_full", "proven"),
      needs=ACKS, advice="The client is connected, and gets a RST.")
def accept_queue_full_and_abort(s):
    s.server.sysctl("net.ipv4.tcp_abort_on_overflow", 1)
    s.server.sysctl("net.ipv4.tcp_synack_retries", 3)
    crowd = s.crowd(1)
    s.ports.append(crowd.late(1)[0].getsockname()[1])
    before = s.server.counters()["ListenOverflows"]
    crowd.find_acks()
    crowd.fill()
    until(lambda: s.server.counters()["ListenOverflows"] > before, "an overflow")


@case("the SYN queue is full, and there are no SYN cookies",
      client=("timeout", "syn_queue_full", "proven"), needs=QUEUES,
      advice="Turn tcp_syncookies on; look for clients that our SYN-ACKs do not reach, or a flood.")
def syn_queue_full(s):
    s.server.sysctl("net.ipv4.tcp_syncookies", 0)
    s.server.sysctl("net.ipv4.tcp_synack_retries", 5)
    crowd = s.crowd(1)
    crowd.late(2)
    finish(s.join(crowd)[0], 15)


@case("the SYN queue is over three quarters of tcp_max_syn_backlog, without SYN cookies",
      client=("timeout", "syn_queue_three_quarters", "probable"), needs=QUEUES,
      advice="Raise tcp_max_syn_backlog, or turn tcp_syncookies on.")
def syn_queue_three_quarters(s):
    s.server.sysctl("net.ipv4.tcp_syncookies", 0)
    s.server.sysctl("net.ipv4.tcp_synack_retries", 5)
    s.server.sysctl("net.ipv4.tcp_max_syn_backlog", 8)
    crowd = s.crowd(64)
    crowd.late(7)
    finish(s.join(crowd)[0], 15)


@case("the server has no route to the address that the SYN came from",
      client=("timeout", "no_route_back", "proven"), needs=HOOKS,
      advice="Give the server a route to it. Without `function_hooks` it is probable: OutNoRoutes moved with ListenDrops.")
def no_route_back(s):
    s.server.sysctl("net.ipv4.conf.all.rp_filter", 0)
    source = netns.lost_source(s.client, s.ip)
    sock = s.keep(client(s.client, s.ip))
    sock.bind((source, 0))
    sock.setblocking(False)
    sock.connect_ex(s.address)
    s.ports.append(sock.getsockname()[1])
    finish(sock, 15)


@case("TCP_DEFER_ACCEPT: the client's ACK comes without data",
      server=("established", "deferred_accept", "proven"), needs=ACKS,
      advice="For clients that do not speak first the option only adds waiting.")
def deferred_accept(s):
    crowd = s.crowd(4, defer=1)
    assert finish(s.join(crowd)[0]) == 0


@case("the client's host lost an old connection between the same ports, and the server did not",
      client=("established", "port_reused", "probable"), needs=RESETS_SENT,
      advice="The server's host answers the SYN for the old connection; after a RST the next SYN "
      "is taken.")
def old_connection(s):
    sock, error = connect(s.client, s.ip, s.address, bind_port=42000)
    assert error == 0
    s.client.nft("tcp flags & rst == rst drop", hook="output")
    reset(sock)
    s.client.nft_flush()
    time.sleep(0.6)  # challenge ACKs are sent twice a second at most
    sock = s.begin(bind_port=42000)
    assert finish(sock, 15) == 0
