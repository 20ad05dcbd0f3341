# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who is compared: how each is started, and how its output is counted.

A tracer's `argv` writes to the file or the standard output it is given; `first` is how it is started to
see when its first record comes, on a terminal. `count` gives (got, wanted) of what it should have told of
some connections, both in the same unit. Only tools of Debian's packages, as they come.
"""
import collections
import re
import shutil
import subprocess

from .host import BUILD, PORT, TCPSHAKED, tool

Tracer = collections.namedtuple("Tracer", "name package argv first count stop")

BPFTRACE = """
tracepoint:sock:inet_sock_set_state /args->protocol == 6 && args->newstate == 2/ { @start[args->skaddr] = nsecs; }
tracepoint:sock:inet_sock_set_state /args->oldstate == 2 && @start[args->skaddr]/ {
  printf("%s %d %d %d us\\n", comm, args->sport, args->dport, (nsecs - @start[args->skaddr]) / 1000);
  delete(@start[args->skaddr]);
}
"""
FILTER = f"tcp port {PORT}"
EDGES = f"{FILTER} and tcp[tcpflags] & (tcp-syn|tcp-rst) != 0"


def lines(pattern, per_connection):
    """Lines of the output that match, of so many for each connection."""
    wanted = re.compile(pattern.encode())

    def count(run):
        with open(run.path, "rb") as file:
            got = sum(1 for line in file if wanted.search(line))
        return got, per_connection * run.connections
    return count


def handshakes(run):
    here = f'"netns":{run.netns},'.encode()
    with open(run.path, "rb") as file:
        got = sum(1 for line in file if b'"type":"handshake"' in line and here in line)
    return got, 2 * run.connections


def metrics_only(run):
    return None


def tcpdump(run):
    text = run.errors()
    got, dropped = (int(re.search(rf"(\d+) packets {what}", text)[1])
                    for what in ("captured", "dropped by kernel"))
    return got, got + dropped


def shaked(name, *flags):
    return Tracer(name, None, lambda path: [TCPSHAKED, "-s", "none", "-o", str(path), *flags],
                  [TCPSHAKED, "-s", "none", *flags], handshakes, "TERM")


def idle(name, source):
    """Programs that do nothing."""
    return Tracer(name, None, lambda path: [tool("empty"), str(BUILD / "tests" / f"{source}.bpf.o")], None,
                  None, "TERM")


def printing(name, package, *argv, count, stop="INT", first=None):
    """One that writes to its standard output."""
    return Tracer(name, package, lambda path: list(argv), first or list(argv), count, stop)


STATES = lines(rf"\b{PORT}\b.*SYN_SENT\s+-> ESTABLISHED", 1)

TRACERS = [
    Tracer("no tracer", None, None, None, None, None),
    idle("empty BPF program (raw_tp)", "empty"),
    idle("empty BPF programs, all hooks", "floor"),
    shaked("tcpshaked, handshakes only", "--events", "handshake"),
    shaked("tcpshaked, as it comes"),
    shaked("tcpshaked, with metrics", "--metrics", "127.0.0.1:9469"),
    shaked("tcpshaked, accept() by system calls", "--accept-wait", "syscall"),
    shaked("tcpshaked, with close records", "--events", "handshake,listener,overflow,audit,reset,drop,close"),
    printing("tcpdump (SYN, RST; to a pcap)", "tcpdump", "tcpdump", "-n", "-i", "lo", "-w", "-", EDGES,
             count=tcpdump, first=["tcpdump", "-n", "-l", "-i", "lo", EDGES]),
    printing("tshark (SYNs, dissected)", "tshark", "tshark", "-n", "-Q", "-i", "lo", "-f", FILTER, "-Y",
             "tcp.flags.syn == 1", "-T", "fields", "-e", "frame.time_relative", "-e", "tcp.srcport", "-e",
             "tcp.dstport", "-e", "tcp.flags", count=lines(rf"\b{PORT}\b", 2)),
    printing("tcplife (libbpf-tools)", "libbpf-tools", "/usr/sbin/tcplife", count=lines(rf"\b{PORT}\b", 2)),
    printing("tcpstates (libbpf-tools)", "libbpf-tools", "/usr/sbin/tcpstates", count=STATES),
    printing("tcpconnlat (libbpf-tools)", "libbpf-tools", "/usr/sbin/tcpconnlat",
             count=lines(rf"\b{PORT}\b", 1)),
    printing("bpftrace, latency of connect()", "bpftrace", "bpftrace", "-e", BPFTRACE,
             count=lines(rf" {PORT} \d+ us", 1)),
    printing("bpftrace, tcplife.bt", "bpftrace", "bpftrace", "/usr/sbin/tcplife.bt",
             count=lines(rf"\b{PORT}\b", 2)),
    printing("bcc tcplife", "bpfcc-tools", "tcplife-bpfcc", count=lines(rf"\b{PORT}\b", 2)),
    printing("bcc tcpstates", "bpfcc-tools", "tcpstates-bpfcc", count=STATES),
    printing("bcc tcpconnlat", "bpfcc-tools", "tcpconnlat-bpfcc", count=lines(rf"\b{PORT}\b", 1)),
    Tracer("perf trace", "linux-perf",
           lambda path: ["perf", "trace", "-a", "-e", "sock:inet_sock_set_state", "-o", str(path)],
           ["perf", "trace", "-a", "-e", "sock:inet_sock_set_state"],
           lines(rf"oldstate: 2, newstate: 1,.*dport: {PORT},", 1), "INT"),
]


def missing(tracer):
    """Why it cannot even be started, or None."""
    if not tracer.argv:
        return None
    program = tracer.argv("none")[0]
    return None if shutil.which(program) else "not installed"


def version(tracer):
    if not tracer.package:
        return ""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", tracer.package], text=True,
                          capture_output=True)
    return done.stdout.strip()
