"""Table II of the HyDeS paper (arXiv 2604.24498), as printed, to stand beside measured rows of the dense probe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType


@dataclass(frozen=True)
class PublishedSegmentation:
    """One printed row.  printed: "pixel_accuracy", "mean_iou" -> the digits as printed, in per cent.  protocol: what the paper states of it."""

    method: str
    printed: Mapping[str, str]
    source: str
    protocol: str


def published_segmentation(dataset: str) -> tuple[PublishedSegmentation, ...]:
    """The nine rows of Table II for "voc"; none for any other data set.

    >>> [(row.method, row.printed["mean_iou"]) for row in published_segmentation("voc")][-1]
    ('HyDeS', '49.12')
    >>> published_segmentation("camvid")
    ()
    """
    if dataset != "voc":
        return ()
    table = _table()
    return tuple(
        PublishedSegmentation(
            method=row["method"],
            printed=MappingProxyType(dict(zip(table["keys"], row["printed"], strict=True))),
            source=table["source"],
            protocol=table["protocol"],
        )
        for row in table["rows"]
    )


@cache
def _table() -> dict:
    return json.loads(resources.files("repr_probe.published").joinpath("table2.json").read_text(encoding="utf-8"))
