# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fixtures: a namespace pair or a delayed link of its own for each test, the daemon, servers."""
import os
import pathlib
import sys

import pytest
from _pytest.runner import runtestprotocol

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lib import cgroup, env, evidence, families, feed, lanes, netns  # noqa: E402
from lib.audited import Audited  # noqa: E402
from lib.blind import Blind  # noqa: E402
from lib.cli import Cli  # noqa: E402
from lib.traffic import Agent  # noqa: E402

PROGRAMS = pytest.StashKey()
BLIND = pytest.StashKey()  # what BPF programs cannot have seen
AGAIN = "again"  # a property of the reports of a test that failed because of it
AGAINS = pytest.StashKey()


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitize: also run against the binaries of SAN=1")
    config.stash[AGAINS] = []
    config.pluginmanager.register(Agains(config.stash[AGAINS]))
    if config.getoption("dist", "no") == "no" or hasattr(config, "workerinput"):  # tests run in this process
        config.stash[BLIND] = Blind()


def pytest_unconfigure(config):
    if BLIND in config.stash:
        config.stash[BLIND].close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling  # pytest-xdist is not everywhere

    class Lanes(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return lanes.scope(nodeid)
    return Lanes(config, log)


def pytest_runtest_protocol(item, nextitem):
    """A test that failed while the kernel kept events from BPF programs has shown nothing: once more."""
    blind = item.config.stash[BLIND]
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    with lanes.turn(item):
        before = blind.count()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        kept = blind.count() - before
        if kept and any(report.failed for report in reports):
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            reports[0].user_properties = [(AGAIN, f"{item.nodeid}: {kept} events")]
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.stash[PROGRAMS] = []  # with their feeds, which may be 100,000 records
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


class Agains:
    """Who runs the tests may be another process than who says how they ended: what a report says gets to both."""

    def __init__(self, lines):
        self.lines = lines

    def pytest_runtest_logreport(self, report):
        self.lines += [line for name, line in report.user_properties if name == AGAIN]


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash[AGAINS]:
        terminalreporter.write_line(f"AGAIN {line} were kept from BPF programs (lib/blind.py)")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the programs of the test said."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for program in item.stash.get(PROGRAMS, []):
        title = f"{os.path.basename(program.argv[0])} {' '.join(program.argv[1:])}"
        state = program.process.poll()
        report.sections.append((f"stderr of {title} (exit {state})", program.stderr_text))
        records = getattr(program, "feed", None)
        if records is not None:
            tail = "\n".join(map(str, records.all[-12:]))
            report.sections.append((f"last records of {title}", tail))


@pytest.hookimpl(trylast=True)  # behind -k
def pytest_collection_modifyitems(config, items):
    if env.FAMILIES == "turns":
        one = families.in_turns(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in one])
        items[:] = one
    items.sort(key=lanes.order)
    if os.geteuid() != 0:
        for item in items:
            if "test_schemas" not in item.nodeid:
                item.add_marker(pytest.mark.skip(reason="needs root: namespaces and BPF"))
    for item in items:
        why = evidence.missing(item.path.name, item.originalname)
        if why:
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture
def blind(pytestconfig):
    return pytestconfig.stash[BLIND]


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def ip(request):
    return request.param


@pytest.fixture
def keep():
    """keep(x) closes x (a socket, an agent, a subscriber…) when the test is over."""
    kept = []

    def add(thing):
        kept.append(thing)
        return thing
    yield add
    for thing in reversed(kept):
        thing.close()


class Pair:
    def __init__(self, client, server):
        self.client, self.server = client, server

    def address(self, ip, port):
        """The server's."""
        return (self.server.addr[ip], port)


@pytest.fixture
def pair(keep):
    client, server = netns.plain_pair()
    keep(client)
    keep(server)
    return Pair(client, server)


@pytest.fixture
def delayed(keep):
    """delayed(ms) makes a link that takes `ms` in each direction."""
    def make(delay_ms):
        link = keep(netns.DelayedLink(delay_ms))
        made = Pair(link.client, link.server)
        made.delay_ms, made.rtt_ns = delay_ms, 2 * delay_ms * env.MS
        return made
    return make


@pytest.fixture
def lone(keep):
    """One namespace with a loopback interface only."""
    return keep(netns.Netns("lone"))


@pytest.fixture
def programs(request):
    """Programs under test: shown if the test fails, killed if they still run."""
    started = request.node.stash.setdefault(PROGRAMS, [])
    yield started
    for program in started:
        program.kill()


@pytest.fixture
def daemon(programs):
    """daemon(flags…) starts tcpshaked and waits until it is ready.

    At the end of the test it is stopped, must exit 0, and every record it wrote is checked. With
    losses=True the feed may hold losses; with check=False the test looks itself.
    """
    started = []

    def start(*flags, losses=False, check=True, wait=True, **kwargs):
        program = feed.Daemon(*flags, **kwargs)
        programs.append(program)
        if check:
            started.append((program, losses))
        return program.ready() if wait else program
    yield start
    for program, losses in started:
        program.finish(losses=losses)


@pytest.fixture
def audited(request, daemon, keep):
    """A daemon that knows some namespaces, because somebody lives and listens there."""
    def start(*namespaces, flags=("--listener-interval", "300ms"), losses=False):
        if "ip" in request.fixturenames:  # not what goes on elsewhere
            flags = (*flags, "--remote", netns.NETWORK[request.getfixturevalue("ip")])
        for ns in namespaces:
            keep(Agent(ns, comm="resident", listen={"port": 7}))
        d = daemon(*flags, losses=losses)
        d.feed.wait_for(lambda all: {r["netns"] for r in all if r["type"] == "listener"} >=
                        {ns.inode for ns in namespaces}, what="the residents")
        return Audited(d, *namespaces)
    return start


@pytest.fixture
def cli(programs):
    def start(*argv, **kwargs):
        program = Cli(*argv, **kwargs)
        programs.append(program)
        return program
    return start


@pytest.fixture
def cgroups():
    tree = cgroup.Tree()
    yield tree
    tree.close()
