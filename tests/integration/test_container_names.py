# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What people call a container: by the files of kubelets and runtimes, which the daemon reads with the little it may once it runs."""
import json
import os
import subprocess

import pytest

from lib import env, netns
from lib.scrape import Metrics, free_port
from lib.traffic import Agent, connect, listener, port_of

HEX = "7c" * 32
POD = "0f6b2f6e-1c2d-4e3f-8a9b-c0d1e2f3a4b5"
SLICE = f"tcpshake-names/kubepods-burstable-pod{POD.replace('-', '_')}.slice"
STORAGE = "lib/containers/storage/overlay-containers"
CRI = {"name": "web", "pod": "cart-7d9f6c5b8-x2x4z", "namespace": "shop"}
OTHER = "1e" * 32

# The cgroup, the record's container, and what is below /var: a string is a file's text, None a directory.
LAYOUTS = {
    "containerd": (f"{SLICE}/cri-containerd-{HEX}.scope", {"runtime": "containerd", "pod_uid": POD, **CRI}, {
        f"log/pods/shop_cart-7d9f6c5b8-x2x4z_{POD}/web": None,
        f"log/containers/cart-7d9f6c5b8-x2x4z_shop_web-{HEX}.log": "",
        f"log/containers/cart-7d9f6c5b8-x2x4z_shop_envoy-{OTHER}.log": "",
    }),
    "pod_only": (f"{SLICE}/cri-containerd-{HEX}.scope",
                 {"runtime": "containerd", "pod_uid": POD, "pod": CRI["pod"], "namespace": CRI["namespace"]},
                 {f"log/pods/shop_cart-7d9f6c5b8-x2x4z_{POD}/web": None}),
    "crio": (f"{SLICE}/crio-{HEX}.scope", {"runtime": "crio", "pod_uid": POD, **CRI}, {
        f"{STORAGE}/containers.json": json.dumps([
            {"id": OTHER, "names": [f"k8s_POD_cart-7d9f6c5b8-x2x4z_shop_{POD}_0"]},
            {"id": HEX, "names": [f"k8s_web_cart-7d9f6c5b8-x2x4z_shop_{POD}_3"], "metadata": "{\"metadata-name\":\"web\"}"}]),
    }),
    "docker": (f"tcpshake-names/docker-{HEX}.scope", {"runtime": "docker", "name": "shop_web-1"}, {
        f"lib/docker/containers/{HEX}/config.v2.json": json.dumps({"ID": HEX, "Config": {"Image": "web"}, "Name": "/shop_web-1"}),
    }),
    "podman": (f"tcpshake-names/libpod-{HEX}.scope", {"runtime": "podman", "name": "web"}, {
        f"{STORAGE}/containers.json": json.dumps([{"id": OTHER, "names": ["db"]}]),
        f"{STORAGE}/volatile-containers.json": json.dumps([{"id": HEX, "names": ["web"]}]),
    }),
    "nothing": (f"tcpshake-names/docker-{HEX}.scope", {"runtime": "docker"}, {}),
    "of_another": (f"tcpshake-names/docker-{HEX}.scope", {"runtime": "docker"}, {
        f"lib/docker/containers/{HEX}/config.v2.json": json.dumps({"ID": OTHER, "Name": "/web"}),
        f"log/containers/cart_shop_web-{OTHER}.log": "",
    }),
    "no_name": (f"tcpshake-names/docker-{HEX}.scope", {"runtime": "docker"}, {
        f"lib/docker/containers/{HEX}/config.v2.json": json.dumps({"ID": HEX, "Name": "/\x1b[2J\u202e"}),
    }),
}


class Var:
    """What the daemon sees as /var: readable by root alone, as it is on a host."""

    def __init__(self, path):
        self.path = path
        path.mkdir(mode=0o700)
        # Bind mounts of a mount namespace that is the daemon's own.
        self.prefix = ("unshare", "-m", "sh", "-c", 'mount --bind "$0" /var && exec "$@"', str(path))

    def put(self, tree):
        for name, text in tree.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                file.mkdir()
            else:
                file.write_text(text)
                file.chmod(0o600)


# Not what goes on elsewhere on this host.
HERE = ("--remote", netns.NETWORK[4])


@pytest.fixture
def var(tmp_path):
    return Var(tmp_path / "var")


def caller(pair, keep, directory, port):
    return keep(Agent(pair.client, cgroup=directory, comm="caller", connect={"addr": pair.server.addr[4], "port": port}))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, var, cgroups, pair, keep, daemon):
    """Of who connects and of who listens: the names as they are there, or none."""
    path, container, tree = LAYOUTS[layout]
    var.put(tree)
    directory = cgroups.make(path)[0]
    d = daemon(*HERE, "--listener-interval", "100ms", prefix=var.prefix)
    owner = keep(Agent(pair.server, cgroup=directory, comm="owner", listen={}))
    caller(pair, keep, directory, owner.port)
    wanted = {"id": HEX, **container}
    assert d.handshake(role="active", netns=pair.client.inode)["container"] == wanted
    assert d.handshake(role="passive", netns=pair.server.inode)["container"] == wanted
    d.feed.wait_for(lambda all: d.feed.records("listener", local={"port": owner.port}), 5, "the listener")
    assert d.feed.records("listener", local={"port": owner.port})[0]["container"] == wanted


def test_written_after_the_start(var, cgroups, pair, keep, daemon):
    """A container may connect before the kubelet has made its link; and it may be renamed, which shows within a minute."""
    path, container, tree = LAYOUTS["containerd"]
    directory = cgroups.make(path)[0]
    server = keep(listener(pair.server, 4))
    d = daemon(*HERE, prefix=var.prefix)

    def container_of_next():
        agent = Agent(pair.client, cgroup=directory, comm="caller", connect={"addr": pair.server.addr[4], "port": port_of(server)})
        found = d.handshake(netns=pair.client.inode, local={"port": agent.port})["container"]
        agent.close()
        return found
    assert container_of_next() == {"id": HEX, "runtime": "containerd", "pod_uid": POD}
    var.put(tree)
    env.poll_until(lambda: "name" in container_of_next(), 10, "the names", interval=0.1)
    assert container_of_next() == {"id": HEX, **container}


def test_hostile_files(var, cgroups, pair, keep, daemon):
    """What cannot be read to its end, or is too long: no name, and a daemon that goes on. `finish` sees that no call was refused."""
    path = LAYOUTS["podman"][0].replace("libpod-", "")  # any runtime's: each file is tried
    directory = cgroups.make(path)[0]
    for name in ("log/pods", "log/containers", f"lib/docker/containers/{HEX}", STORAGE):
        (var.path / name).mkdir(parents=True)
    os.mkfifo(var.path / f"lib/docker/containers/{HEX}/config.v2.json")
    (var.path / STORAGE / "containers.json").symlink_to("/dev/zero")
    large = var.path / STORAGE / "volatile-containers.json"
    large.write_text("[" * 1000)
    os.truncate(large, 1 << 34)
    for number in range(9000):
        (var.path / f"log/containers/{number}").touch()
    (var.path / f"log/containers/cart_shop_web-{HEX}.log").touch()
    server = keep(listener(pair.server, 4))
    d = daemon(*HERE, prefix=var.prefix)
    for _ in range(3):
        agent = caller(pair, keep, directory, port_of(server))
        record = d.handshake(netns=pair.client.inode, local={"port": agent.port})
        assert record["container"] == {"id": HEX}


def names_of(scrape):
    return {name for name, _, _ in scrape.samples}


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "not_asked"])
def test_labels(asked, var, cgroups, pair, keep, daemon):
    """--metrics-containers: each series of a listener has the same labels; without it, none."""
    path, container, tree = LAYOUTS["containerd"]
    var.put(tree)
    directory = cgroups.make(path)[0]
    port = free_port()
    d = daemon(*HERE, "--metrics", f"127.0.0.1:{port}", "--listener-interval", "100ms", *["--metrics-containers"][:asked],
               prefix=var.prefix)
    metrics = keep(Metrics(port))
    owner = keep(Agent(pair.server, cgroup=directory, comm="owner", listen={}))
    plain = keep(listener(pair.server, 4))
    keep(connect(pair.client, 4, pair.address(4, owner.port))[0])
    d.handshake(role="passive", netns=pair.server.inode)
    limit = "tcpshake_listener_accept_queue_limit"
    here = {"netns": pair.server.inode}
    s = metrics.until(lambda s: s.all(limit, **here, port=owner.port) and s.all(limit, **here, port=port_of(plain)), what="both")
    names = {"container": "web", "pod": CRI["pod"], "namespace": "shop"}
    assert len({name for name in names_of(s) if s.all(name, **here, port=owner.port, comm="owner")}) >= 7
    for name in names_of(s):
        for labels, _ in s.all(name, **here, port=owner.port, comm="owner"):
            assert {key: labels.get(key) for key in names} == (names if asked else dict.fromkeys(names)), name
        for labels, _ in s.all(name, **here, port=port_of(plain)):
            assert not set(labels) & set(names)


def test_labels_of_nothing():
    done = subprocess.run([env.TCPSHAKED, "--metrics-containers"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr == "tcpshaked: --metrics-containers is for the metrics: give --metrics, too\n"


def test_views(var, cgroups, pair, keep, daemon, cli, tmp_path):
    path, _, tree = LAYOUTS["containerd"]
    var.put(tree)
    directory = cgroups.make(path)[0]
    sock = tmp_path / "socket"
    d = daemon(*HERE, "--listener-interval", "100ms", sock=sock, prefix=var.prefix)
    owner = keep(Agent(pair.server, cgroup=directory, comm="owner", listen={}))
    caller(pair, keep, directory, owner.port)
    d.handshake(role="passive", netns=pair.server.inode)
    file = tmp_path / "feed"
    file.write_text("".join(json.dumps(record) + "\n" for record in d.feed.all))
    said = subprocess.run([env.TCPSHAKE, "tail", "--from", file], capture_output=True, text=True, check=True).stdout
    lines = [line for line in said.splitlines() if f":{owner.port}" in line]
    assert len(lines) >= 3 and all("container=shop/cart-7d9f6c5b8-x2x4z/web" in line for line in lines), said
    said = subprocess.run([env.TCPSHAKE, "listeners", "--once", "-s", sock], capture_output=True, text=True, check=True).stdout
    assert "CONTAINER" in said.splitlines()[0]
    assert any("shop/cart-7d9f6c5b8-x2x4z/web" in line for line in said.splitlines() if f":{owner.port}" in line), said
