# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake listeners and tcpshake stats: live, once, from a recording, and what they leave."""
import fcntl
import glob
import json
import os
import re
import signal
import struct
import subprocess
import termios

import pytest

from lib import env, feed
from lib.cli import ESCAPE, private_daemon, zombie
from lib.queues import Crowd
from lib.traffic import Agent, connect, listener, port_of

FAST = ("--listener-interval", "200ms")


def example(name, **changes):
    record = json.loads((env.SCHEMAS / "examples" / "valid" / f"{name}.json").read_text())
    return {**record, **changes}


def sample(number, addr, port, comm, length, limit, peak, **changes):
    record = example("listener-sample", socket=f"{number:016x}",
                     local={"addr": addr, "port": port},
                     process={"pid": 1000 + number, "comm": comm, "uid": 0},
                     accept_queue={"len": length, "max": limit, "peak": peak}, backlog=limit)
    if not length:
        del record["oldest_wait_ns"]
    return {**record, **changes}


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "recording"
    records = [example("hello-1.1"),
               example("listener-opened", socket="f" * 16),
               example("listener-closed", socket="f" * 16),
               sample(1, "0.0.0.0", 22, "sshd", 0, 128, 1, drops=0),
               sample(2, "0.0.0.0", 443, "nginx", 17, 16, 17, drops=40),
               sample(3, "127.0.0.1", 5432, "postgres", 3, 4, 5, drops=0),
               example("handshake-active"), example("handshake-passive"),
               example("overflow-ack"), example("overflow-syn"), example("accept"),
               example("audit"), example("loss"), example("bye-1.1")]
    for number, record in enumerate(records, 1):
        record["seq"] = number
    path.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n"
                            for record in records))
    return path


def table(text):
    """The lines of the first table as lists of words, without its titles and without what is said below it."""
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][0] == "LISTEN", text
    return [words for words in lines[1:] if re.search(r":\d+$", words[0])]


def test_listeners_from_a_recording(recording, cli):
    texts = []
    for source in ("file", "pipe"):
        with open(recording, "rb") as file:
            program = cli("listeners", "--from", str(recording) if source == "file" else "-",
                          stdin=file if source == "pipe" else subprocess.DEVNULL)
            texts.append(program.end())
            assert program.stderr_text == ""
    assert texts[0] == texts[1] and "\x1b" not in texts[0]
    rows = table(texts[0])
    assert [row[0] for row in rows] == ["0.0.0.0:443", "127.0.0.1:5432", "0.0.0.0:22"]
    assert rows[0][1:3] == ["nginx/1002+1", "#" * 16]
    assert rows[0][3:5] == ["17/16", "17"] and "40" in rows[0]
    assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize("key,order", [("queue", [443, 5432, 22]), ("peak", [443, 5432, 22]),
                                       ("drops", [443, 22, 5432]), ("port", [22, 443, 5432]),
                                       ("process", [443, 5432, 22])])
def test_sort(recording, cli, key, order):
    rows = table(cli("listeners", "--from", str(recording), "--sort", key).end())
    assert [int(row[0].rsplit(":")[-1]) for row in rows] == order


def test_filter_and_json(recording, cli):
    rows = table(cli("listeners", "--from", str(recording), "--port", "22,5000-6000").end())
    assert [row[0] for row in rows] == ["127.0.0.1:5432", "0.0.0.0:22"]
    text = cli("listeners", "--json", "--from", str(recording), "--port", "22").end()
    assert text in recording.read_text() and text.count("\n") == 1
    assert json.loads(text)["local"]["port"] == 22
    assert cli("listeners", "--from", str(recording), "--port", "1").end() == "no listeners\n"


def test_stats_from_a_recording(recording, cli):
    text = cli("stats", "--from", str(recording)).end()
    assert re.search(r"^established +60 +58$", text, re.M)
    assert re.search(r"^handshake +120 +97 +20 +3$", text, re.M)
    assert re.search(r"^handshake +12 ring_full$", text, re.M)
    assert re.search(r"^TCPTimeouts +4 +1 +3 data_timeouts$", text, re.M)
    assert text.endswith("\naudit: balanced in 1 network namespace\n")
    lines = cli("stats", "--json", "--from", str(recording)).end().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["audit", "bye"]
    assert all(line in recording.read_text() for line in lines)


def test_stats_tell_what_was_limited(tmp_path, cli):
    """Of a daemon that says so; in an older recording there is no such column."""
    path = tmp_path / "recording"
    for name, limited in (("bye-1.1", False), ("bye-1.2", True)):
        path.write_text(json.dumps(example(name)) + "\n")
        text = cli("stats", "--from", str(path)).end()
        assert ("LIMITED" in text) == limited
    assert re.search(r"^reset +1500 +1000 +100 +0 +400$", text, re.M)


def test_unbalanced_is_loud_and_no_error(tmp_path, cli):
    path = tmp_path / "recording"
    path.write_text(json.dumps(example("audit-unbalanced")) + "\n")
    text = cli("stats", "--from", str(path)).end(code=0)
    assert text.endswith("\naudit: NOT BALANCED in 1 of 1 network namespaces\n")


def test_tail_shows_them(recording, cli):
    text = cli("tail", "--from", str(recording)).end()
    for words in ("OVERFLOW 1 ack dropped: accept queue full 0.0.0.0:443 nginx/812",
                  "from=10.0.0.1:54321 queue=17/16 proven evidence=kfree_skb",
                  "OVERFLOW 12 syn dropped: accept queue full [::]:443 nginx/812",
                  "listener opened [::]:0 nginx/812", "listener sample 0.0.0.0:443 nginx/1002+1",
                  "audit balanced", "accept  accepted      300 ms 10.0.0.2:443"):
        assert words in text, words


def test_no_route_back(tmp_path, cli):
    """It is no queue's doing, wherever it is shown; explain says what to look at."""
    path = tmp_path / "recording"
    path.write_text(json.dumps(example("overflow-no-route-back")) + "\n")
    text = cli("tail", "--from", str(path)).end()
    assert "OVERFLOW 1 syn dropped: no queue was full 10.0.0.2:443" in text
    assert "cause=no_route_back proven evidence=tcp_conn_request" in text
    assert "a full queue refused" not in text
    text = " ".join(cli("explain", "--from", str(path)).end().split())
    assert "no_route_back: there was no route back to the client" in text
    assert "ip route get CLIENT" in text and "rp_filter" in text and "give the server a route to it" in text


def test_usage_errors(cli):
    for argv in (["listeners", "--sort", "age"], ["listeners", "--role", "active"],
                 ["tail", "--once"], ["stats", "--port", "80"], ["stats", "--no-summary"],
                 ["listeners", "extra"]):
        program = cli(*argv)
        assert program.end(code=2) == ""
        program.error_line()
    for view in ("listeners", "stats"):
        assert f"tcpshake {view}" in cli(view, "--help").end()
        assert view in cli("--help").end()


def test_no_daemon_at_the_socket_asked_for(tmp_path, cli):
    for view in ("listeners", "stats"):
        program = cli(view, "--once", "-s", str(tmp_path / "none"))
        program.end(code=1)
        assert str(tmp_path / "none") in program.error_line()


# what a terminal shows

class Screen:
    """What a terminal of some size shows of the few sequences that tcpshake uses."""

    def __init__(self, columns, rows=24):
        self.columns, self.rows = columns, rows
        self.lines, self.row, self.column = [""], 0, 0
        self.wrapped = False

    def feed(self, text):
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
            if part == "\n":
                self.row += 1
                while len(self.lines) <= self.row:
                    self.lines.append("")
                while len(self.lines) > self.rows:
                    del self.lines[0]
                    self.row -= 1
            elif part == "\r":
                self.column = 0
            elif part[0] != "\x1b":
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[:self.column] + part + line[self.column + len(part):]
                self.column += len(part)
                self.wrapped = self.wrapped or self.column > self.columns
            elif part[-1] == "A":
                self.row -= int(part[2:-1])
                assert self.row >= 0, "above the screen"
            elif part[-1] == "K":
                self.lines[self.row] = self.lines[self.row][:self.column]
            elif part == "\x1b[J":
                self.lines[self.row] = self.lines[self.row][:self.column]
                del self.lines[self.row + 1:]
            elif part == "\x1b[2J":
                self.lines, self.row, self.column = [""], 0, 0
            else:
                assert part[-1] in "mH", part


def screen_of(program, columns, rows=24):
    screen = Screen(columns, rows)
    screen.feed(program.stdout_text)
    assert not screen.wrapped, screen.lines
    return screen.lines


@pytest.mark.parametrize("columns", [80, 160])
def test_once_on_a_terminal(recording, cli, columns):
    text = cli("listeners", "--once", "--from", str(recording), terminal=columns).end()
    assert "\x1b" not in text and "█" in text
    assert max(len(line) for line in text.split("\r\n")) <= columns
    text = cli("listeners", "--once", "--from", str(recording), terminal=columns,
               environment={"LC_ALL": "C"}).end()
    assert text.isascii() and "######" in text


def test_live(pair, keep, tmp_path, daemon, cli):
    """Redrawn in place: the queue fills and drains under one header."""
    daemon(*FAST, sock=tmp_path / "sock")
    crowd = Crowd(pair, 4, keep, 3)
    program = cli("listeners", "-s", str(tmp_path / "sock"), "--port", str(crowd.port),
                  terminal=80)

    def shows(text):
        return any(text in line for line in screen_of(program, 80))
    env.poll_until(lambda: shows("0/3"), 10, "the empty queue")
    crowd.fill()
    env.poll_until(lambda: shows("4/3") and shows("██████"), 10, "the full queue")
    lines = screen_of(program, 80)
    assert sum("LISTEN" in line for line in lines) == 1
    assert sum(f":{crowd.port} " in line for line in lines) == 1
    crowd.leave()
    crowd.accept(4)
    env.poll_until(lambda: shows("0/3"), 10, "the queue empty again")
    # Another size: drawn anew.
    fcntl.ioctl(program.output, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    program.process.send_signal(signal.SIGWINCH)
    env.poll_until(lambda: "OVERFLOWS-SYN/ACK" in program.stdout_text, 5, "the wide layout")
    text = program.end(signal.SIGINT)
    assert "\x1b[?" not in text, "a mode of the terminal was changed"
    assert program.stderr_text == ""


def test_live_with_more_listeners_than_rows(lone, keep, tmp_path, daemon, cli):
    keep(Agent(lone, listen={"reuseport": 60, "port": 8080}))
    daemon(*FAST, sock=tmp_path / "sock")
    program = cli("listeners", "-s", str(tmp_path / "sock"), "--port", "8080", terminal=80)
    env.poll_until(lambda: program.stdout_text.count("more; --once shows all") >= 2, 10,
                   "two drawings")
    lines = screen_of(program, 80)
    assert len(lines) <= 24 and sum("LISTEN" in line for line in lines) == 1
    assert any("and 39 more" in line for line in lines), lines
    program.end(signal.SIGTERM)


def test_live_ends_with_the_daemon(tmp_path, daemon, cli):
    d = daemon(*FAST, sock=tmp_path / "sock")
    program = cli("listeners", "-s", str(tmp_path / "sock"), terminal=80)
    program.until("\x1b[J")
    d.stop()
    program.end(code=1)
    assert "has ended" in program.error_line()


def test_duration(tmp_path, daemon, cli):
    daemon(*FAST, sock=tmp_path / "sock")
    program = cli("stats", "-s", str(tmp_path / "sock"), "--duration", "2s", terminal=80)
    text = program.end()
    assert 2 <= text.count("audit: ") <= 4


# from a daemon

def test_listeners_once_over_the_socket(pair, ip, keep, tmp_path, daemon, cli):
    daemon(*FAST, sock=tmp_path / "sock")
    crowd = Crowd(pair, ip, keep, 3)
    crowd.fill()
    crowd.begin(2)
    env.poll_until(lambda: pair.server.counters()["ListenOverflows"] >= 2)

    def full():
        text = cli("listeners", "--once", "-s", str(tmp_path / "sock"), "--port",
                   str(crowd.port)).end()
        rows = table(text)
        assert len(rows) == 1
        return rows[0] if "2/0" in rows[0] else None
    row = env.poll_until(full, 5, "the refused SYNs", interval=0.2)
    assert row[0] == ("0.0.0.0" if ip == 4 else "[::]") + f":{crowd.port}"
    assert row[1] == f"sleepy/{crowd.owner.pid}" and row[2] == "#" * 16
    assert row[3:6] == ["4/3", "4", "0/3"] and row[6] == "2"
    assert re.fullmatch(r"[\d.]+(ns|us|ms|s)", row[8])

    text = cli("listeners", "--json", "-s", str(tmp_path / "sock"), "--port",
               str(crowd.port)).end()
    record = json.loads(text)
    assert feed.schema.Checker().errors(record) == []
    assert record["accept_queue"]["len"] == 4


def test_namespaces_are_told_apart(pair, keep, tmp_path, daemon, cli):
    """The column is there only if there are several."""
    for ns in (pair.client, pair.server):
        keep(listener(ns, 4, port=8080))
    daemon(*FAST, sock=tmp_path / "sock")
    text = cli("listeners", "--once", "-s", str(tmp_path / "sock"), "--port", "8080").end()
    assert "NETNS" in text.splitlines()[0]
    assert {int(row[1]) for row in table(text)} == {pair.client.inode, pair.server.inode}


def test_stats_once_over_the_socket(pair, keep, tmp_path, daemon, cli):
    d = daemon(*FAST, sock=tmp_path / "sock")
    keep(Agent(pair.server, listen={"port": 8080}))
    d.feed.wait_for(lambda all: d.feed.records("listener", netns=pair.server.inode), what="the listener")
    for _ in range(5):  # none of them while its namespace's counters are read for the first time
        keep(connect(pair.client, 4, pair.address(4, 8080))[0])

    def audited():
        text = cli("stats", "--once", "-s", str(tmp_path / "sock")).end()
        return text if f"netns {pair.server.inode}" in text else None
    text = env.poll_until(audited, 10, "an audit", interval=0.2)
    counts = re.search(r"^established +(\d+) +(\d+)$", text, re.M).groups()
    assert all(int(count) >= 5 for count in counts)  # others on this host are counted, too
    assert re.search(r"^PassiveOpens +\d+ +\d+ +0 -$", text, re.M)
    assert re.search(r"\naudit: balanced in \d+ network namespaces?\n$", text)


# a private daemon

def leftovers():
    return set(glob.glob("/tmp/tcpshake-??????"))


def nothing_left(before):
    """Another suite on this host may have one of its own, for a moment."""
    env.poll_until(lambda: leftovers() <= before, what="no directory left behind")


def test_listeners_embedded(lone, keep, cli):
    server = keep(listener(lone, 4, backlog=7))
    before = leftovers()
    program = cli("listeners", "--once", "--port", str(port_of(server)), hermit=True)
    rows = table(program.end())
    assert len(rows) == 1 and "0/7" in rows[0]
    assert program.stderr_text == ""
    nothing_left(before)


def test_stats_embedded(cli):
    program = cli("stats", "--once", hermit=True)
    pid = private_daemon(program)
    text = program.end()
    assert "HANDSHAKES" in text and "audit: " in text.splitlines()[-1]
    assert program.stderr_text == "" and not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_embedded_live_leaves_nothing(lone, keep, cli, number):
    """Neither a daemon nor a directory, however it ends."""
    before = leftovers()
    server = keep(listener(lone, 4, backlog=7))
    program = cli("listeners", "--port", str(port_of(server)), hermit=True, terminal=80)
    pid = private_daemon(program)
    program.until("0/7")
    nothing_left(before)  # gone as soon as it is connected
    program.process.send_signal(number)
    assert program.wait() == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    env.poll_until(lambda: not os.path.exists(f"/proc/{pid}") or zombie(pid), 10,
                   "the private daemon's end")


def test_embedded_stopped_while_it_starts(cli):
    before = leftovers()
    program = cli("listeners", "--once", "--duration", "1h", hermit=True)
    pid = private_daemon(program)
    program.end(signal.SIGINT)
    assert not os.path.exists(f"/proc/{pid}")
    nothing_left(before)


def test_embedded_without_root(cli):
    def nobody():
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    if os.path.exists("/run/tcpshake/tcpshaked.sock"):
        pytest.skip("a daemon serves this host at its default socket")
    program = cli("listeners", "--once", preexec_fn=nobody)
    assert program.end(code=1) == ""
    assert re.search(r"root|CAP_BPF|sudo", program.stderr_text)


def test_no_escape_reaches_the_terminal(tmp_path, recording, cli):
    evil = tmp_path / "evil"
    evil.write_text(recording.read_text().replace('"nginx"', '"\\u001b[2J\\u0007\\n\\u009b"'))
    for view in ("listeners", "tail"):
        text = ESCAPE.sub("", cli(view, "--from", str(evil), terminal=80).end())
        assert not re.search("[\x1b\x07\x9b]", text)


# what nobody can see

DENIED = "Operation not permitted"


def blind_hello(*names, hooks=False):
    """Of a kernel that refuses these."""
    all_of_them = ("listener_iterator", "queue_look", "kfree_skb", "overflow_reason", "tcp_send_reset")
    return example("hello-1.5", refused={name: {"error": DENIED, "without": "Less."} for name in names},
                   capabilities={**dict.fromkeys(all_of_them, True), "function_hooks": hooks, "ack_hooks": hooks,
                                 **dict.fromkeys(names, False)})


def unseen(number, port, **overflows):
    return sample(number, "0.0.0.0", port, "web", 0, 0, 0, backlog=None, accept_queue=None,
                  syn_queue=None, drops=None, accept_depth=None, accept_wait=None, syn_depth=None,
                  overflows={"syn": 0, "ack": 0, "cookie": 0, **overflows})


def write(path, *records):
    path.write_text("".join(json.dumps({**record, "seq": number}) + "\n"
                            for number, record in enumerate(records, 1)))
    return str(path)


@pytest.mark.parametrize("hello,first,second,note", [
    (blind_hello("queue_look"), "-/0", "2/3",
     f"queues not shown: queue_look: {DENIED}; refused SYNs are counted by namespace only"),
    (blind_hello("queue_look", hooks=True), "0/0", "2/3", f"queues not shown: queue_look: {DENIED}"),
    (blind_hello("queue_look", "kfree_skb", "overflow_reason"), "-", "2/3",
     f"queues not shown: queue_look: {DENIED}; refused handshakes are counted by namespace only"),
    (blind_hello("listener_iterator"), "-/0", "2/3",
     f"queues of listeners from before the daemon not shown: listener_iterator: {DENIED}; what they refuse "
     "is counted by namespace only"),
    (example("hello-1.2"), "0/0", "2/3", None)], ids=["look", "hooks", "acks", "older", "granted"])
def test_queues_that_nobody_sees(tmp_path, cli, hello, first, second, note):
    """Dashes, no empty bar, and one line that says why."""
    path = write(tmp_path / "recording", hello, unseen(1, 80), unseen(2, 81, syn=2, ack=3))
    text = cli("listeners", "--from", path, "--sort", "port").end()
    rows = table(text)
    assert rows[0] == ["0.0.0.0:80", "web/1001+1", "-", "-", "-", "-", "-", first, "-"]
    assert rows[1][-2] == second
    assert text.splitlines()[3:] == ([note] if note else [])
    plain = ESCAPE.sub("", cli("listeners", "--from", path, "--once", terminal=100).end())
    assert "\u2013" in plain and "\u2591" not in plain
    top = cli("top", "--once", "--from", path).end()
    line = next(line for line in top.splitlines() if line.startswith("0.0.0.0:80 "))
    assert line.split()[2:6] == ["\u2013"] * 4 and "\u2591" not in line
    assert note is None or note in top


@pytest.mark.parametrize("hello,says", [
    (blind_hello("queue_look"), "no listeners\n"),
    (blind_hello("listener_iterator"), "no listeners\n"),  # /proc shows them
    ({**blind_hello("listener_iterator"), "schema": "1.4"},
     "no listeners known: those from before the daemon cannot be found here "
     f"(listener_iterator: {DENIED})\n"),
    (None, "no listeners known\n")], ids=["found", "by_proc", "refused", "no_hello"])
def test_no_listeners(tmp_path, cli, hello, says):
    path = write(tmp_path / "recording", *filter(None, [hello, example("handshake-active")]))
    assert cli("listeners", "--from", path).end() == says


@pytest.mark.parametrize("refused", ["queue_look,function_hooks", "all"])
def test_refused_evidence_of_a_daemon(lone, daemon, cli, tmp_path, refused):
    """The answer to a question has no hello: the daemon's probe says what it cannot see."""
    d = daemon("--netns", lone.path, *FAST, sock=tmp_path / "sock",
               env={**os.environ, "TCPSHAKE_REFUSE": refused})
    with listener(lone, 4) as sock:
        port = port_of(sock)
        d.feed.wait_for(lambda all: [r for r in all if r["type"] == "listener" and
                                     r["local"]["port"] == port], what="the listener")
        text = cli("listeners", "--once", "-s", str(tmp_path / "sock")).end()
        top = cli("top", "--once", "-s", str(tmp_path / "sock"), "--duration", "1s").end()
    for shown, dash in ((text, "-"), (top, "\u2013")):
        line = next(line for line in shown.splitlines() if line.startswith(f"0.0.0.0:{port} "))
        assert line.split()[2:6] == [dash] * 4, shown
        assert "queues not shown: queue_look: " in shown
        assert ("refused handshakes are" if refused == "all" else "refused SYNs are") in shown
