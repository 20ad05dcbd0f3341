# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who lives on the hosts of lib/fleet.py: `serve NAME PORT BACKLOG SIGN` and `shop ADDRESS…`.

A server accepts what comes; once the file SIGN exists, one connection a second only. The shop connects to each address: 20 times a
second to the catalog, 5 to the checkout.
"""
import os
import select
import socket
import sys
import time

CATALOG, CHECKOUT = 8081, 8080
PATIENCE = 2.5  # seconds until a connect() is given up


def rename(name):
    with open("/proc/self/comm", "w") as comm:
        comm.write(name)


def serve(name, port, backlog, sign):
    rename(name)
    sock = socket.create_server(("0.0.0.0", int(port)), backlog=int(backlog))
    print("ready", flush=True)
    while True:
        if os.path.exists(sign):
            time.sleep(1)
        elif not select.select([sock], [], [], 0.2)[0]:
            continue
        sock.accept()[0].close()


def shop(*addresses):
    rename("shop")
    print("ready", flush=True)
    pending = []  # (when it is given up, socket)
    turn = 0
    while True:
        turn += 1
        for port, every in ((CATALOG, 1), (CHECKOUT, 4)):
            if turn % every == 0:
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex((addresses[turn // every % len(addresses)], port))
                pending.append((time.monotonic() + (0.2 if port == CATALOG else PATIENCE), sock))
        now = time.monotonic()
        for entry in [entry for entry in pending if entry[0] < now]:
            pending.remove(entry)
            entry[1].close()
        time.sleep(0.05)


if __name__ == "__main__":
    {"serve": serve, "shop": shop}[sys.argv[1]](*sys.argv[2:])
