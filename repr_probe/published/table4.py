"""Table IV of the HyDeS paper (arXiv 2604.24498), as printed: alignment with WordNet and MiniLM, to stand beside measured rows."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from types import MappingProxyType

from repr_probe.published.table3 import PublishedRow


def published_alignment(dataset: str) -> tuple[PublishedRow, ...]:
    """The nine rows of Table IV for "imagenet"; none for any other data set.

    >>> [(row.method, row.values["spearman_wup"], row.values["cophenetic_rep_tree"]) for row in published_alignment("imagenet")][-1]
    ('HyDeS', 0.5, 0.65)
    >>> published_alignment("food101")
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
    return json.loads(resources.files("repr_probe.published").joinpath("table4.json").read_text(encoding="utf-8"))
