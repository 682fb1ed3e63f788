"""Views: several augmentations of one image as positives, in the sense of Wang & Isola; never mixed with same-class pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.rows import row_norms

_BLOCK_NUMBERS = 1 << 21


@dataclass(frozen=True, eq=False)
class ViewPairs:
    """Per image (n_images,): means over its V(V-1)/2 pairs of views of ‖u - u′‖², of the angle and of its square (degrees).

    center (D,): mean unit view.  toward_center (n_images,): mean over the image's views of u·center.  n_pairs: pairs of views in all.
    """

    distance: np.ndarray
    angle: np.ndarray
    angle_square: np.ndarray
    center: np.ndarray
    toward_center: np.ndarray
    n_pairs: int


def view_pairs(views: np.ndarray) -> ViewPairs:
    """views: (n_images, n_views, n_features). Raises UndefinedMeasure with fewer than two views, a zero row or one that is not finite."""
    n_images, n_views, width = views.shape
    if n_views < 2:
        raise UndefinedMeasure(f"needs 2 views of each image; got {n_views}")
    distance, angle, square = np.zeros(n_images), np.zeros(n_images), np.zeros(n_images)
    center = np.zeros(width)
    n_pairs = n_views * (n_views - 1) // 2
    step = max(1, _BLOCK_NUMBERS // (n_views * width))
    for start in range(0, n_images, step):
        unit = _unit(np.asarray(views[start : start + step], np.float64), start)
        part = slice(start, start + len(unit))
        center += unit.sum(axis=(0, 1))
        for first in range(n_views):
            for second in range(first + 1, n_views):
                gap = np.linalg.norm(unit[:, first] - unit[:, second], axis=1)
                theta = np.degrees(2.0 * np.arctan2(gap, np.linalg.norm(unit[:, first] + unit[:, second], axis=1)))
                distance[part] += gap**2 / n_pairs
                angle[part] += theta / n_pairs
                square[part] += theta**2 / n_pairs
    center /= n_images * n_views
    toward = [_unit(np.asarray(views[start : start + step], np.float64), start).mean(axis=1) @ center for start in range(0, n_images, step)]
    return ViewPairs(distance, angle, square, center, np.concatenate(toward), n_pairs * n_images)


def _unit(block: np.ndarray, start: int) -> np.ndarray:
    flat = block.reshape(-1, block.shape[-1])
    norms = row_norms(flat)
    image = lambda bad: start + int(np.argmax(bad)) // block.shape[1]  # noqa: E731
    if not np.isfinite(norms).all():
        raise UndefinedMeasure(f"views must be finite; image {image(~np.isfinite(norms))} is not")
    if (norms == 0).any():
        raise UndefinedMeasure(f"views must not be zero; image {image(norms == 0)} has a zero view")
    return (flat / norms[:, None]).reshape(block.shape)
