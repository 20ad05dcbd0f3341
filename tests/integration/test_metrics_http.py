# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The metrics' HTTP: what is asked for and how, by whom, and what cannot be had."""
import concurrent.futures
import re
import resource
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from lib import env
from lib.scrape import Metrics, Scrape, free_port

pytestmark = pytest.mark.sanitize

QUIET = ("--events", "audit")  # the feed is none of the matter


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def metrics(daemon, keep, port):
    daemon("--metrics", f"127.0.0.1:{port}", *QUIET, losses=True)
    return keep(Metrics(port))


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/metrics", 200), ("HEAD", "/metrics", 200), ("GET", "/", 200), ("GET", "/metrics?", 200),
    ("GET", "/metrics?port=80", 200), ("GET", "/metrics?port=0", 400), ("GET", "/metrics?port=x", 400),
    ("GET", "/metrics?port=65536", 400), ("GET", "/metrics?a=b", 400),
    ("GET", "/other", 404), ("HEAD", "/other", 404), ("GET", "/metrics/", 404), ("GET", "//", 404),
    ("GET", "/../etc/passwd", 404),
    ("POST", "/metrics", 405), ("PUT", "/metrics", 405), ("DELETE", "/metrics", 405),
    ("PATCH", "/metrics", 405), ("OPTIONS", "/metrics", 405), ("POST", "/other", 405)])
def test_answers(metrics, method, path, status):
    response, body = metrics.request(method, path)
    assert response.status == status
    if method == "HEAD":
        assert body == b""
    elif status == 405:
        assert response.headers["Allow"] == "GET, HEAD"
    elif status == 200:
        assert body.startswith(b"# HELP" if "metrics" in path else b"tcpshaked:")


def ask(port, data, end=False):
    """Send bytes; all that comes back until the other side closes, or for long enough."""
    with socket.create_connection(("127.0.0.1", port), timeout=10 * env.SLOW) as sock:
        sock.sendall(data)
        if end:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while chunk := sock.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


@pytest.mark.parametrize("data,status", [
    (b"\0" * 100 + b"\r\n\r\n", (400, None)), (b"GET\r\n\r\n", (400, None)),
    (b"BREW /metrics HTTP/1.1\r\n\r\n", (501,)), (b"GET /metrics HTTP/9.9\r\n\r\n", None),
    (b"GET " + b"/" * 20000 + b" HTTP/1.1\r\n\r\n", (400, 413, None)),
    (b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 3000 + b"\r\n", (400, 413, None)),
    (b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", (400, 405, 413, None)),
    (b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n", (400, None)),
    (b"GET /metrics HTTP/1.0\r\n\r\n", (200,)), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", (400, None)),
], ids=str)
def test_garbage(metrics, port, data, status):
    """Whatever comes, the next one is served."""
    answer = ask(port, data, end=b"HTTP/9.9" in data)
    code = int(answer.split()[1]) if answer.startswith(b"HTTP/1.") else None
    assert status is None or code in status, answer[:200]
    metrics.scrape()


def test_slow_and_silent_clients(metrics, port, keep):
    """Those that ask nothing, ask slowly or do not read, are closed, and in nobody's way meanwhile."""
    silent = keep(socket.create_connection(("127.0.0.1", port)))
    slow = keep(socket.create_connection(("127.0.0.1", port)))
    slow.sendall(b"GET /metr")
    deaf = keep(socket.socket())
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    deaf.connect(("127.0.0.1", port))
    deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    begin = time.monotonic()
    for _ in range(5):
        metrics.scrape()
    assert time.monotonic() - begin < 4 * env.SLOW
    slow.sendall(b"ics HTTP/1.0\r\n\r\n")
    slow.settimeout(10 * env.SLOW)
    answer = b""
    while chunk := slow.recv(1 << 16):
        answer += chunk
    Scrape(answer.split(b"\r\n\r\n", 1)[1].decode())
    silent.settimeout(20 * env.SLOW)
    assert silent.recv(1) == b""  # closed by its time-out


REQUEST = b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 500


class Drip(threading.Thread):
    """Clients that send a byte, or read one, now and then: none is ever silent for long."""

    def __init__(self, keep, port, senders, readers, make=socket.socket):
        super().__init__(daemon=True)
        self.open = set()
        self.readers = set()
        for number in range(senders + readers):
            sock = keep(make())
            if number < readers:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.connect(("127.0.0.1", port))
            sock.sendall(REQUEST + b"\r\n" if number < readers else REQUEST[:3])
            self.open.add(sock)
            if number < readers:
                self.readers.add(sock)
        self.stop = threading.Event()
        self.start()

    def run(self):
        at = 3
        while not self.stop.wait(0.25):
            for sock in list(self.open):
                try:
                    if sock in self.readers:
                        alive = sock.recv(1000)
                        sock.sendall(b"G")  # so that it is not silent
                    else:
                        sock.sendall(REQUEST[at:at + 1])
                        alive = not select.select([sock], [], [], 0)[0] or sock.recv(1)
                except OSError:
                    alive = False
                if not alive:
                    self.open.discard(sock)
            at += 1

    def close(self):
        self.stop.set()
        self.join()


@pytest.mark.parametrize("limit", [None, 320], ids=["plain", "few_descriptors"])
def test_slow_clients_do_not_stop_scrapes(daemon, keep, port, limit):
    """However many ask slowly, though never silent: who comes is served at once, and they have 10 s."""
    d = daemon("--metrics", f"127.0.0.1:{port}", *QUIET, losses=True, preexec_fn=limit and (
        lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))))
    drip = keep(Drip(keep, port, 90, 0))
    for _ in range(4):
        metrics = Metrics(port)
        metrics.scrape()
        metrics.close()
        time.sleep(0.3)
    env.poll_until(lambda: not drip.open, 25, "the end of the slow ones", interval=0.2)
    limits = [re.search(r"limit (\w+);", line)[1] for line in d.stderr_text.splitlines()]
    assert sorted(limits) == ["places", "request_time"]  # once a minute


def test_slow_readers_are_closed(daemon, keep, port, lone):
    """Nor does an answer wait for ever for who takes a little of it now and then."""
    lone.sysctl("net.ipv4.tcp_wmem", "4096 4096 4096")  # the kernel keeps no more of it for them
    lone.ip("link set lo mtu 1500")
    with lone.inside():
        d = daemon("--metrics", f"127.0.0.1:{port}", *QUIET, losses=True)
    drip = keep(Drip(keep, port, 0, 5, lone.socket))
    env.poll_until(lambda: not drip.open, 25, "the deadline", interval=0.2)
    assert "limit answer_time" in d.error_line()


def test_many_at_once(metrics, port):
    def one(_):
        client = Metrics(port)
        try:
            return len(client.scrape().samples)
        finally:
            client.close()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(count > 1000 for count in pool.map(one, range(64)))


def test_short_of_descriptors(daemon, keep, port, tmp_path):
    """The metrics leave some to the rest of the daemon: subscribers are still served."""
    from lib.feed import Subscriber
    d = daemon("--metrics", f"127.0.0.1:{port}", *QUIET, losses=True, sock=tmp_path / "s",
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400)))
    crowd = []
    for _ in range(150):  # some wait to be taken
        crowd.append(keep(socket.create_connection(("127.0.0.1", port), timeout=10)))
    one = keep(Subscriber(tmp_path / "s", {"op": "subscribe"}))
    one.feed.wait_for(lambda all: all, what="hello")
    for sock in crowd:
        sock.close()
    metrics = keep(Metrics(port))
    metrics.scrape()  # once they are gone
    assert d.process.poll() is None


def test_what_is_asked_at_once_is_one_look(metrics):
    """A flood of scrapes costs little: within 100 ms all get the same."""
    same = 0
    for _ in range(30):
        same += metrics.request()[1] == metrics.request()[1]
    assert same > 5


def test_many_ports_at_once(metrics, port):
    """Each asks for an answer of its own: few are made within 100 ms, and plain scrapes never wait for them."""
    def ask_for(number):
        return ask(port, b"GET /metrics?port=%d HTTP/1.0\r\n\r\n" % number)
    burst = [b"".join(b"GET /metrics?port=%d HTTP/1.1\r\n\r\n" % number for number in range(1, 61))] * 2
    answers = b"".join(ask(port, data + b"GET / HTTP/1.0\r\n\r\n") for data in burst)
    served, refused = answers.count(b"HTTP/1.1 200"), answers.count(b"HTTP/1.1 503")
    rate = metrics.scrape().one("tcpshake_limits_reached_total", server="metrics", limit="answer_rate")
    assert rate == refused
    assert served + refused == 120 and answers.count(b"Retry-After: 1") == refused >= 20
    metrics.scrape()
    env.poll_until(lambda: b" 200 OK" in ask_for(60), what="an answer for one port")


def test_ports_in_turns_are_served(metrics):
    """Two scrapers with a port each, at the same moment: both get theirs, each time."""
    for number in (80, 443) * 10:
        metrics.scrape(f"/metrics?port={number}")


def test_loopback_by_default(daemon, port):
    d = daemon("--metrics", str(port), *QUIET, losses=True)
    with open(f"/proc/{d.pid}/net/tcp") as file:
        bound = [line.split()[1] for line in file if line.split()[3] == "0A"]
    assert f"0100007F:{port:04X}" in bound and f"00000000:{port:04X}" not in bound
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("::1", port), timeout=5)


def test_ipv6(daemon, keep, port):
    daemon("--metrics", f"[::1]:{port}", *QUIET, losses=True)
    assert keep(Metrics(port, "::1")).scrape().one("tcpshake_build_info") == 1


def test_port_in_use(daemon, port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        d = daemon("--metrics", f"127.0.0.1:{port}", check=False, wait=False)
        assert d.wait() == 1
        assert "in use" in d.error_line() and str(port) in d.error_line()


def test_address_of_another_host(daemon, port):
    d = daemon("--metrics", f"192.0.2.1:{port}", check=False, wait=False)
    assert d.wait() == 1
    assert "192.0.2.1" in d.error_line()


@pytest.mark.parametrize("address", ["", "0", "65536", "::1:9469", "a.b:1", "127.0.0.1"])
def test_bad_address(daemon, address):
    d = daemon("--metrics", address, check=False, wait=False)
    assert d.wait() == 2
    assert "--metrics" in d.error_line()


def test_metrics_alone(programs, keep, port):
    """Without an output and a socket it is a daemon for metrics."""
    from lib.feed import Program
    d = Program([env.TCPSHAKED, "-o", "none", "-s", "none", "--metrics", str(port)])
    programs.append(d)
    metrics = keep(Metrics(port))

    def answers():
        try:
            return metrics.scrape()
        except OSError:
            return None
    s = env.poll_until(answers, 10, "metrics")
    assert s.one("tcpshake_feeds") == 0
    d.process.send_signal(signal.SIGTERM)
    assert d.wait() == 0 and d.stderr_text == ""


def test_help():
    text = subprocess.run([env.TCPSHAKED, "--help"], text=True, capture_output=True).stdout
    assert "--metrics ADDR:PORT" in text
