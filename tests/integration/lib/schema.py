# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The schemas, as published (open) and closed: with no field that they do not describe."""
import copy
import json
import re

import jsonschema

from . import env

VERSION = jsonschema.Draft202012Validator


def c_types(*choices):
    """The types of the C table, as tcpshaked lists them; only those of some choices, if any is given."""
    header = (env.ROOT / "common" / "record_type.h").read_text()
    rows = re.findall(r'^\trow\(\w+, "(\w+)", (\w+)\)', header, re.M)
    return [name for name, choice in rows if not choices or choice in choices]


def streamed_types():
    """Those that --events chooses from."""
    return c_types("STREAMED", "OPTIONAL")


def load():
    return {path.name: json.loads(path.read_text()) for path in env.SCHEMAS.glob("*.schema.json")}


def closed(schema):
    """A copy in which every object that lists its properties has no others.

    Conditions (`if`, `then`, …) list properties too, but say no `type`: they only refine.
    """
    schema = copy.deepcopy(schema)

    def close(node):
        if isinstance(node, list):
            for item in node:
                close(item)
        elif isinstance(node, dict):
            kind = node.get("type")
            objects = kind == "object" or isinstance(kind, list) and "object" in kind
            if objects and isinstance(node.get("properties"), dict):
                node.setdefault("additionalProperties", False)
            for value in node.values():
                close(value)

    close(schema)
    return schema


def validator(name="record.schema.json", strict=False):
    schemas = load()
    if strict:
        # The entry only looks at `type`; the schema of that type says which fields there are.
        schemas = {key: schema if key == "record.schema.json" else closed(schema)
                   for key, schema in schemas.items()}
    store = {schema["$id"]: schema for schema in schemas.values()}
    root = schemas[name]
    resolver = jsonschema.RefResolver(root["$id"], root, store=store)
    return VERSION(root, resolver=resolver)


def leaves(errors):
    """The innermost errors, as (path, keyword, message)."""
    for error in errors:
        if error.context:
            yield from leaves(error.context)
        else:
            path = ".".join(str(part) for part in error.absolute_path)
            yield path, str(error.validator), error.message


class Checker:
    """Check records against the closed schemas.

    A pass of jsonschema takes most of a millisecond, too much for a bulk feed. So the schemas are
    compiled to closures that only answer yes or no (test_schemas.py holds them against
    jsonschema), and jsonschema says why when the answer is no.
    """

    def __init__(self):
        self._validator = validator(strict=True)
        self._accepts = compile_schemas(strict=True)

    def errors(self, record):
        if self._accepts(record):
            return []
        found = [f"{path or 'record'}: {message} [{keyword}]"
                 for path, keyword, message in leaves(self._validator.iter_errors(record))]
        return found or ["refused by the compiled schemas, but not by jsonschema"]


NOTES = {"$comment", "$schema", "$id", "$defs", "title", "description", "examples"}


def compile_schemas(name="record.schema.json", strict=False):
    """A function record -> bool that accepts what validator(name, strict) accepts."""
    schemas = load()
    if strict:
        schemas = {key: schema if key == "record.schema.json" else closed(schema)
                   for key, schema in schemas.items()}
    references = {}

    def resolve(reference, file):
        other, _, pointer = reference.partition("#")
        file = other or file
        if (file, pointer) not in references:
            references[file, pointer] = lambda value: True  # not recursive, so never called
            node = schemas[file]
            for part in pointer.split("/")[1:]:
                node = node[part]
            references[file, pointer] = build(node, file)
        return references[file, pointer]

    def build(node, file):
        if isinstance(node, bool):
            return lambda value: node
        tests = []
        for keyword in node:
            if keyword in NOTES or keyword in ("then", "else", "additionalProperties"):
                continue
            tests.append(KEYWORDS[keyword](node, node[keyword], lambda n: build(n, file),
                                           lambda r: resolve(r, file)))
        if "additionalProperties" in node:
            tests.append(_additional(node, lambda n: build(n, file)))
        return _all(tests)

    return build(schemas[name], name)


def _all(tests):
    if len(tests) == 1:
        return tests[0]

    def every(value):
        for test in tests:
            if not test(value):
                return False
        return True
    return every


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool) or \
        isinstance(value, float) and value.is_integer()


TYPES = {"integer": _is_integer,
         "string": lambda value: isinstance(value, str),
         "boolean": lambda value: isinstance(value, bool),
         "object": lambda value: isinstance(value, dict),
         "array": lambda value: isinstance(value, list),
         "null": lambda value: value is None}


def _type(node, wanted, build, resolve):
    tests = [TYPES[name] for name in ([wanted] if isinstance(wanted, str) else wanted)]
    return lambda value: any(test(value) for test in tests)


def _same(value, wanted):
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _number(bound):
    return lambda node, limit, build, resolve: lambda value: (
        not isinstance(value, (int, float)) or isinstance(value, bool) or bound(value, limit))


def _text(bound):
    return lambda node, limit, build, resolve: lambda value: (
        not isinstance(value, str) or bound(len(value), limit))


def _pattern(node, pattern, build, resolve):
    search = re.compile(pattern).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _required(node, names, build, resolve):
    return lambda value: not isinstance(value, dict) or all(name in value for name in names)


def _properties(node, properties, build, resolve):
    tests = [(name, build(child)) for name, child in properties.items()]

    def check(value):
        if isinstance(value, dict):
            for name, test in tests:
                if name in value and not test(value[name]):
                    return False
        return True
    return check


def _additional(node, build):
    known, test = set(node.get("properties", {})), build(node["additionalProperties"])
    return lambda value: not isinstance(value, dict) or all(
        test(item) for name, item in value.items() if name not in known)


def _items(node, item, build, resolve):
    test = build(item)
    return lambda value: not isinstance(value, list) or all(map(test, value))


def _count(bound):
    return lambda node, limit, build, resolve: lambda value: (
        not isinstance(value, list) or bound(len(value), limit))


def _one_of(node, choices, build, resolve):
    tests = [build(choice) for choice in choices]
    return lambda value: sum(map(bool, (test(value) for test in tests))) == 1


def _if(node, condition, build, resolve):
    test, then, other = build(condition), build(node.get("then", True)), build(
        node.get("else", True))
    return lambda value: then(value) if test(value) else other(value)


KEYWORDS = {
    "type": _type,
    "const": lambda node, wanted, build, resolve: lambda value: _same(value, wanted),
    "enum": lambda node, wanted, build, resolve: lambda value: any(
        _same(value, word) for word in wanted),
    "minimum": _number(lambda value, limit: value >= limit),
    "maximum": _number(lambda value, limit: value <= limit),
    "minLength": _text(lambda length, limit: length >= limit),
    "maxLength": _text(lambda length, limit: length <= limit),
    "pattern": _pattern,
    "required": _required,
    "dependentRequired": lambda node, wanted, build, resolve: lambda value: (
        not isinstance(value, dict) or all(other in value for name in wanted if name in value for other in wanted[name])),
    "properties": _properties,
    "minProperties": lambda node, limit, build, resolve: lambda value: (
        not isinstance(value, dict) or len(value) >= limit),
    "items": _items,
    "minItems": _count(lambda length, limit: length >= limit),
    "maxItems": _count(lambda length, limit: length <= limit),
    "allOf": lambda node, parts, build, resolve: _all([build(part) for part in parts]),
    "oneOf": _one_of,
    "if": _if,
    "$ref": lambda node, reference, build, resolve: resolve(reference),
}
