"""The tables of the HyDeS paper (arXiv 2604.24498) as printed: one reader for all, the digits in a JSON file each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class PublishedRow:
    """One printed row.

    printed: measure key -> the digits as printed, without unit ("0.075"; angles in degrees, accuracies in per cent).
    source: where it is printed.  protocol: what it was measured on.  note: a caveat that concerns this row, or "".
    """

    method: str
    dataset: str
    printed: Mapping[str, str]
    source: str
    protocol: str
    note: str = ""

    @property
    def values(self) -> dict[str, float]:
        """Measure key -> number, in the unit of `printed`. The printed digits are all there is: no intervals were published."""
        return {key: float(text) for key, text in self.printed.items()}


def printed_rows(table: str, dataset: str) -> tuple[PublishedRow, ...]:
    """The rows of a table ("table1" .. "table4") for a data set by its name here; none for one that the table does not have.

    A row's protocol is what the table says of the data set ("on"), then what it says of all of them.
    """
    content = _content(table)
    part = content["datasets"].get(dataset, {"rows": ()})
    protocol = f"{part.get('on', '')} {content['protocol']}".strip()
    return tuple(
        PublishedRow(
            method=row["method"],
            dataset=dataset,
            printed=MappingProxyType(dict(zip(content["keys"], row["printed"], strict=True))),
            source=content["source"],
            protocol=protocol,
            note=row.get("note", ""),
        )
        for row in part["rows"]
    )


@cache
def _content(table: str) -> dict[str, Any]:
    return json.loads(resources.files("repr_probe.published").joinpath(f"{table}.json").read_text(encoding="utf-8"))
