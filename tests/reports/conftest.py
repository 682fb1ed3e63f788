from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from repr_probe.metrics.definitions import DEFINITIONS, keys_of
from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.geometry_report import GeometryReport

VALUES = {
    "anisotropy": 0.2134, "feature_correlation": 0.0512, "center_vector_norm": 0.4571, "centroid_rank": 531.72, "effective_rank": 1562.84,
    "d_prime": 2.0134, "angle_all_mean": 77.621, "angle_all_std": 4.202, "angle_positive_mean": 62.614, "angle_positive_std": 10.443,
}  # fmt: skip
PROVENANCE = {
    "checkpoint": "runs/resnet50.pth", "architecture": "torchvision:resnet50",
    "facts": {"tensors_matched": 320, "tensors_needed": 320, "matched": "by name"}, "layer": "pooled",
    "pool": "avg", "dataset": "imagenet", "split": "val", "store": "3fa9c1d2e4b5a697",
    "input": {"size": [224, 192], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "interpolation": "bicubic",
              "crop_pct": 0.875},
}  # fmt: skip


def _measurement(key: str, labelled: bool, scale: float) -> Measurement:
    definition = DEFINITIONS[key]
    if "labels" in definition.needs and not labelled:
        return Measurement(None, reason="labels are needed; got an unlabelled set")
    value = VALUES.get(key, 0.25) * scale
    over_classes = "labels" in definition.needs
    method = "delete-one-class jackknife" if over_classes else "influence function"
    return Measurement(value, (value * 0.9, value * 1.1), method, "classes" if over_classes else "images", definition.variant, 5000)


@pytest.fixture
def make_report() -> Callable[..., GeometryReport]:
    """Build a report with known numbers; keyword arguments replace fields."""

    def make(preset: str = "default", *, labelled: bool = True, scale: float = 1.0, **fields: Any) -> GeometryReport:
        keys = [key for key in keys_of(preset) if DEFINITIONS[key].needs != "views"]
        known: dict[str, Any] = {
            "measures": {key: _measurement(key, labelled, scale) for key in keys},
            "name": "resnet50.pth",
            "n_samples": 50_000,
            "n_features": 2048,
            "n_classes": 1000 if labelled else 0,
            "counts": {"n_zero": 0, "n_dropped": 3, "n_duplicate_pairs": None},
            "flags": {"rank_limited_by_n": True},
            "notes": ("ranks are limited by n",),
            "provenance": PROVENANCE,
            "class_names": ("cat", "dog") if labelled else (),
            "histograms": {"all": np.arange(3600)},
            "created": "2025-01-02T03:04:05",
        }
        return GeometryReport(**{**known, **fields})

    return make
