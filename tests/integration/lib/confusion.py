# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Many handshakes at once, with faults whose truth is known, and what the feed makes of them."""
import collections
import heapq
import itertools
import random
import resource
import selectors
import socket
import time

from . import netns
from .causes import own_addresses
from .queues import reset
from .traffic import FAMILY, NAME, Agent, finish, listener, port_of, start

# What is done to a handshake: what the records of the client's and of the server's side may say.
# None: no cause. A side that is not named has no record, or is not judged.
TRUTH = {
    "healthy": {"active": {None}, "passive": {None}},
    "port closed": {"active": {"port_closed"}},
    "rejected with a RST": {"active": {"filtered"}},
    "rejected with ICMP": {"active": {"icmp_unreachable"}},
    "every SYN dropped": {"active": {"no_answer"}},
    "first SYN lost": {"active": {"syn_lost"}, "passive": {None}},
    "first SYN-ACK lost": {"active": {"synack_lost", None}, "passive": {"synack_lost"}},
    "every SYN-ACK lost": {"active": {"synack_lost"}, "passive": {"synack_lost"}},
    "first ACK lost": {"active": {None}, "passive": {"ack_lost"}},
    "accept queue full": {"active": {"accept_queue_full"}},
    "SYN dropped, queue full as well": {"active": {"no_answer"}},
    "application gives up": {"active": {"application_cancelled"}},
    "request given up": {"active": {"application_cancelled"}, "passive": {"client_reset"}},
    "no such neighbour": {"active": {"neighbour_failed"}},
}
# Right, but vague: what remains to be said where a part was not seen; never proven.
VAGUE = {
    "first SYN lost": {"active": {"segment_lost"}},
    "first SYN-ACK lost": {"active": {"segment_lost"}, "passive": {"segment_lost"}},
    "every SYN-ACK lost": {"active": {"no_answer"}, "passive": {"no_answer"}},
    "first ACK lost": {"passive": {"segment_lost"}},
}
# The same ports.
SAME = {"SYN dropped, queue full as well": "accept queue full"}
WEIGHT = {"healthy": 30, "SYN dropped, queue full as well": 0.4, "no such neighbour": 2}
ABSENT = {4: "10.9.0.{}", 6: "fd09::{:x}"}
LOST_PORTS = {4: range(20000, 20500), 6: range(20500, 21000)}  # of clients whose SYNs are dropped
LISTENERS = 3  # of each kind and family
# Half of these are not waited for until the kernel gives up: the cause is the same.
IN_VAIN = ("every SYN dropped", "every SYN-ACK lost", "accept queue full")
TOO_LATE = "first SYN-ACK lost"  # what becomes of a request that was to be given up

RULES = """
table inet faults {{
  set syns {{ type inet_service . inet_service; flags dynamic; size 65535; timeout 120s; }}
  set acks {{ type inet_service . inet_service; flags dynamic; size 65535; timeout 120s; }}
  chain input {{ type filter hook input priority 0;
    tcp dport {{ {reset} }} reject with tcp reset
    tcp dport {{ {icmp} }} reject with icmpx type port-unreachable
  }}
  chain prerouting {{ type filter hook prerouting priority 0;
    tcp dport {{ {drop} }} {LOST}
    tcp sport 20000-20999 tcp dport {{ {full} }} {SYN} {LOST}
    tcp dport {{ {syn} }} {SYN} tcp sport . tcp dport != @syns add @syns {{ tcp sport . tcp dport }} {LOST}
    tcp dport {{ {ack} }} {ACK} tcp sport . tcp dport != @acks add @acks {{ tcp sport . tcp dport }} {LOST}
  }}
}}
"""
CLIENT_RULES = """
table inet faults {{
  set synacks {{ type inet_service . inet_service; flags dynamic; size 65535; timeout 120s; }}
  chain prerouting {{ type filter hook prerouting priority 0;
    tcp sport {{ {all} }} {SYNACK} {LOST}
    tcp sport {{ {synack} }} {SYNACK} tcp sport . tcp dport != @synacks add @synacks {{ tcp sport . tcp dport }} {LOST}
  }}
}}
"""


class Harm:
    """What one kind of fault did, as the application that called connect() measured it."""

    def __init__(self):
        self.handshakes, self.failed, self.seconds, self.ports = 0, 0, 0, set()

    def add(self, other):
        self.handshakes += other.handshakes
        self.failed += other.failed
        self.seconds += other.seconds
        self.ports |= other.ports
        return self


class Confusion:
    truth_of, vague_of, weight = TRUTH, VAGUE, WEIGHT
    repeated = ()  # kinds that may use the same ports again

    def __init__(self, pair, keep, count, concurrency=1000, seed=1):
        self.pair, self.keep, self.count, self.concurrency = pair, keep, count, concurrency
        self.random = random.Random(seed)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
        self.selector = selectors.DefaultSelector()
        self.truth = collections.defaultdict(list)  # by family, client's port and server's port
        self.harm = collections.defaultdict(Harm)  # by what was done, as the application saw it
        self.later = []  # what is to be done at a time
        self.serial = 0
        own_addresses(pair)
        for ns in (pair.client, pair.server):
            ns.sysctl("net.ipv4.tcp_max_syn_backlog", 8192)
            ns.sysctl("net.core.somaxconn", 8192, optional=True)
            for name in ("unres_qlen", "gc_thresh3"):
                ns.sysctl(f"net.ipv4.neigh.c0.{name}", 10000, optional=True)
        pair.client.sysctl("net.ipv4.tcp_syn_retries", 1)
        pair.client.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0, optional=True)
        pair.client.sysctl("net.ipv4.ip_local_port_range", "21000 60999")
        pair.server.sysctl("net.ipv4.tcp_synack_retries", 1)
        for name in ("ipv4.icmp_ratelimit", "ipv6.icmp.ratelimit"):  # each is to get its error
            pair.server.sysctl(f"net.{name}", 0)
        pair.server.sysctl("net.ipv4.icmp_msgs_per_sec", 100000, optional=True)
        pair.server.sysctl("net.ipv4.icmp_msgs_burst", 100000, optional=True)
        keep(Agent(pair.client, comm="resident", listen={"port": 7}))
        keep(Agent(pair.server, comm="resident", listen={"port": 7}))
        self.ports = {}
        self.listen()
        self.rules()
        self.lost_ports = {ip: itertools.cycle(LOST_PORTS[ip]) for ip in (4, 6)}

    def listen(self):
        self.listeners = {}
        for kind in self.truth_of:
            for ip in (4, 6):
                if kind == "SYN dropped, queue full as well":
                    continue
                made = [self.keep(listener(self.pair.server, ip, port=61001 + len(self.listeners) + i,
                                           backlog=2 if kind == "accept queue full" else 4096))
                        for i in range(LISTENERS)]
                self.ports[kind, ip] = [port_of(sock) for sock in made]
                for sock in made:
                    self.listeners[port_of(sock)] = sock
                    sock.setblocking(False)
                    if kind == "port closed":
                        sock.close()
                    elif kind == "accept queue full":
                        for _ in range(3):
                            filler = self.keep(start(self.pair.client, ip,
                                                     self.pair.address(ip, port_of(sock))))
                            assert finish(filler) == 0
                    else:
                        self.selector.register(sock, selectors.EVENT_READ, self.accept)
        for ip in (4, 6):
            self.ports["SYN dropped, queue full as well", ip] = self.ports["accept queue full", ip]

    def rules(self):
        def ports(*kinds):
            return ", ".join(str(port) for kind in kinds for ip in (4, 6)
                             for port in self.ports.get((kind, ip), ()))
        text = RULES.format(
            reset=ports("rejected with a RST"), icmp=ports("rejected with ICMP"),
            drop=ports("every SYN dropped", "application gives up"), syn=ports("first SYN lost"),
            ack=ports("first ACK lost"), full=ports("accept queue full"), SYN=netns.SYN,
            ACK=netns.ACK, LOST=netns.LOST)
        self.pair.server.run("nft", "-f", "-", stdin=text)
        text = CLIENT_RULES.format(
            all=ports("every SYN-ACK lost"), SYNACK=netns.SYNACK, LOST=netns.LOST,
            synack=ports("first SYN-ACK lost", "request given up"))
        self.pair.client.run("nft", "-f", "-", stdin=text)

    # what happens

    def accept(self, sock):
        while True:
            try:
                made = sock.accept()[0]
            except BlockingIOError:
                return
            self.at(3.5, lambda made=made: made.close())

    def at(self, seconds, what):
        self.serial += 1
        heapq.heappush(self.later, (time.monotonic() + seconds, self.serial, what))

    def begin(self):
        kind = self.random.choices(list(self.truth_of), [self.weight.get(kind, 5) for kind in self.truth_of])[0]
        ip = self.random.choice((4, 6))
        port = self.random.choice(self.ports[kind, ip])
        addr = self.pair.server.addr[ip]
        if kind == "no such neighbour":
            addr = ABSENT[ip].format(self.random.randrange(100, 250))
        sock = socket.socket(FAMILY[ip])
        if kind == "SYN dropped, queue full as well":
            sock.bind(("", next(self.lost_ports[ip])))
        sock.setblocking(False)
        sock.connect_ex((addr, port))
        self.truth[NAME[ip], sock.getsockname()[1], port].append(kind)
        self.running += 1
        since = time.monotonic()
        self.selector.register(sock, selectors.EVENT_WRITE,
                               lambda sock: self.end(sock, kind, port, since))
        if kind in ("application gives up", "request given up"):
            wait = self.random.uniform(0.1, 0.8)
            self.at(wait, lambda: self.end(sock, kind, port, since))
        elif kind in IN_VAIN and self.random.random() < 0.5:  # after its SYN was sent again
            self.at(self.random.uniform(1.3, 2.8), lambda: self.end(sock, kind, port, since))

    def end(self, sock, kind, port, since):
        if sock.fileno() < 0 or sock not in self.selector.get_map():
            return  # it has ended already
        self.selector.unregister(sock)
        self.running -= 1
        harm = self.harm[kind if failed(sock) or kind != "request given up" else TOO_LATE]
        harm.handshakes += 1
        harm.failed += failed(sock)
        harm.seconds += time.monotonic() - since
        harm.ports.add(port)
        if failed(sock) or kind in ("application gives up", "request given up"):
            sock.close()  # at once: an ICMP error may have left it trying
        elif kind == "first ACK lost":  # until the server has it
            self.at(3, lambda: reset(sock))
        else:  # not at once: a RST may overtake the final ACK
            self.at(0.3, lambda: reset(sock))

    def run(self, per_second=1500):
        self.running, begun = 0, 0
        since = time.monotonic()
        with self.pair.client.inside():
            while begun < self.count or self.running or self.later:
                now = time.monotonic()
                while begun < self.count and self.running < self.concurrency and \
                        begun < (now - since) * per_second:
                    self.begin()
                    begun += 1
                while self.later and self.later[0][0] <= now:
                    heapq.heappop(self.later)[2]()
                for key, _ in self.selector.select(0.002):
                    if key.fileobj.fileno() >= 0:
                        key.data(key.fileobj)

    # what is made of it

    @property
    def namespaces(self):
        return {self.pair.client.inode, self.pair.server.inode}

    def harm_by_fault(self):
        """What each fault did; those at the same ports are one."""
        made = {}
        for kind, harm in self.harm.items():
            if kind != "healthy":
                made.setdefault(SAME.get(kind, kind), Harm()).add(harm)
        return made

    def codes(self, fault):
        """What may be said of it, by either side."""
        kinds = [kind for kind in TRUTH if SAME.get(kind, kind) == fault]
        return {code for kind in kinds for sides in (TRUTH[kind], VAGUE.get(kind, {}))
                for allowed in sides.values() for code in allowed} - {None}

    def is_vague(self, kind, role, code):
        return code in self.vague_of.get(kind, {}).get(role, ())

    def really(self, kind, record):
        """What became of what was to be done: on a busy host, another thing."""
        if kind == "request given up" and record["outcome"] == "established":
            return TOO_LATE
        if kind == "application gives up" and record["retransmits"]:
            return "every SYN dropped"
        return kind

    def allowed(self, kind, record):
        return self.truth_of[kind].get(record["role"])

    def judge(self, records):
        """Counts of (truth, role, what was said, certainty), and the records that are wrong."""
        matrix, wrong, judged = collections.Counter(), [], 0
        for record in records:
            if record["netns"] not in self.namespaces:
                continue
            active = record["role"] == "active"
            here, there = record["local"]["port"], record["remote"]["port"]
            kinds = self.truth.get((record["family"], here if active else there,
                                    there if active else here), [])
            if len(kinds) != 1 and not set(kinds) & set(self.repeated):
                continue  # those that filled the queues, and ports that were used twice
            judged += 1
            kind = self.really(kinds[0], record)
            allowed = self.allowed(kind, record)
            cause = record.get("cause")
            code, certainty = (cause["code"], cause["certainty"]) if cause else (None, "–")
            right = allowed is None or code in allowed
            vague = certainty == "probable" and self.is_vague(kind, record["role"], code)
            verdict = "right" if right else "vague" if vague else "wrong"
            matrix[kind, record["role"], code, certainty, verdict] += 1
            if verdict == "wrong":
                wrong.append((kind, record))
        return matrix, wrong, judged


def failed(sock):
    """Whether this connect() has not come to a connection. """
    try:
        sock.getpeername()
    except OSError:
        return True
    return False


def table(matrix, kinds=None):
    """As Markdown."""
    lines = ["| truth | side | said | proven | probable | |", "|---|---|---|--:|--:|---|"]
    cells = collections.defaultdict(collections.Counter)
    for (truth, role, code, certainty, verdict), count in matrix.items():
        cells[truth, role, code, verdict][certainty] += count
    order = list(kinds or TRUTH)
    for (truth, role, code, verdict), counts in sorted(
            cells.items(), key=lambda cell: (order.index(cell[0][0]), cell[0][1],
                                             str(cell[0][2]))):
        if code is None:
            lines.append(f"| {truth} | {role} | no cause: {counts['–']} | | | {verdict} |")
        else:
            lines.append(f"| {truth} | {role} | `{code}` | {counts['proven']} | "
                         f"{counts['probable']} | {verdict} |")
    return "\n".join(lines) + "\n"
