# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The schemas are what they promise: examples both ways, and the words of the C tables."""
import json
import re

import pytest

from lib import env, schema

EXAMPLES = env.SCHEMAS / "examples"
VALID = sorted((EXAMPLES / "valid").glob("*.json"))
INVALID = sorted((EXAMPLES / "invalid").glob("*.json"))
REASONS = json.loads((EXAMPLES / "invalid.json").read_text())
RECORD = json.loads((env.SCHEMAS / "record.schema.json").read_text())
TYPES = RECORD["properties"]["type"]["enum"]


@pytest.fixture(scope="module")
def open_validator():
    return schema.validator()


@pytest.fixture(scope="module")
def closed_validator():
    return schema.validator(strict=True)


def keyword(error):
    # jsonschema gives no keyword for `false` as a schema, which forbids a key
    return "False schema" if error[1] == "None" else error[1]


@pytest.mark.parametrize("path", sorted(env.SCHEMAS.glob("*.schema.json")), ids=lambda p: p.name)
def test_schema_is_one(path):
    content = json.loads(path.read_text())
    schema.VERSION.check_schema(content)
    assert content["$schema"].endswith("/draft/2020-12/schema")
    assert content["$id"].endswith("/" + path.name)
    assert "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause" in content["$comment"]


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_valid(path, open_validator, closed_validator):
    record = json.loads(path.read_text())
    for validator in (open_validator, closed_validator):
        assert list(schema.leaves(validator.iter_errors(record))) == []


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_invalid(path, open_validator):
    """It fails as published, for the reason its name gives."""
    record = json.loads(path.read_text())
    reason = REASONS[path.name]
    found = [(e[0], keyword(e)) for e in schema.leaves(open_validator.iter_errors(record))]
    assert (reason["path"], reason["keyword"]) in found


def test_every_invalid_example_has_a_reason():
    assert {path.name for path in INVALID} == set(REASONS)


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_invalid_is_one_step_from_valid(path, open_validator):
    """Nothing else is wrong with it: the reasons found all concern the same place or its twin."""
    record = json.loads(path.read_text())
    errors = list(schema.leaves(open_validator.iter_errors(record)))
    assert 1 <= len(errors) <= 4, errors


def examples(name):
    """Records of a type: the files, and what its schema has as `examples`."""
    files = [json.loads(path.read_text()) for path in VALID]
    own = json.loads((env.SCHEMAS / f"{name}.schema.json").read_text()).get("examples", [])
    return [record for record in files if record["type"] == name] + own


@pytest.mark.parametrize("name", TYPES)
def test_examples_of_every_type(name, open_validator, closed_validator):
    """There are some, they are valid, and without what the schema requires they are not."""
    required = json.loads((env.SCHEMAS / f"{name}.schema.json").read_text())["required"]
    assert examples(name)
    for record in examples(name):
        assert list(schema.leaves(closed_validator.iter_errors(record))) == []
        for key in required:
            assert not open_validator.is_valid({k: v for k, v in record.items() if k != key}), key


def test_new_fields_are_additions(open_validator, closed_validator):
    """A newer daemon's field passes the published schema; the tests' closed one reports it."""
    for path in VALID:
        record = {**json.loads(path.read_text()), "invented": 1}
        assert open_validator.is_valid(record), path.name
        messages = [e[2] for e in schema.leaves(closed_validator.iter_errors(record))]
        assert any("invented" in message for message in messages), path.name


def test_closed_inside_objects(closed_validator):
    record = json.loads((EXAMPLES / "valid" / "handshake-passive.json").read_text())
    for key in ("local", "remote", "accept_queue", "process", "cgroup"):
        changed = {**record, key: {**record[key], "invented": 1}}
        assert not closed_validator.is_valid(changed), key


@pytest.mark.parametrize("strict", [False, True])
def test_compiled_schemas_agree(strict, open_validator, closed_validator):
    """The quick check that the other tests use gives jsonschema's verdict, whatever one changes."""
    slow = closed_validator if strict else open_validator
    quick = schema.compile_schemas(strict=strict)
    for path in VALID + INVALID:
        record = json.loads(path.read_text())
        assert quick(record) == slow.is_valid(record), path.name
    for path in VALID:
        record = json.loads(path.read_text())
        for key in list(record) + ["invented"]:
            for value in (None, -1, 0, 1, True, "x", "", {}, [], 1.5, "::1", 10**12):
                changed = {**record, key: value}
                assert quick(changed) == slow.is_valid(changed), (path.name, key, value)
            changed = {name: record[name] for name in record if name != key}
            assert quick(changed) == slow.is_valid(changed), (path.name, "without", key)


def test_types_are_those_of_the_c_table():
    """Each with a schema of its own, which record.schema.json leads to."""
    assert sorted(schema.c_types()) == sorted(TYPES)
    assert sorted(schema.streamed_types()) == sorted(RECORD["$defs"]["streamed"]["enum"])
    assert [branch["if"]["properties"]["type"]["const"] for branch in RECORD["allOf"]] == TYPES
    assert [branch["then"]["$ref"] for branch in RECORD["allOf"]] == [f"{t}.schema.json" for t in TYPES]


def c_table(name):
    """The words of a table in common/names.c, by their constant."""
    source = (env.ROOT / "common" / "names.c").read_text()
    body = re.search(r"\*const %s\[\w*\] = \{(.*?)\};" % name, source, re.S).group(1)
    return dict(re.findall(r'\[(\w+)\]\s*=\s*"(\w+)"', body))


@pytest.mark.parametrize("name,schema_name,path", [
    ("role", "common", ["$defs", "role"]), ("outcome", "common", ["$defs", "outcome"]),
    ("cause", "common", ["$defs", "cause_code"]), ("change", "listener", ["properties", "event"]),
    ("stage", "overflow", ["properties", "stage"]), ("queue", "overflow", ["properties", "queue"]),
    ("action", "overflow", ["properties", "action"]), ("reset_cause", "reset", ["properties", "cause"]),
    ("loss_why", "loss", ["properties", "why"])])
def test_words_are_those_of_the_c_tables(name, schema_name, path):
    node = json.loads((env.SCHEMAS / f"{schema_name}.schema.json").read_text())
    for key in path:
        node = node[key]
    assert sorted(node["enum"]) == sorted(set(c_table(f"{name}_names").values()) - ({"none"} if name == "cause" else set()))


def c_enum(name):
    text = "".join((env.ROOT / path).read_text() for path in ("bpf/event.h", "common/names.h"))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    body = re.search(r"enum %s \{(.*?)\};" % name, text, re.S).group(1)
    return re.findall(r"\w+", body)[:-1]  # the last one counts


@pytest.mark.parametrize("name,enum", [("role", "role"), ("outcome", "outcome"), ("cause", "cause_code")])
def test_words_are_in_the_order_of_their_enum(name, enum):
    table = c_table(f"{name}_names")
    words = [table[constant] for constant in c_enum(enum)]
    common = json.loads((env.SCHEMAS / "common.schema.json").read_text())
    assert common["$defs"][enum]["enum"] == [word for word in words if word != "none"]


def test_every_outcome_is_counted():
    common = json.loads((env.SCHEMAS / "common.schema.json").read_text())
    bye = json.loads((env.SCHEMAS / "bye.schema.json").read_text())
    for role in common["$defs"]["role"]["enum"]:
        counted = bye["properties"]["outcomes"]["properties"][role]
        assert list(counted["properties"]) == common["$defs"]["outcome"]["enum"]
        assert [*counted["required"], "denied"] == common["$defs"]["outcome"]["enum"]  # which 1.7 added


def test_filter_keys_are_those_of_the_c_table():
    source = (env.ROOT / "common" / "filter.c").read_text()
    body = re.search(r"filter_keys\[\w*\]\s*=\s*\{(.*?)\}", source, re.S).group(1)
    common = json.loads((env.SCHEMAS / "common.schema.json").read_text())
    assert set(common["$defs"]["filter"]["properties"]) == set(re.findall(r'"(\w+)"', body))


def c_strings(directories):
    text = "".join(path.read_text() for directory in directories
                   for path in sorted((env.ROOT / directory).rglob("*.[ch]")))
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
    return set(re.findall(r'"([^"\n]*?)"', text.replace('\\"', "")))


@pytest.mark.parametrize("schema_name,key", [("loss", "what"), ("loss", "why"), ("bye", "reason")])
def test_words_that_the_daemon_can_say(schema_name, key):
    """The words of these enums stand in the daemon, but for those a later feature will say."""
    later = {"rate_limit"}
    node = json.loads((env.SCHEMAS / f"{schema_name}.schema.json").read_text())["properties"][key]
    own = [node, *node.get("oneOf", [])][-1]  # beside the types of records
    words = set(own["enum"]) - later
    assert words <= c_strings(["daemon", "common"])
