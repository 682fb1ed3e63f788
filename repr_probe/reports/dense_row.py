"""DenseRow: one classifier of pixels and what it reached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MEASURES = {"mean_iou": "mIoU", "pixel_accuracy": "pixel acc.", "mean_class_accuracy": "class acc."}
"""Flat key -> head of its column, in the order of every table."""

HYPERCOLUMN, LAYER, RANDOM, MAJORITY = "hypercolumn", "layer", "random", "majority"


@dataclass(frozen=True, eq=False)
class DenseRow:
    """One classifier.  kind: hypercolumn, layer (one alone), random (same architecture, random weights), majority (one class everywhere).

    measures: the keys of MEASURES, shares in [0, 1].  iou: (n_classes,), NaN for a class in no mask and no prediction.
    counts: (n_classes, n_classes) int64 pixels, true classes in rows: everything else follows from it.
    """

    name: str
    kind: str
    n_features: int
    measures: Mapping[str, float]
    iou: np.ndarray
    counts: np.ndarray

    def to_dict(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        iou = {name: None if math.isnan(value) else float(value) for name, value in zip(class_names, self.iou)}
        return {"name": self.name, "kind": self.kind, "n_features": self.n_features, **self.measures, "iou": iou, "counts": self.counts.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], class_names: tuple[str, ...]) -> DenseRow:
        """The inverse of `to_dict`. ValueError for counts that are no square of the classes."""
        counts = np.asarray(data["counts"], dtype=np.int64)
        if counts.shape != (len(class_names), len(class_names)):
            raise ValueError(f"counts of shape {counts.shape} for {len(class_names)} classes")
        iou = np.array([math.nan if data["iou"][name] is None else float(data["iou"][name]) for name in class_names])
        return cls(data["name"], data["kind"], data["n_features"], {key: float(data[key]) for key in MEASURES}, iou, counts)
