"""Table I of the HyDeS paper, as printed: linear and k-NN accuracy, to stand beside measured rows."""

from __future__ import annotations

from repr_probe.published.printed import PublishedRow, printed_rows


def published_accuracy(dataset: str) -> tuple[PublishedRow, ...]:
    """The rows of Table I for a data set by its name here (stl10, cifar10, cifar100, food101, imagenet, imagenet100); none for any other.

    The keys are linear_top1, linear_top5, knn_top1 and knn_top5, in percent.

    >>> [(row.method, row.printed["knn_top1"]) for row in published_accuracy("cifar10")][-1]
    ('HyDeS, ResNet-18', '68.11')
    >>> published_accuracy("digits")
    ()
    """
    return printed_rows("table1", dataset)
