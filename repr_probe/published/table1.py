"""Table I of the HyDeS paper (arXiv 2604.24498), as printed: linear and k-NN accuracy, to stand beside measured rows."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from types import MappingProxyType

from repr_probe.published.table3 import PublishedRow


def published_accuracy(dataset: str) -> tuple[PublishedRow, ...]:
    """The rows of Table I for a data set by its name here (stl10, cifar10, cifar100, food101, imagenet, imagenet100); none for any other.

    The keys are linear_top1, linear_top5, knn_top1 and knn_top5, in percent.

    >>> [(row.method, row.printed["knn_top1"]) for row in published_accuracy("cifar10")][-1]
    ('HyDeS, ResNet-18', '68.11')
    >>> published_accuracy("digits")
    ()
    """
    table = _table()
    return tuple(
        PublishedRow(
            method=f"{row['method']}, {row['architecture']}",
            dataset=dataset,
            printed=MappingProxyType(dict(zip(table["keys"], row["printed"], strict=True))),
            source=table["source"],
            protocol=table["protocol"],
            note=row.get("note", ""),
        )
        for row in table["datasets"].get(dataset, ())
    )


@cache
def _table() -> dict:
    return json.loads(resources.files("repr_probe.published").joinpath("table1.json").read_text(encoding="utf-8"))
