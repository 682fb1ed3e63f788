"""Noise ceiling: how well class distances repeat between two halves of the images, and what any reference could reach with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.metrics.matrix_ranks import correlation, matrix_pair


@dataclass(frozen=True)
class NoiseCeiling:
    """half_*: correlation of the class distances of the two halves.  reliability_*: that of the full sample, 2r/(1 + r) (Spearman-Brown).
    ceiling_*: √reliability, the correlation that a reference equal to the noiseless distances would show. 0 where the halves disagree (r <= 0).
    """

    half_spearman: float
    half_pearson: float
    reliability_spearman: float
    reliability_pearson: float
    ceiling_spearman: float
    ceiling_pearson: float
    n_classes: int


def noise_ceiling(half_a_centroids: np.ndarray, half_b_centroids: np.ndarray, *, keep: np.ndarray | None = None) -> NoiseCeiling:
    """From the class centroids (K, D) of two disjoint random halves of every class's images, over 1 - cosine.

    The rule of Spearman and Brown is exact for Pearson's r of sums of independent parts and an approximation for distances and ranks.
    Raises UndefinedMeasure for a centroid of length 0 and as `align`.
    """
    distances = [centroid_distances(half) for half in (half_a_centroids, half_b_centroids)]
    pair = matrix_pair(distances[0], distances[1], keep)
    ranked, plain = correlation(*pair.rank_scores(), pair.kept), correlation(*pair.scores(), pair.kept)
    reliable = [max(0.0, 2.0 * r / (1.0 + r)) if r > 0 else 0.0 for r in (ranked, plain)]
    return NoiseCeiling(ranked, plain, reliable[0], reliable[1], reliable[0] ** 0.5, reliable[1] ** 0.5, pair.n_classes)


def centroid_distances(centroids: np.ndarray) -> np.ndarray:
    """(K, K) 1 - cosine of (K, D) class centroids, float64, zero diagonal, exactly symmetric."""
    values = np.asarray(centroids, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError(f"centroids must be a finite matrix, classes x features; got shape {values.shape}", code="E_MATRIX")
    length = np.linalg.norm(values, axis=1)
    if not length.all():
        raise UndefinedMeasure(f"the centroid of class {int(np.argmin(length))} has length 0: it has no direction")
    unit = values / length[:, None]
    cosine = unit @ unit.T
    distance = 1.0 - np.clip((cosine + cosine.T) / 2.0, -1.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    return distance
