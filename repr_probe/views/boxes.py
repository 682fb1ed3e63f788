"""Crop boxes, batched: the rule of torchvision's RandomResizedCrop from uniform numbers drawn beforehand."""

from __future__ import annotations

import numpy as np

TRIES = 10
N_BOX_NUMBERS = 2 * TRIES + 2  # area and ratio of every try, then the corner


def boxes_of(
    numbers: np.ndarray, height: int | np.ndarray, width: int | np.ndarray, *, area: tuple[float, float], ratio: tuple[float, float]
) -> np.ndarray:
    """Crop boxes (..., 4) int64: top, left, height, width; numbers: (..., N_BOX_NUMBERS or more) uniform in [0, 1).

    height, width: of the images, one for all or (...,). Area uniform, aspect ratio (width / height) log-uniform; of ten tries the first
    that fits inside the image counts; without one the largest centred box of an allowed ratio. The corner is uniform.

    >>> boxes_of(np.full(22, 0.5), 30, 40, area=(0.25, 0.25), ratio=(1.0, 1.0)).tolist()   # half-way: an image has 30 x 40 = 1200 pixels
    [7, 12, 17, 17]
    """
    height, width = (np.broadcast_to(np.asarray(side, dtype=np.int64), numbers.shape[:-1]) for side in (height, width))
    areas = (height * width)[..., None] * (area[0] + (area[1] - area[0]) * numbers[..., :TRIES])
    low, high = np.log(ratio)
    ratios = np.exp(low + (high - low) * numbers[..., TRIES : 2 * TRIES])
    wide, high_ = np.rint(np.sqrt(areas * ratios)).astype(np.int64), np.rint(np.sqrt(areas / ratios)).astype(np.int64)  # (..., TRIES)
    fits = (wide > 0) & (wide <= width[..., None]) & (high_ > 0) & (high_ <= height[..., None])
    first = fits.argmax(axis=-1)[..., None]
    crop_height, crop_width = (np.take_along_axis(sides, first, axis=-1)[..., 0] for sides in (high_, wide))
    down, right = numbers[..., 2 * TRIES], numbers[..., 2 * TRIES + 1]
    drawn = [(down * (height - crop_height + 1)).astype(np.int64), (right * (width - crop_width + 1)).astype(np.int64), crop_height, crop_width]
    return np.where(fits.any(axis=-1)[..., None], np.stack(drawn, axis=-1), _centre_boxes(height, width, ratio))


def _centre_boxes(height: np.ndarray, width: np.ndarray, ratio: tuple[float, float]) -> np.ndarray:
    crop_width = np.minimum(width, np.maximum(1, np.rint(height * ratio[1]).astype(np.int64)))
    crop_height = np.minimum(height, np.maximum(1, np.rint(width / ratio[0]).astype(np.int64)))
    return np.stack([(height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width], axis=-1)
