# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Outputs in trouble: full disks under load, limits, rotation. What is missing is in the feed."""
import collections
import json
import os
import re
import resource
import signal
import subprocess

import pytest

from lib import env, feed
from lib.disk import Disk
from lib.traffic import connect

pytestmark = pytest.mark.sanitize

COUNT = 15000 if env.SLOW < 4 else 3000
PORT = 20000 + os.getpid() % 10000  # nobody else's on this host
# What others do on this host meanwhile is not to fill these disks.
ONLY = ("--port", str(PORT), "--events", "handshake")
KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def disk(tmp_path, keep):
    return keep(Disk(tmp_path / "disk", 64 * MIB))


def refused(ns, count=1):
    for _ in range(count):
        connect(ns, 4, ("127.0.0.1", PORT))[0].close()


def storm(ns, count):
    child = ns.popen([env.tool("storm"), "-n", str(count), "-p", str(PORT)],
                     stdout=subprocess.PIPE)
    out, _ = child.communicate(timeout=120 * env.SLOW)
    assert child.returncode == 0
    return json.loads(out)


def whole_lines(path):
    """The file ends with a whole record at every moment, not only in the end."""
    data = path.read_bytes()
    return not data or data.endswith(b"\n")


def stderr_lines(d, pattern):
    return [line for line in d.stderr_text.splitlines() if re.search(pattern, line)]


def until_stuck(d, count=1):
    env.poll_until(lambda: len(stderr_lines(d, "cannot write")) == count, what="the complaint")


def until_cured(d, count=1):
    env.poll_until(lambda: len(stderr_lines(d, "written again")) == count, what="the good news")


def check_identity(records):
    """To the last record: what the kernel side delivered is written, or lost and told by type."""
    assert feed.check_feed(records, losses=True) == []
    lost = collections.Counter()
    for r in records:
        if r["type"] == "loss" and r["why"] == "write_error":
            lost[r["what"]] += r["count"]
    bye = records[-1]
    assert bye["feed"]["lost"] == sum(lost.values())
    written = sum(r["type"] == "handshake" for r in records)
    before = bye["feed"]["types"]["handshake"]["before"]
    assert before + written + lost["handshake"] == bye["totals"]["handshake"]["delivered"]
    return lost


def test_full_disk(lone, disk, tmp_path, daemon, keep):
    """It goes on, its other feeds have everything, and the file has it all once there is space."""
    path, sock = disk.path / "feed", tmp_path / "sock"
    d = daemon(*ONLY, output=path, sock=sock)
    other = keep(feed.Subscriber(sock, {"op": "subscribe"}))
    other.feed.wait_for(lambda all: all, what="hello")
    disk.fill(leave=16 * KIB)
    refused(lone, 60)
    until_stuck(d)
    refused(lone, 60)
    other.feed.handshakes(120, netns=lone.inode)
    assert whole_lines(path)
    size = path.stat().st_size
    disk.free()
    until_cured(d)
    env.poll_until(lambda: path.stat().st_size > size, what="the file growing")
    d.stop()
    records = feed.read_file(path)
    assert feed.check_feed(records) == []  # 4 MiB of memory were more than enough
    assert sum(r["type"] == "handshake" and r["netns"] == lone.inode for r in records) == 120
    assert records[-1]["feed"]["lost"] == 0
    assert len(d.stderr_text.splitlines()) == 2, d.stderr_text
    assert "No space left" in d.stderr_text and "; 0 records were lost" in d.stderr_text


def test_full_disk_under_load(lone, disk, daemon):
    """Twice full, twice freed, at full speed; each record is in the file or in its losses."""
    path = disk.path / "feed"
    d = daemon(*ONLY, output=path)
    before = lone.snmp()
    for turn in (1, 2):
        disk.fill(leave=1 * MIB)
        storm(lone, COUNT)
        until_stuck(d, turn)
        assert whole_lines(path)
        disk.free()
        until_cured(d, turn)
        storm(lone, COUNT // 10)
    after = lone.snmp()
    d.stop(timeout=30)
    records = feed.read_file(path)
    lost = check_identity(records)
    opened = sum(after[name] - before[name] for name in ("ActiveOpens", "PassiveOpens"))
    seen = records[-1]["totals"]["handshake"]
    assert seen["lost"] == 0 and opened - feed.nested(records) <= seen["seen"]
    if COUNT > 10000:
        assert lost["handshake"] > 1000
    assert len(d.stderr_text.splitlines()) == 4, d.stderr_text


def test_full_disk_freed_under_load(lone, disk, daemon):
    """Full and free again within one storm."""
    path = disk.path / "feed"
    d = daemon(*ONLY, output=path)
    disk.fill(leave=1 * MIB)
    child = lone.popen([env.tool("storm"), "-n", str(COUNT), "-p", str(PORT)], stdout=subprocess.DEVNULL)
    until_stuck(d)
    assert whole_lines(path)
    disk.free()
    assert child.wait(120 * env.SLOW) == 0
    until_cured(d)
    d.stop(timeout=30)
    check_identity(feed.read_file(path))


def test_full_disk_until_the_end(lone, disk, daemon):
    """Exit 1 and a line more; the file holds whole records, and no bye that would not be true."""
    path = disk.path / "feed"
    d = daemon(*ONLY, output=path, check=False)
    disk.fill()
    refused(lone, 100)
    until_stuck(d)
    d.send(signal.SIGTERM)
    assert d.wait(15) == 1
    assert len(d.stderr_text.splitlines()) == 2 and "the end of" in d.stderr_text
    records = feed.read_file(path)
    assert feed.check_feed(records, whole=False, losses=True) == []
    assert records[-1]["type"] != "bye"


def test_last_page_of_a_full_disk(lone, disk, daemon):
    """A little space that is not enough is kept for the end: the losses and bye, exact."""
    path = disk.path / "feed"
    d = daemon(*ONLY, output=path, check=False)
    disk.fill(leave=16 * KIB)
    refused(lone, 100)
    until_stuck(d)
    refused(lone, 100)
    os.truncate(disk.ballast, disk.ballast.stat().st_size - 32 * KIB)
    size = path.stat().st_size
    env.poll_until(lambda: path.stat().st_size > size, what="the file growing")
    d.send(signal.SIGTERM)
    assert d.wait(15) == 0, d.stderr_text
    records = feed.read_file(path)
    assert feed.check_feed(records, losses=True) == []
    written = sum(r["type"] == "handshake" for r in records)
    lost = sum(r["count"] for r in records if r["type"] == "loss" and r["what"] == "handshake")
    assert lost > 0 and written + lost == 200 == records[-1]["totals"]["handshake"]["delivered"]


def test_full_from_the_start(lone, disk, daemon):
    """hello waits, too."""
    path = disk.path / "feed"
    disk.fill()
    d = daemon(*ONLY, output=path, wait=False)
    until_stuck(d)
    disk.free()
    until_cured(d)
    refused(lone)
    d.stop()
    records = feed.read_file(path)
    assert feed.check_feed(records) == []
    assert sum(r["type"] == "handshake" and r["netns"] == lone.inode for r in records) == 1


def test_rotation_to_another_disk(lone, disk, tmp_path, daemon):
    """SIGHUP cures it: the new file goes on where the full one stopped."""
    path = tmp_path / "feed"
    path.symlink_to(disk.path / "feed")
    d = daemon(*ONLY, output=path)
    disk.fill()
    refused(lone, 100)
    until_stuck(d)
    path.unlink()
    d.send(signal.SIGHUP)
    until_cured(d)
    d.stop()
    old, new = feed.read_file(disk.path / "feed"), feed.read_file(path)
    assert feed.check_feed(old + new) == []
    assert sum(r["type"] == "handshake" and r["netns"] == lone.inode for r in old + new) == 100


def test_file_that_cannot_be_reopened(lone, tmp_path, daemon):
    directory = tmp_path / "logs"
    directory.mkdir()
    d = daemon(*ONLY, output=directory / "feed")
    directory.rename(tmp_path / "moved")
    d.send(signal.SIGHUP)
    env.poll_until(lambda: "going on with the old file" in d.stderr_text, what="the complaint")
    refused(lone)
    d.stop()
    records = feed.read_file(tmp_path / "moved" / "feed")
    assert feed.check_feed(records) == []
    assert any(r["type"] == "handshake" and r["netns"] == lone.inode for r in records)


@pytest.mark.parametrize("to", ["file", "stdout"])
def test_limit_on_the_size_of_files(lone, tmp_path, programs, to):
    """EFBIG, another error a file can have, and the same file as standard output."""
    path = tmp_path / "feed"
    with open(path, "wb") as file:
        d = feed.Program([env.TCPSHAKED, "-s", "none", "-o", str(path) if to == "file" else "-",
                          *ONLY],
                         stdout=file)
    programs.append(d)
    env.poll_until(lambda: path.stat().st_size, 10, "hello")
    size = path.stat().st_size
    resource.prlimit(d.pid, resource.RLIMIT_FSIZE, (size + 10001, resource.RLIM_INFINITY))
    refused(lone, 100)
    until_stuck(d)
    assert "File too large" in d.stderr_text
    resource.prlimit(d.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    until_cured(d)
    d.process.send_signal(signal.SIGTERM)
    assert d.wait() == 0
    records = feed.read_file(path)
    assert feed.check_feed(records) == []
    assert sum(r["type"] == "handshake" and r["netns"] == lone.inode for r in records) == 100


def test_output_through_a_link(daemon, tmp_path):
    """One that root made is followed, to a file that is not there yet: a log may be elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "log").symlink_to("elsewhere/feed")
    (tmp_path / "again").symlink_to(tmp_path / "log")
    d = daemon(output=tmp_path / "again", sock=tmp_path / "s")
    d.stop()
    assert feed.read_file(tmp_path / "elsewhere" / "feed")[-1]["type"] == "bye"


def test_output_is_not_anothers_link(tmp_path):
    """Who may write into the directory does not choose which file of the host the daemon writes."""
    victim = tmp_path / "victim"
    victim.write_text("as it was\n")
    for target in (victim, tmp_path / "new"):
        link = tmp_path / f"{target.name}.log"
        link.symlink_to(target)
        os.lchown(link, 65534, 65534)
        done = subprocess.run([env.TCPSHAKED, "-s", "none", "-o", link, "--duration", "1s"], capture_output=True, text=True,
                              timeout=30 * env.SLOW)
        assert done.returncode == 1
        assert done.stderr == f"tcpshaked: {link} is a link that another user made, and is not followed: " \
                              "give the file itself with -o\n"
    assert victim.read_text() == "as it was\n" and not (tmp_path / "new").exists()


def test_output_by_the_name_of_a_descriptor():
    done = subprocess.run([env.TCPSHAKED, "-s", "none", "-o", "/dev/stdout", "--duration", "200ms"], capture_output=True,
                          text=True, timeout=30 * env.SLOW)
    assert done.returncode == 0 and '"type":"bye"' in done.stdout.splitlines()[-1]
