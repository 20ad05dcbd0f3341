# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A full queue whose owner has no descriptor left for accept()."""
import os
import resource
import subprocess

import pytest

from lib import env
from lib.evidence import capabilities
from lib.explained import explained, write
from lib.queues import Crowd
from lib.traffic import connect, start

pytestmark = [pytest.mark.sanitize, pytest.mark.skipif(not capabilities()["queue_look"]["ok"], reason="nobody can look at queues")]
FAST = ("--listener-interval", "200ms")
# Its child holds the listener as well, and may open files.
PARENT = """
import socket, subprocess, sys
sock = socket.create_server(("", 0), backlog=1)
child = subprocess.Popen(["sleep", "60"], pass_fds=[sock.fileno()])
print(sock.getsockname()[1], flush=True)
sys.stdin.read()
child.kill()
"""


def refusals(d, count, **subset):
    """So many overflow records."""
    def enough(all):
        found = d.feed.records("overflow", **subset)
        return found if len(found) >= count else None
    return d.feed.wait_for(enough, 8, f"{count} refusals with {subset}")


def full(d, ns):
    """The newest look at a listener there whose queue is full."""
    def found(all):
        records = [r for r in d.feed.records("listener", netns=ns.inode)
                   if r["accept_queue"] and r["accept_queue"]["len"] > r["accept_queue"]["max"]]
        return records[-1] if records else None
    return d.feed.wait_for(found, 8, "a full queue")


def test_no_descriptor_left(ip, pair, keep, tmp_path, daemon, cli):
    d = daemon(*FAST)
    crowd = Crowd(pair, ip, keep, 1)
    limit = crowd.use_up_descriptors()
    crowd.fill()
    crowd.begin(2)
    [record, *_] = refusals(d, 1, netns=pair.server.inode)
    assert (record["queue"], record["cause"]["code"], record["cause"]["certainty"]) == (
        "accept", "descriptors_exhausted", "probable")
    assert f"its owner had {limit} of {limit} descriptors open when that was looked at" in record["cause"]["detail"]
    assert full(d, pair.server)["open_files"] == {"used": limit, "limit": limit}
    causes, _ = explained(cli, write(tmp_path / "feed", [*d.feed.records("hello"), record]))
    assert [c["code"] for c in causes] == ["descriptors_exhausted"]
    assert "accept() fails (EMFILE)" in causes[0]["advice"]


def test_descriptors_again(ip, pair, keep, daemon):
    """Once there is one to be had, the queue is full for another reason."""
    d = daemon(*FAST)
    crowd = Crowd(pair, ip, keep, 1)
    limit = crowd.use_up_descriptors()
    crowd.fill()
    crowd.begin(1)
    refusals(d, 1, netns=pair.server.inode, cause={"code": "descriptors_exhausted"})
    _, most = resource.prlimit(crowd.owner.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(crowd.owner.pid, resource.RLIMIT_NOFILE, (limit + 1, most))
    crowd.begin(1)
    refusals(d, 1, netns=pair.server.inode, cause={"code": "accept_queue_full"})


def test_descriptors_left(ip, pair, keep, daemon):
    d = daemon(*FAST)
    crowd = Crowd(pair, ip, keep, 1)
    crowd.fill()
    crowd.begin(1)
    [record, *_] = refusals(d, 1, netns=pair.server.inode)
    assert record["cause"]["code"] == "accept_queue_full" and "descriptors" not in record["cause"]["detail"]
    files = full(d, pair.server)["open_files"]
    assert files["limit"] == resource.prlimit(crowd.owner.pid, resource.RLIMIT_NOFILE)[0]
    assert files["used"] == len(os.listdir(f"/proc/{crowd.owner.pid}/fd"))


def test_another_may_accept(pair, keep, daemon):
    """Who shares the listener has descriptors left: that its main owner has not does not explain the queue."""
    d = daemon(*FAST)
    parent = pair.server.popen([env.PYTHON, "-SE", "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = int(parent.stdout.readline())
        d.feed.wait_for(lambda all: any(len(r["processes"]) == 2 for r in d.feed.records("listener", netns=pair.server.inode)),
                        10, "both owners")
        used = len(os.listdir(f"/proc/{parent.pid}/fd"))
        resource.prlimit(parent.pid, resource.RLIMIT_NOFILE, (used, used))
        for _ in range(2):
            keep(connect(pair.client, 4, pair.address(4, port))[0])
        found = full(d, pair.server)
        assert (found["process"]["pid"], found["open_files"]) == (parent.pid, {"used": used, "limit": used})
        keep(start(pair.client, 4, pair.address(4, port)))
        assert refusals(d, 1, netns=pair.server.inode)[0]["cause"]["code"] == "accept_queue_full"
    finally:
        parent.communicate()
