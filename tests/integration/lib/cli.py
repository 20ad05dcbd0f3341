# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake under test, in a pipe or on a terminal of its own."""
import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

from . import env, feed

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Cli(feed.Program):
    """tcpshake, what it writes kept as text."""

    def __init__(self, *argv, terminal=None, environment=(), stdin=subprocess.DEVNULL, **kwargs):
        self.stdout_text = ""
        variables = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
        variables.update({"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
        variables.update(environment)
        command = [*kwargs.pop("prefix", ()), env.TCPSHAKE, *argv]
        if kwargs.pop("hermit", False):
            # in a /run of its own, where no daemon serves
            command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh",
                       *command]
        if terminal:
            self.output, slave = pty.openpty()
            size = struct.pack("HHHH", 24, terminal, 0, 0)
            fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
        else:
            self.output, slave = os.pipe()
        super().__init__(command, stdin=stdin, stdout=slave, env=variables, **kwargs)
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end within a character
        while True:
            try:
                data = os.read(self.output, 65536)
            except OSError:  # EIO: the terminal's last user has gone
                data = b""
            if not data:
                os.close(self.output)
                return
            self.stdout_text += decoder.decode(data)

    def lines(self):
        return [line for line in self.stdout_text.splitlines() if line.strip()]

    def until(self, text, timeout=10):
        env.poll_until(lambda: text in self.stdout_text or self.process.poll() is not None,
                       timeout, f"{text!r} from tcpshake, not only {self.stdout_text[-500:]!r}")
        assert text in self.stdout_text, (self.stdout_text, self.stderr_text)

    def end(self, number=None, code=0):
        if number:
            self.process.send_signal(number)
        assert self.wait() == code, self.stderr_text
        self._reader.join(5 * env.SLOW)
        return self.stdout_text

    def children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
            return [int(pid) for pid in file.read().split()]


def private_daemon(program):
    """Its process number, once it runs (before, there are the shell's children)."""
    def running():
        assert program.process.poll() is None, program.stderr_text
        for pid in program.children():
            try:
                # exec() sets the name before there are arguments to read
                with open(f"/proc/{pid}/comm") as comm, open(f"/proc/{pid}/cmdline") as cmdline:
                    if comm.read() == "tcpshaked\n" and cmdline.read():
                        return pid
            except FileNotFoundError:
                pass
        return None
    return env.poll_until(running, 10, "a private tcpshaked")


def zombie(pid):
    """Dead, but nobody has taken note: in a container process 1 may not reap."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
