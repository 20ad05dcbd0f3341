# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The larger matrix of causes: more faults, clients with time-outs of 0.3 to 10 s, and daemons that grant themselves less."""
import collections
import errno
import math
import selectors
import socket
import time

from . import evidence, netns
from .confusion import ABSENT, TRUTH, VAGUE, Confusion
from .queues import Crowd, accept_queue
from .traffic import FAMILY, NAME, finish, listener, port_of, start

FAR = {4: "203.0.113.9", 6: "2001:db8:77::9"}
IN_USE = 19000  # the port of a client that is connected

# A tier: its name, the daemon's flags, what it does without.
Tier = collections.namedtuple("Tier", "name flags refuse")
EVERYTHING = Tier("everything", ("--connect-errors", "auto"), "")
SLOW = Tier("everything, `--slow`", ("--slow", "1us"), "")
LEAST = Tier("two tracepoints", (), "all")
TIERS = (EVERYTHING, SLOW, Tier("without `function_hooks`", (), "function_hooks,ack_hooks,reset_hooks"),
         Tier("without `kfree_skb`", (), "kfree_skb"), Tier("without `queue_look`", (), "queue_look"),
         Tier("without `tcp_retransmit_skb`", (), "tcp_retransmit_skb"), LEAST)

WRONG = 0.0132  # of what the daemon with everything calls probable and is not vague: 45 of 3,423 (docs/causes.md)

MORE = {
    "own firewall drops every SYN": {"active": {"local_drop"}},
    "server's firewall drops every SYN": {"active": {"local_drop"}},
    "own firewall drops every SYN-ACK": {"active": {"local_drop"}, "passive": {"local_drop"}},
    "no route back": {"active": {"no_route_back"}},
    "no descriptor left": {"active": {"descriptors_exhausted"}},
    "listener closed": {"active": {"listener_closed"}},
    "port in use": {"active": {"ports_exhausted"}},
    "no route": {"active": {"no_route"}},
}
GIVEN_UP = "application_cancelled"  # of one that closes before its SYN is due again, whatever is done to it
CLIENT_RULES = """
table inet more {{
  chain output {{ type filter hook output priority 0; tcp dport {{ {syn} }} {SYN} drop; }}
  chain input {{ type filter hook input priority 0; tcp sport {{ {synack} }} {SYNACK} drop; }}
}}
"""
SERVER_RULES = "table inet more {{ chain input {{ type filter hook input priority 0; tcp dport {{ {drop} }} drop; }}; }}\n"


class Closing:
    """A listener whose queue is full, and that is closed before its clients' SYNs come again."""

    def __init__(self, owner, ip):
        self.sock = listener(owner.pair.server, ip, backlog=0)
        self.port = port_of(self.sock)
        filler = owner.keep(start(owner.pair.client, ip, owner.pair.address(ip, self.port)))
        assert finish(filler) == 0
        # connect() returns at the SYN-ACK: the last ACK may still be on its way
        while not accept_queue(owner.pair.server, self.port):
            time.sleep(0.001)
        self.until = time.monotonic() + 0.4
        owner.at(0.6, self.sock.close)


class Larger(Confusion):
    truth_of = {**{kind: sides for kind, sides in TRUTH.items() if kind not in ("application gives up", "request given up")},
                **MORE}
    vague_of = VAGUE
    weight = {"healthy": 20, "SYN dropped, queue full as well": 0.3, "no such neighbour": 2, "listener closed": 2,
              "port in use": 2, "no route": 3, "no route back": 3}
    repeated = ("port in use", "no route")
    untimed = ("healthy", "listener closed", "port in use", "no route", "first ACK lost")

    def __init__(self, pair, keep, count, concurrency=2000, seed=1):
        self.closing, self.timed = {}, collections.defaultdict(list)
        super().__init__(pair, keep, count, concurrency, seed)
        pair.client.sysctl("net.ipv4.tcp_syn_retries", 3)
        pair.server.sysctl("net.ipv4.conf.all.rp_filter", 0)
        self.unrouted = {ip: netns.lost_source(pair.client, ip) for ip in (4, 6)}
        for ip in (4, 6):
            self.connected(ip)
            self.out_of_descriptors(ip)

    def connected(self, ip):
        for port in self.ports["port in use", ip]:
            sock = self.keep(start(self.pair.client, ip, self.pair.address(ip, port), IN_USE))
            assert finish(sock) == 0

    def out_of_descriptors(self, ip):
        crowd = Crowd(self.pair, ip, self.keep, 1)
        crowd.use_up_descriptors()
        crowd.fill()
        self.ports["no descriptor left", ip] = [crowd.port]

    def rules(self):
        super().rules()

        def ports(kind):
            return ", ".join(str(port) for ip in (4, 6) for port in self.ports[kind, ip])
        self.pair.client.run("nft", "-f", "-", stdin=CLIENT_RULES.format(
            syn=ports("own firewall drops every SYN"), synack=ports("own firewall drops every SYN-ACK"), SYN=netns.SYN,
            SYNACK=netns.SYNACK))
        self.pair.server.run("nft", "-f", "-", stdin=SERVER_RULES.format(drop=ports("server's firewall drops every SYN")))

    def where(self, kind, ip):
        """What to connect to, and from where."""
        if kind == "listener closed":
            now = self.closing.get(ip)
            if not now or now.until < time.monotonic():
                now = self.closing[ip] = Closing(self, ip)
            return self.pair.server.addr[ip], now.port, None
        port = self.random.choice(self.ports[kind, ip])
        if kind == "no such neighbour":
            return ABSENT[ip].format(self.random.randrange(100, 250)), port, None
        source = {"SYN dropped, queue full as well": lambda: ("", next(self.lost_ports[ip])),
                  "no route back": lambda: (self.unrouted[ip], 0), "port in use": lambda: ("", IN_USE)}.get(kind)
        return FAR[ip] if kind == "no route" else self.pair.server.addr[ip], port, source and source()

    def begin(self):
        kind = self.random.choices(list(self.truth_of), [self.weight.get(kind, 4) for kind in self.truth_of])[0]
        ip = self.random.choice((4, 6))
        addr, port, source = self.where(kind, ip)
        sock = socket.socket(FAMILY[ip])
        if source:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(source)
        sock.setblocking(False)
        error = sock.connect_ex((addr, port))
        assert error in (0, errno.EINPROGRESS) or kind in self.repeated, (kind, errno.errorcode[error])
        key = NAME[ip], sock.getsockname()[1], port
        self.truth[key].append(kind)
        self.running += 1
        since = time.monotonic()
        if kind in self.repeated:
            self.running -= 1
            sock.close()
            return
        self.selector.register(sock, selectors.EVENT_WRITE, lambda sock: self.end(sock, kind, port, since))
        if kind not in self.untimed and self.random.random() < 0.8:
            self.at(self.random.uniform(0.3, 10), lambda: self.end(sock, kind, port, since))

    # what is made of it

    def really(self, kind, record):
        return kind

    def allowed(self, kind, record):
        allowed = self.truth_of[kind].get(record["role"])
        if not allowed:
            return allowed
        if record["outcome"] == "established":
            allowed = allowed | ({"slow_path"} if None in allowed else set())
        if record["outcome"] == "cancelled" and not record["retransmits"]:
            allowed = allowed | {GIVEN_UP}
        if kind == "first SYN-ACK lost" and record["outcome"] == "reset":
            allowed = allowed | {"client_reset"}  # its client gave up meanwhile
        return allowed

    def is_vague(self, kind, role, code):
        return super().is_vague(kind, role, code) or \
            any(code in evidence.VAGUE.get(right, ()) for right in self.truth_of[kind].get(role, ()))


def most_wrong(count):
    """Of so many probable causes, how many may be wrong: at the rate measured, more are in one run of 10,000."""
    wrong, more = 0, 1 - (1 - WRONG) ** count
    while more > 1e-4:
        wrong += 1
        more -= math.comb(count, wrong) * WRONG ** wrong * (1 - WRONG) ** (count - wrong)
    return wrong


class Score:
    """What one tier said."""

    def __init__(self, matrix):
        self.counts = collections.Counter()
        for (_, _, code, certainty, verdict), count in matrix.items():
            if code is not None or verdict == "wrong":
                self.counts[certainty, verdict] += count

    def of(self, certainty, verdict=None):
        return sum(count for (one, two), count in self.counts.items() if one == certainty and verdict in (None, two))

    @property
    def right(self):
        """The share of what is probable and not vague."""
        return self.of("probable", "right") / self.judged if self.judged else 1

    @property
    def judged(self):
        return self.of("probable", "right") + self.of("probable", "wrong")

    @property
    def vague(self):
        every = sum(self.counts.values())
        return sum(count for (_, verdict), count in self.counts.items() if verdict == "vague") / every if every else 0


def summary(scores):
    """As Markdown: a row for each tier."""
    lines = ["| evidence | proven | of these wrong | probable: right | vague | wrong | no cause, wrongly |",
             "|---|--:|--:|--:|--:|--:|--:|"]
    for name, score in scores.items():
        lines.append(f"| {name} | {score.of('proven')} | {score.of('proven', 'wrong')} | {score.of('probable', 'right')} | "
                     f"{score.of('probable', 'vague')} | {score.of('probable', 'wrong')} | {score.of('–', 'wrong')} |")
    return "\n".join(lines) + "\n"
