# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A fleet on one machine: six hosts, a store with two shards of ClickHouse and a VictoriaMetrics, on one switch.

A host is a network namespace, and for its daemon a host name and a boot identity, too. The kernel is one, so CLOCK_MONOTONIC is, and a
daemon could look at its neighbours' sockets; those of the clients are refused the evidence that would show it.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import urllib.parse
import uuid

from . import clickhouse, env, fleet_load, netns
from .hosts import ELSEWHERE

CLIENTS, SERVERS = ("edge1", "edge2", "edge3"), ("shop1", "shop2", "shop3")
BAD = "shop2"  # where the incident is
NETWORK = "10.77.0."
SHARDS = (NETWORK + "101", NETWORK + "102")
STORE = NETWORK + "100"
METRICS, VICTORIA, AGENT = 9469, 8428, 8429
VICTORIA_INSTALLED = shutil.which("victoria-metrics") and shutil.which("vmagent")
PROMETHEUS = {"leaf1": 9091, "leaf2": 9092, "global": 9090}
JOB = """  - job_name: {host.name}
    params: {{port: ["{port}"]}}
    static_configs: [{{targets: ["{host.address}:{metrics}"], labels: {{instance: {host.name}}}}}]
    # The kernel is one: of what its daemon counts, only this host's namespace.
    metric_relabel_configs: [{{source_labels: [netns], regex: "|{host.ns.inode}", action: keep}}]
"""
FEDERATE = """  - job_name: federate
    metrics_path: /federate
    honor_labels: true
    params: {{"match[]": ['{{__name__=~"tcpshake_.*"}}']}}
    static_configs: [{{targets: [{targets}]}}]
"""


class Switch:
    """Namespaces on one bridge."""

    def __init__(self):
        self.ns = netns.Netns("switch")
        self.plugged = []
        try:
            self.ns.ip("link add sw type bridge forward_delay 0", "link set sw up")
        except BaseException:
            self.close()
            raise

    def plug(self, name, *addresses):
        ns = netns.Netns(name)
        self.plugged.append(ns)
        port = f"p{len(self.plugged)}"
        self.ns.ip(f"link add {port} type veth peer name eth0 netns {ns.path}", f"link set {port} master sw up")
        ns.sysctl("net.ipv4.neigh.eth0.retrans_time_ms", 50)
        ns.ip(*(f"address add {address}/24 dev eth0" for address in addresses), "link set eth0 up")
        ns.addr = {4: addresses[0]}
        return ns

    def close(self):
        for ns in self.plugged:
            ns.close()
        self.ns.close()


class Host:
    """One of the six. Its daemon may be killed, and started again in the same boot."""

    def __init__(self, switch, directory, name, address):
        self.name, self.address, self.ns = name, address, switch.plug(name, address)
        self.dir = directory / name
        self.dir.mkdir(parents=True)
        self.feed, self.log = self.dir / "feed.ndjson", self.dir / "log"
        self.boot_id = str(uuid.uuid4())
        (self.dir / "boot_id").write_text(self.boot_id + "\n")
        self.children = []
        self.daemon = None

    def start_daemon(self, *flags):
        script = f'mount --bind {self.dir}/boot_id /proc/sys/kernel/random/boot_id && hostname {self.name} && exec "$0" "$@"'
        argv = [*env.NO_ORPHAN, "unshare", "--uts", "--mount", "sh", "-c", script, env.TCPSHAKED, "--with-host", "--netns", str(self.ns.inode),
                "-o", str(self.feed), "-s", "none", "-m", f"{self.address}:{METRICS}", *flags]
        size = self.feed.stat().st_size if self.feed.exists() else 0
        more = {"TCPSHAKE_REFUSE": ",".join(ELSEWHERE)} if self.name in CLIENTS else {}
        with open(self.log, "ab") as log:
            self.daemon = self.ns.popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **more})
        return size

    def wait_daemon(self, size):
        env.poll_until(lambda: self.daemon.poll() is not None or self.feed.exists() and self.feed.stat().st_size > size, 30,
                       f"tcpshaked on {self.name}")
        assert self.daemon.poll() is None, self.log.read_text()

    def stop_daemon(self, number=signal.SIGTERM):
        self.daemon.send_signal(number)
        code = self.daemon.wait(30 * env.SLOW)
        assert number == signal.SIGKILL or code == 0, self.log.read_text()

    def spawn(self, *argv):
        child = self.ns.popen([*env.NO_ORPHAN, env.PYTHON, fleet_load.__file__, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.children.append(child)
        assert child.stdout.readline() == b"ready\n"

    def close_children(self):
        for child in self.children:
            child.kill()
            child.wait()
            child.stdout.close()
        self.children = []

    def close(self):
        self.close_children()
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        self.ns.close()


class Fleet:
    def __init__(self, directory, metrics=True):
        directory = pathlib.Path(directory)
        self.dir, self.programs, self.hosts, self.cluster = directory, [], {}, None
        self.sign = directory / "incident"
        self.switch = Switch()
        try:
            self.store = self.switch.plug("store", STORE)
            self.places = [(self.switch.plug(f"ch{number}", address), address) for number, address in enumerate(SHARDS, 1)]
            for number, name in enumerate(CLIENTS + SERVERS, 1):
                self.hosts[name] = Host(self.switch, directory, name, f"{NETWORK}{number}")
            begun = [(host, host.start_daemon()) for host in self.hosts.values()]
            self.cluster = clickhouse.Cluster(self.store, directory / "clickhouse", self.places)
            if metrics:
                self.start_metrics()
            for host, size in begun:
                host.wait_daemon(size)
        except BaseException:
            self.close()
            raise

    def scrape(self, name, jobs):
        config = self.dir / f"{name}.yml"
        config.write_text("global: {scrape_interval: 1s}\nscrape_configs:\n" + "".join(jobs))
        return config

    def start_metrics(self):
        """One vmagent that writes to VictoriaMetrics; and two Prometheus, of three hosts each, with one that asks both."""
        jobs = [JOB.format(host=host, metrics=METRICS, port=fleet_load.CATALOG) for host in self.hosts.values()]
        self.run("victoria-metrics", f"-storageDataPath={self.dir}/victoria", f"-httpListenAddr={STORE}:{VICTORIA}", "-retentionPeriod=1",
                 "-memory.allowedBytes=200MB", "-search.latencyOffset=0s")
        self.run("vmagent", f"-promscrape.config={self.scrape('vmagent', jobs)}", f"-remoteWrite.url=http://{STORE}:{VICTORIA}/api/v1/write",
                 f"-remoteWrite.tmpDataPath={self.dir}/agent", f"-httpListenAddr={STORE}:{AGENT}", "-remoteWrite.flushInterval=500ms")
        leaves = ", ".join(f'"{STORE}:{PROMETHEUS[name]}"' for name in ("leaf1", "leaf2"))
        for name, part in (("leaf1", jobs[::2]), ("leaf2", jobs[1::2]), ("global", [FEDERATE.format(targets=leaves)])):
            self.run("prometheus", f"--config.file={self.scrape(name, part)}", f"--storage.tsdb.path={self.dir}/{name}",
                     f"--web.listen-address={STORE}:{PROMETHEUS[name]}")

    def run(self, *argv):
        with open(self.dir / f"{argv[0]}.log", "ab") as log:
            self.programs.append(self.store.popen([*env.NO_ORPHAN, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        return self.programs[-1]

    def open_shops(self):
        for name in SERVERS:
            bad = self.sign if name == BAD else "/nonexistent"
            self.hosts[name].spawn("serve", "catalog", fleet_load.CATALOG, 128, "/nonexistent")
            self.hosts[name].spawn("serve", "checkout", fleet_load.CHECKOUT, 8, bad)
        for name in CLIENTS:
            self.hosts[name].spawn("shop", *(self.hosts[server].address for server in SERVERS))

    def close_shops(self):
        for host in self.hosts.values():
            host.close_children()

    def incident(self):
        """From now on, the checkout of one host accepts one connection a second."""
        self.sign.touch()

    def ship(self, check=True):
        """What the hosts have written since the last time."""
        for host in self.hosts.values():
            self.cluster.ship(host.dir / "shipped", host.feed, check=check)

    def query(self, port, expression):
        """PromQL, asked of who listens at this port of the store: (labels, value)."""
        done = self.store.run("curl", "-s", f"http://{STORE}:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression}), check=False)
        try:
            return [(series["metric"], float(series["value"][1])) for series in json.loads(done.stdout)["data"]["result"]]
        except (ValueError, KeyError):
            return []

    def lines(self, **values):
        """All records of the fleet, each once, as a view reads them: by contrib/clickhouse/ask."""
        return self.store.run(str(clickhouse.HERE / "ask"), "lines", *(f"{key}={value}" for key, value in values.items()), "--", "--host",
                              SHARDS[0]).stdout

    def close(self):
        for program in self.programs:
            program.kill()
            program.wait()
        if self.cluster:
            self.cluster.close()
        for host in self.hosts.values():
            host.close()
        self.switch.close()
