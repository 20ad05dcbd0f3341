# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The Debian package in a fresh root: installed, upgraded, removed, purged; and built a second time."""
import contextlib
import hashlib
import os
import subprocess

import pytest
from lib import env

LOG = "var/log/tcpshake/feed.ndjson"
RECORDED = "var/lib/tcpshake/feed-1.ndjson.zst"  # the recorder's
DROP_IN = "etc/systemd/system/tcpshaked.service.d/own.conf"
WANTED = "etc/systemd/system/multi-user.target.wants/tcpshaked.service"
PROGRAM = "usr/sbin/tcpshaked"


class Root:
    """A Debian of its own, with /proc and /sys of this host."""

    def __init__(self, path):
        self.path = path

    def run(self, *argv, check=True):
        done = subprocess.run(["chroot", self.path, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
                                   "LC_ALL": "C.UTF-8"}, timeout=1200)
        assert not check or done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done

    def install(self, package):
        (self.path / "new.deb").write_bytes(package.read_bytes())
        self.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "/new.deb")
        (self.path / "new.deb").unlink()

    def has(self, path):
        return os.path.lexists(self.path / path)

    def left(self):
        """Every path with our name in it."""
        return sorted(str(p.relative_to(self.path)) for top in ("etc", "usr", "var", "lib", "run")
                      for p in (self.path / top).rglob("*tcpshake*"))


@pytest.fixture
def root(bare, tmp_path):
    path = tmp_path / "root"
    path.mkdir()
    subprocess.run(["tar", "-x", "-C", path, "-f", bare], check=True)
    (path / "etc/resolv.conf").unlink(missing_ok=True)
    (path / "etc/resolv.conf").write_bytes(open("/etc/resolv.conf", "rb").read())
    with contextlib.ExitStack() as mounts:
        for name in ("proc", "sys"):
            subprocess.run(["mount", "--rbind", f"/{name}", path / name], check=True)
            mounts.callback(subprocess.run, ["umount", "-R", "-l", path / name], check=True)
            subprocess.run(["mount", "--make-rslave", path / name], check=True)
        made = Root(path)
        made.run("apt-get", "update", "-qq")
        yield made


def with_version(deb, directory, version):
    """The same package under another version."""
    tree = directory / version
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    lines = [f"Version: {version}" if line.startswith("Version: ") else line
             for line in control.read_text().splitlines()]
    control.write_text("\n".join(lines) + "\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, directory], check=True, capture_output=True)
    return next(directory.glob(f"*_{version}_*.deb"))


def verify_installed(root):
    assert root.run("dpkg", "--verify", "tcpshake").stdout == ""
    entry = root.run("getent", "passwd", "tcpshake").stdout.strip().split(":")
    assert entry[-1].endswith("/nologin") and root.run("getent", "group", "tcpshake").stdout
    assert root.run("systemd-analyze", "verify", "--man=no", "tcpshaked.service").stderr == ""
    assert root.run("systemctl", "is-enabled", "tcpshaked", check=False).stdout.strip() == "disabled"
    assert not root.has(WANTED)


def doctor(root):
    """It loads the programs with the libraries of that root alone."""
    done = root.run("tcpshake", "doctor", check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_life(deb, root, tmp_path):
    new = subprocess.run(["dpkg-deb", "-f", deb, "Version"], check=True, capture_output=True, text=True).stdout.strip()
    root.install(with_version(deb, tmp_path, "0.0.1"))
    verify_installed(root)
    assert "tcpshaked" in doctor(root)

    # What the administrator decides, and what was recorded, is kept.
    root.run("systemctl", "enable", "tcpshaked")
    for path, text in ((LOG, "{}\n"), (RECORDED, "{}\n"), (DROP_IN, "[Service]\nNice=1\n")):
        (root.path / path).parent.mkdir(parents=True, exist_ok=True)
        (root.path / path).write_text(text)
    root.install(deb)
    assert root.run("dpkg-query", "-W", "-f", "${Version}", "tcpshake").stdout == new
    assert root.has(WANTED) and root.has(DROP_IN) and root.has(LOG) and root.has(RECORDED)

    root.run("apt-get", "remove", "-y", "-qq", "tcpshake")
    assert root.has(LOG) and root.has(RECORDED) and not root.has(PROGRAM)
    root.run("apt-get", "purge", "-y", "-qq", "tcpshake")
    assert not root.has(os.path.dirname(LOG)) and not root.has(os.path.dirname(RECORDED)) and not root.has(WANTED)
    assert root.left() == [os.path.dirname(DROP_IN)]
    assert root.run("getent", "passwd", "tcpshake").stdout  # its number stays its own, as Debian's packages leave users


def sums(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.glob("*.deb")}


def test_same_bytes_elsewhere(deb, tmp_path):
    """From the source package, at another path and time, in another time zone, with another umask and user's environment."""
    source = next(deb.parent.glob("*.dsc"))
    other = tmp_path / "another place"
    other.mkdir()
    build = tmp_path / "deeper" / "down" / "tree"
    build.parent.mkdir(parents=True)
    subprocess.run(["dpkg-source", "-x", source, build], check=True, capture_output=True, umask=0o077)
    subprocess.run(["dpkg-buildpackage", "-us", "-uc", "-b"], cwd=build, check=True, capture_output=True, umask=0o077,
                   env={**os.environ, "TZ": "Pacific/Auckland", "LC_ALL": "C", "HOME": str(other),
                        "DEB_BUILD_OPTIONS": "nocheck"})
    first = sums(deb.parent)
    print(first)
    assert len(first) == 2 and sums(build.parent) == first
