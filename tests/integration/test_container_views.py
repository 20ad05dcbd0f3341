# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What views say of the containers that records name: in words, with the newest names, and nothing where no record names one."""
import pytest

from lib.explained import cause, example, explained, hello, text_of, write
from lib.page import Page, rows

pytestmark = pytest.mark.sanitize

CART, ORDER = "0a1b" * 16, "cd23" * 16
NAMES = {"name": "web", "pod": "cart-7d9f6c5b8-x2x4z", "namespace": "shop"}
SERVER = {"pid": 900, "comm": "nginx", "uid": 33}
AT = {"addr": "10.9.0.2", "port": 8080}
EVIL = {"name": "<blink>\x1b[31m", "pod": "\u202ecart\n", "namespace": "\"><marquee>"}


def contained(identity, **names):
    return {"cgroup": {"id": 7, "path": f"/kubepods.slice/cri-containerd-{identity}.scope"}, "container": {"id": identity, **names}}


def refused(number, **changes):
    """A client's, of a port that is closed."""
    return example("handshake-timeout", conn=f"{number:016x}", outcome="refused", errno=111, errno_name="ECONNREFUSED",
                   process={"pid": 77, "comm": "checkout", "uid": 1000}, remote={"addr": "10.9.0.9", "port": 443},
                   cause=cause("port_closed"), **changes)


def listening(**changes):
    return example("listener-sample", local=AT, netns=4026531840, process=SERVER, processes=[SERVER], **changes)


def full(**changes):
    return example("overflow-ack", listener=AT, netns=4026531840, process=SERVER, **changes)


@pytest.fixture
def said(cli, tmp_path):
    """What each view says of these records."""
    def run(*records):
        path = write(tmp_path / "recording", [hello(), *records])
        page = tmp_path / "page.html"
        page.unlink(missing_ok=True)
        cli("report", "--from", str(path), "-o", str(page)).end()
        views = {view: cli(view, *flags, "--from", str(path)).end() for view, flags in (
            ("top", ["--once"]), ("listeners", ["--once"]), ("tail", ["--events", "handshake,listener"]))}
        return {**views, "explain": " ".join(text_of(cli, path).split()), "report": Page(page.read_text(encoding="utf-8"))}
    return run


@pytest.fixture
def containers(cli, tmp_path):
    """Of the causes of the same records, as JSON."""
    return lambda: [found.get("container") for found in explained(cli, tmp_path / "recording")[0]]


def row_of(text, word):
    return next(line for line in text.splitlines() if word in line)


def test_nothing_where_nobody_names_one(said, containers):
    views = said(refused(1), listening(), full())
    assert not any("container" in view.lower() for view in (views["top"], views["listeners"], views["explain"]))
    assert containers() == [None, None]
    assert [row[0].text for row in rows(views["report"].id("processes"))] == ["checkout"]


def test_client(said, containers):
    """Its pod, also where a name was found later than the first record; another pod's process of that name is another row of a report."""
    views = said(refused(1, **contained(CART)), refused(2, **contained(CART, **NAMES)), refused(3, **contained(CART)))
    assert "checkout/77 shop/cart-7d9f6c5b8-x2x4z/web " in views["top"] and "web+" not in views["top"]
    assert "10.9.0.9:443, checkout/77 in container web of pod shop/cart-7d9f6c5b8-x2x4z " in views["explain"]
    assert containers() == [{"id": CART, **NAMES}]
    assert [row[0].text for row in rows(views["report"].id("processes"))] == ["checkout in shop/cart-7d9f6c5b8-x2x4z/web"]

    views = said(refused(1, **contained(CART, **NAMES)), refused(2, **contained(ORDER, name="order")))
    assert "checkout/77 order+ " in views["top"]
    assert "checkout/77 in container order " in views["explain"]
    assert {row[0].text for row in rows(views["report"].id("processes"))} == {"checkout in shop/cart-7d9f6c5b8-x2x4z/web", "checkout in order"}


def test_listener(said, containers):
    """An overflow's record names no container: that of the same process, by the listener's own record, stays."""
    views = said(full(), listening(**contained(CART, **NAMES)), full())
    assert row_of(views["top"], "10.9.0.2:8080").endswith(" shop/cart-7d9f6c5b8-x2x4z/web")
    assert " shop/cart-7d9f6c5b8-x2x4z/web " in row_of(views["listeners"], "10.9.0.2:8080")
    assert "10.9.0.2:8080, nginx/900 in container web of pod shop/cart-7d9f6c5b8-x2x4z " in views["explain"]
    assert containers() == [{"id": CART, **NAMES}]
    assert [row[0].text for row in rows(views["report"].id("listeners"))] == ["10.9.0.2:8080 nginx/900 in shop/cart-7d9f6c5b8-x2x4z/web"]
    # Another process took the port, maybe with the same pid, and no record says where it runs.
    for pid, comm in ((901, "nginx"), (900, "haproxy")):
        views = said(listening(**contained(CART, **NAMES)), {**full(), "process": {"pid": pid, "comm": comm, "uid": 33}})
        assert f"{comm}/{pid}" in views["explain"] and "container" not in views["explain"]
        assert [row[0].text for row in rows(views["report"].id("listeners"))] == [f"10.9.0.2:8080 {comm}/{pid}"]


def test_without_a_name(said):
    views = said(refused(1, **contained(CART)))
    assert "checkout/77 0a1b0a1b0a1b " in views["top"]
    assert "checkout/77 in container 0a1b0a1b0a1b " in views["explain"]


def test_hostile_names(said):
    """A feed may say anything: nothing of it moves a cursor, or is markup."""
    views = said(refused(1, **contained(CART, **EVIL)), listening(**contained(CART, **EVIL)))
    for text in (views["top"], views["listeners"], views["explain"], views["tail"]):
        assert not set(text) & {"\x1b", "\u202e"} and "<blink>?[31m" in text
    assert not views["report"].tags & {"blink", "marquee"}
    assert "<marquee>" in rows(views["report"].id("processes"))[0][0].text
    long = {"name": "n" * 5000, "pod": "p" * 5000, "namespace": "s" * 5000}
    assert "/77 in container nnn" in said(refused(1, **contained(CART, **long)))["explain"]
