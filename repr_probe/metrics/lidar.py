"""LiDAR: effective rank of the linear discriminants of objects, an object being one image in several views, or one class."""

from __future__ import annotations

from typing import Any

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.features.door import as_features
from repr_probe.metrics.spectrum import rankme_from_sigma
from repr_probe.metrics.states import GeometryStates, Options

DELTA, EPSILON = 1e-4, 1e-8
_BLOCK_NUMBERS = 1 << 21


def lidar(views: Any, *, delta: float = DELTA, epsilon: float = EPSILON) -> float:
    """Number of directions that tell images apart better than views of one image differ.

    exp(-Σ p ln p), p = λ/Σλ + epsilon, λ the eigenvalues of Sb against Sw + delta I: Sb the covariance of the images' mean views
    (divided by n - 1), Sw the pooled covariance of views about them (divided by n(q - 1)).
    views: (n_images, n_views, n_features) raw features of augmented views, two views and two images or more.
    Range [1, min(D, n_images - 1)], softened by epsilon; grows with images and views, so compare at equal numbers of both.
    Source: Thilak et al. 2024 (arXiv 2312.04000).

    >>> apart, differ = np.eye(4) * 3.0, np.array([1.0, -1.0]) * 1e-3  # four images that span three directions about their mean
    >>> round(lidar(apart[:, None] + differ[:, None]), 3)
    3.0
    """
    array = np.asarray(views.detach().cpu() if hasattr(views, "detach") else views)
    if array.ndim != 3:
        raise InputError(f"views must be (n_images, n_views, n_features); got shape {array.shape}")
    between, within = view_scatter(array)
    return discriminant_rank(between, within, array.shape[2], delta=delta, epsilon=epsilon)


def lidar_class(features: Any, labels: Any, *, delta: float = DELTA, epsilon: float = EPSILON) -> float:
    """LiDAR with classes as the objects and their rows as the views; no augmentation is involved, and it is another number than `lidar`.

    Sb of the class means, every class alike; Sw divided by Σ(n_k - 1). Classes of two rows or more.
    features: (n_samples, n_features); labels: one per row.  Range [1, min(D, n_classes - 1)].

    >>> round(lidar_class([[1.0, 0.0], [1.1, 0.1], [-1.0, 0.1], [-1.1, 0.0]], ["a", "a", "b", "b"]), 3)
    1.0
    """
    return class_rank(GeometryStates(as_features(features, labels), Options(intervals=False)), delta=delta, epsilon=epsilon)


def discriminant_rank(
    between: np.ndarray, within: np.ndarray, n_features: int, *, delta: float = DELTA, epsilon: float = EPSILON
) -> float:
    """exp entropy of the n_features eigenvalues of `between` against `within` + delta I, covariances in as many coordinates or fewer
    (the rest are zeros). Raises UndefinedMeasure when all objects have one mean.
    """
    from scipy.linalg import eigh

    if not delta > 0:
        raise InputError(f"delta must be above 0; got {delta!r}")
    if not between.any():
        raise UndefinedMeasure("the means of all objects are equal")
    values = eigh(between, within + delta * np.eye(len(within)), eigvals_only=True, check_finite=False)
    return rankme_from_sigma(np.maximum(values, 0.0)[::-1], n_features, epsilon)


def view_scatter(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Sb, Sw), (D, D) each, of views (n_images, n_views, n_features), memory-mapped or not, in one pass.

    Raises UndefinedMeasure below two views or two images, or for a view that is not finite.
    """
    n_images, n_views, width = views.shape
    if n_views < 2:
        raise UndefinedMeasure(f"needs 2 views of each image; got {n_views}")
    if n_images < 2:
        raise UndefinedMeasure(f"needs 2 images; got {n_images}")
    between, within, total = np.zeros((width, width)), np.zeros((width, width)), np.zeros(width)
    reference = np.asarray(views[0], np.float64).mean(axis=0)
    step = max(1, _BLOCK_NUMBERS // (n_views * width))
    for start in range(0, n_images, step):
        block = np.asarray(views[start : start + step], np.float64)
        finite = np.isfinite(block).all(axis=(1, 2))
        if not finite.all():
            raise UndefinedMeasure(f"views must be finite; image {start + int(np.argmin(finite))} is not")
        mean = block.mean(axis=1)
        inner = (block - mean[:, None]).reshape(-1, width)
        moved = mean - reference
        within += inner.T @ inner
        between += moved.T @ moved
        total += moved.sum(axis=0)
    between -= np.outer(total, total / n_images)
    return _spread(between, float(reference @ reference)) / (n_images - 1.0), within / (n_images * (n_views - 1.0))


def _spread(between: np.ndarray, square: float) -> np.ndarray:
    """Zeros where only rounding of means of this squared length is left."""
    return between if np.trace(between) > len(between) * (8.0 * np.finfo(np.float64).eps) ** 2 * square else np.zeros_like(between)


def class_rank(states: GeometryStates, *, delta: float = DELTA, epsilon: float = EPSILON) -> float:
    """LiDAR of the classes of two rows or more among the labelled, non-zero rows."""
    states.require_same_class()
    index, codes, _ = states.order
    counts = np.bincount(codes)
    if (counts > 1).sum() < 2:
        raise UndefinedMeasure("needs two classes of two rows or more; got 1")
    sums = states.moments.classes
    means = sums.raw[sums.count > 0] / counts[:, None]
    kept = np.flatnonzero(counts[codes] > 1)
    rows, own = states.space.select(index[kept]), codes[kept]
    within = np.zeros((rows.n_features,) * 2)
    for start, block in rows.blocks():
        block -= means[own[start : start + len(block)]]
        within += block.T @ block
    center = means[counts > 1].mean(axis=0)
    objects = means[counts > 1] - center
    between = _spread(objects.T @ objects, float(center @ center)) / (len(objects) - 1.0)
    return discriminant_rank(between, within / (len(kept) - len(objects)), states.features.n_features, delta=delta, epsilon=epsilon)
