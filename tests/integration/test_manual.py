# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpshake-records(5): it is what the schemas say today, field by field."""
import json
import re
import subprocess

import pytest

from lib import env

PAGE = env.ROOT / "man" / "tcpshake-records.5"
TYPES = json.loads((env.SCHEMAS / "record.schema.json").read_text())["properties"]["type"]["enum"]


@pytest.fixture(scope="module")
def sections():
    """The text of each .SS, by its name, as man(1) shows it without folding."""
    text = subprocess.run(["man", "-l", str(PAGE)], capture_output=True, text=True, check=True,
                          env={"MANWIDTH": "2000", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8",
                               "PATH": "/usr/bin:/bin"}).stdout
    text = re.sub(r".\x08", "", text)
    parts = re.split(r"^(?: {3}(?=\S)|(?=[A-Z]))(.+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def test_it_was_printed_from_these_schemas():
    made = subprocess.run([env.ROOT / "tools" / "records-page"], capture_output=True, text=True,
                          check=True).stdout
    assert made == PAGE.read_text(), "run: tools/records-page > man/tcpshake-records.5"


def properties(node):
    """All names of fields below, but not through references."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "properties":
                yield from value
            if key not in ("if", "then", "else", "allOf", "not"):
                yield from properties(value)
    elif isinstance(node, list):
        for item in node:
            yield from properties(item)


@pytest.mark.parametrize("name", TYPES)
def test_every_field_is_there(name, sections):
    """Whatever the program that prints it does."""
    schema = json.loads((env.SCHEMAS / f"{name}.schema.json").read_text())
    text = sections[name]
    assert schema["title"] in text
    for field in set(properties(schema["properties"])) | set(schema["properties"]):
        if field not in ("v", "type", "seq", "ts", "mono_ns"):
            assert re.search(r"^ +%s \(" % field, text, re.M), f"{name} lacks {field}"
    for field in re.findall(r"^ {7}(\w+) \(", text, re.M):
        assert field in schema["properties"], f"{name} has no {field}"


def test_common_fields_and_words(sections):
    for field in ("v", "type", "seq", "ts", "mono_ns"):
        assert re.search(r"^ +%s \(" % field, sections["COMMON FIELDS"], re.M)
    common = json.loads((env.SCHEMAS / "common.schema.json").read_text())["$defs"]
    for word in common["outcome"]["enum"]:
        assert re.search(r"\b%s\b" % word, sections["handshake"])
    for word in common["cause_code"]["enum"]:
        assert re.search(r"\b%s\b" % word, sections["cause"])


def test_it_is_installed(tmp_path):
    subprocess.run(["make", "-s", "-C", env.ROOT, "install", f"O={env.BUILD}", f"DESTDIR={tmp_path}",
                    "PREFIX=/usr"], check=True, capture_output=True, timeout=120 * env.SLOW)
    installed = tmp_path / "usr/share/man/man5/tcpshake-records.5"
    assert installed.read_bytes() == PAGE.read_bytes()
