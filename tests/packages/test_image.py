# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The image as a container with the rights of contrib/kubernetes, and without each of them."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import urllib.request

import oci
import pytest
from lib import cgroup, env, feed, netns
from lib.traffic import Agent, connect, listener, port_of

KEPT = (1 << 2) | (1 << 19)  # CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE


@pytest.fixture
def pair():
    made = netns.plain_pair()
    yield made
    for ns in made:
        ns.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Container:
    """One that runs until the end of the test, and its records."""

    def __init__(self, bundle):
        self.node = bundle.node
        self.name = f"tcpshake-{os.getpid()}-{bundle.path.parent.name}"
        self.process = subprocess.Popen(bundle.command(self.name), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.feed = feed.Feed(self.process.stdout)

    def hello(self):
        env.poll_until(lambda: self.feed.all or self.process.poll() is not None, 60, "hello")
        assert self.feed.all, self.process.stderr.read()
        return self.feed.all[0]

    def pid(self):
        return oci.pid_of(self.name)

    def run(self, *argv):
        return subprocess.run([oci.RUNTIME, "exec", self.name, *argv], capture_output=True, text=True, timeout=60)

    def close(self):
        if self.process.poll() is None:
            os.kill(self.pid(), signal.SIGTERM)
        self.process.wait(60)


@pytest.fixture
def start(image, tmp_path):
    started = []

    def start(*args, change=None):
        bundle = oci.Bundle(image, tmp_path, list(args))
        if change:
            bundle.change(change)
        started.append(Container(bundle))
        return started[-1]
    yield start
    for container in started:
        container.close()


def handshake(container, pair):
    """One between two namespaces that the container never heard of."""
    near, far = pair
    server = listener(far, 4)
    sock, error = connect(near, 4, (far.addr[4], port_of(server)))
    assert error == 0
    wanted = {"type": "handshake", "role": "active", "remote": {"port": port_of(server)}}
    found = env.poll_until(lambda: [r for r in list(container.feed.all) if feed.matches(r, wanted)], 30, "the handshake")
    sock.close()
    server.close()
    return found[0]


def test_as_the_daemonset(start, pair):
    port = free_port()
    container = start("--with-host", "--metrics", f"127.0.0.1:{port}")
    hello = container.hello()
    with contextlib.closing(Agent(pair[1], listen={"port": 7})):  # counters are read through a process that stays
        record = handshake(container, pair)
        env.poll_until(lambda: any(r["type"] == "audit" and r["netns"] == pair[1].inode for r in list(container.feed.all)),
                       30, "the audit of a namespace")
    assert record["host"] == hello["host"] == os.uname().nodename
    assert record["process"]["comm"] == pathlib.Path("/proc/self/comm").read_text().strip()
    assert record["cgroup"]["path"] is not None
    pid = container.pid()
    held = {which: oci.capabilities(pid, which) for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    print({which: f"{value:016x}" for which, value in held.items()})
    assert held["CapPrm"] == held["CapEff"] == KEPT and held["CapInh"] == held["CapAmb"] == 0
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    assert "NoNewPrivs:\t1" in text and "Seccomp:\t2" in text
    scraped = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read()
    assert b"tcpshake_handshakes_total" in scraped
    answers = ("/usr/bin/tcpshake", "stats", "--json")
    env.poll_until(lambda: container.run(*answers).returncode == 0, 60, "an answer at the socket", 1)
    assert json.loads(container.run(*answers).stdout.splitlines()[0])["type"]


def test_names_of_pods(start, pair):
    """From the node's directories, which the manifest mounts."""
    uid, number = "0f6b2f6e-1c2d-4e3f-8a9b-c0d1e2f3a4b5", "3d" * 32
    groups = cgroup.Tree()
    try:
        directory, _, path = groups.make(f"tcpshake-image/pod{uid}/{number}")
        container = start("--with-host")
        container.hello()
        (container.node / f"var/log/pods/shop_cart-0_{uid}").mkdir()
        (container.node / f"var/log/containers/cart-0_shop_web-{number}.log").symlink_to("/nowhere")
        server = listener(pair[1], 4)
        agent = Agent(pair[0], cgroup=directory, connect={"addr": pair[1].addr[4], "port": port_of(server)})
        wanted = {"type": "handshake", "role": "active", "cgroup": {"path": path}}
        found = env.poll_until(lambda: [r for r in list(container.feed.all) if feed.matches(r, wanted)], 30, "the handshake")
        agent.close()
        server.close()
        assert found[0]["container"] == {"id": number, "pod_uid": uid, "name": "web", "pod": "cart-0", "namespace": "shop"}
    finally:
        groups.close()


def without(name):
    def change(config):
        for kind in config["process"]["capabilities"].values():
            kind.remove(name)
    return change


def test_without_dac_read_search(start, pair):
    """The page says: paths of cgroups are null."""
    container = start("--with-host", change=without("CAP_DAC_READ_SEARCH"))
    container.hello()
    assert handshake(container, pair)["cgroup"]["path"] is None


@pytest.mark.parametrize("name", ["CAP_BPF", "CAP_PERFMON"])
def test_without_what_loads(start, name):
    container = start(change=without(name))
    assert container.process.wait(60) == 1
    said = container.process.stderr.read().decode()
    assert "not allowed to load BPF programs" in said and name in said


def test_root_cannot_be_written(start):
    """And without the volume there is no socket."""
    def change(config):
        config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/run/tcpshake"]
    container = start(change=change)
    assert container.process.wait(60) == 1
    assert "cannot serve /run/tcpshake/" in container.process.stderr.read().decode()


def test_same_bytes_twice(deb, image, tmp_path):
    first = next((env.BUILD / "image").glob("*.oci.tar"))
    subprocess.run([env.ROOT / "tools/image", deb, tmp_path / "again"], check=True, capture_output=True)
    again = next((tmp_path / "again").glob("*.oci.tar"))
    assert again.read_bytes() == first.read_bytes()


def test_packages_that_are_no_image(deb, tmp_path):
    done = subprocess.run([env.ROOT / "tools/image", deb, deb, tmp_path / "image"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == f"image: {deb} is not the only one for amd64\n"
    assert not (tmp_path / "image").exists()
