# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A small disk of one test: a tmpfs in a mount namespace that a process of the test holds.

It is reached through /proc/PID/root, and gone with that process, whatever happens to the test.
"""
import os
import pathlib
import subprocess

from . import env

SCRIPT = 'mount -t tmpfs -o "size=$1" none "$2" && echo ready && exec cat'


class Disk:
    def __init__(self, directory, size):
        directory.mkdir()
        self.process = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", SCRIPT, "sh", str(size),
             str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        self.path = pathlib.Path(f"/proc/{self.process.pid}/root{directory}")
        self.ballast = self.path / "ballast"

    def fill(self, leave=0):
        """Use it up but for so many bytes, in whole pages."""
        state = os.statvfs(self.path)
        with open(self.ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize - leave)

    def free(self):
        self.ballast.unlink()

    def close(self):
        self.process.stdin.close()
        self.process.wait(5 * env.SLOW)
        self.process.stdout.close()
