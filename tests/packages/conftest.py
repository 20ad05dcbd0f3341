# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""For tests of what `make deb` and `make image` built: in $TCPSHAKE_BUILD/deb and $TCPSHAKE_BUILD/image."""
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

from lib import env  # noqa: E402


@pytest.fixture(scope="session")
def deb():
    found = list((env.BUILD / "deb").glob("tcpshake_*.deb"))
    assert len(found) == 1, "make deb"
    return found[0]


@pytest.fixture(scope="session")
def image(deb):
    version = subprocess.run(["dpkg-deb", "-f", deb, "Version"], check=True, capture_output=True, text=True).stdout.strip()
    layout = env.BUILD / "image" / "oci"
    assert layout.is_dir(), "make image"
    return f"{layout}:{version}"


@pytest.fixture(scope="session")
def bare():
    """The smallest Debian that has apt: a tar, which is kept, for an archive's mirror is slow."""
    root = env.BUILD / "packages" / "bare.tar"
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "bookworm", root], check=True)
    return root
