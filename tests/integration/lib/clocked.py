# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A server that notes by its own clock when accept() returned, and says so at the end.

Takes the port and the backlog as arguments. Says "ready" once it listens. When stdin ends it says
{client's port: ns of CLOCK_MONOTONIC} of all that it accepted.
"""
import json
import select
import socket
import sys
import time


def main():
    port, backlog = int(sys.argv[1]), int(sys.argv[2])
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(backlog)
    listener.setblocking(False)
    print("ready", flush=True)
    held, taken = [], {}
    while True:
        ready = select.select([listener, sys.stdin], [], [])[0]
        try:
            while listener in ready:
                sock, (_, client) = listener.accept()
                taken[client] = time.monotonic_ns()
                held.append(sock)
        except BlockingIOError:
            pass
        if sys.stdin in ready:
            break
    print(json.dumps(taken), flush=True)


main()
