# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""make install, where packages are made."""
import subprocess

from lib import env

PROGRAMS = ("tcpshake", "tcpshaked")


def test_completion(tmp_path):
    subprocess.run(["make", "-s", "-C", env.ROOT, "install", f"O={env.BUILD}", f"DESTDIR={tmp_path}",
                    "PREFIX=/usr"], check=True, capture_output=True, timeout=120 * env.SLOW)
    share = tmp_path / "usr" / "share"
    for program in PROGRAMS:
        bash = share / "bash-completion" / "completions" / program
        zsh = share / "zsh" / "site-functions" / f"_{program}"
        assert f"complete -F _{program} {program}" in bash.read_text()
        assert zsh.read_text().startswith(f"#compdef {program}\n")
