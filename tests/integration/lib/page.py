# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A page of tcpshake report, as a browser's parser sees it."""
from html.parser import HTMLParser

VOID = {"meta", "br"}


class Node:
    def __init__(self, tag, attributes):
        self.tag, self.attributes, self.children = tag, dict(attributes), []

    def all(self, tag=None, **attributes):
        """Below it, in the order of the page. `cls` is one of its classes."""
        for child in self.children:
            if isinstance(child, str):
                continue
            wanted = dict(attributes)
            cls = wanted.pop("cls", None)
            if ((tag is None or child.tag == tag) and (cls is None or cls in child.attributes.get("class", "").split())
                    and all(child.attributes.get(k) == v for k, v in wanted.items())):
                yield child
            yield from child.all(tag, **attributes)

    def one(self, tag=None, **attributes):
        found = list(self.all(tag, **attributes))
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]

    def number(self, field):
        """The only <data> of that field below it."""
        return int(self.one("data", cls=field).attributes["value"])

    @property
    def text(self):
        return "".join(c if isinstance(c, str) else c.text for c in self.children)


class Page(HTMLParser):
    """Fails where an element is not closed, or one is closed that is not open."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.root = Node("", {})
        self.open = [self.root]
        self.tags = set()
        self.feed(text)
        self.close()
        assert self.open == [self.root], [node.tag for node in self.open]

    def handle_starttag(self, tag, attrs):
        assert len(attrs) == len(dict(attrs)), (tag, attrs)
        node = Node(tag, attrs)
        self.tags.add(tag)
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, (self.open[-1].tag, tag)
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].children.append(data)

    def id(self, name):
        return self.root.one(id=name)


def rows(table):
    """Of a table's body: its cells."""
    return [list(row.all("td")) for row in table.one("tbody").all("tr")]
