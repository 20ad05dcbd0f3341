# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Connections that go on while a test does something else."""
import subprocess
import threading

from . import env

ROUNDS = 400  # at most: a test that hangs does not load the machine for ever


class Load:
    """Small storms, one after another, from the first go_on() until stopped; with a `rate`, of so many connections a second."""

    def __init__(self, ns, port, connections=250, rate=None):
        self.made = 0
        self._end = threading.Event()
        self._moved = threading.Condition()
        self._ns = ns
        self._connections = connections
        self._flags = ["-n", str(connections), "-p", port, *(["-r", str(rate)] if rate else [])]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        for _ in range(ROUNDS):
            if self._end.is_set():
                return
            child = self._ns.popen([env.tool("storm"), *self._flags], stdout=subprocess.DEVNULL)
            if child.wait(60 * env.SLOW):
                return
            with self._moved:
                self.made += self._connections
                self._moved.notify_all()

    def go_on(self, connections, timeout=30.0):
        """Wait until so many more are made."""
        if not self._thread.ident:
            self._thread.start()
        with self._moved:
            wanted = self.made + connections
            assert self._moved.wait_for(lambda: self.made >= wanted, timeout * env.SLOW), \
                f"{self.made} connections, not {wanted}"

    def stop(self):
        self._end.set()
        self._thread.join(60 * env.SLOW)
        assert not self._thread.is_alive()
        return self.made

    def close(self):
        self._end.set()
        if self._thread.ident:
            self._thread.join(60 * env.SLOW)
