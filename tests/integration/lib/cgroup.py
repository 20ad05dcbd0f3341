# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Groups of the unified hierarchy (cgroup2), made for one test."""
import os
import subprocess
import tempfile

from . import env


def mounted():
    with open("/proc/self/mounts") as file:
        for line in file:
            _, place, kind = line.split()[:3]
            if kind == "cgroup2":
                return place
    return None


class Tree:
    def __init__(self):
        self._own_mount = None
        self.root = mounted()
        if self.root is None:
            self._own_mount = tempfile.mkdtemp(prefix="tcpshake-cgroup2-")
            subprocess.run(["mount", "-t", "cgroup2", "none", self._own_mount], check=True)
            self.root = self._own_mount
        self._made = []

    def make(self, path):
        """Make a group, and those above it; returns (directory, id, path in the hierarchy)."""
        directory = self.root
        for part in path.strip("/").split("/"):
            directory = os.path.join(directory, part)
            if not os.path.isdir(directory):
                os.mkdir(directory)
                self._made.append(directory)
        return directory, os.stat(directory).st_ino, "/" + path.strip("/")

    def close(self):
        for directory in reversed(self._made):
            def gone(directory=directory):
                try:
                    os.rmdir(directory)
                    return True
                except FileNotFoundError:
                    return True
                except OSError:
                    return False  # a process is still leaving
            env.poll_until(gone, 5, f"removing {directory}")
        if self._own_mount:
            subprocess.run(["umount", self._own_mount], check=True)
            os.rmdir(self._own_mount)
