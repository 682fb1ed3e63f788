"""Table III of the HyDeS paper, as printed, to stand beside measured rows."""

from __future__ import annotations

from repr_probe.published.printed import PublishedRow, printed_rows


def published_rows(dataset: str) -> tuple[PublishedRow, ...]:
    """The rows of Table III for a data set by its name here: "imagenet" (nine) or "food101" (seven); none for any other.

    >>> [(row.method, row.values["d_prime"]) for row in published_rows("imagenet")][-2:]
    [('ReSA', 2.0), ('HyDeS', 1.96)]
    >>> published_rows("digits")
    ()
    """
    return printed_rows("table3", dataset)
