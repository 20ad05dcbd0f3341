# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Scenarios of the lab: run several at a time, and with other numbers than they have."""
import concurrent.futures
import json
import re
import subprocess

from . import env

LIBRARY = env.ROOT / "share" / "tcpshake" / "lab"
AT_A_TIME = 4
SHIFT = 100000  # no queue, counter, port or time of a scenario comes near it


def names():
    return sorted(path.stem for path in LIBRARY.glob("*.lab"))


def run(*argv, timeout=120):
    return subprocess.run([env.TCPSHAKE, "lab", *argv], capture_output=True, text=True, check=False,
                          timeout=timeout * env.SLOW)


def statements(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def each(function, items):
    """function(item) of all, several at a time; {item: result}."""
    items = list(items)
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip(items, pool.map(function, items)))


# What is compared, in the words of an expectation: a number, a range, or alternatives of them. Those of names,
# addresses and `within` are none.
ONE = r"\d+(?:ns|us|ms|s)?(?:\.\.\d+(?:ns|us|ms|s)?)?"
SOME = re.compile(rf"^expect (?:[<>]=? )?({ONE}(?: or {ONE})*) of ")
QUEUE = re.compile(r"\d+(?:\.\.\d+)?")
TAIL = re.compile(r" within \S+$")


def spans(line):
    """Where the numbers of an expectation stand: a list of lists of (start, end); those of one list belong
    together, as alternatives do."""
    body = TAIL.sub("", line)
    found = []
    some = SOME.match(body)
    if some:
        found.append([(some.start(1), some.end(1))])
    if re.match(r"expect (no )?record ", body):
        found += [[match.span(1)] for match in re.finditer(r"[ =](\d+)(?= |$)", body)]
        return found
    queue = re.search(r" accept_queue (.*)$", body)
    if queue:
        pairs = [(match.start() + queue.start(1), match.group().split("/"))
                 for match in re.finditer(r"\d[\d.]*(?:/\d[\d.]*)?", queue.group(1))]
        found.append([(at, at + len(parts[0])) for at, parts in pairs])
        if all(len(parts) == 2 for _, parts in pairs):
            found.append([(at + len(parts[0]) + 1, at + len("/".join(parts))) for at, parts in pairs])
        return found
    value = re.search(r" (?:syn_queue|took|returned|value|local_port|peer_port|counter \S+) (.*)$", body)
    if value:
        found.append([(match.start() + value.start(1), match.end() + value.start(1))
                      for match in re.finditer(ONE, value.group(1))])
    return found


def changed(line, index):
    """The line with its index-th number changed, so that it cannot hold; None if it has no such number."""
    groups = spans(line) if line.startswith("expect ") else []
    if index >= len(groups):
        return None
    for start, end in sorted(groups[index], reverse=True):
        below = line[:start].endswith("< ")
        text = "1ns" if below else re.sub(r"\d+", lambda n: str(int(n.group()) + SHIFT), line[start:end])
        line = line[:start] + text + line[end:]
    return line


def variants(text):
    """The scenario with all its first numbers changed, with all its second ones, … : (text, the lines changed)."""
    for index in range(10):
        lines, numbers = [], []
        for number, line in enumerate(text.splitlines(), 1):
            other = changed(line, index)
            lines.append(line if other is None else other)
            numbers += [] if other is None else [number]
        if not numbers:
            return
        yield "\n".join(lines) + "\n", numbers
