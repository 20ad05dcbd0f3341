# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The snippets of contrib/, with the paths of a test in place of the host's."""
import signal

from . import env, feed

CONTRIB = env.ROOT / "contrib"


def adapted(name, replace):
    """Its text, in which each key of `replace` occurs, with the values instead."""
    text = (CONTRIB / name).read_text()
    for old, new in replace.items():
        assert old in text, f"{name}: no {old}"
        text = text.replace(old, str(new))
    return text


class Rsyslogd:
    """Debian's rsyslogd with contrib/rsyslog/tcpshake.conf alone; it may be stopped and started."""

    def __init__(self, directory, source):
        self.source, self.out = source, directory / "collected.ndjson"
        self.work = directory / "work"
        self.work.mkdir(parents=True)
        self.conf, self.pidfile = directory / "rsyslog.conf", directory / "pid"
        snippet = adapted("rsyslog/tcpshake.conf", {
            "/var/log/tcpshake/feed.ndjson": source,
            "/var/log/tcpshake/collected.ndjson": self.out})
        self.conf.write_text(f'global(workDirectory="{self.work}")\n{snippet}')
        self.program = None
        self.start()

    def start(self):
        self.program = feed.Program(["/usr/sbin/rsyslogd", "-n", "-f", str(self.conf),
                                     "-i", str(self.pidfile)])
        env.poll_until(lambda: self.pidfile.exists() or self.program.process.poll() is not None,
                       what="rsyslogd")
        assert self.program.process.poll() is None, self.program.stderr_text

    def stop(self):
        self.program.process.send_signal(signal.SIGTERM)
        assert self.program.wait(20) == 0, self.program.stderr_text
        self.pidfile.unlink(missing_ok=True)

    def lines(self):
        return self.out.read_bytes().count(b"\n") if self.out.exists() else 0

    def wait_for(self, path):
        """Until it has written out as much as is in the file."""
        size = path.stat().st_size
        env.poll_until(lambda: self.out.exists() and self.out.stat().st_size >= size, 30,
                       f"rsyslogd writing {size} bytes")

    def close(self):
        self.program.kill()
