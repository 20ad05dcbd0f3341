# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""connect() that fails before its socket leaves CLOSE: no route, or it is not allowed."""
import collections
import contextlib
import errno
import os
import socket
import subprocess
import sys

import pytest

from lib import env, policy, scrape, traffic
from lib.evidence import capabilities
from lib.explained import explained, write
from lib.traffic import connect, listener, port_of

pytestmark = pytest.mark.sanitize
FAR = {4: "10.77.0.1", 6: "fd77::1"}
UNBOUND = {4: {"addr": "0.0.0.0", "port": 0}, 6: {"addr": "::", "port": 0}}


@pytest.fixture(params=["function", "syscall", "all calls"])
def watching(request, daemon):
    """A daemon that sees connect() fail in each way that there is, or a skip with the daemon's own words."""
    way, prefix = (request.param, ()) if request.param != "all calls" else ("syscall", env.NO_TRACEFS)
    one = capabilities().get(f"connect_{way}", {"ok": True})
    if not one["ok"]:
        pytest.skip(f"evidence: connect_{way}: {one['without']}")

    def start(*flags, **kwargs):
        d = daemon("--connect-errors", way, *flags, prefix=prefix, **kwargs)
        d.by_function = way == "function"
        return d
    return start


def last(pair, ip, d):
    """What has no record when this one comes has none."""
    sock, error = connect(pair.client, ip, pair.address(ip, 999))
    sock.close()
    assert error == errno.ECONNREFUSED
    d.handshake(netns=pair.client.inode, outcome="refused", remote={"port": 999})


def failures(pair, d):
    return [r for r in d.feed.records("handshake", netns=pair.client.inode) if r["remote"]["port"] != 999]


def check(record, number, outcome, code, proven):
    assert (record["outcome"], record["errno"], record["errno_name"]) == (outcome, number, errno.errorcode[number])
    assert (record["cause"]["code"], record["cause"]["certainty"]) == (code, "proven" if proven else "probable")
    assert (record["role"], record["conn"], record["client_isn"], record["latency_ns"]) == ("active", None, None, None)
    assert errno.errorcode[number] in record["cause"]["detail"] and "no SYN left" in record["cause"]["detail"]


@pytest.mark.parametrize("ip", [4, 6], ids=["ipv4", "ipv6"])  # not `ip`, for which far away is filtered out
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "nonblocking"])
def test_no_route(pair, ip, blocking, keep, watching):
    d = watching()
    sock, error = connect(pair.client, ip, (FAR[ip], 80), blocking=blocking)
    keep(sock)
    assert error == errno.ENETUNREACH
    last(pair, ip, d)
    [record] = failures(pair, d)
    check(record, error, "unreachable", "no_route", d.by_function)
    assert record["remote"] == {"addr": FAR[ip], "port": 80} and record["local"] == UNBOUND[ip]
    assert record["process"]["pid"] == os.getpid() and record["cgroup"]


def test_what_it_is_bound_to(pair, ip, keep, watching):
    d = watching()
    sock = keep(traffic.client(pair.client, ip))
    sock.bind((pair.client.addr[ip], 7001))
    assert sock.connect_ex((FAR[ip], 80)) == errno.ENETUNREACH
    last(pair, ip, d)
    [record] = failures(pair, d)
    assert record["local"] == {"addr": pair.client.addr[ip], "port": 7001}


def test_mapped_address(pair, keep, watching):
    """IPv4 by an IPv6 socket: both ends are of one family, and a socket that takes IPv6 only says so."""
    d = watching()
    to = ("::ffff:" + FAR[4], 80)
    sock = keep(traffic.client(pair.client, 6))
    assert sock.connect_ex(to) == errno.ENETUNREACH
    sock = keep(traffic.client(pair.client, 6))
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    assert sock.connect_ex(to) == errno.ENETUNREACH
    last(pair, 4, d)
    first, second = failures(pair, d)
    check(first, errno.ENETUNREACH, "unreachable", "no_route", d.by_function)
    check(second, errno.ENETUNREACH, "unreachable", "send_failed", False)
    assert "IPV6_V6ONLY" in second["cause"]["detail"]
    for record in first, second:
        assert record["family"] == "ipv4" and record["remote"] == {"addr": FAR[4], "port": 80}
        assert record["local"] == UNBOUND[4]


@pytest.mark.parametrize("kind, number", [("unreachable", errno.EHOSTUNREACH), ("prohibit", errno.EACCES)])
def test_routes_that_forbid(pair, ip, kind, number, keep, watching):
    pair.client.ip(f"route add {kind} {FAR[ip]}")
    d = watching()
    sock, error = connect(pair.client, ip, (FAR[ip], 80))
    keep(sock)
    assert error == number
    last(pair, ip, d)
    [record] = failures(pair, d)
    if kind == "unreachable":
        check(record, number, "unreachable", "no_route", d.by_function)
    else:
        check(record, number, "denied", "denied", True)
        assert "a route or a rule (prohibit)" in record["cause"]["detail"]
        assert ("security module" in record["cause"]["detail"]) == (not d.by_function)


DENIED = """
import os, socket, sys
sys.path.insert(0, {lib!r})
from lib import policy
group = {group!r}
if group:
    open(group + "/cgroup.procs", "w").write("0")
elif not policy.landlock_forbids_tcp():
    sys.exit(77)
sock = socket.socket({family})
print(sock.connect_ex({address!r}))
"""


def denied(pair, ip, port, group=None):
    code = DENIED.format(lib=str(env.ROOT / "tests" / "integration"), group=group, address=pair.address(ip, port),
                         family=int(socket.AF_INET if ip == 4 else socket.AF_INET6))
    done = pair.client.run(sys.executable, "-c", code, check=False)
    if done.returncode == 77:
        pytest.skip("this kernel's Landlock has no rules for TCP")
    return int(done.stdout)


def test_program_of_a_cgroup(pair, ip, keep, cgroups, watching):
    directory, _, path = cgroups.make(f"tcpshake-denied-{os.getpid()}")
    d = watching()
    port = port_of(keep(listener(pair.server, ip)))
    with contextlib.closing(policy.Refusing(directory, ip)):
        assert denied(pair, ip, port, directory) == errno.EPERM
    last(pair, ip, d)
    [record] = failures(pair, d)
    check(record, errno.EPERM, "denied", "denied", True)
    assert "a BPF program of its cgroup" in record["cause"]["detail"]
    assert ("security module" in record["cause"]["detail"]) == (not d.by_function)
    assert record["cgroup"]["path"] == path and record["remote"]["port"] == port


def test_security_module(pair, ip, keep, watching):
    d = watching()
    port = port_of(keep(listener(pair.server, ip)))
    assert denied(pair, ip, port) == errno.EACCES
    last(pair, ip, d)
    [record] = failures(pair, d)
    check(record, errno.EACCES, "denied", "denied", True)
    assert "a security module" in record["cause"]["detail"]
    assert ("prohibit" in record["cause"]["detail"]) == (not d.by_function)


# ---- what began is reported by its handshake, once ----

def test_no_port_is_reported_once(pair, ip, keep, watching):
    pair.client.sysctl("net.ipv4.ip_local_port_range", "40000 40000")
    port = port_of(keep(listener(pair.server, ip)))
    d = watching()
    for wanted in (0, errno.EADDRNOTAVAIL):
        sock, error = connect(pair.client, ip, pair.address(ip, port))
        keep(sock)
        assert error == wanted
    pair.client.sysctl("net.ipv4.ip_local_port_range", "40000 40009")
    last(pair, ip, d)
    assert [r["outcome"] for r in failures(pair, d)] == ["established", "no_port"]


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "nonblocking"])
def test_icmp_is_reported_once(pair, ip, blocking, keep, watching):
    """EHOSTUNREACH after a SYN, from connect() itself or from the second one on that socket."""
    kind = {4: "icmp type host-unreachable", 6: "icmpv6 type addr-unreachable"}[ip]
    pair.server.nft(f"tcp dport 9999 reject with {kind}")
    pair.client.sysctl("net.ipv4.tcp_syn_retries", 1)
    d = watching()
    sock, error = connect(pair.client, ip, pair.address(ip, 9999), blocking=blocking)
    keep(sock)
    d.handshake(10, netns=pair.client.inode, remote={"port": 9999})
    if not blocking:
        error = sock.connect_ex(pair.address(ip, 9999))
    assert error in (errno.EHOSTUNREACH, errno.ECONNABORTED)
    last(pair, ip, d)
    [record] = failures(pair, d)
    assert record["outcome"] == "unreachable" and record["conn"]


def test_second_attempt_of_a_socket(pair, ip, keep, watching):
    """Each call for itself: what an earlier one of that socket, or of that thread, came to is not this one's."""
    d = watching()
    sock = keep(traffic.client(pair.client, ip))
    for address, wanted in ((pair.address(ip, 9), errno.ECONNREFUSED), ((FAR[ip], 80), errno.ENETUNREACH),
                            (pair.address(ip, 9), errno.ECONNREFUSED), ((FAR[ip], 81), errno.ENETUNREACH)):
        assert sock.connect_ex(address) == wanted
    last(pair, ip, d)
    assert [(r["outcome"], r["remote"]["port"]) for r in failures(pair, d)] == \
        [("refused", 9), ("unreachable", 80), ("refused", 9), ("unreachable", 81)]


def test_what_is_no_attempt(pair, ip, keep, watching):
    """Mistakes of an application, other protocols, and sockets that are connected."""
    d = watching()
    server = keep(listener(pair.server, ip))
    family = socket.AF_INET if ip == 4 else socket.AF_INET6
    with pair.client.inside():
        udp = keep(socket.socket(family, socket.SOCK_DGRAM))
        assert udp.connect_ex((FAR[ip], 80)) == errno.ENETUNREACH
        unix = keep(socket.socket(socket.AF_UNIX))
        assert unix.connect_ex("/run/no such thing") != 0
        done = keep(connect(pair.client, ip, pair.address(ip, port_of(server)))[0])
        assert done.connect_ex((FAR[ip], 80)) == errno.EISCONN
    last(pair, ip, d)
    assert [r["outcome"] for r in failures(pair, d)] == ["established"]


# ---- counted, filtered, or not at all ----

def test_counted_by_errno_and_process(pair, ip, keep, watching):
    port = scrape.free_port()
    pair.client.ip(f"route add prohibit {FAR[ip]}")
    d = watching("--metrics", str(port))
    for _ in range(3):
        keep(connect(pair.client, ip, (FAR[ip], 80))[0])
    pair.client.run("bash", "-c", f"exec 3<>/dev/tcp/{FAR[ip]}/80", check=False)
    pair.client.ip(f"route del prohibit {FAR[ip]}")
    keep(connect(pair.client, ip, (FAR[ip], 80))[0])
    last(pair, ip, d)
    s = scrape.Metrics(port).scrape()
    comm = open("/proc/self/comm", encoding="ascii").read().strip()
    mine = collections.Counter(r["errno_name"] for r in failures(pair, d) if r["process"]["comm"] == comm)
    assert mine["EACCES"] >= 3 and mine["ENETUNREACH"] >= 1
    for name, count in mine.items():
        assert s.one("tcpshake_connect_errors_total", errno=name, comm=comm) >= count
    assert s.one("tcpshake_connect_errors_total", errno="EACCES", comm="bash") >= 1
    d.stop()
    [bye] = d.feed.records("bye")
    assert bye["outcomes"]["active"]["denied"] >= 4


def test_limited(pair, keep, watching):
    """A loop around a call that fails fills neither the ring nor the disk, and is counted whole."""
    count, most = 300, 20
    d = watching("--limit", f"failed={most}", losses=True)
    sock = keep(traffic.client(pair.client, 4))
    for _ in range(count):
        assert sock.connect_ex((FAR[4], 80)) == errno.ENETUNREACH
    last(pair, 4, d)
    d.stop()
    [bye] = d.feed.records("bye")
    total = bye["totals"]["handshake"]
    made = len([r for r in failures(pair, d) if r["outcome"] == "unreachable"])
    assert most <= made < count and made + total["limited"] >= count
    assert total["seen"] == sum(total[fate] for fate in ("delivered", "filtered", "limited", "lost"))
    assert sum(r["count"] for r in d.feed.records("loss") if (r["what"], r["why"]) == ("handshake", "rate_limit")) == \
        total["limited"]


def test_filter(pair, ip, keep, watching):
    pair.client.ip(f"route add prohibit {FAR[ip]}")
    d = watching("--outcome", "denied")
    keep(connect(pair.client, ip, pair.address(ip, 9))[0])
    keep(connect(pair.client, ip, (FAR[ip], 80))[0])
    record = d.handshake(netns=pair.client.inode)
    assert record["outcome"] == "denied"


def test_audit_counts_no_opening(pair, keep, audited):
    """What never was in SYN_SENT the kernel counts for no opening."""
    if not any(capabilities()[f"connect_{way}"]["ok"] for way in ("function", "syscall")):
        pytest.skip(f"evidence: connect_syscall: {capabilities()['connect_syscall']['without']}")
    books = audited(pair.client, flags=("--listener-interval", "300ms", "--connect-errors", "auto"))
    for _ in range(3):
        keep(connect(pair.client, 4, (FAR[4], 80))[0])
    last(pair, 4, books.d)
    books.check()
    assert books.sum(pair.client, "ActiveOpens") == books.sum(pair.client, "ActiveOpens", "observed") == 1
    assert len(failures(pair, books.d)) == 3


def test_off_unless_asked_for(pair, ip, keep, daemon):
    d = daemon()
    assert connect(pair.client, ip, (FAR[ip], 80))[1] == errno.ENETUNREACH
    last(pair, ip, d)
    assert not failures(pair, d)


def test_refused():
    done = subprocess.run([env.TCPSHAKED, "-s", "none", "--duration", "1s", "--connect-errors", "auto"], text=True,
                          capture_output=True, timeout=20 * env.SLOW, check=False,
                          env={**os.environ, "TCPSHAKE_REFUSE": "connect_function,connect_syscall"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and "choose another --connect-errors" in done.stderr


def test_explained(pair, ip, keep, tmp_path, watching, cli):
    """Which destination has no route, and who is not allowed."""
    d = watching()
    for _ in range(2):
        keep(connect(pair.client, ip, (FAR[ip], 80))[0])
    pair.client.ip(f"route add prohibit {FAR[ip]}")
    keep(connect(pair.client, ip, (FAR[ip], 443))[0])
    last(pair, ip, d)
    path = write(tmp_path / "feed", [*d.feed.records("hello"), *failures(pair, d)])
    causes, summary = explained(cli, path)
    assert [(c["code"], c["failed"]) for c in causes] == [("no_route", 2), ("denied", 1)]
    assert causes[0]["at"] == {"addr": FAR[ip], "port": 80} and causes[0]["by"] == "destination"
    assert (causes[1]["by"], causes[1]["process"]["pid"]) == ("source", os.getpid())
    assert summary["failed"] == 3
    shown = cli("tail", "--no-summary", "--from", str(path)).end()
    assert "ENETUNREACH" in shown and "EACCES" in shown
