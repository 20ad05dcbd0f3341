# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The units, as systemd-analyze judges them; test_privilege.py runs the daemon with what its unit grants."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from lib import env, unit

# How the network comes up: the order of cloud-init 22.4.2 and ifupdown 0.8.41, as Debian 12 has them.
NETWORK = {
    "cloud-init-local": """Wants=network-pre.target
After=hv_kvp_daemon.service systemd-remount-fs.service
Before=NetworkManager.service network-pre.target shutdown.target sysinit.target
Conflicts=shutdown.target
RequiresMountsFor=/var/lib/cloud""",
    "cloud-init": """Wants=cloud-init-local.service
After=cloud-init-local.service systemd-networkd-wait-online.service networking.service
Before=network-online.target sysinit.target shutdown.target systemd-user-sessions.service
Conflicts=shutdown.target""",
    "networking": """Wants=network.target ifupdown-pre.service
After=local-fs.target network-pre.target apparmor.service systemd-sysctl.service systemd-modules-load.service ifupdown-pre.service
Before=network.target shutdown.target network-online.target
Conflicts=shutdown.target""",
    "ifupdown-pre": """Wants=systemd-udevd.service
After=systemd-udev-trigger.service
Before=network.target""",
}
SERVICE = "\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
EXPOSURE = 2.0  # at most
NOBODY = 65534
UNITS = {"tcpshaked": unit.TEXT, "tcpshake-record": unit.RECORDER}


@pytest.fixture
def units(tmp_path):
    """A directory of units: ours, and what brings up the network."""
    assert shutil.which("systemd-analyze"), "tools/install-deps test installs it"
    for name, order in NETWORK.items():
        (tmp_path / f"{name}.service").write_text(f"[Unit]\nDefaultDependencies=no\n{order}\n{SERVICE}")
    for name, text in UNITS.items():
        ours = text.replace("/usr/local/sbin/tcpshaked", env.TCPSHAKED).replace("/usr/local/bin/tcpshake", env.TCPSHAKE)
        assert ours != text
        (tmp_path / f"{name}.service").write_text(ours)
    return tmp_path


def analyze(units, *argv):
    path = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:/lib/systemd/system"}
    return subprocess.run(["systemd-analyze", *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=path, timeout=60 * env.SLOW)


def verify(units):
    done = analyze(units, "verify", "--man=no", *(f"{name}.service" for name in (*UNITS, *NETWORK)))
    return done.returncode, done.stderr


def test_no_ordering_cycle(units):
    assert verify(units) == (0, "")


def test_a_cycle_would_be_seen(units):
    """With the default dependencies it has one: sysinit.target waits for the network, and this for sysinit.target."""
    path = units / "tcpshaked.service"
    path.write_text(path.read_text().replace("DefaultDependencies=no\n", ""))
    code, said = verify(units)
    assert code and "ordering cycle" in said


@pytest.mark.parametrize("name", UNITS)
def test_exposure(units, name):
    done = analyze(units, "security", "--offline=true", "--no-pager", str(units / f"{name}.service"))
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)[1]) <= EXPOSURE


def test_its_user_exists():
    """sysusers.d makes the user that the unit names, with a group of the same name."""
    file = env.ROOT / "contrib" / "systemd" / "tcpshake.sysusers.conf"
    for text in UNITS.values():
        assert unit.values("User", text) == unit.values("Group", text) == ["tcpshake"]
    assert re.search(r"^u tcpshake - ", file.read_text(), re.M)
    done = subprocess.run(["systemd-sysusers", "--dry-run", file], capture_output=True, text=True, timeout=20 * env.SLOW)
    assert (done.returncode, done.stderr.count("Failed")) == (0, 0), done.stderr


def test_what_a_manager_needs():
    """Ready when it is, started anew when it hangs, and no more than its capabilities."""
    assert unit.values("Type") == ["notify"] and unit.values("Restart") == ["on-failure"]
    assert unit.values("WatchdogSec") and unit.values("LimitNOFILE")
    assert unit.values("AmbientCapabilities") == unit.values("CapabilityBoundingSet")


def test_the_recorder_needs_no_more_than_its_unit_grants(daemon, lone, cli):
    """Without any capability, as another user, with its system calls: a ring, and what follows the daemon's end."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o711)
        sock, ring = pathlib.Path(directory, "sock"), pathlib.Path(directory, "ring")
        ring.mkdir()
        os.chown(ring, NOBODY, NOBODY)
        d = daemon("--netns", str(lone.inode), sock=sock)
        sock.chmod(0o666)
        program = cli("record", "--keep", "1M", str(ring), "--socket", str(sock), "--no-summary",
                      prefix=unit.prefix(NOBODY, unit.RECORDER))
        env.poll_until(lambda: list(ring.iterdir()), 10, "a segment")
        assert next(ring.iterdir()).stat().st_uid == NOBODY
        d.stop()
        env.poll_until(lambda: "its next feed will be recorded" in program.stderr_text, what="that it waits")
        program.end(signal.SIGTERM)
        shown = cli("tail", "--json", "--no-summary", "--from", str(ring)).end()
        assert '"type":"hello"' in shown and '"type":"bye"' in shown
