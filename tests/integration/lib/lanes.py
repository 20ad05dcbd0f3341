# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which modules may run at the same time, in the processes of `pytest -n 2` (pytest-xdist).

A daemon sees every handshake of the host, so what looks at live traffic, or makes much of it, runs one test after the
other, in one process. The others read files, or ask for what is in a namespace of their own; a daemon of theirs has a filter.
"""
from xdist.scheduler import LoadScopeScheduling

ASIDE = {f"test_{name}.py" for name in (
    "clickhouse", "completion", "container_views", "findings", "grammar", "hardening", "incident", "install", "kernel_log", "lab",
    "lab_page", "manual", "packages", "progress", "record", "recorder", "report", "schemas", "states", "unit",
    "unseen")}


class Lanes(LoadScopeScheduling):
    """Tests of one scope go to one process: all that are live are one scope, and each other module is."""

    def _split_scope(self, nodeid):
        module = nodeid.split("::")[0].rsplit("/", 1)[-1]
        return module if module in ASIDE else "live"
