# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""--output-max, --output-keep: a bounded disk without logrotate, and a feed that says what went."""
import json
import os
import signal
import subprocess

import pytest

from lib import env, feed
from lib.disk import Disk
from lib.traffic import connect

pytestmark = pytest.mark.sanitize

MIB = 1 << 20
COUNT = 12000 if env.SLOW < 4 else 6000
PORT = 20000 + os.getpid() % 10000
ONLY = ("--port", str(PORT), "--events", "handshake")


def storm(ns, count=COUNT):
    assert ns.run(env.tool("storm"), "-n", str(count), "-p", str(PORT))


def files(path):
    """Oldest first, and no other."""
    numbered = sorted((p for p in path.parent.iterdir() if p.name.startswith(path.name + ".")),
                      key=lambda p: -int(p.suffix[1:]))
    return [*numbered, path]


def read(parts):
    records = []
    for part in parts:
        data = part.read_bytes()
        assert not data or data.endswith(b"\n"), f"{part} ends within a record"
        records.append([json.loads(line) for line in data.splitlines()])
    return records


def span(records):
    return {"first_seq": records[0]["seq"], "last_seq": records[-1]["seq"]}


def test_bounded(lone, tmp_path, daemon):
    path, keep = tmp_path / "out" / "feed", 3
    path.parent.mkdir()
    d = daemon(*ONLY, "--output-max", "1M", "--output-keep", str(keep), output=path, check=False)
    child = lone.popen([env.tool("storm"), "-n", str(COUNT), "-p", str(PORT)], stdout=subprocess.DEVNULL)
    while child.poll() is None:
        sizes = []
        for part in path.parent.iterdir():
            try:
                sizes.append(part.stat().st_size)
            except FileNotFoundError:
                pass  # renamed meanwhile
        assert all(size <= MIB for size in sizes) and len(sizes) <= keep + 1, sizes
    d.stop()
    parts = read(files(path))
    assert [p.name for p in files(path)] == ["feed.3", "feed.2", "feed.1", "feed"]
    assert all(p.stat().st_size > MIB - 1024 for p in files(path)[:-1])
    records = [r for part in parts for r in part]
    first = records[0]["seq"]
    assert first > 1 and [r["seq"] for r in records] == list(range(first, first + len(records)))
    assert records[-1]["type"] == "bye" and records[-1]["feed"]["records"] == records[-1]["seq"]
    assert records[-1]["feed"]["lost"] == 0
    assert not [error for r in records for error in feed.schema_errors(r)]
    said = [r for r in records if r["type"] == "rotation"]
    assert said[-1]["ended"] == {"file": "feed.1", **span(parts[-2])}
    assert said[-2]["ended"] == {"file": "feed.1", **span(parts[-3])}
    # Each record of a rotation is in the file that was begun, and the last one that went ends where the oldest begins.
    assert said[-1]["seq"] in [r["seq"] for r in parts[-1]]
    assert said[-1]["removed"]["file"] == "feed.3" and said[-1]["removed"]["last_seq"] == first - 1
    assert said[-1]["removed"]["first_seq"] > 1


def test_nothing_is_missing(lone, tmp_path, daemon):
    """Where all files are kept, they are one whole feed."""
    path = tmp_path / "out" / "feed"
    path.parent.mkdir()
    d = daemon(*ONLY, "--output-max", "1M", "--output-keep", "200", output=path, check=False)
    storm(lone)
    d.stop()
    records = [r for part in read(files(path)) for r in part]
    assert len(files(path)) > 4
    assert feed.check_feed(records, losses=True) == []
    said = [r for r in records if r["type"] == "rotation"]
    assert len(said) == len(files(path)) - 1 and not [r for r in said if "removed" in r]
    assert [r["ended"]["first_seq"] for r in said] == [1, *(r["ended"]["last_seq"] + 1 for r in said[:-1])]


def test_what_another_daemon_left(lone, tmp_path, daemon):
    """A file is gone on with as far as it may grow; of what was there, no number is known."""
    path = tmp_path / "out" / "feed"
    path.parent.mkdir()
    path.write_bytes(b'{"old":1}\n' * (MIB // 10))
    (path.parent / "feed.1").write_bytes(b'{"older":1}\n')
    d = daemon(*ONLY, "--output-max", "1M", output=path, check=False, wait=False)
    env.poll_until(lambda: b'"hello"' in path.read_bytes(), what="hello")
    d.stop()
    parts = read(files(path))
    assert len(parts) == 2 and parts[0][0] == {"old": 1}
    said = [r for r in parts[1] if r["type"] == "rotation"]
    assert said[0]["removed"] == {"file": "feed.1", "first_seq": None, "last_seq": None}
    assert [r["seq"] for r in parts[1]] == list(range(1, len(parts[1]) + 1))


def complaints(d, words):
    return [line for line in d.stderr_text.splitlines() if words in line]


def test_cannot_rename(lone, tmp_path, daemon):
    """It is an error of writing: said once, tried again, and nothing is lost meanwhile."""
    path = tmp_path / "out" / "feed"
    path.parent.mkdir()
    block = path.parent / "feed.1"
    block.mkdir()
    d = daemon(*ONLY, "--output-max", "1M", output=path, check=False)
    storm(lone, COUNT // 4)
    env.poll_until(lambda: complaints(d, "cannot write"), 20, "the complaint")
    assert path.stat().st_size <= MIB
    block.rmdir()
    env.poll_until(lambda: complaints(d, "written again; 0 records"), 20, "the good news")
    d.stop()
    records = [r for part in read(files(path)) for r in part]
    if len([r for r in records if r["type"] == "rotation" and "removed" in r]) == 0:
        assert feed.check_feed(records, losses=True) == []


def test_full_disk(lone, tmp_path, daemon, keep):
    """A disk that is full when a file is to begin: what is lost is counted, and the numbers go on."""
    disk = keep(Disk(tmp_path / "disk", 16 * MIB))
    path = disk.path / "feed"
    d = daemon(*ONLY, "--output-max", "1M", "--output-keep", "40", output=path, check=False)
    disk.fill(leave=2 * MIB)
    for _ in range(8):
        storm(lone, COUNT // 4)
        if complaints(d, "cannot write"):
            break
    assert complaints(d, "cannot write")
    for _ in range(4):
        storm(lone, COUNT // 2)
    disk.free()
    env.poll_until(lambda: complaints(d, "written again"), 20, "the good news")
    d.stop()
    parts = [p for p in files(path)]
    records = [r for part in read(parts) for r in part]
    assert all(p.stat().st_size <= MIB for p in parts)
    assert feed.check_feed(records, losses=True) == []
    assert records[-1]["feed"]["lost"] > 0


def test_hangup_with_a_bound(lone, tmp_path, daemon):
    """SIGHUP opens the file again, as without a bound."""
    path = tmp_path / "out" / "feed"
    path.parent.mkdir()
    d = daemon(*ONLY, "--output-max", "1M", output=path, check=False)
    path.rename(tmp_path / "moved")
    d.send(signal.SIGHUP)
    env.poll_until(path.exists, what="the file being made again")
    storm(lone, COUNT // 8)
    connect(lone, 4, ("127.0.0.1", PORT))[0].close()
    d.stop()
    parts = read([tmp_path / "moved", *files(path)])
    assert parts[0][0]["type"] == "hello"
    said = [r for part in parts for r in part if r["type"] == "rotation"]
    assert said and said[0]["ended"]["first_seq"] == parts[0][-1]["seq"] + 1


@pytest.mark.parametrize("flags, words", [
    (["--output-max", "0"], "--output-max 0: expected a size from 1M on"),
    (["--output-max", "1000K"], "--output-max 1000K: expected a size from 1M on"),
    (["--output-max", "1048575"], "--output-max 1048575: expected"),
    (["--output-max", "1Mi"], "--output-max 1Mi: expected"),
    (["--output-max", "2P"], "--output-max 2P: expected"),
    (["--output-max", "9999999999999999999T"], "expected a size"),
    (["--output-max", "-1M"], "--output-max -1M: expected"),
    (["--output-keep", "0", "--output-max", "1M"], "--output-keep 0: expected a number of files from 1"),
    (["--output-keep", "2x", "--output-max", "1M"], "--output-keep 2x: expected"),
    (["--output-keep", "3", "-o", "/tmp/x"], "--output-keep is for --output-max"),
    (["--output-max", "1M"], "--output-max is for a file"),
    (["--output-max", "1M", "-o", "-"], "--output-max is for a file"),
    (["--output-max", "1M", "-o", "none"], "--output-max is for a file"),
    (["--output-max", "1M", "-o", "/dev/null"], "--output-max is for a regular file, which /dev/null is not"),
    (["--output-max", "1M", "-o", "{fifo}"], "--output-max is for a regular file"),
    (["--output-max", "1M", "-o", "{link}"], "--output-max is for a regular file"),
])
def test_wrong(tmp_path, flags, words):
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to(tmp_path / "target")
    flags = [flag.format(fifo=fifo, link=link) for flag in flags]
    done = subprocess.run([str(env.BUILD / "tcpshaked"), *flags], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.count("\n") == 1 and words in done.stderr, done.stderr
