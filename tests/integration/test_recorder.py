# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake record --keep: a ring of segments, whole and bounded whatever happens; and how it is read."""
import errno
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from lib import env, feed
from lib.disk import Disk
from test_record import RECORDS, example, text_of

pytestmark = pytest.mark.sanitize

MIB = 1 << 20
PORT = 21000 + os.getpid() % 9000
ONLY = ("--port", str(PORT), "--events", "handshake")
BEGIN = 1_795_000_000  # 2026-11-18T11:06:40Z
NAME = re.compile(r"ring-(\d{10})-(\d{8}T\d{6}Z)(-\d{8}T\d{6}Z)?\.ndjson\.zst")


def stamp(seconds, form="%Y-%m-%dT%H:%M:%S"):
    whole = int(BEGIN + seconds)
    fraction = f".{round((seconds % 1) * 1e9):09}" if "-" in form else ""
    return time.strftime(form, time.gmtime(whole)) + fraction + "Z"


def flood(count, begin=0.0, step=0.001, first=2):
    """Handshakes that hardly compress, after a hello: of a feed that goes on for a while."""
    records = [example("hello-1.2", seq=1, ts=stamp(begin))]
    for number in range(first, first + count):
        records.append(example("handshake-active", seq=number, ts=stamp(begin + (number - first + 1) * step),
                               conn=os.urandom(8).hex(), cgroup={"id": 1, "path": "/" + os.urandom(150).hex()}))
    mono = 10**12
    return "".join(json.dumps({**r, "mono_ns": mono + n * int(step * 1e9)}, separators=(",", ":")) + "\n"
                   for n, r in enumerate(records))


def segments(path):
    """In their order, and nobody else's files."""
    return sorted((p for p in path.iterdir() if NAME.fullmatch(p.name)), key=lambda p: p.name)


def space(path):
    total = 0
    for part in segments(path):
        try:
            total += -(-part.stat().st_size // 4096) * 4096
        except FileNotFoundError:
            pass  # dropped or renamed meanwhile
    return total


def lines(part):
    """By another program than ours: what is whole; nothing of one that was dropped or renamed meanwhile."""
    done = subprocess.run(["zstd", "-dcq", part], capture_output=True)
    data = done.stdout
    assert done.returncode == 0 or not part.exists(), f"{part}: {done.stderr}"
    assert not data or data.endswith(b"\n"), f"{part} ends within a record"
    return data.decode().splitlines()


def records_of(path):
    return [json.loads(line) for part in segments(path) for line in lines(part)]


def check_ring(path):
    """Every record is one, and within each feed the numbers go on without a gap from where the ring begins."""
    parsed = [[json.loads(line) for line in lines(part)] for part in segments(path)]
    for part in parsed:
        assert part[0]["type"] == "hello", "who reads this segment alone has to know whose it is"
    records = [r for part in parsed for r in part]
    assert not [error for r in records for error in feed.schema_errors(r)]
    last = None
    for record in records:
        if "seq" not in record or record.get("repeated"):
            continue
        assert record["type"] == "hello" or last is None or record["seq"] == last + 1, (last, record)
        last = record["seq"]
    return records


@pytest.fixture
def ring(cli, tmp_path):
    """ring(text, size) makes one from a recording."""
    def make(text, size="1M", name="ring"):
        source = tmp_path / f"{name}.ndjson"
        source.write_text(text)
        program = cli("record", "--keep", size, str(tmp_path / name), "--from", str(source), "--no-summary")
        program.end()
        return tmp_path / name
    return make


@pytest.fixture
def recorder(cli, daemon, lone, tmp_path):
    """recorder(size) follows a daemon; recorder.storm(n) makes records."""
    sock = tmp_path / "sock"

    def watch():
        return daemon("--netns", str(lone.inode), *ONLY, sock=sock, losses=True, check=False)

    def start(size="1M", path=tmp_path / "ring", more=()):
        return cli("record", "--keep", size, str(path), "--socket", str(sock), "--no-summary", *more)

    def storm(count):
        assert lone.run(env.tool("storm"), "-n", str(count), "-p", str(PORT))
    start.watch, start.storm, start.path = watch, storm, tmp_path / "ring"
    return start


def test_bounded_while_it_is_written(recorder, lone):
    """Never over its size, and what went is said; the rest is one feed without a gap."""
    recorder.watch()
    program = recorder("1M")
    env.poll_until(lambda: recorder.path.is_dir() and segments(recorder.path), what="a segment")
    most = 0
    for _ in range(60):
        child = lone.popen([env.tool("storm"), "-n", "4000", "-p", str(PORT)], stdout=subprocess.DEVNULL)
        while child.poll() is None:
            most = max(most, space(recorder.path))
        if any(r["type"] == "rotation" and "removed" in r for r in records_of(recorder.path)):
            break
    program.end(signal.SIGINT)
    assert most <= MIB and space(recorder.path) <= MIB
    records = check_ring(recorder.path)
    said = [r for r in records if r["type"] == "rotation" and "removed" in r]
    assert said, f"nothing was dropped: {most} bytes"
    first = next(r["seq"] for r in records if "seq" in r and not r.get("repeated"))
    assert said[-1]["removed"]["last_seq"] == first - 1
    assert said[-1]["removed"]["file"] < segments(recorder.path)[0].name
    assert not (recorder.path / said[-1]["removed"]["file"]).exists()
    assert re.search(r"records in .*; [1-9]\d* segments? (was|were) dropped", program.stderr_text)


def test_read_as_one(ring, cli):
    """What the ring holds is what its feed was, in order, for every view; what went before is not missing."""
    text = flood(6000)
    path = ring(text)
    assert len(segments(path)) > 3
    check_ring(path)
    shown = cli("tail", "--json", "--no-summary", "--from", str(path)).end().splitlines()
    numbered = [line for line in shown if '"type":"handshake"' in line]
    assert numbered == text.splitlines()[-len(numbered):] and 500 < len(numbered) < 6000
    assert json.loads(shown[0])["repeated"] is True
    assert sum('"type":"hello"' in line for line in shown) == 1
    summary = cli("tail", "--from", str(path))
    summary.end()
    assert "established" in summary.stderr_text
    assert "missing" not in summary.stderr_text and "gaps" not in summary.stderr_text
    for argv in (["top", "--once"], ["listeners"], ["stats"], ["explain"], ["explain", "--json"]):
        assert cli(*argv, "--from", str(path)).end()
    last = cli("explain", "--from", str(path), "--json").end().splitlines()[-1]
    assert json.loads(last)["unseen"] is not None, "the hello is not lost with the oldest segment"


def test_the_same_through_a_copy(ring, cli, tmp_path):
    """A ring that was made one file by other programs is the same feed."""
    path = ring(flood(6000))
    copy = tmp_path / "copy.zst"
    copy.write_bytes(b"".join(part.read_bytes() for part in segments(path)))
    for argv in (["tail", "--no-summary"], ["explain", "--json"], ["tail", "--json", "--no-summary"]):
        assert cli(*argv, "--from", str(copy)).end() == cli(*argv, "--from", str(path)).end() != ""


def test_killed_and_begun_again(recorder, cli):
    """kill -9: every segment is whole, the next recorder goes on in new ones, and the gap is said."""
    recorder.watch()
    before = set()
    for _ in range(3):
        program = recorder("4M")
        count = len(before)
        env.poll_until(lambda: recorder.path.is_dir() and len(segments(recorder.path)) > count, what="a segment")
        recorder.storm(500)
        env.poll_until(lambda: any(r["type"] == "handshake" for r in map(json.loads, lines(segments(recorder.path)[-1]))),
                       what="its records")
        program.process.kill()
        program.process.wait()
        now = {p.name: p.read_bytes() for p in segments(recorder.path)}
        assert before <= set(now)
        before = set(now)
        time.sleep(0.05)
    records = check_ring(recorder.path)
    assert sum(r["type"] == "hello" and not r.get("repeated") for r in records) == 3
    tail = cli("tail", "--from", str(recorder.path))
    tail.end()
    assert re.search(r"^gaps +2 before a hello: no record of that host, for .* in all$", tail.stderr_text, re.M)
    assert "2 gaps before a hello" in cli("explain", "--from", str(recorder.path)).end()


def is_free(path):
    """On a busy host the kernel may take a moment to release what a killed process had bound."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED


def test_the_daemon_is_started_again(recorder, tmp_path):
    """By a daemon that ends, and by one that dies: the next one's feed follows, and is said to be another."""
    first = recorder.watch()
    program = recorder("4M")
    env.poll_until(lambda: recorder.path.is_dir() and segments(recorder.path), what="a segment")
    recorder.storm(20)
    first.stop()
    program_line = "its next feed will be recorded, too"
    env.poll_until(lambda: program_line in program.stderr_text, what="that it ended")
    second = recorder.watch()

    def hellos():
        return sum(r["type"] == "hello" and not r.get("repeated") for r in records_of(recorder.path))
    env.poll_until(lambda: hellos() == 2, 10, "the second feed")
    recorder.storm(20)
    second.process.kill()
    second.process.wait()
    env.poll_until(lambda: program.stderr_text.count(program_line) == 2, what="that it died")
    env.poll_until(lambda: is_free(tmp_path / "sock"), what="the dead daemon's path")
    third = recorder.watch()
    env.poll_until(lambda: hellos() == 3, 10, "the third feed")
    program.end(signal.SIGTERM)
    third.stop()
    records = check_ring(recorder.path)
    assert [r["type"] for r in records].count("bye") == 1


def serve(path, answers):
    """A daemon of so many feeds: each subscriber gets the next one's text, and then the end."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(8)
        for answer in answers:
            request = b""
            while not request:  # else somebody only looked whether we are there
                client = server.accept()[0]
                request = client.recv(4096)
            client.sendall(answer.encode())
            client.close()
    path.unlink()


def test_a_daemon_that_dies_before_its_hello(cli, tmp_path):
    """It is waited for as one that died later; one that refuses is not."""
    path, refusal = tmp_path / "ring", '{"v":1,"type":"end","ok":false,"error":"no more"}\n'
    answers = [flood(5), "", flood(5, begin=10), refusal]
    server = threading.Thread(target=serve, args=(tmp_path / "sock", answers), daemon=True)
    server.start()
    env.poll_until((tmp_path / "sock").exists, what="the socket")
    program = cli("record", "--keep", "1M", str(path), "--socket", str(tmp_path / "sock"), "--no-summary")
    program.end(code=1)
    server.join(5)
    assert program.stderr_text.count("its next feed will be recorded, too") == 2
    assert program.stderr_text.count("the next daemon is waited for") == 1 and "refused: no more" in program.stderr_text
    assert sum(r["type"] == "hello" and not r.get("repeated") for r in records_of(path)) == 2


def test_duration_without_a_daemon(recorder):
    """It ends in time, also while it waits for a daemon."""
    d = recorder.watch()
    program = recorder("1M", more=("--duration", "3s"))
    env.poll_until(lambda: recorder.path.is_dir() and segments(recorder.path), what="a segment")
    d.stop()
    since = time.monotonic()
    program.end()
    assert time.monotonic() - since < 5 * env.SLOW


def test_full_disk(recorder, keep, tmp_path):
    """It is said once, tried again, and what is lost in between is a gap in seq."""
    disk = keep(Disk(tmp_path / "disk", 8 * MIB))
    path = disk.path / "ring"
    recorder.watch()
    program = recorder("4M", path)
    env.poll_until(lambda: path.is_dir() and segments(path), what="a segment")
    disk.fill(leave=4096)
    for _ in range(40):
        recorder.storm(2000)
        if "cannot write to" in program.stderr_text:
            break
    assert program.stderr_text.count("cannot write to") == 1 and "No space left on device" in program.stderr_text
    for part in segments(path):
        lines(part)
    for _ in range(6):
        recorder.storm(2000)
    disk.free()
    env.poll_until(lambda: "is written again" in program.stderr_text, 10, "the good news")
    recorder.storm(100)
    program.end(signal.SIGINT, code=1 if "; 0 records were lost" not in program.stderr_text else 0)
    assert program.stderr_text.count("cannot write to") == 1
    lost = int(re.search(r"written again; (\d+) records? (?:was|were) lost", program.stderr_text)[1])
    numbers = [r["seq"] for r in records_of(path) if "seq" in r and not r.get("repeated")]
    assert numbers == sorted(set(numbers)) and numbers[-1] - numbers[0] + 1 - len(numbers) == lost > 0


def test_a_feed_that_begins_behind_a_full_disk(cli, keep, tmp_path):
    """Its hello is not lost with what does not fit: its records would be taken for those of the feed before."""
    disk = keep(Disk(tmp_path / "disk", 8 * MIB))
    path = disk.path / "ring"
    program = cli("record", "--keep", "4M", str(path), "--from", "-", "--no-summary", stdin=subprocess.PIPE)

    def send(text):
        program.process.stdin.write(text.encode())
        program.process.stdin.flush()
    send(flood(10))
    env.poll_until(lambda: path.is_dir() and segments(path) and records_of(path), what="a segment")
    disk.fill()
    send(flood(9000, begin=1, first=12).split("\n", 1)[1])
    env.poll_until(lambda: "cannot write to" in program.stderr_text, what="that it is full")
    send(flood(10, begin=100).replace('"evidence":"', '"note":"second","evidence":"'))
    time.sleep(2)
    disk.free()
    env.poll_until(lambda: "is written again" in program.stderr_text, 10, "the good news")
    send(flood(10, begin=200, first=20).split("\n", 1)[1])
    program.process.stdin.close()
    program.end(code=1)
    records = [r for r in records_of(path) if r["type"] in ("hello", "handshake") and not r.get("repeated")]
    assert [r.get("note") for r in records if r["type"] == "hello"] == [None, "second"]
    assert records[-1]["ts"] > stamp(200) and records[-11].get("note") == "second"


def test_foreign_files(ring, cli, tmp_path):
    """What is not a ring's is neither read, counted nor removed."""
    path = tmp_path / "ring"
    path.mkdir()
    strangers = {"notes.txt": b"mine\n", "ring-1-x.ndjson.zst": b"x" * MIB, "ring-0000000001-20261118T110640Z.ndjson": b"no",
                 "ring-0000000001-20261318T110640Z.ndjson.zst": b"no such month", "feed.ndjson": b"{}\n"}
    for name, data in strangers.items():
        (path / name).write_bytes(data)
    (path / "ring-0000000007-20261118T110640Z.ndjson.zst").mkdir()
    (path / "ring-0000000008-20261118T110640Z.ndjson.zst").symlink_to(path / "notes.txt")
    program = cli("tail", "--from", str(path))
    program.end(code=1)
    assert "is a directory without segments" in program.error_line()
    ring(flood(6000))
    assert all((path / name).read_bytes() == data for name, data in strangers.items())
    tail = cli("tail", "--json", "--no-summary", "--from", str(path))
    assert tail.end().count("handshake") > 500 and tail.stderr_text == ""


def test_one_recorder_at_a_time(recorder, cli):
    recorder.watch()
    program = recorder()
    env.poll_until(lambda: recorder.path.is_dir() and segments(recorder.path), what="a segment")
    second = recorder()
    second.end(code=1)
    assert f"another tcpshake record writes into {recorder.path}" in second.error_line()
    program.end(signal.SIGINT)
    assert not cli("tail", "--no-summary", "--from", str(recorder.path)).wait()


def test_a_smaller_ring_than_before(ring, cli, tmp_path):
    """What does not fit any more goes at once, and is said without numbers: they are another recorder's."""
    path = ring(flood(9000), "3M")
    assert space(path) > MIB
    names = [p.name for p in segments(path)]
    ring(flood(50, begin=100), "1M")
    assert space(path) <= MIB
    said = [r["removed"] for r in records_of(path) if r["type"] == "rotation" and "removed" in r]
    gone = [name for name in names if not (path / name).exists()]
    assert [r["file"] for r in said][-len(gone):] == gone
    assert all(r["first_seq"] is None for r in said if r["file"] in gone)


def corrupt(part):
    data = bytearray(part.read_bytes())
    data[len(data) // 2:] = os.urandom(len(data) - len(data) // 2)
    part.write_bytes(data)


def test_damaged_segments(ring, cli):
    """One that is damaged and one that is cut off cost what they hold, and the others are read."""
    path = ring(flood(9000), "4M")
    parts = segments(path)
    held = [len([l for l in lines(p) if '"handshake"' in l]) for p in parts]
    corrupt(parts[2])
    parts[4].write_bytes(parts[4].read_bytes()[:-300])
    tail = cli("tail", "--json", "--no-summary", "--from", str(path))
    shown = tail.end().splitlines()
    assert f"{parts[2].name}: is damaged" in tail.stderr_text and f"{parts[4].name}: is cut off" in tail.stderr_text
    whole = sum(held) - held[2] - held[4]
    assert whole <= sum('"handshake"' in line for line in shown) < sum(held)
    summary = cli("explain", "--from", str(path)).end()
    assert "2 segments could not be read to the end" in summary and "missing, by the gaps in seq" in summary


@pytest.mark.parametrize("since, until", [(1.0, 1.5), (None, 0.4), (2.2, None), (0.9995, 0.9995), (50, 60)])
def test_by_time(since, until, ring, cli, tmp_path):
    """The same of a file and of a ring; of a ring the segments of other times are not opened."""
    text = flood(3000)
    path = ring(text, "4M")
    argv = [*(["--since", stamp(since)] if since is not None else []),
            *(["--until", stamp(until)] if until is not None else [])]
    wanted = [line for line in text.splitlines()[1:]
              if (since is None or json.loads(line)["ts"] >= stamp(since)) and
              (until is None or json.loads(line)["ts"] <= stamp(until))]
    source = tmp_path / "ring.ndjson"
    for place in (source, path):
        shown = cli("tail", "--json", "--no-summary", "--from", str(place), *argv).end().splitlines()
        assert [line for line in shown if '"handshake"' in line] == wanted
        assert [json.loads(line)["type"] for line in shown[:1]] == (["hello"] if wanted else [])
        summary = cli("tail", "--from", str(place), *argv)
        summary.end()
        assert "missing" not in summary.stderr_text and "gaps" not in summary.stderr_text
    needed = 0
    for part in segments(path):
        _, first, last = NAME.fullmatch(part.name).groups()
        if (until is not None and first > stamp(until, "%Y%m%dT%H%M%S")) or \
                (since is not None and last[1:] < stamp(since, "%Y%m%dT%H%M%S")):
            part.write_bytes(os.urandom(part.stat().st_size))
        else:
            needed += 1
    assert needed < len(segments(path))
    tail = cli("tail", "--json", "--no-summary", "--from", str(path), *argv)
    assert [line for line in tail.end().splitlines() if '"handshake"' in line] == wanted
    assert tail.stderr_text == ""


def test_by_time_of_several_feeds(ring, cli):
    """The hello of the feed that is shown comes first, and no other."""
    path = ring(flood(300))
    ring(flood(300, begin=100).replace('"evidence":"', '"note":"second","evidence":"'))
    for since, note in ((0.1, None), (100.1, "second")):
        shown = cli("tail", "--json", "--no-summary", "--from", str(path), "--since", stamp(since), "--until",
                    stamp(since + 0.1)).end().splitlines()
        hellos = [r for r in map(json.loads, shown) if r["type"] == "hello"]
        assert [r.get("note") for r in hellos] == [note] and len(shown) == 102
    tail = cli("tail", "--from", str(path))
    tail.end()
    assert re.search(r"^gaps +1 before a hello: no record of that host, for 99\.7 s in all$", tail.stderr_text, re.M)


def test_another_boot(ring, cli):
    """mono_ns begins anew; the order is that of the segments."""
    path = ring(flood(200))
    later = flood(200, begin=500).splitlines()
    ring("".join(json.dumps({**json.loads(line), "mono_ns": 10**9 + n}, separators=(",", ":")) + "\n"
                 for n, line in enumerate(later)))
    shown = cli("tail", "--json", "--no-summary", "--from", str(path)).end().splitlines()
    times = [json.loads(line)["ts"] for line in shown if '"handshake"' in line]
    assert times == sorted(times) and len(times) == 400
    assert cli("top", "--once", "--from", str(path)).end()


@pytest.mark.parametrize("text, seconds", [("2026-11-18T11:06:40Z", 0), ("2026-11-18T12:06:40.5+01:00", 0.5),
                                           ("2026-11-18 11:06Z", -40), ("2026-11-18T11:06:41-00:00", 1)])
def test_moments(text, seconds, cli, tmp_path):
    path = tmp_path / "feed"
    path.write_text(flood(2000))
    shown = cli("tail", "--json", "--no-summary", "--from", str(path), "--since", text).end().splitlines()
    assert sum('"handshake"' in line for line in shown) == min(2000, 2000 - seconds * 1000 + (seconds >= 0.5))


def test_local_time_and_ago(cli, tmp_path):
    path = tmp_path / "feed"
    path.write_text(flood(2000))
    local = cli("tail", "--json", "--no-summary", "--from", str(path), "--since", "2026-11-18T16:36:41",
                environment={"TZ": "Asia/Kolkata"})
    assert local.end().count('"handshake"') == 1001
    now = text_of([example("hello-1.2"), example("handshake-active", ts=time.strftime("%Y-%m-%dT%H:%M:%S.0Z").replace(
        ".0Z", ".000000000Z"))])
    path.write_text(now)
    environment = {"TZ": "UTC"}
    stale = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(time.time() - 600))
    path.write_text(text_of([example("hello-1.2", ts=stale), example("handshake-active", ts=stale)]))
    for since, count in (("9m", 0), ("11m", 1)):
        shown = cli("tail", "--json", "--no-summary", "--from", str(path), "--since", since, environment=environment)
        assert shown.end().count('"handshake"') == count


@pytest.mark.parametrize("argv, words", [
    (["record", "--keep", "1000K", "d"], "--keep: '1000K' is no size from 1M on"),
    (["record", "--keep", "1M"], "needs a FILE|DIR"),
    (["record", "--keep", "1M", "-"], "--keep is for a directory"),
    (["record", "--keep", "1M", "--force", "d"], "--force has no meaning"),
    (["tail", "--since", "10m"], "--since and --until are of a recording"),
    (["tail", "--from", "x", "--since", "yesterday"], "is no time; use"),
    (["tail", "--from", "x", "--since", "2026-13-18T11:06:40Z"], "is no time; use"),
    (["tail", "--from", "x", "--since", "1m", "--until", "2m"], "--until is before --since"),
    (["tail", "--keep", "1M"], "has no option --keep"),
])
def test_usage(argv, words, cli):
    program = cli(*argv)
    assert program.end(code=2) == "" and words in program.error_line()


def test_no_place(cli, tmp_path):
    for name in ("source", "other"):
        (tmp_path / name).write_text(text_of(RECORDS))
    for place, words in (("source", "cannot open the directory"), ("none/ring", "cannot make the directory")):
        program = cli("record", "--keep", "1M", str(tmp_path / place), "--from", str(tmp_path / "other"))
        program.end(code=1)
        assert words in program.error_line()


def test_a_ring_of_a_ring(ring, cli, tmp_path):
    path = ring(flood(2000), "4M")
    cli("record", "--keep", "4M", str(tmp_path / "again"), "--from", str(path), "--no-summary").end()
    check_ring(tmp_path / "again")
    assert sum(r["type"] == "handshake" for r in records_of(tmp_path / "again")) == 2000
    program = cli("record", "--keep", "4M", str(path), "--from", str(path))
    program.end(code=1)
    assert "is what --from reads" in program.error_line()


def test_killed_while_it_is_written():
    """The short form of tests/soak/ring: full, whole and bounded while recorders are killed. No traffic: other modules look at theirs."""
    done = subprocess.run([env.ROOT / "tests" / "soak" / "ring", "--stand-in", "-s", "8", "-k", "1", "-n", "4", "-r", "6000", "--keep", "1M"],
                          capture_output=True, text=True, timeout=200 * env.SLOW)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["kills"] >= 4 and figures["gaps"] >= 1 and figures["most_bytes"] > MIB // 2, figures
