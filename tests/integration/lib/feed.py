# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Feeds: what a daemon, a subscription or the CLI writes, read as it comes and checked."""
import contextlib
import fcntl
import json
import os
import queue
import re
import select
import signal
import socket
import subprocess
import threading
import time

from . import env, privilege, schema

FIRST_KEYS = ["v", "type", "seq", "ts", "mono_ns"]


def matches(record, subset):
    """Does the record hold all of `subset`? Objects inside are subsets too; a function decides."""
    for key, wanted in subset.items():
        if key not in record:
            return False
        value = record[key]
        if callable(wanted):
            if not wanted(value):
                return False
        elif isinstance(wanted, dict) and isinstance(value, dict):
            if not matches(value, wanted):
                return False
        elif value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
            return False
    return True


def is_noise(loss):
    """Runs of programs that the kernel skipped are none of the daemon's: a few where an interrupt runs into
    a program, in a slow guest more. Of those that only causes rest on, a host that is busy with others
    skips any number."""
    return loss.get("why") == "nested" and (env.SLOW >= 4 or loss["what"] == "evidence" or loss["count"] <= 5)


_checker = None
_shapes = set()


def schema_errors(record):
    """A guest would spend half of its time on schemas: there the first record of each shape is enough."""
    global _checker
    _checker = _checker or schema.Checker()
    cause = record.get("cause")
    shape = (*record, record.get("outcome"), cause["code"] if isinstance(cause, dict) else cause)
    if env.SLOW >= 4 and (record.get("type"), shape) in _shapes:
        return []
    _shapes.add((record.get("type"), shape))
    return _checker.errors(record)


def check_feed(records, whole=True, losses=False):
    """What every feed promises: schema, order, numbering, sums. A list of complaints."""
    wrong = []
    for number, record in enumerate(records, 1):
        wrong += [f"record {number}: {error}" for error in schema_errors(record)]
        if list(record)[:5] != FIRST_KEYS:
            wrong.append(f"record {number} begins with {list(record)[:5]}")
        if record.get("seq") != number:
            wrong.append(f"record {number} has seq {record.get('seq')}")
        if (record.get("type") == "hello") != (number == 1):
            wrong.append(f"record {number} is {record.get('type')}")
        if record.get("type") == "bye" and number != len(records):
            wrong.append(f"record {number} is bye, but {len(records) - number} follow")
    if not losses:
        # RSTs are limited on purpose, and the generators of load end connections with one.
        wrong += [f"a loss: {r}" for r in records if r.get("type") == "loss" and not is_noise(r) and
                  (r.get("what"), r.get("why")) != ("reset", "rate_limit")]
    if whole:
        wrong += check_bye(records)
    return wrong[:20]


def nested(records):
    """How many state changes a program missed, since it was interrupted: rare, but counted."""
    return sum(r["count"] for r in records if r["type"] == "loss" and r["why"] == "nested")


def check_bye(records):
    if not records or records[-1].get("type") != "bye":
        return ["no bye at the end"]
    bye = records[-1]
    total = bye["totals"]["handshake"]
    wrong = []
    for name, counts in bye["totals"].items():
        parts = sum(counts.get(key, 0) for key in ("delivered", "filtered", "limited", "lost"))
        if counts["seen"] != parts:
            wrong.append(f"bye: {name}: seen is not the sum of what became of it: {counts}")
    if sum(sum(counts.values()) for counts in bye["outcomes"].values()) != total["seen"]:
        wrong.append(f"bye: outcomes are not those seen: {bye}")
    for name, counts in bye["feed"].get("types", {}).items():
        told = sum(r["count"] for r in records if r["type"] == "loss" and r["what"] == name
                   and r["why"] in ("slow_reader", "write_error"))
        if counts["records"] != sum(r["type"] == name for r in records):
            wrong.append(f"bye: not so many {name} records in the feed: {counts}")
        if counts["lost"] != told:
            wrong.append(f"bye: {name}: {counts}, but lost, by its loss records: {told}")
        if bye["totals"][name]["delivered"] != sum(counts.values()):
            wrong.append(f"bye: {name}: delivered is not the sum of what became of it on this feed: "
                         f"{bye['totals'][name]} {counts}")
    if bye["feed"]["records"] != len(records):
        wrong.append(f"bye: {bye['feed']} of {len(records)} records")
    return wrong


def read_file(path):
    """The records of a recording; its lines must be whole."""
    with open(path, "rb") as file:
        data = file.read()
    assert data.endswith(b"\n"), f"{path} ends within a line: {data[-80:]!r}"
    return [json.loads(line) for line in data.splitlines()]


class Feed:
    """Records that threads of its own read from a binary stream.

    One only takes what comes, so that the daemon need not wait for the other, which parses it.
    """

    def __init__(self, stream):
        self.all = []
        self.ended = False
        self.bad_line = None
        self.first_at = None  # time.monotonic() of the first record
        self._expected = []
        self._changed = threading.Condition()
        self._stream = stream
        self._chunks = queue.SimpleQueue()
        threading.Thread(target=self._take, daemon=True).start()
        self._thread = threading.Thread(target=self._parse, daemon=True)
        self._thread.start()

    def _take(self):
        try:
            while chunk := self._stream.read1(1 << 20):
                self._chunks.put(chunk)
        except (OSError, ValueError):
            pass  # closed under its hands, by the test
        self._chunks.put(b"")
        with contextlib.suppress(OSError, ValueError):
            self._stream.close()

    def _parse(self):
        rest = b""
        while chunk := self._chunks.get():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._put(line)
        if rest:
            self.bad_line = f"a line without its end: {rest[:300]!r}"
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def _put(self, line):
        try:
            record = json.loads(line)
        except ValueError as error:
            self.bad_line = f"{error}: {line[:300]!r}"
            return
        with self._changed:
            if self.first_at is None:
                self.first_at = time.monotonic()
            self.all.append(record)
            self._changed.notify_all()

    def wait_for(self, condition, timeout=5.0, what="a record"):
        """The first true value of condition(records so far)."""
        deadline = time.monotonic() + timeout * env.SLOW
        with self._changed:
            while True:
                value = condition(self.all)
                if value:
                    return value
                left = deadline - time.monotonic()
                if left <= 0 or self.ended:
                    end = "the feed ended" if self.ended else f"not within {timeout * env.SLOW:g} s"
                    raise AssertionError(f"{what}: {end}; of {len(self.all)} records the last are\n"
                                         + "\n".join(map(json.dumps, self.all[-6:])))
                self._changed.wait(left)

    def records(self, type="handshake", **subset):
        with self._changed:
            return [r for r in self.all if r["type"] == type and matches(r, subset)]

    def handshakes(self, count, timeout=5.0, **subset):
        """Wait for `count` handshakes; that there are no more of them is checked at the end."""
        found, looked_at = [], 0

        def enough(all):
            nonlocal looked_at
            found.extend(r for r in all[looked_at:]
                         if r["type"] == "handshake" and matches(r, subset))
            looked_at = len(all)
            return len(found) >= count
        self.wait_for(enough, timeout, f"{count} × {subset}")
        assert len(found) == count, f"{len(found)} × {subset}, not {count}: {found}"
        self._expected.append((count, subset))
        return found

    def handshake(self, timeout=5.0, **subset):
        return self.handshakes(1, timeout, **subset)[0]

    def wait_end(self, timeout=5.0):
        self._thread.join(timeout * env.SLOW)
        assert not self._thread.is_alive(), "the feed did not end"

    def complaints(self, whole=True, losses=False):
        wrong = check_feed(self.all, whole, losses)
        if self.bad_line:
            wrong.append(f"not a record: {self.bad_line}")
        for count, subset in self._expected:
            found = self.records(**subset)
            if len(found) != count:
                wrong.append(f"in the end {len(found)} × {subset}, not {count}: {found[:4]}")
        return wrong


class Program:
    """A program under test: its stderr is kept, its end is checked."""

    def __init__(self, argv, **kwargs):
        self.argv = argv
        self.stderr_text = ""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        self.started_at = time.monotonic()
        self.began_at = time.time()
        self.process = subprocess.Popen(argv, stderr=subprocess.PIPE, **kwargs)
        self.pid = self.process.pid
        self._log = threading.Thread(target=self._collect, daemon=True)
        self._log.start()

    def _collect(self):
        for line in self.process.stderr:
            self.stderr_text += line.decode(errors="replace")

    def wait(self, timeout=10.0):
        code = self.process.wait(timeout * env.SLOW)
        self._log.join(5 * env.SLOW)
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.join(1)
        if not self._log.is_alive():
            self.process.stderr.close()  # a failed test keeps its programs, and hundreds may

    def error_line(self):
        """The one line on stderr, that says which program speaks."""
        lines = self.stderr_text.splitlines()
        assert len(lines) == 1, f"not one line: {self.stderr_text!r}"
        assert re.match(r"(tcpshaked|tcpshake): \S", lines[0]), lines[0]
        return lines[0]


class Daemon(Program):
    """tcpshaked, whose feed on stdout is read unless it writes elsewhere; `prefix` is a command that runs it."""

    def __init__(self, *flags, output="-", sock="none", prefix=(), **kwargs):
        self.output = output
        self.sock = sock
        self.stopped = False
        self._size = self._output_size()  # a recording goes on where it ended
        super().__init__([*prefix, env.TCPSHAKED, "-s", str(sock), "-o", str(output), *flags],
                         stdout=subprocess.PIPE, **kwargs)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)
        self.feed = Feed(self.process.stdout)

    def ready(self, timeout=10.0):
        """Wait until it says hello, or, if stdout is no feed, until its file or socket is there."""
        if self.output == "-":
            self.feed.wait_for(lambda all: all, timeout, "hello of tcpshaked")
            assert self.feed.all[0]["type"] == "hello"
        else:
            env.poll_until(lambda: self.process.poll() is not None or self._served(), timeout,
                           "tcpshaked being ready")
            assert self.process.poll() is None, f"tcpshaked ended: {self.stderr_text}"
        return self

    def _output_size(self):
        return os.path.getsize(self.output) if os.path.exists(self.output) else 0

    def _served(self):
        if self.output != "none":
            return self._output_size() > self._size
        try:
            socket.socket(socket.AF_UNIX).connect(str(self.sock))
            return True
        except OSError:
            return False

    def send(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=15.0):
        """Ask it to end; exit 0, and nothing on stderr."""
        self.send(number)
        code = self.wait(timeout)
        self.stopped = True
        self.feed.wait_end()
        assert code == 0, f"tcpshaked ended with {code}: {self.stderr_text}"

    def finish(self, losses=False):
        """Stop it if it still runs, and hold its feed against what every feed promises."""
        if not self.stopped:
            self.stop()
        if self.output == "-":
            wrong = self.feed.complaints(losses=losses)
            assert not wrong, "the feed:\n" + "\n".join(wrong)
        assert not (calls := privilege.refused(self.pid, self.began_at)), f"system calls that its filter refused: {calls}"

    # what tests ask most
    def handshake(self, *args, **subset):
        return self.feed.handshake(*args, **subset)

    def handshakes(self, *args, **subset):
        return self.feed.handshakes(*args, **subset)


class Subscriber:
    """A connection to the daemon's socket."""

    def __init__(self, path, request=None, read=True, rcvbuf=None):
        self.sock = socket.socket(socket.AF_UNIX)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        env.poll_until(lambda: self._connect(path), 5, f"a socket at {path}")
        if request is not None:
            self.send(request)
        self.feed = None
        if read:
            self.start_reading()

    def _connect(self, path):
        try:
            self.sock.connect(str(path))
            return True
        except OSError:
            return False

    def send(self, request):
        line = request if isinstance(request, bytes) else json.dumps(request).encode()
        self.sock.sendall(line + b"\n")

    def wait_answer(self):
        """Until the daemon has begun to answer, without reading it."""
        assert select.select([self.sock], [], [], 5 * env.SLOW)[0], "no answer"

    def start_reading(self):
        self.feed = Feed(self.sock.makefile("rb"))
        return self.feed

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        if self.feed:
            self.feed.wait_end()
