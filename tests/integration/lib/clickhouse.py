# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Debian's clickhouse-server as shards of one cluster, each on its own address of a namespace, with contrib/clickhouse."""
import json
import pathlib
import shutil
import signal
import subprocess

from . import env
from .contrib import CONTRIB, adapted

HERE = CONTRIB / "clickhouse"
INSTALLED = shutil.which("clickhouse-server") and shutil.which("clickhouse-client")
WHY_NOT = "clickhouse is not installed: tools/install-deps fleet"
CONFIG = """<yandex>
    <logger><level>information</level><log>{dir}/log</log><errorlog>{dir}/errors</errorlog></logger>
    <listen_host>{address}</listen_host>
    <http_port>8123</http_port><tcp_port>9000</tcp_port><interserver_http_port>9009</interserver_http_port>
    <interserver_http_host>{address}</interserver_http_host>
    <path>{dir}/data/</path><tmp_path>{dir}/tmp/</tmp_path><user_files_path>{dir}/files/</user_files_path>
    <users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
    <mark_cache_size>268435456</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size><timezone>{timezone}</timezone>
</yandex>
"""
USERS = """<yandex>
    <profiles><default><max_memory_usage>3000000000</max_memory_usage></default></profiles>
    <quotas><default><interval><duration>3600</duration><queries>0</queries><errors>0</errors><result_rows>0</result_rows>
        <read_rows>0</read_rows><execution_time>0</execution_time></interval></default></quotas>
    <users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default></users>
</yandex>
"""
QUERIES = sorted(path.stem for path in (HERE / "queries").glob("*.sql"))
INSERT = ("--format_csv_delimiter", "\x01", "--insert_distributed_sync", "1")  # a line is one field, as it is
ROWS = ("--format", "JSONEachRow", "--output_format_json_quote_64bit_integers", "0")


class Server:
    """One shard. It may be killed and started again; its rows stay."""

    def __init__(self, ns, directory, address, shards, timezone="UTC"):
        self.ns, self.dir, self.address = ns, pathlib.Path(directory), address
        (self.dir / "config.d").mkdir(parents=True)
        (self.dir / "config.xml").write_text(CONFIG.format(dir=self.dir, address=address, timezone=timezone))
        (self.dir / "users.xml").write_text(USERS)
        (self.dir / "config.d" / "tcpshake.xml").write_text(adapted("clickhouse/config.d/tcpshake.xml", {
            f"ch{number}.example.net": shard for number, shard in enumerate(shards, 1)}))
        self.process = None

    def begin(self):
        self.process = self.ns.popen([*env.NO_ORPHAN, "clickhouse-server", f"--config-file={self.dir}/config.xml"], cwd=self.dir,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ready(self):
        env.poll_until(self.answers, 30, f"clickhouse-server on {self.address}", 0.1)
        return self

    def answers(self):
        assert self.process.poll() is None, f"clickhouse-server ended: {self.errors()}"
        return self.client("SELECT 1", check=False).returncode == 0

    def start(self):
        self.begin()
        return self.ready()

    def errors(self):
        path = self.dir / "errors"
        return path.read_text()[-3000:] if path.exists() else ""

    def client(self, *queries, stdin=None, check=True, flags=()):
        """clickhouse-client; its standard input may be a file."""
        argv = ["clickhouse-client", "--host", self.address, *flags, *("--multiquery" for _ in queries[1:]), "--query", ";\n".join(queries)]
        with self.ns.inside():
            done = subprocess.run(argv, stdin=stdin if hasattr(stdin, "fileno") else None, input=None if hasattr(stdin, "fileno")
                                  else stdin or b"", capture_output=True, timeout=120 * env.SLOW)
        assert not check or done.returncode == 0, f"{queries}: {done.stderr.decode()}"
        return done

    def ask(self, query):
        """The rows, each a dict; integers of 64 bits as such."""
        done = self.client(query, flags=ROWS)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def one(self, query):
        (row,) = self.ask(query)
        (value,) = row.values()
        return value

    def kill(self):
        """As a crash would; the kernel keeps what was written."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()


class Cluster:
    """Shards, with the tables of contrib/clickhouse; each at an address of its own namespace, or of loopback.

    Not two at addresses of one interface: a server takes these for itself.
    """

    def __init__(self, ns, directory, places=None, timezone="UTC"):
        self.ns = ns
        places = places or [(ns, "127.0.0.1"), (ns, "127.0.0.2")]
        addresses = [address for _, address in places]
        self.shards = [Server(where, directory / f"shard{number}", address, addresses, timezone)
                       for number, (where, address) in enumerate(places, 1)]
        self.first = self.shards[0]
        try:
            for shard in self.shards:
                shard.begin()
            for shard in self.shards:
                shard.ready()
            for name in ("schema.sql", "fleet.sql"):
                for shard in self.shards:
                    shard.client((HERE / name).read_text(), flags=("--multiquery",))
        except BaseException:
            self.close()
            raise

    def insert(self, path):
        """A file, as docs/fleet.md says."""
        with open(path, "rb") as file:
            self.first.client("INSERT INTO tcpshake.incoming (raw) FORMAT CSV", stdin=file, flags=INSERT)

    def ship(self, state, *files, check=True):
        """By contrib/clickhouse/ship."""
        return self.ns.run(str(HERE / "ship"), str(state), *map(str, files), "--", "--host", self.first.address, check=check)

    def ask(self, name, **values):
        """One of queries/, by contrib/clickhouse/ask; its rows."""
        argv = [str(HERE / "ask"), name, *(f"{key}={value}" for key, value in values.items()), "--", "--host", self.first.address, *ROWS]
        return [json.loads(line) for line in self.ns.run(*argv).stdout.splitlines()]

    def close(self):
        for shard in self.shards:
            shard.close()
