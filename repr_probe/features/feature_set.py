"""Features: a matrix, what each row is, and where it came from. Made by `as_features`, `FeatureStore.features` and extraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Features:
    """Features of a set of images, one row each; built by `as_features`, which checks everything said here.

    values: (n_samples, n_features) float16, float32 or float64, finite; may be memory-mapped; never written to.
    labels: (n_samples,) int64 codes into `class_names`, -1 for an unlabelled row; None when no row has a label.
    class_names: one name per code, in the order of the codes.
    ids: one string per row (a relative path, say), or None.
    views: (n_samples, n_views, n_features) features of augmented views of the same images, or None.
    provenance: JSON-ready facts on the origin (checkpoint, data set, preprocessing, versions).
    notes: what a reader of any number made from these features has to know (rows dropped, a cast, ...).
    n_dropped: rows left out under nan_policy="omit".
    """

    values: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    ids: tuple[str, ...] | None = None
    views: np.ndarray | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    n_dropped: int = 0

    @property
    def n_samples(self) -> int:
        return int(self.values.shape[0])

    @property
    def n_features(self) -> int:
        return int(self.values.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of distinct labels among the rows (unlabelled rows do not count)."""
        if self.labels is None:
            return 0
        return int(np.unique(self.labels[self.labels >= 0]).size)

    def __repr__(self) -> str:
        labels = "no labels" if self.labels is None else f"{self.n_classes} classes"
        return f"Features({self.n_samples} x {self.n_features} {self.values.dtype}, {labels})"
