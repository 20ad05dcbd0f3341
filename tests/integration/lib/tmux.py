# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A terminal to look at: a tmux server of its own, and what its screen shows."""
import itertools
import os
import re
import shlex
import subprocess
import tempfile
import time

from . import env
from .cli import zombie

_numbers = itertools.count()


def family(pid):
    """A process and all below it."""
    found = [pid]
    for one in found:
        try:
            with open(f"/proc/{one}/task/{one}/children") as file:
                found += [int(child) for child in file.read().split()]
        except FileNotFoundError:
            pass
    return found


def gone(pid):
    return not os.path.exists(f"/proc/{pid}") or zombie(pid)


class Tmux:
    """A command on a terminal of some size. With `shell` it is typed into a shell, which stays."""

    def __init__(self, argv, columns=80, rows=24, environment=(), shell=False, term="tmux-256color"):
        self.name = f"tcpshake-{os.getpid()}-{next(_numbers)}"
        variables = {"TERM": term, "LC_ALL": "C.UTF-8", "TZ": "UTC", **dict(environment)}
        words = ["env", "-u", "NO_COLOR", "-u", "TMUX", *(f"{k}={v}" for k, v in variables.items())]
        self.command = shlex.join(map(str, argv)).replace(" '|' ", " | ")
        # tmux does not always know how its program ended
        self.status = tempfile.NamedTemporaryFile(prefix="tmux-status-")
        words += ["sh"] if shell else ["sh", "-c", f"{self.command}; echo $? >{self.status.name}"]
        self.run("new-session", "-d", "-x", str(columns), "-y", str(rows), shlex.join(words))
        self.server = int(self.ask("#{pid}"))
        self.pid = int(self.ask("#{pane_pid}"))
        self.run("set-option", "-g", "remain-on-exit", "on")
        if shell:
            self.type(self.command)

    def run(self, *words):
        done = subprocess.run(["tmux", "-L", self.name, "-f", "/dev/null", *words],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
                              env={k: v for k, v in os.environ.items() if k != "TMUX"}
                              | {"LC_ALL": "C.UTF-8"})
        return done.stdout.decode()

    def ask(self, what):
        return self.run("display-message", "-p", what).strip()

    def keys(self, *names):
        self.run("send-keys", *names)

    def text(self, text):
        self.run("send-keys", "-l", text)

    def type(self, line):
        self.text(line)
        self.keys("Enter")

    def resize(self, columns, rows):
        self.run("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self, styled=False):
        return self.run("capture-pane", "-p", *(["-e"] if styled else []))

    def until(self, pattern, timeout=15, absent=False):
        """The screen, once a pattern is on it (or is not)."""
        last = ""

        def there():
            nonlocal last
            last = self.screen()
            found = re.search(pattern, last, re.M)
            return last if bool(found) != absent else None
        try:
            return env.poll_until(there, timeout, interval=0.05)
        except AssertionError:
            raise AssertionError(f"{pattern!r} {'stays' if absent else 'does not come'} on the "
                                 f"screen:\n{last}") from None

    def restored(self):
        """Is the terminal as a program would want to find it?"""
        return self.ask("#{alternate_on} #{cursor_flag} #{keypad_flag}") == "0 1 0"

    def still(self, pattern, timeout=15):
        """The same, once it no longer changes: a screen may be looked at while it is being drawn."""
        def same():
            first = self.until(pattern, timeout)
            time.sleep(0.1)
            return first if first == self.screen() else None
        return env.poll_until(same, timeout, "a screen that stays as it is")

    def ended(self, code=0):
        """The program has, with that exit status."""
        def status():
            with open(self.status.name) as file:
                return file.read().strip()
        found = env.poll_until(status, 15, "the end of the program")
        assert found == str(code), f"it ended with {found}, and the screen was\n{self.screen()}"

    def close(self):
        """The terminal vanishes, as far as it is still there."""
        subprocess.run(["tmux", "-L", self.name, "-f", "/dev/null", "kill-server"],
                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.status.close()
