"""What stands in a page, read by the standard library's parser."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any, NamedTuple


class Number(NamedTuple):
    """at: path in the JSON.  value: the attribute.  text: what is read."""

    at: str
    value: str
    text: str


class PageParts(HTMLParser):
    """tags: every start tag with its attributes.  numbers: every `<data data-at>`.  text: what is read, scripts and style left out."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.numbers: list[Number] = []
        self.scripts: dict[str, str] = {}
        self._inside: list[str] = []
        self._data: dict[str, str | None] | None = None
        self._script = ""
        self._read: list[str] = []
        self.feed(page)
        self.close()
        self.text = " ".join(self._read)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append((tag, known))
        if tag in ("script", "style"):
            self._inside.append(tag)
            self._script = known.get("id") or tag
        if tag == "data" and "data-at" in known:
            self._data = known

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()
        if tag == "data":
            self._data = None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
            return
        self._read.append(data)
        if self._data is not None:
            self.numbers.append(Number(str(self._data["data-at"]), str(self._data["value"]), data))

    def json(self, name: str = "report") -> Any:
        return json.loads(self.scripts[name])

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [known for found, known in self.tags if found == tag]


def at(document: Any, path: str) -> Any:
    """The value at a path such as "geometry.0.measures.d_prime.value"."""
    for part in path.split("."):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document
