# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that carry a feed from a host's file to the store: each may be killed and started again, and goes on."""
import os
import pathlib
import signal
import subprocess

from . import env, kafka_mock
from .contrib import adapted

OMKAFKA = list(pathlib.Path("/usr/lib").glob("*/rsyslog/omkafka.so"))
SYSLOG_NG = env.BUILD / "syslog-ng" / "usr"


class Carrier:
    """A program in a host's namespace, in a folder of its own."""

    def __init__(self, host, directory, argv, more=None):
        self.host, self.argv, self.more = host, argv, more or {}
        self.log = directory / "carrier.log"
        self.process = None

    def start(self):
        (self.log.parent / "pid").unlink(missing_ok=True)  # of one that was killed
        with open(self.log, "ab") as log:
            self.process = self.host.ns.popen([*env.NO_ORPHAN, *self.argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.more})

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def said(self):
        return self.log.read_text(errors="replace")[-3000:]

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()


def syslog_ng(host, shards):
    """Debian's, with contrib/syslog-ng/tcpshake.conf alone."""
    directory = pathlib.Path(host.dir)
    conf = directory / "syslog-ng.conf"
    conf.write_text("@version: 3.38\noptions { stats-freq(0); };\n" + adapted("syslog-ng/tcpshake.conf", {
        "/var/log/tcpshake/feed.ndjson": host.feed, "ch1.example.net": shards[0], "ch2.example.net": shards[1]}))
    argv = [SYSLOG_NG / "sbin" / "syslog-ng", "--foreground", "--no-caps", "--cfgfile", conf, "--persist-file", directory / "persist",
            "--pidfile", directory / "pid", "--control", directory / "ctl", "--module-path", SYSLOG_NG / "lib" / "syslog-ng" / "3.38", "-e"]
    return Carrier(host, directory, list(map(str, argv)), {"LD_LIBRARY_PATH": str(SYSLOG_NG / "lib" / "syslog-ng")})


class KafkaMock:
    """librdkafka's mock cluster, in a namespace."""

    def __init__(self, ns):
        self.process = ns.popen([env.PYTHON, kafka_mock.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.brokers = self.process.stdout.readline().decode().strip()
        assert self.brokers, "librdkafka's mock cluster did not start"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def rsyslog_kafka(host, brokers):
    """Debian's, with contrib/rsyslog/tcpshake-kafka.conf alone."""
    directory = pathlib.Path(host.dir)
    (directory / "work").mkdir()
    conf = directory / "rsyslog.conf"
    conf.write_text(f'global(workDirectory="{directory}/work")\n' + adapted("rsyslog/tcpshake-kafka.conf", {
        "/var/log/tcpshake/feed.ndjson": host.feed, "kafka.example.net:9092": brokers,
        "/var/spool/rsyslog/tcpshake.failed": directory / "failed"}))
    return Carrier(host, directory, ["/usr/sbin/rsyslogd", "-n", "-f", str(conf), "-i", str(directory / "pid")])
