"""Crop boxes, batched: the rule of torchvision's RandomResizedCrop from uniform numbers drawn beforehand."""

from __future__ import annotations

import numpy as np

TRIES = 10
N_BOX_NUMBERS = 2 * TRIES + 2  # area and ratio of every try, then the corner

Span = tuple[float, float] | tuple[np.ndarray, np.ndarray]  # low, high


def boxes_of(
    numbers: np.ndarray, height: int | np.ndarray, width: int | np.ndarray, *, area: Span, ratio: Span
) -> np.ndarray:
    """Crop boxes (..., 4) int64: top, left, height, width; numbers: (..., N_BOX_NUMBERS or more) uniform in [0, 1).

    height, width of the images and the ends (low, high) of area and ratio: one number for all, or arrays that broadcast to (...,).
    Area (a fraction of the image) uniform, aspect ratio (width / height) log-uniform; of ten tries the first that fits inside the image
    counts; without one the largest centred box of an allowed ratio. The corner is uniform.

    >>> boxes_of(np.full(22, 0.5), 30, 40, area=(0.25, 0.25), ratio=(1.0, 1.0)).tolist()   # half-way: an image has 30 x 40 = 1200 pixels
    [7, 12, 17, 17]
    """
    shape = numbers.shape[:-1]
    height, width = (np.broadcast_to(np.asarray(side, dtype=np.int64), shape)[..., None] for side in (height, width))
    smallest, largest, narrowest, widest = (np.broadcast_to(end, shape)[..., None] for end in (*area, *ratio))
    areas = height * width * (smallest + (largest - smallest) * numbers[..., :TRIES])
    low, high = np.log(narrowest), np.log(widest)
    ratios = np.exp(low + (high - low) * numbers[..., TRIES : 2 * TRIES])
    sides = np.rint(np.sqrt(np.stack([areas / ratios, areas * ratios]))).astype(np.int64)  # (2, ..., TRIES): heights, widths
    limits = np.stack([height, width])
    fits = ((sides > 0) & (sides <= limits)).all(axis=0)
    first = fits.argmax(axis=-1)[None, ..., None]
    drawn = np.take_along_axis(sides, first, axis=-1)
    drawn = np.where(fits.any(axis=-1, keepdims=True), drawn, _largest_sides(height, width, narrowest, widest))
    places = np.stack([numbers[..., 2 * TRIES, None], numbers[..., 2 * TRIES + 1, None]])
    corners = (places * (limits - drawn + 1)).astype(np.int64)
    corners = np.where(fits.any(axis=-1, keepdims=True), corners, (limits - drawn) // 2)
    return np.concatenate([*corners, *drawn], axis=-1)


def _largest_sides(height: np.ndarray, width: np.ndarray, narrowest: np.ndarray, widest: np.ndarray) -> np.ndarray:
    """Height and width (2, ..., 1) of the largest box whose ratio lies between the two."""
    allowed = np.stack([width / narrowest, height * widest])
    return np.minimum(np.stack([height, width]), np.maximum(1, np.rint(allowed)).astype(np.int64))
