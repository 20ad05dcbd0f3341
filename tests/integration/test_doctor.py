# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake doctor: what the probe says, and the sysctls against what listeners and clients do."""
import json
import os
import re
import subprocess
import time

import pytest

from lib import env, schema
from lib.cli import ESCAPE, private_daemon
from lib.queues import Crowd
from lib.traffic import listener, port_of


@pytest.fixture
def doctor(cli):
    """What it says, by name, of a namespace; each line is held against the schema."""
    def run(*flags, ns=None, code=0, **kwargs):
        if ns:
            with ns.inside():
                program = cli("doctor", "--json", *flags, **kwargs)
        else:
            program = cli("doctor", "--json", *flags, **kwargs)
        assert program.wait(40) == code, program.stderr_text
        found = [json.loads(line) for line in program.end(code=code).splitlines()]
        check = schema.Checker()
        for finding in found:
            assert check.errors(finding) == []
        return {f["name"]: f for f in found}
    return run


def test_it_says_what_the_probe_says(doctor):
    probe = json.loads(subprocess.run([env.TCPSHAKED, "--probe"], check=True, capture_output=True,
                                      timeout=60).stdout)
    found = doctor(hermit=True)
    kernel = {name: f for name, f in found.items() if f["about"] == "kernel"}
    assert set(kernel) == set(probe["capabilities"])
    for name, capability in probe["capabilities"].items():
        assert (kernel[name]["verdict"] == "ok") == capability["ok"], name
        assert capability["needed_for"] in kernel[name]["detail"]
        if not capability["ok"]:
            assert capability["without"] in kernel[name]["detail"]
            assert kernel[name]["value"] == capability["error"]
            assert kernel[name]["advice"]
    assert found["CAP_BPF, CAP_PERFMON"]["verdict"] == "ok"
    assert found["BTF"] == {**found["BTF"], "verdict": "ok", "value": "/sys/kernel/btf/vmlinux"}


def test_every_capability_has_a_remedy():
    """What the daemon may find missing, doctor knows how to get."""
    daemon = (env.ROOT / "daemon" / "kernel" / "capabilities.c").read_text()
    model = (env.ROOT / "cli" / "doctor" / "model.c").read_text()
    names = re.findall(r'\[CAP_\w+\] = \{ "(\w+)"', daemon)
    assert set(names) <= set(re.findall(r'^\t\{ "(\w+)", ', model, re.M))
    assert len(names) > 10


@pytest.mark.parametrize("refused", ["queue_look", "all"])
def test_refused_evidence(doctor, daemon, lone, tmp_path, refused):
    """Each name has its own reason, what it costs and a remedy; nothing rests on what was not seen."""
    daemon(sock=tmp_path / "sock", env={**os.environ, "TCPSHAKE_REFUSE": refused})
    with listener(lone, 4):
        found = doctor("--socket", str(tmp_path / "sock"), "--netns", str(lone.inode), ns=lone)
    kernel = {name: f for name, f in found.items() if f["about"] == "kernel"}
    missing = {name: f for name, f in kernel.items() if f["verdict"] == "missing"}
    assert "queue_look" in missing
    if refused == "all":
        assert set(kernel) - set(missing) == {"inet_sock_set_state", "tcp_retransmit_synack"}
    for name, f in missing.items():
        assert f["value"] and "; without it: " in f["detail"] and f["advice"], name
    assert found["others"]["verdict"] == "unknown"
    assert "somaxconn where" not in found["others"]["detail"]


def test_values_are_this_namespace_s(doctor, lone):
    lone.sysctl("net.ipv4.tcp_abort_on_overflow", 1)
    lone.sysctl("net.ipv4.tcp_synack_retries", 1)
    lone.sysctl("net.ipv4.tcp_syncookies", 0)
    found = doctor(ns=lone)
    assert {name: (f["value"], f["verdict"]) for name, f in found.items()
            if f["about"] == "sysctl" and f["verdict"] != "ok"} == {
        "net.ipv4.tcp_abort_on_overflow": ("1", "warn"),
        "net.ipv4.tcp_synack_retries": ("1", "warn"),
        "net.ipv4.tcp_syncookies": ("0", "warn")}
    assert all(f["netns"] == lone.inode for f in found.values() if f["about"] == "sysctl")


def test_a_clamped_listener_is_told(doctor, lone):
    lone.sysctl("net.core.somaxconn", 50)
    with listener(lone, 4, backlog=51) as clamped, listener(lone, 4, backlog=50) as exact, \
            listener(lone, 4, backlog=49) as below:
        ports = [port_of(s) for s in (clamped, exact, below)]
        flags = ("--netns", str(lone.inode), "--port", ",".join(map(str, ports)))
        found = doctor(*flags, ns=lone)
        somaxconn = found["net.core.somaxconn"]
        # 51 asked for and 50 asked for cannot be told apart, and nobody claims to
        assert somaxconn["verdict"] == "note" and "2 of 3 listeners are at it" in somaxconn["detail"]
        at_it = [f for f in found.values() if f["about"] == "listener" and f["verdict"] == "note"]
        assert len(at_it) == 2
        assert all("at most 50 + 1" in f["detail"] and f["value"] == "0/50" for f in at_it)
        assert sorted(int(f["name"].rsplit(":", 1)[1]) for f in at_it) == sorted(ports[:2])
        assert found["others"]["detail"].startswith("1 of 3 listeners")
        lone.sysctl("net.core.somaxconn", 40)
        found = doctor(*flags, ns=lone)
        assert all("lowered to 40" in f["detail"] for f in found.values()
                   if f["about"] == "listener")


@pytest.mark.parametrize("cookies", [0, 1])
def test_the_three_quarters_rule(doctor, lone, cookies):
    lone.sysctl("net.ipv4.tcp_syncookies", cookies)
    lone.sysctl("net.ipv4.tcp_max_syn_backlog", 64)
    with listener(lone, 4, backlog=100):
        found = doctor("--netns", str(lone.inode), ns=lone)["net.ipv4.tcp_max_syn_backlog"]
    assert found["verdict"] == ("ok" if cookies else "warn")
    assert ("not used" if cookies else "up to 48") in found["detail"]


def test_ports_in_use(doctor, lone):
    lone.sysctl("net.ipv4.ip_local_port_range", "40000 40009")
    held = []
    with listener(lone, 4) as server, listener(lone, 4) as other:
        for sock, count in ((server, 8), (other, 3)):
            for _ in range(count):
                client = lone.socket()
                client.connect(sock.getsockname())
                held.append(client)
        found = doctor(ns=lone)["net.ipv4.ip_local_port_range"]
        assert found["value"] == "40000 40009" and found["verdict"] == "warn"
        assert f"127.0.0.1:{port_of(server)}: 8 (80 %)" in found["detail"]
        # the children of listeners that were given ports of the range hold these
        used = len({client.getsockname()[1] for client in held} | {port_of(server), port_of(other)})
        assert f"; {used} in use," in found["detail"]
        for client in held:
            client.close()
        # the clients closed first: TIME_WAIT holds as much of the range as they did
        found = doctor(ns=lone)["net.ipv4.ip_local_port_range"]
        assert "8 (80 %)" in found["detail"]


@pytest.mark.parametrize("retries", [1, 2])
def test_how_long_connect_takes_to_give_up(doctor, pair, retries):
    """What it computes from the sysctls is what connect() does."""
    pair.client.sysctl("net.ipv4.tcp_syn_retries", retries)
    pair.server.lose("tcp dport 81")
    found = doctor(ns=pair.client)["net.ipv4.tcp_syn_retries"]
    syns, seconds = map(int, re.search(r"sends (\d+) SYNs and fails after about (\d+) s",
                                       found["detail"]).groups())
    before = pair.client.counters()["TCPSynRetrans"]
    with pair.client.socket() as client:
        since = time.monotonic()
        with pytest.raises(TimeoutError):
            client.connect(pair.address(4, 81))
        took = time.monotonic() - since
    assert pair.client.counters()["TCPSynRetrans"] - before == syns - 1
    assert seconds - 0.1 <= took <= seconds + 2 * env.SLOW  # timers are late, not early


def test_an_overflowing_listener_of_a_running_daemon(doctor, daemon, pair, ip, keep, tmp_path):
    path = tmp_path / "sock"
    d = daemon(sock=path, losses=True)
    crowd = Crowd(pair, ip, keep, backlog=2)
    crowd.fill()
    crowd.begin(1)
    d.feed.wait_for(lambda all: [r for r in all if r["type"] == "overflow"
                                 and r["netns"] == pair.server.inode], what="an overflow")
    found = doctor("--socket", str(path), "--port", str(crowd.port), ns=pair.server)
    mine = [f for f in found.values() if f["about"] == "listener"]
    assert len(mine) == 1 and mine[0]["verdict"] == "warn", mine
    assert mine[0]["name"].startswith("sleepy/") and mine[0]["name"].endswith(f":{crowd.port}")
    assert "its accept queue is full" in mine[0]["detail"]
    assert re.search(r"\d+ handshakes refused at the SYN", mine[0]["detail"])
    assert "somaxconn is not what limits it" in mine[0]["advice"] or "stalled" in mine[0]["advice"]


def test_as_nobody(doctor, cli):
    """No daemon can run: it says why, and all that can be seen without one."""
    def nobody():
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)

    found = doctor(code=1, preexec_fn=nobody, hermit=False)
    assert found["CAP_BPF, CAP_PERFMON"]["verdict"] == "missing"
    assert found["CAP_BPF, CAP_PERFMON"]["required"] is True
    assert "root" in found["CAP_BPF, CAP_PERFMON"]["advice"]
    assert found["net.core.somaxconn"]["verdict"] == "unknown"
    assert found["net.ipv4.tcp_syncookies"]["value"]
    assert not [f for f in found.values() if f["about"] == "listener"]


def test_nothing_serves_at_the_socket_named(cli, tmp_path):
    program = cli("doctor", "--socket", str(tmp_path / "none"))
    text = program.end(code=1)
    assert "cannot connect to the daemon" in program.error_line()
    assert "net.core.somaxconn = " in text


def test_text(cli):
    program = cli("doctor", hermit=True, terminal=80)
    assert program.wait(40) == 0
    text = ESCAPE.sub("", program.end())
    lines = text.replace("\r", "").splitlines()
    assert re.match(r"tcpshaked \S+ on \S+, Linux \S+, evidence: \S+ \(the private tcpshaked", lines[0])
    for title in ("what the kernel grants", "what the daemon may", "what is mounted", "listeners"):
        assert title in lines
    assert re.match(r"\d+ ok, \d+ to know, \d+ to look at, \d+ missing, \d+ unknown", lines[-1])
    assert all(len(line) <= 80 for line in lines if not re.search(r"\S{40}", line) and
               line.startswith(" ")), [line for line in lines if len(line) > 80]
    assert "ok       net.ipv4.tcp_syncookies = 1" in lines or "tcp_syncookies = " in text


def test_a_stop_leaves_nothing(cli):
    program = cli("doctor", hermit=True)
    pid = private_daemon(program)
    program.process.terminate()
    assert program.wait(40) == 0
    env.poll_until(lambda: not os.path.exists(f"/proc/{pid}"), 10, "the private daemon to go")


def test_help_and_options(cli):
    text = cli("doctor", "--help").end()
    assert "Examples:" in text and "--json" in text and "--from" not in text
    program = cli("doctor", "--from", "x")
    program.end(code=2)
    assert "the view doctor has no option --from" in program.error_line()
