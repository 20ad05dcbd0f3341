# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A process of its own that listens or connects, to be somebody in the records.

Takes one JSON object as its argument:
    cgroup   directory of cgroup2 to move itself into
    comm     its name
    uid      its user
    listen   {"addr", "port", "family": 4|6, "backlog", "v6only", "bind": bool, "reuseport": N,
              "defer": seconds of TCP_DEFER_ACCEPT}
    connect  {"addr", "port", "family", "count"}
Says {"pid", "ports"} on stdout when that is done, and holds everything until stdin ends.
Until then it does what the lines of stdin say, to its first socket, and says "done" to each:
    accept N     accept N connections, and hold them
    drain        accept all that wait at any of its sockets, and hold them
    close        close it
    end HOW      of the last connection: close, reset (SO_LINGER 0), write (no more of it), both
    drop         close the newest of those held
"""
import json
import os
import socket
import struct
import sys

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def listen(options, held):
    for _ in range(options.get("reuseport", 1)):
        sock = socket.socket(FAMILIES[options.get("family", 4)])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if "reuseport" in options:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if "v6only" in options:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, options["v6only"])
        if options.get("bind", True):
            sock.bind((options.get("addr", ""), options.get("port", 0)))
        if "defer" in options:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, options["defer"])
        sock.listen(options.get("backlog", 64))
        held.append(sock)


def connect(options, held):
    for _ in range(options.get("count", 1)):
        sock = socket.socket(FAMILIES[options.get("family", 4)])
        held.append(sock)
        try:
            sock.connect((options["addr"], options["port"]))
        except OSError:
            pass  # the record tells


def end(sock, how):
    if how == "write":
        sock.shutdown(socket.SHUT_WR)
    elif how == "both":
        sock.shutdown(socket.SHUT_RDWR)
    else:
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


def drain(held):
    for sock in [s for s in held if s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]:
        sock.setblocking(False)
        try:
            while True:
                held.append(sock.accept()[0])
        except BlockingIOError:
            sock.setblocking(True)


def main():
    options = json.loads(sys.argv[1])
    held = []
    if "cgroup" in options:
        with open(options["cgroup"] + "/cgroup.procs", "w") as file:
            file.write("0")
    if "comm" in options:
        with open("/proc/self/comm", "w") as file:
            file.write(options["comm"])
    if "uid" in options:
        os.setresuid(options["uid"], options["uid"], options["uid"])
    if "listen" in options:
        listen(options["listen"], held)
    if "connect" in options:
        connect(options["connect"], held)
    ports = [sock.getsockname()[1] for sock in held]
    print(json.dumps({"pid": os.getpid(), "ports": ports}), flush=True)
    for line in sys.stdin:
        command, *args = line.split()
        if command == "accept":
            for _ in range(int(args[0])):
                held.append(held[0].accept()[0])
        elif command == "drain":
            drain(held)
        elif command == "close":
            held[0].close()
        elif command == "end":
            end(held[-1], args[0])
        elif command == "drop":
            held.pop().close()
        print("done", flush=True)


main()
