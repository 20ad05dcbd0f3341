# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The image as a container: with what the DaemonSet grants, and no more. runc runs it."""
import json
import pathlib
import re
import subprocess

import yaml
from lib import env

RUNTIME = "/usr/sbin/runc"
MANIFEST = env.ROOT / "contrib/kubernetes/tcpshake.yaml"


def _pod():
    documents = yaml.safe_load_all(MANIFEST.read_text())
    return next(d for d in documents if d["kind"] == "DaemonSet")["spec"]["template"]["spec"]


def _cgroup2():
    """Where this host has it; on a node of Kubernetes it is /sys/fs/cgroup."""
    found = subprocess.run(["findmnt", "-n", "-t", "cgroup2", "-o", "TARGET"], capture_output=True, text=True).stdout
    return found.split()[0] if found else "/sys/fs/cgroup"


def _volume(volume, mount, node):
    """`node` stands for what only a node of Kubernetes has: the kubelet's directories."""
    options = ["nosuid", "nodev", "noexec", "ro" if mount.get("readOnly") else "rw"]
    if "hostPath" not in volume:
        return {"destination": mount["mountPath"], "type": "tmpfs", "source": "tmpfs", "options": [*options, "mode=0755"]}
    source = volume["hostPath"]["path"]
    if source == "/sys/fs/cgroup":
        source = _cgroup2()
    elif source.startswith("/var/log/"):
        source = str(node / source.strip("/"))
        pathlib.Path(source).mkdir(parents=True, exist_ok=True)
    return {"destination": mount["mountPath"], "type": "none", "source": source, "options": ["bind", *options]}


def specification(config, args, node):
    """The runtime's config.json: umoci's, for the image, with the pod's rights in place of its own."""
    pod = _pod()
    container = pod["containers"][0]
    security = container["securityContext"]
    assert security["capabilities"]["drop"] == ["ALL"]
    caps = [f"CAP_{name}" for name in security["capabilities"]["add"]]
    process = config["process"]
    process["args"] += args
    process["terminal"] = False
    process["noNewPrivileges"] = not security["allowPrivilegeEscalation"]
    process["capabilities"] = {kind: caps for kind in ("bounding", "effective", "permitted")}
    process["user"] = {"uid": security["runAsUser"], "gid": security["runAsGroup"]}
    config["root"]["readonly"] = security["readOnlyRootFilesystem"]
    shared = {"hostPID": {"pid"}, "hostNetwork": {"network", "uts"}}  # a runtime's pod with the node's network has its name
    ours = set().union(*(kinds for key, kinds in shared.items() if pod.get(key)))
    if "uts" in ours:
        config.pop("hostname", None)
    linux = config["linux"]
    linux["namespaces"] = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount") if kind not in ours]
    linux.pop("resources", None)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = [m for m in config["mounts"] if not m["destination"].startswith("/etc/")]
    for mount in mounts:
        if mount["destination"] == "/sys":  # a sysfs of its own needs a network of its own
            mount.update(type="none", source="/sys", options=["bind", "nosuid", "noexec", "nodev", "ro"])
    at = {mount["mountPath"] for mount in container["volumeMounts"]}
    config["mounts"] = [m for m in mounts if m["destination"] not in at] + \
        [_volume(volumes[mount["name"]], mount, node) for mount in container["volumeMounts"]]
    return config


class Bundle:
    """The image unpacked, and the command that runs it as the DaemonSet would."""

    def __init__(self, image, directory, args):
        self.path = directory / "bundle"
        self.node = directory / "node"
        subprocess.run(["umoci", "unpack", "--image", image, self.path], check=True, capture_output=True)
        file = self.path / "config.json"
        file.write_text(json.dumps(specification(json.loads(file.read_text()), args, self.node)))

    def change(self, function):
        file = self.path / "config.json"
        config = json.loads(file.read_text())
        function(config)
        file.write_text(json.dumps(config))

    def command(self, name):
        return [RUNTIME, "run", "--bundle", str(self.path), name]


def pid_of(name):
    """The host's number of the container's first process."""
    state = subprocess.run([RUNTIME, "state", name], check=True, capture_output=True, text=True).stdout
    return json.loads(state)["pid"]


def capabilities(pid, which):
    text = open(f"/proc/{pid}/status", encoding="ascii").read()
    return int(re.search(rf"^{which}:\t(\S+)", text, re.M)[1], 16)
