"""The table of classes (size, own mean angle, nearest class) and the matrix of centroid cosines."""

from __future__ import annotations

from typing import Any

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.states import GeometryStates

MAX_CLASSES = 2000


def centroid_cosines(states: GeometryStates) -> np.ndarray | None:
    """(K, K), or None without labels or above 2,000 classes."""
    try:
        centroids = states.centroids
    except UndefinedMeasure:
        return None
    return centroids.cosine() if len(centroids.codes) <= MAX_CLASSES else None


def class_rows(states: GeometryStates, cosines: np.ndarray | None, exact: bool) -> tuple[dict[str, Any], ...]:
    """One mapping a class; angles in degrees, None where undefined."""
    if cosines is None:
        return ()
    centroids, names = states.centroids, states.features.class_names
    apart = cosines.copy()
    np.fill_diagonal(apart, -np.inf)
    apart[~np.isfinite(apart)] = -np.inf
    nearest = apart.argmax(axis=1)
    own = _own_angles(states) if exact else {}
    rows = []
    for position, code in enumerate(centroids.codes.tolist()):
        cosine = apart[position, nearest[position]]
        rows.append({
            "name": names[code] if code < len(names) else str(code),
            "n": int(centroids.counts[position]),
            "positive_angle_mean": own.get(position),
            "nearest": names[centroids.codes[nearest[position]]] if np.isfinite(cosine) and len(names) else None,
            "nearest_angle": float(np.degrees(np.arccos(cosine))) if np.isfinite(cosine) else None,
        })  # fmt: skip
    return tuple(rows)


def _own_angles(states: GeometryStates) -> dict[int, float]:
    """Mean same-class angle by dense class number."""
    labelled = states.angles.labelled
    if labelled is None:
        return {}
    totals = labelled.per_class()
    several = totals.same_n > 0
    means = np.clip(totals.shift + totals.same_1[several] / totals.same_n[several], 0.0, 180.0)
    return dict(zip(np.flatnonzero(several).tolist(), means.tolist(), strict=True))
