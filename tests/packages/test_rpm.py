# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The RPM package: listed, extracted and held against the Debian one, installed in a fresh root, and built a second time."""
import gzip
import os
import pathlib
import re
import subprocess

import pytest
from lib import env

# Where Debian and others have it.
PLACES = [("/lib/systemd/", "/usr/lib/systemd/"), ("/usr/share/zsh/vendor-completions/", "/usr/share/zsh/site-functions/")]
DOC = "/usr/share/doc/tcpshake/"
UNIT = "/usr/lib/systemd/system/tcpshaked.service"


@pytest.fixture(scope="session")
def rpm():
    found = [path for path in (env.BUILD / "rpm").glob("tcpshake-*.rpm") if not path.name.endswith(".src.rpm")]
    assert len(found) == 1, "make rpm"
    return found[0]


def query(rpm, *what):
    return subprocess.run(["rpm", "-qp", *what, rpm], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def tree(rpm, tmp_path_factory):
    directory = tmp_path_factory.mktemp("rpm")
    archive = subprocess.run(["rpm2cpio", rpm], check=True, capture_output=True).stdout
    subprocess.run(["cpio", "-i", "-d", "-m", "--quiet"], input=archive, cwd=directory, check=True)
    return directory


@pytest.fixture(scope="session")
def debian(deb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("deb")
    subprocess.run(["dpkg-deb", "-x", deb, directory], check=True)
    return directory


def files(tree):
    return {"/" + str(path.relative_to(tree)): path for path in tree.rglob("*") if not path.is_dir()}


def content(path):
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def moved(name):
    for ours, theirs in PLACES:
        if name.startswith(ours):
            return theirs + name[len(ours):]
    return name


def is_doc(name):
    return name.startswith(DOC) or name.startswith("/usr/share/licenses/")


def test_list(rpm, tree):
    listed = {line for line in query(rpm, "--list").splitlines() if not (tree / line.strip("/")).is_dir()}
    assert listed == set(files(tree)) and len(listed) > 50
    owners = query(rpm, "--qf", "[%{FILEUSERNAME} %{FILEGROUPNAME} %{FILEMODES:perms}\n]").splitlines()
    modes = {line.removeprefix("root root ") for line in owners}
    assert modes == {"-rwxr-xr-x", "-rw-r--r--", "drwxr-xr-x"}


def test_contents_are_the_debian_packages(tree, debian):
    """Everywhere but in the documentation's folder, whose names are each system's own; the programs by what they say."""
    ours, theirs = files(tree), {moved(name): path for name, path in files(debian).items()}
    assert {name for name in ours if not is_doc(name)} == {name for name in theirs if not is_doc(name)}
    programs = {"/usr/bin/tcpshake", "/usr/sbin/tcpshaked"}
    for name in ours.keys() & theirs.keys() - programs:
        assert content(ours[name]) == content(theirs[name]), name
    for name in programs:
        for flag in ("--version", "--help"):
            said = [subprocess.run([path, flag], check=True, capture_output=True).stdout for path in (ours[name], theirs[name])]
            assert said[0] == said[1] != b"", (name, flag)
    pages = {name.removeprefix(DOC).removesuffix(".gz") for name in theirs if name.startswith(DOC + "docs/")}
    assert pages and pages == {name.removeprefix(DOC) for name in ours if name.startswith(DOC + "docs/")}


def test_it_runs(tree):
    """It loads the programs, as it is in the package."""
    done = subprocess.run([tree / "usr/bin/tcpshake", "doctor"], capture_output=True, text=True,
                          env={**os.environ, "PATH": f"{tree}/usr/sbin:{os.environ['PATH']}"})
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_head(rpm):
    version = re.search(r"^VERSION := (.*)", (env.ROOT / "Makefile").read_text(), re.M)[1]
    assert query(rpm, "--qf", "%{NAME} %{VERSION} %{BUILDHOST}") == f"tcpshake {version} reproducible"
    needed = {line.split("(")[0].strip() for line in query(rpm, "--requires").splitlines()}
    wanted = {"libbpf.so.1", "libcjson.so.1", "libcap.so.2", "libseccomp.so.2", "libncursesw.so.6", "libzstd.so.1", "systemd"}
    assert wanted <= needed, needed
    assert not {name for name in needed if "python" in name or name.startswith("/usr")}
    assert "ExecStart=/usr/sbin/tcpshaked" in subprocess.run(
        f"rpm2cpio {rpm} | cpio -i --quiet --to-stdout .{UNIT}", shell=True, check=True, capture_output=True, text=True).stdout


def test_life(rpm, bare, tmp_path):
    """Installed, verified and removed in a fresh root: the user is made, nothing is enabled, records stay."""
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["tar", "-x", "-C", root, "-f", bare], check=True)

    def run(*argv):
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == 0, (argv, done.stdout + done.stderr)
        return done.stdout
    run("systemd-sysusers", f"--root={root}", "/dev/null")
    sysusers = root / "usr/bin/systemd-sysusers"  # the smallest Debian has none: ours shows how it is called
    sysusers.write_text('#!/bin/sh\necho "$@" >/called\n')
    sysusers.chmod(0o755)
    change = ("rpm", "--root", str(root), "--dbpath", "/var/lib/rpm")
    run(*change, "--nodeps", "-i", str(rpm))
    assert run(*change, "-V", "--nodeps", "tcpshake") == ""
    assert (root / "called").read_text() == "tcpshake.conf\n"
    assert not (root / "etc/systemd/system/multi-user.target.wants/tcpshaked.service").exists()
    log = root / "var/log/tcpshake/feed.ndjson"
    log.parent.mkdir()
    log.write_text("{}\n")
    run(*change, "--nodeps", "-U", "--force", str(rpm))
    assert (root / "usr/sbin/tcpshaked").exists()
    run(*change, "-e", "tcpshake")
    left = [str(path.relative_to(root)) for path in root.rglob("*tcpshake*")]
    assert sorted(left) == ["var/log/tcpshake"] and log.exists()


def test_same_bytes_elsewhere(rpm, tmp_path):
    """From the source package, at another path, in another time zone, with another umask and user's environment."""
    source = next(rpm.parent.glob("*.src.rpm"))
    stamp = subprocess.run(["dpkg-parsechangelog", "-S", "Timestamp"], cwd=env.ROOT, check=True, capture_output=True, text=True).stdout
    top = tmp_path / "another" / "place"
    subprocess.run(["rpmbuild", "--rebuild", "--quiet", "--nodeps", "--without", "tests", "--define", f"_topdir {top}",
                    "--define", f"_dbpath {top}/db", source], check=True, capture_output=True, umask=0o077,
                   env={**os.environ, "TZ": "Pacific/Auckland", "LC_ALL": "C", "HOME": str(tmp_path),
                        "SOURCE_DATE_EPOCH": stamp.strip()})
    again = next(pathlib.Path(top).glob("RPMS/*/*.rpm"))
    assert again.read_bytes() == rpm.read_bytes()
