"""Table III of the HyDeS paper (arXiv 2604.24498), as printed, to stand beside measured rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType


@dataclass(frozen=True)
class PublishedRow:
    """One printed row.

    printed: measure key -> the digits as printed, without unit ("0.075"; angles in degrees).
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
        """Measure key -> number; angles in degrees. The printed digits are all there is: no intervals were published."""
        return {key: float(text) for key, text in self.printed.items()}


def published_rows(dataset: str) -> tuple[PublishedRow, ...]:
    """The rows of Table III for a data set by its name here: "imagenet" (nine) or "food101" (seven); none for any other.

    >>> [(row.method, row.values["d_prime"]) for row in published_rows("imagenet")][-2:]
    [('ReSA', 2.0), ('HyDeS', 1.96)]
    >>> published_rows("digits")
    ()
    """
    table = _table()
    part = table["datasets"].get(dataset)
    if part is None:
        return ()
    return tuple(
        PublishedRow(
            method=row["method"],
            dataset=dataset,
            printed=MappingProxyType(dict(zip(table["keys"], row["printed"], strict=True))),
            source=table["source"],
            protocol=part["protocol"],
            note=row.get("note", ""),
        )
        for row in part["rows"]
    )


@cache
def _table() -> dict:
    return json.loads(resources.files("repr_probe.published").joinpath("hydes_table3.json").read_text(encoding="utf-8"))
