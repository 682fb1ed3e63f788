"""Table IV of the HyDeS paper, as printed: alignment with WordNet and MiniLM, to stand beside measured rows."""

from __future__ import annotations

from repr_probe.published.printed import PublishedRow, printed_rows


def published_alignment(dataset: str) -> tuple[PublishedRow, ...]:
    """The nine rows of Table IV for "imagenet"; none for any other data set.

    >>> [(row.method, row.values["spearman_wup"], row.values["cophenetic_rep_tree"]) for row in published_alignment("imagenet")][-1]
    ('HyDeS', 0.5, 0.65)
    >>> published_alignment("food101")
    ()
    """
    return printed_rows("table4", dataset)
