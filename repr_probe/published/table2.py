"""Table II of the HyDeS paper, as printed, to stand beside measured rows of the dense probe."""

from __future__ import annotations

from repr_probe.published.printed import PublishedRow, printed_rows


def published_segmentation(dataset: str) -> tuple[PublishedRow, ...]:
    """The nine rows of Table II for "voc"; none for any other data set. The keys are pixel_accuracy and mean_iou, in percent.

    >>> [(row.method, row.printed["mean_iou"]) for row in published_segmentation("voc")][-1]
    ('HyDeS', '49.12')
    >>> published_segmentation("camvid")
    ()
    """
    return printed_rows("table2", dataset)
