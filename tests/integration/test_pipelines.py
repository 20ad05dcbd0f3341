# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""contrib/ with the real programs: logrotate and rsyslogd under load, the unit under systemd-analyze."""
import gzip
import json
import os
import re
import subprocess

import pytest

from lib import env, feed
from lib.contrib import CONTRIB, Rsyslogd, adapted
from lib.load import Load
from lib.traffic import Agent, connect

PORT = str(20000 + os.getpid() % 10000)  # nobody else's on this host
ONLY = ("--port", PORT)
STEP = 1000 if env.SLOW < 4 else 250  # connections between one event and the next


@pytest.fixture
def load(lone, keep):
    return keep(Load(lone, PORT))


def split_feeds(records):
    """One recording of several daemons: a feed begins at each hello."""
    feeds = []
    for record in records:
        if record["type"] == "hello":
            feeds.append([])
        feeds[-1].append(record)
    return feeds


def check_feeds(records, count):
    """Numbers without a gap from hello to bye: no line is lost, none is doubled."""
    feeds = split_feeds(records)
    assert len(feeds) == count
    for one in feeds:
        wrong = feed.check_feed(one)
        assert not wrong, "\n".join(wrong)
    return feeds


def parse(data):
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


# logrotate

class Logrotate:
    """Debian's, with contrib/logrotate/tcpshake."""

    def __init__(self, directory, source, pid):
        self.conf, self.state = directory / "logrotate.conf", directory / "state"
        self.conf.write_text(adapted("logrotate/tcpshake", {
            "/var/log/tcpshake/feed.ndjson": source,
            "systemctl kill --kill-who=main --signal=HUP tcpshaked.service": f"kill -HUP {pid}"}))
        self.source = source

    def run(self):
        subprocess.run(["/usr/sbin/logrotate", "--force", "--state", str(self.state),
                        str(self.conf)], check=True, stdin=subprocess.DEVNULL)

    def history(self):
        """All that was ever written, oldest first."""
        def number(path):
            return int(path.name.removesuffix(".gz").rsplit(".", 1)[1])
        rotated = sorted(self.source.parent.glob(self.source.name + ".*"), key=number, reverse=True)
        parts = [gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                 for path in rotated]
        return parts + [self.source.read_bytes()]


def test_logrotate_under_load(tmp_path, daemon, load):
    """No line is lost, doubled or torn by a rotation."""
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o750)
    path = logs / "feed.ndjson"
    d = daemon(*ONLY, output=path)
    logrotate = Logrotate(tmp_path, path, d.pid)
    for _ in range(4):
        load.go_on(STEP)
        logrotate.run()
        env.poll_until(path.exists, what="the file made anew")
    load.go_on(STEP)
    load.stop()
    d.stop(timeout=30)
    parts = logrotate.history()
    assert len(parts) == 5
    for part in parts:
        assert part.endswith(b"\n")  # each file ends with a whole record
    (records,) = check_feeds(parse(b"".join(parts)), 1)
    assert len(records) > 5 * STEP


# rsyslog

@pytest.fixture
def rsyslogd(tmp_path, keep):
    return keep(Rsyslogd(tmp_path / "rsyslog", tmp_path / "feed.ndjson"))


def test_rsyslog_restarts(tmp_path, daemon, load, rsyslogd):
    """rsyslogd is stopped and started in the middle of it: every line comes out once, as it was."""
    d = daemon(*ONLY, output=rsyslogd.source)
    for _ in range(3):
        load.go_on(STEP)
        before = rsyslogd.lines()
        rsyslogd.stop()
        load.go_on(STEP)  # written while nobody reads
        rsyslogd.start()
        env.poll_until(lambda: rsyslogd.lines() > before, 20, "rsyslogd going on")
    load.stop()
    d.stop(timeout=30)
    rsyslogd.wait_for(rsyslogd.source)
    rsyslogd.stop()
    out = rsyslogd.out.read_bytes()
    assert out == rsyslogd.source.read_bytes()
    (records,) = check_feeds(parse(out), 1)
    assert len(records) > 6 * STEP


def test_daemon_restarts_before_rsyslog(tmp_path, daemon, load, rsyslogd):
    """Each daemon's feed comes out whole, from hello to bye."""
    for _ in range(3):
        d = daemon(*ONLY, output=rsyslogd.source)
        load.go_on(STEP)
        d.stop(timeout=30)
    rsyslogd.wait_for(rsyslogd.source)
    rsyslogd.stop()
    out = rsyslogd.out.read_bytes()
    assert out == rsyslogd.source.read_bytes()
    assert sum(len(one) for one in check_feeds(parse(out), 3)) > 3 * STEP


def test_daemon_killed_before_rsyslog(tmp_path, daemon, load, rsyslogd):
    """What it had not written is missing, and the feed that has no bye says so; no line is torn."""
    d = daemon(*ONLY, output=rsyslogd.source, check=False)
    load.go_on(STEP)
    d.kill()
    d = daemon(*ONLY, output=rsyslogd.source)
    load.go_on(STEP)
    d.stop(timeout=30)
    rsyslogd.wait_for(rsyslogd.source)
    rsyslogd.stop()
    killed, stopped = split_feeds(parse(rsyslogd.out.read_bytes()))
    assert feed.check_feed(killed, whole=False) == [] and killed[-1]["type"] != "bye"
    assert feed.check_feed(stopped) == []


def test_rotation_before_rsyslog(tmp_path, daemon, load, keep):
    """Both: logrotate moves the file away while rsyslogd reads it."""
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o750)
    path = logs / "feed.ndjson"
    rsyslogd = keep(Rsyslogd(tmp_path / "rsyslog", path))
    d = daemon(*ONLY, output=path)
    logrotate = Logrotate(tmp_path, path, d.pid)
    for _ in range(3):
        load.go_on(STEP)
        logrotate.run()
        env.poll_until(path.exists, what="the file made anew")
    load.go_on(STEP)
    load.stop()
    d.stop(timeout=30)
    everything = b"".join(logrotate.history())
    env.poll_until(lambda: rsyslogd.out.stat().st_size >= len(everything), 30, "all of it")
    rsyslogd.stop()
    assert rsyslogd.out.read_bytes() == everything
    check_feeds(parse(everything), 1)


# the unit

UNIT = "systemd/tcpshaked.service"


def test_capabilities_of_the_unit(lone, keep, daemon, tmp_path):
    """With no more than these it tells all it tells root: owners, cgroups, other namespaces' audits."""
    names = re.search(r"^CapabilityBoundingSet=(.*)$", (CONTRIB / UNIT).read_text(), re.M).group(1)
    bounding = ",".join("+" + name.removeprefix("CAP_").lower() for name in names.split())
    wrapper = tmp_path / "tcpshaked"
    wrapper.write_text(f'#!/bin/sh\nexec setpriv --bounding-set "-all,{bounding}" --no-new-privs '
                       f'{env.TCPSHAKED} "$@"\n')
    wrapper.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(env, "TCPSHAKED", str(wrapper))
        d = daemon("--listener-interval", "200ms", "--accept-wait", "syscall")
    with open(f"/proc/{d.pid}/status") as file:
        effective = int(re.search(r"CapEff:\s+(\w+)", file.read()).group(1), 16)
    assert 0 < bin(effective).count("1") < len(names.split())  # it has given some up (test_privilege.py)
    server = keep(Agent(lone, comm="served", listen={"port": 8080}, uid=65534))
    keep(connect(lone, 4, ("127.0.0.1", 8080))[0])
    record = d.handshake(netns=lone.inode, role="passive")
    assert record["process"]["pid"] == server.pid
    assert record["cgroup"] is None or record["cgroup"]["path"]
    d.feed.wait_for(lambda all: [r for r in all if r["type"] == "audit" and r["netns"] == lone.inode],
                    what="the audit of a namespace of another user's")


def test_install(tmp_path):
    """With DESTDIR: every snippet, and a unit that starts what was installed."""
    subprocess.run(["make", "-s", "install", f"O={env.BUILD}", f"DESTDIR={tmp_path}", "PREFIX=/usr"],
                   cwd=env.ROOT, check=True, stdout=subprocess.DEVNULL)
    share = tmp_path / "usr/share/tcpshake/contrib"
    shipped = {str(path.relative_to(CONTRIB)) for path in CONTRIB.rglob("*") if path.is_file()}
    assert {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()} == shipped
    assert "ExecStart=/usr/sbin/tcpshaked " in (share / "systemd/tcpshaked.service").read_text()
    assert (tmp_path / "usr/sbin/tcpshaked").exists()
