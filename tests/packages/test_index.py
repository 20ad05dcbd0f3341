# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The index of images that `make images` makes, which runs this; `make packages` does not make it."""
import gzip
import hashlib
import io
import json
import tarfile

from lib import env


MACHINES = {"amd64": 62, "arm64": 183}  # e_machine


def test_index_of_both(image):
    """One name, from which a runtime takes the image of its architecture; that of amd64 is the one of `make image`."""
    layout = env.BUILD / "images" / "oci"

    def blob(what):
        data = (layout / "blobs/sha256" / what["digest"].removeprefix("sha256:")).read_bytes()
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == what["digest"] and len(data) == what["size"]
        return data
    named = json.loads((layout / "index.json").read_text())["manifests"]
    assert [one["annotations"]["org.opencontainers.image.ref.name"] for one in named] == [image.rpartition(":")[2]]
    manifests = json.loads(blob(named[0]))["manifests"]
    assert {one["platform"]["architecture"] for one in manifests} == set(MACHINES)
    for one in manifests:
        architecture = one["platform"]["architecture"]
        manifest = json.loads(blob(one))
        config = json.loads(blob(manifest["config"]))
        assert (config["architecture"], config["os"]) == (architecture, one["platform"]["os"]) == (architecture, "linux")
        files = tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(manifest["layers"][0]))))
        for program in ("./usr/sbin/tcpshaked", "./usr/bin/tcpshake"):
            head = files.extractfile(program).read(20)
            assert head[:4] == b"\x7fELF" and int.from_bytes(head[18:20], "little") == MACHINES[architecture]
    alone = json.loads((env.BUILD / "image/oci/index.json").read_text())["manifests"][0]["digest"]
    assert alone in {one["digest"] for one in manifests}
