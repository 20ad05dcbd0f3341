# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The confusion matrix of causes: `proven` is never wrong, `probable` is right in 95 of 100.

TCPSHAKE_CONFUSION      how many handshakes (default 600)
TCPSHAKE_MATRIX         write the matrix to this file
"""
import json
import os
import pathlib
import subprocess
import time

from lib import env, feed
from lib.confusion import TRUTH, Confusion, table

COUNT = int(os.environ.get("TCPSHAKE_CONFUSION", "600"))


def test_confusion(pair, keep, daemon, tmp_path):
    mixed = Confusion(pair, keep, COUNT)
    path = tmp_path / "feed"
    d = daemon(output=path, losses=True)
    env.poll_until(lambda: {pair.client.inode, pair.server.inode} <=
                   {r["netns"] for r in feed.read_file(path) if r["type"] == "listener"}, 10,
                   "the residents", interval=0.2)
    mixed.run()
    time.sleep(6)  # the last requests run out 3 s after they began, and are told within 2 s
    d.stop()
    records = feed.read_file(path)
    matrix, wrong, judged = mixed.judge(r for r in records if r["type"] == "handshake")
    text = table(matrix)
    if "TCPSHAKE_MATRIX" in os.environ:
        pathlib.Path(os.environ["TCPSHAKE_MATRIX"]).write_text(text)
    print(text)
    assert judged >= 0.9 * COUNT
    assert {key[0] for key in matrix} == set(TRUTH) or COUNT < 500
    liars = [entry for entry in wrong if entry[1].get("cause", {}).get("certainty") == "proven"]
    assert not liars, f"{len(liars)} proven, but wrong:\n{json.dumps(liars[:5], indent=1)}\n{text}"
    told = {right: sum(count for key, count in matrix.items()
                       if key[3] == "probable" and (key[4] != "wrong") == right)
            for right in (True, False)}
    assert told[True] >= 0.95 * (told[True] + told[False]), f"{told}\n{json.dumps(wrong[:5])}\n{text}"
    silent = [entry for entry in wrong if "cause" not in entry[1]]
    assert not silent, f"{silent[:3]}\n{text}"
    explained(path, mixed)


def explained(path, mixed):
    """`tcpshake explain` names what was done, the worst first."""
    done = subprocess.run([env.TCPSHAKE, "explain", "--json", "--from", str(path)], check=True,
                          capture_output=True)
    made = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    ranks = [(-c["failed"], -(c["time_lost_ns"] or 0)) for c in made]
    assert ranks == sorted(ranks), ranks[:20]
    ports = {port for list_ in mixed.ports.values() for port in list_}
    codes = {c["code"] for c in made if (c.get("at") or {}).get("port") in ports or c["by"] == "source"}
    wanted = {code for sides in TRUTH.values() for allowed in sides.values() for code in allowed}
    # Both sides are one handshake: of one that was given up, its owner is the cause.
    assert wanted - {None, "client_reset"} <= codes, (wanted, codes)
