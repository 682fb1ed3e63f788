"""Numbers of a dense probe as Measurements under flat keys: mean_iou of the hypercolumn, mean_iou@random of the line below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.dense_row import HYPERCOLUMN, LAYER, MEASURES, DenseRow

if TYPE_CHECKING:
    from repr_probe.reports.dense_report import DenseReport


def dense_measures(report: DenseReport) -> dict[str, Measurement]:
    """Key -> share in [0, 1]: mean_iou, pixel_accuracy and mean_class_accuracy of the hypercolumn; of other rows with the layer's name, random or
    majority behind an @. n counts test images; there is no interval, since pixels of one image are no independent draws.
    """
    return {
        key if row.kind == HYPERCOLUMN else f"{key}@{_place(row)}": Measurement(float(row.measures[key]), variant=report.protocol, n=report.n_test)
        for row in report.rows
        for key in MEASURES
    }


def _place(row: DenseRow) -> str:
    return row.name if row.kind == LAYER else row.kind
