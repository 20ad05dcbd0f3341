# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the packages say agrees with the sources. `make packages` builds and runs them."""
import re
import subprocess

import yaml
from lib import env, unit

RULES = (env.ROOT / "debian/rules").read_text()
CONTROL = (env.ROOT / "debian/control").read_text()
MANIFEST = env.ROOT / "contrib/kubernetes/tcpshake.yaml"


def read(path):
    return (env.ROOT / path).read_text()


def version():
    return re.search(r"^VERSION := (\S+)$", read("Makefile"), re.M)[1]


def manifest():
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def daemonset():
    return next(document for document in manifest() if document["kind"] == "DaemonSet")


def container():
    containers = daemonset()["spec"]["template"]["spec"]["containers"]
    assert len(containers) == 1
    return containers[0]


def test_one_version():
    wanted = version()
    assert re.match(r"tcpshake \((\S+)\)", read("debian/changelog"))[1] == wanted
    assert re.search(r"^## (\S+)", read("CHANGELOG.md"), re.M)[1] == wanted
    assert container()["image"].rpartition(":")[2] == wanted
    for page in (env.ROOT / "man").iterdir():
        assert f'"tcpshake {wanted}"' in re.search(r"^\.TH .*", page.read_text(), re.M)[0], page.name


def test_unreleased_means_unreleased():
    """A release is one in both: the date, and the distribution."""
    noted = "(unreleased)" in re.search(r"^## .*", read("CHANGELOG.md"), re.M)[0]
    assert ("UNRELEASED" in read("debian/changelog").splitlines()[0]) == noted


def test_build_dependencies():
    """What tools/install-deps has for a build, less build-essential; and what the unit tests take."""
    listed = re.search(r'^build="(.*?)"', read("tools/install-deps"), re.M | re.S)[1].replace("\\\n", " ").split()
    field = re.search(r"^Build-Depends: (.*?)\n(?=\S|\n)", CONTROL, re.M | re.S)[1]
    named = [re.split(r"[ :]", entry.strip()) for entry in field.split(",")]
    always = {words[0] for words in named if not words[-1].startswith("<")}
    assert always - {"debhelper-compat", "dh-sequence-installsysusers"} == set(listed) - {"gcc", "make"}


def installed(directory):
    """With the directories that debian/rules names."""
    words = re.search(r"dh_auto_install -- (.*)", RULES)[1].split()
    subprocess.run(["make", "-s", "-C", env.ROOT, "install", f"O={env.BUILD}", f"DESTDIR={directory}", *words],
                   check=True, capture_output=True, timeout=120 * env.SLOW)
    return directory


def test_directories_are_debians(tmp_path):
    root = installed(tmp_path)
    assert not (root / "usr/local").exists()
    service = (root / "lib/systemd/system/tcpshaked.service").read_text()
    program = re.search(r"^ExecStart=(\S+)", service, re.M)[1]
    assert (root / program[1:]).stat().st_mode & 0o777 == 0o755
    fpath = subprocess.run(["zsh", "-fc", "print -l $fpath"], check=True, capture_output=True, text=True).stdout
    at = {str(path.parent)[len(str(root)):] for path in root.rglob("_tcpshake*")}
    assert len(at) == 1 and at <= set(fpath.split())
    page = (root / "usr/share/man/man8/tcpshaked.8").read_text()
    named = re.search(r"^\.I (/usr/\S+/contrib)$", page, re.M)[1]
    assert (root / named[1:] / "logrotate/tcpshake").is_file()


def test_purge_takes_the_logs():
    logs = unit.values("LogsDirectory")
    assert re.findall(r"rm -rf (\S+)", read("debian/tcpshake.postrm")) == [f"/var/log/{name}" for name in logs]


def granted():
    """The rows of docs/privileges.md on containers."""
    section = read("docs/privileges.md").partition("\n## In a container\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*?) \|", section, re.M)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def test_daemonset_grants_what_the_page_says():
    """No row without a grant, and no grant without a row."""
    pod = daemonset()["spec"]["template"]["spec"]
    paths = {volume["name"]: volume.get("hostPath", {}).get("path") for volume in pod["volumes"]}
    mounts = {mount["name"]: mount for mount in container()["volumeMounts"]}
    assert paths.keys() == mounts.keys()
    for name, path in paths.items():
        assert path is None or (path == mounts[name]["mountPath"] and mounts[name]["readOnly"]), name
    shared = {key for key, value in pod.items() if key.startswith("host") and value}
    added = {f"CAP_{name}" for name in container()["securityContext"]["capabilities"]["add"]}
    assert granted() == added | shared | {mount["mountPath"] for mount in mounts.values()}


def test_daemonset_is_as_narrow_as_the_unit():
    security = container()["securityContext"]
    assert security["capabilities"]["drop"] == ["ALL"]
    assert {f"CAP_{name}" for name in security["capabilities"]["add"]} == set(unit.values("AmbientCapabilities"))
    assert (security["privileged"], security["allowPrivilegeEscalation"]) == (False, False)
    assert security["readOnlyRootFilesystem"] and security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert [container()["resources"]["limits"]["memory"].replace("Mi", "M")] == unit.values("MemoryMax")


def test_daemonset_asks_nothing_of_the_api():
    assert [document["kind"] for document in manifest()] == ["Namespace", "DaemonSet"]
    pod = daemonset()["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False and "serviceAccountName" not in pod


def test_daemonset_starts_this_daemon():
    """Its options are the daemon's, it watches the port that is served, and selects its own pods."""
    spec = daemonset()["spec"]
    args = [arg.replace("$(NODE)", "192.0.2.7") for arg in container()["args"]]
    subprocess.run([env.TCPSHAKED, *args, "--version"], check=True, capture_output=True, timeout=20 * env.SLOW)
    port = next(port for port in container()["ports"] if port["name"] == "metrics")
    assert args[args.index("--metrics") + 1] == f"192.0.2.7:{port['containerPort']}"
    for probe in ("startupProbe", "livenessProbe"):
        assert container()[probe]["httpGet"] == {"path": "/metrics", "port": "metrics"}
    assert container()["readinessProbe"]["tcpSocket"] == {"port": "metrics"}
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
