# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Feeds made by hand, and what tcpshake explain makes of them."""
import json

from . import env, schema

CODES = json.loads((env.SCHEMAS / "common.schema.json").read_text())["$defs"]["cause_code"]["enum"]


def example(name, **changes):
    record = json.loads((env.SCHEMAS / "examples" / "valid" / f"{name}.json").read_text())
    return {**record, **changes}


def cause(code, certainty="proven", detail="Why."):
    return {"code": code, "certainty": certainty, "detail": detail}


def timeout(number, addr="10.0.0.9", code="no_answer", **changes):
    return example("handshake-timeout", conn=f"{number:016x}", remote={"addr": addr, "port": 443},
                   cause=cause(code), **changes)


def hello(**changes):
    return example("hello-1.2", **changes)


def write(path, records):
    """As a feed: numbered, a line each."""
    lines = [json.dumps({**record, "seq": number}, separators=(",", ":")) + "\n"
             for number, record in enumerate(records, 1)]
    path.write_text("".join(lines))
    return path


def summary_of(text):
    line = json.loads(text.splitlines()[-1])
    assert line["type"] == "explain_summary" and schema.Checker().errors(line) == []
    return line


def live(cli, ns):
    """What it finds after a second's watch in a namespace: a daemon of its own, and a look."""
    with ns.inside():
        program = cli("explain", "--json", "--duration", "1s", "--netns", str(ns.inode))
    return summary_of(program.end())["findings"]


def explained(cli, path, *flags):
    """The causes, and the summary, of a recording; each line is held against its schema."""
    lines = cli("explain", "--json", "--from", str(path), *flags).end().splitlines()
    made = [json.loads(line) for line in lines]
    check = schema.Checker()
    for record in made:
        assert check.errors(record) == []
    assert [r["type"] for r in made] == ["explain"] * (len(made) - 1) + ["explain_summary"]
    assert [r["rank"] for r in made[:-1]] == list(range(1, len(made)))
    return made[:-1], made[-1]


def text_of(cli, path, *flags, **kwargs):
    return cli("explain", "--from", str(path), *flags, **kwargs).end()
