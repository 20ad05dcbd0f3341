# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake record: files of whole records whatever happens; and how recordings are read again."""
import gzip
import json
import os
import signal
import subprocess
import time

import pytest

from lib import env, feed
from lib.disk import Disk
from lib.traffic import connect, listener, port_of

pytestmark = pytest.mark.sanitize

SUFFIXES = {"plain": ".ndjson", "gzip": ".ndjson.gz", "zstd": ".ndjson.zst"}


def example(name, **changes):
    record = json.loads((env.SCHEMAS / "examples" / "valid" / f"{name}.json").read_text())
    return {**record, **changes}


def text_of(records, interval_ns=0, begin_ns=10**12):
    return "".join(json.dumps({**record, "seq": number, "mono_ns": begin_ns + number * interval_ns},
                              separators=(",", ":")) + "\n"
                   for number, record in enumerate(records, 1))


RECORDS = [example("hello-1.2"), example("listener-sample"), example("handshake-active"),
           example("handshake-passive"), example("handshake-timeout-cause"), example("overflow-ack"),
           example("reset-abort"), example("audit"), example("bye-1.2")]


def unpack(path):
    """By other programs than ours."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    return data


def pack(data, form):
    if form == "gzip":
        return gzip.compress(data, mtime=0)
    if form == "zstd":
        return subprocess.run(["zstd", "-cq"], input=data, check=True, capture_output=True).stdout
    return data


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "recording"
    path.write_text(text_of(RECORDS))
    return path


@pytest.mark.parametrize("form", SUFFIXES)
def test_a_live_feed(form, lone, keep, daemon, cli, tmp_path):
    """All that a subscriber sees, with the same filter, until Ctrl-C; whole and numbered."""
    sock, path = tmp_path / "sock", tmp_path / ("recording" + SUFFIXES[form])
    daemon("--remote", "127.0.0.0/8", "--netns", str(lone.inode), sock=sock, losses=True)
    program = cli("record", str(path), "--socket", str(sock), "--outcome", "established,refused")
    server = keep(listener(lone, 4))

    def recorded():
        keep(connect(lone, 4, ("127.0.0.1", port_of(server)))[0])
        connect(lone, 4, ("127.0.0.1", 9))[0].close()
        lines = unpack(path).splitlines() if path.exists() else []
        outcomes = [json.loads(line).get("outcome") for line in lines]
        return {"established", "refused"} <= set(outcomes)
    env.poll_until(recorded, 20, "records in the file while it is written", interval=0.2)
    program.end(signal.SIGINT)
    lines = unpack(path).decode().splitlines()
    records = [json.loads(line) for line in lines]
    assert feed.check_feed(records, whole=False, losses=True) == []
    assert f"{len(records)} records in {path}" in program.stderr_text
    assert "established" in program.stderr_text and program.stdout_text == ""
    # nothing is told twice or left out on the way back
    again = cli("tail", "--json", "--no-summary", "--from", str(path)).end()
    assert again.splitlines() == lines


@pytest.mark.parametrize("form", SUFFIXES)
def test_every_view_reads_it_by_magic(form, recording, cli, tmp_path):
    packed = tmp_path / "no-suffix.txt"
    packed.write_bytes(pack(recording.read_bytes(), form))
    for argv in (["top", "--once"], ["tail"], ["tail", "--json"], ["listeners"], ["listeners", "--json"], ["stats"],
                 ["explain"], ["explain", "--json"]):
        wanted = cli(*argv, "--from", str(recording)).end()
        assert cli(*argv, "--from", str(packed)).end() == wanted != ""
        with open(packed, "rb") as file:
            assert cli(*argv, "--from", "-", stdin=file).end() == wanted


@pytest.mark.parametrize("form", SUFFIXES)
def test_a_recording_of_a_recording(form, recording, cli, tmp_path):
    path = tmp_path / ("copy" + SUFFIXES[form])
    program = cli("record", str(path), "--from", str(recording), "--no-summary")
    assert program.end() == ""
    assert program.error_line() == f"tcpshake: {len(RECORDS)} records in {path}"
    assert unpack(path) == recording.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o640 & ~os.umask(os.umask(0))
    filtered = cli("record", "-", "--from", str(path), "--outcome", "timeout", "--events",
                   "handshake").end()
    assert [json.loads(line)["type"] for line in filtered.splitlines()] == [
        "hello", "handshake", "bye"]


def test_members_and_frames_in_a_row(recording, cli, tmp_path):
    """Appended, as cat does, and large enough to be several by themselves."""
    many = text_of([RECORDS[2]] * 4000).encode()
    for form in ("gzip", "zstd"):
        path = tmp_path / form
        path.write_bytes(pack(recording.read_bytes(), form) + pack(many, form))
        text = cli("tail", "--json", "--no-summary", "--from", str(path)).end()
        assert text.encode() == recording.read_bytes() + many
        again = tmp_path / ("again" + SUFFIXES[form])
        cli("record", str(again), "--from", str(path)).end()
        assert unpack(again) == recording.read_bytes() + many


@pytest.mark.parametrize("form", SUFFIXES)
def test_killed(form, lone, daemon, cli, tmp_path):
    """kill -9: what is there is whole, and read without a complaint."""
    sock, path = tmp_path / "sock", tmp_path / ("recording" + SUFFIXES[form])
    daemon("--remote", "127.0.0.0/8", "--netns", str(lone.inode), sock=sock, losses=True)
    program = cli("record", str(path), "--socket", str(sock))

    def recorded():
        connect(lone, 4, ("127.0.0.1", 9))[0].close()
        return path.exists() and b'"outcome":"refused"' in unpack(path)
    env.poll_until(recorded, 20, "a handshake in the file", interval=0.1)
    program.process.kill()
    program.process.wait()
    assert unpack(path).endswith(b"\n")
    tail = cli("tail", "--no-summary", "--from", str(path))
    assert "refused" in tail.end() and tail.stderr_text == ""


@pytest.mark.parametrize("form", SUFFIXES)
def test_a_full_disk(form, cli, keep, tmp_path):
    disk = keep(Disk(tmp_path / "disk", "1m"))
    disk.fill(leave=8192)
    source, path = tmp_path / "source", disk.path / ("recording" + SUFFIXES[form])
    # what does not compress, in several batches
    source.write_text(text_of([example("handshake-active", conn=os.urandom(8).hex(),
                                       cgroup={"id": 1, "path": "/" + os.urandom(600).hex()})
                               for _ in range(3000)]))
    program = cli("record", str(path), "--from", str(source), "--no-summary")
    program.end(code=1)
    line = program.error_line()
    assert f"cannot write to {path}: No space left on device; it holds the first" in line
    whole = unpack(path) if path.exists() else b""
    assert source.read_bytes().startswith(whole)
    assert whole == b"" or whole.endswith(b"\n")
    assert f"first {whole.count(chr(10).encode())} records" in line
    assert form != "plain" or whole


def test_nothing_is_replaced_unasked(recording, cli, tmp_path):
    path = tmp_path / "there"
    path.write_text("precious")
    program = cli("record", str(path), "--from", str(recording))
    program.end(code=1)
    assert "exists" in program.error_line() and "--force" in program.error_line()
    assert path.read_text() == "precious"
    cli("record", "--force", str(path), "--from", str(recording)).end()
    assert path.read_bytes() == recording.read_bytes()
    for forced in ([], ["--force"]):
        program = cli("record", *forced, str(path), "--from", str(path))
        program.end(code=1)
        assert path.read_bytes() == recording.read_bytes()
    os.mkfifo(tmp_path / "fifo")
    for name in (".", "fifo", "none/there"):
        program = cli("record", "--force", str(tmp_path / name), "--from", str(recording))
        program.end(code=1)
        program.error_line()


def test_nothing_is_left_of_nothing(cli, tmp_path):
    """No daemon at the socket: no empty file that would be in the way next time."""
    path = tmp_path / "recording.zst"
    program = cli("record", str(path), "--socket", str(tmp_path / "none"))
    program.end(code=1)
    program.error_line()
    assert not path.exists()


def test_usage(cli, recording, tmp_path):
    for argv in (["record"], ["record", ""], ["record", "a", "b"], ["record", "a", "--json"],
                 ["tail", "--speed", "2"], ["tail", "--from", "x", "--speed", "0"],
                 ["tail", "--from", "x", "--speed", "fast"], ["stats", "--speed", "1"]):
        program = cli(*argv)
        assert program.end(code=2) == ""
        program.error_line()
    assert "Usage: tcpshake record FILE|DIR [options]" in cli("record", "--help").end()
    program = cli("record", "-", "--from", str(recording), terminal=80)
    program.end(code=1)
    assert "is a terminal" in program.error_line()


def test_standard_output_that_goes_away(recording, tmp_path):
    many = tmp_path / "many"
    many.write_text(text_of([RECORDS[2]] * 4000))
    done = subprocess.run(["bash", "-c", '"$0" record - --no-summary --from "$1" | head -2; '
                           'echo ${PIPESTATUS[0]}', env.TCPSHAKE, str(many)],
                          capture_output=True, text=True, timeout=20 * env.SLOW)
    assert done.stderr == "" and done.stdout.splitlines()[2] in ("0", "141")
    assert done.stdout.splitlines()[:2] == many.read_text().splitlines()[:2]


@pytest.mark.parametrize("form", SUFFIXES)
def test_cut_off(form, cli, tmp_path):
    """Up to the last whole record, and one line that says so; of compressed ones, any length."""
    text = text_of(RECORDS).encode()
    data = pack(text, form)
    for length in (len(data) - 1, len(data) * 2 // 3, len(data) // 2, 40):
        path = tmp_path / "cut"
        path.write_bytes(data[:length])
        tail = cli("tail", "--json", "--no-summary", "--from", str(path))
        shown = tail.end()
        assert text.decode().startswith(shown) and (not shown or shown.endswith("\n"))
        if form == "plain":
            # without its last newline a record may still be whole
            assert shown.count("\n") in (data[:length].count(b"\n"), len(RECORDS))
        if shown.count("\n") < len(RECORDS) or form != "plain":
            assert f"is cut off: it is read up to line {shown.count(chr(10))}," in tail.error_line()


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_damaged(form, cli, tmp_path):
    text = text_of(RECORDS).encode()
    data = bytearray(pack(text, form))
    if form == "gzip":
        data[-6] ^= 0xff  # of the checksum
    else:
        data[len(data) // 2:len(data) // 2 + 40] = os.urandom(40)
    path = tmp_path / "damaged"
    path.write_bytes(data)
    tail = cli("tail", "--json", "--no-summary", "--from", str(path))
    tail.end(code=1)
    assert "is damaged after line" in tail.error_line()
    path.write_bytes(pack(text, form) + b"and then some")
    tail = cli("tail", "--json", "--no-summary", "--from", str(path))
    assert tail.end(code=1) == text.decode()
    assert f"is damaged after line {len(RECORDS)};" in tail.error_line()


@pytest.mark.parametrize("view", ["tail", "listeners", "stats", "explain"])
def test_of_another_version(view, cli, tmp_path):
    path = tmp_path / "foreign"
    path.write_text(text_of([{**record, "v": 2} for record in RECORDS]))
    program = cli(view, "--from", str(path), *(["--no-summary"] if view == "tail" else []))
    program.end(code=1)
    assert "line 1: it has record format version 2, and this program knows version 1" in \
        program.error_line()


def test_record_refuses_another_version(cli, tmp_path):
    path = tmp_path / "foreign"
    path.write_text(text_of([{**record, "v": 2} for record in RECORDS]))
    program = cli("record", str(tmp_path / "new"), "--no-summary", "--from", str(path))
    program.end(code=1)
    program.error_line()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("speed,seconds", [("1", 1.2), ("2", 0.6), ("0.5", 2.4), ("1000", 0)])
def test_speed(speed, seconds, cli, tmp_path):
    """By mono_ns; records of an earlier moment do not wait, and a new feed begins anew."""
    path = tmp_path / "recording"
    slow = [RECORDS[0], RECORDS[2], RECORDS[3]]
    path.write_text(text_of(slow, 300_000_000) + text_of(slow, 300_000_000, begin_ns=10**9))
    since = time.monotonic()
    tail = cli("tail", "--json", "--no-summary", "--from", str(path), "--speed", speed)
    assert tail.end() == path.read_text()
    took = time.monotonic() - since
    assert seconds <= took <= seconds + 2 * env.SLOW


def test_a_replay_can_be_stopped(cli, tmp_path):
    path = tmp_path / "recording"
    path.write_text(text_of(RECORDS, 3600 * 10**9))
    tail = cli("tail", "--json", "--from", str(path), "--speed", "1")
    tail.until('"hello"')
    assert tail.end(signal.SIGINT).count("\n") == 1
    tail = cli("tail", "--from", str(path), "--speed", "1", "--duration", "300ms")
    tail.end()


def test_a_pipe_that_stalls_within_a_member(recording, cli):
    """Half of a compressed recording, and no end: what is there is shown, and Ctrl-C works."""
    data = gzip.compress(text_of(RECORDS * 300).encode())
    read, write = os.pipe()
    tail = cli("tail", "--no-summary", "--from", "-", stdin=read)
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as pipe:
        pipe.write(data[:1])
        pipe.write(data[1:len(data) // 2])
        tail.until("established")
        tail.end(signal.SIGINT)
