"""Stored images as uint8 tensors."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image, ImageOps

from repr_probe import progress
from repr_probe.datasets.image_dataset import ImageDataset
from repr_probe.datasets.transform import convert
from repr_probe.errors import DatasetError
from repr_probe.loading import available_cores
from repr_probe.views.recipe import SMALLEST_SIDE

_DECODED_TOGETHER = 1024


class UnequalSizes(DatasetError):
    """Images of several sizes where one array was to hold them all."""


def pixels_of(dataset: ImageDataset, row: int, size: tuple[int, int] | None = None) -> torch.Tensor:
    """uint8 (C, H, W) of one image at its full resolution, or scaled to cover `size` (height, width) and cut to it around the centre.

    In memory it lies as (H, W, C). Raises DatasetError naming the image when it is damaged or too small to crop.
    """
    image = convert(dataset.image(row), dataset.input.channels)
    if min(image.size) < SMALLEST_SIDE:
        least = f"{SMALLEST_SIDE} x {SMALLEST_SIDE}"
        raise DatasetError(f"image must have {least} pixels or more; got {image.height} x {image.width} in {dataset.ids[row]}; remove it")
    if size is not None and size != (image.height, image.width):
        image = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(image))
    return pixels.unsqueeze(0) if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def all_pixels(dataset: ImageDataset, size: tuple[int, int] | None = None) -> torch.Tensor:
    """uint8 (n, C, H, W): the whole data set, decoded on all cores. Raises UnequalSizes when `size` is None and the images differ in size."""
    first = pixels_of(dataset, 0, size)
    held = torch.empty((len(dataset), *first.shape), dtype=torch.uint8)
    with progress.task(f"reading {dataset.name}", len(dataset)) as advance, ThreadPoolExecutor(available_cores()) as pool:
        for start in range(0, len(dataset), _DECODED_TOGETHER):  # in parts, or one damaged image would be found only after all others
            rows = range(start, min(start + _DECODED_TOGETHER, len(dataset)))
            decoded: Iterator[torch.Tensor] = pool.map(lambda row: pixels_of(dataset, row, size), rows)
            for row, pixels in zip(rows, decoded, strict=True):
                if pixels.shape != first.shape:
                    one, other = (f"{height} x {width}" for _, height, width in (first.shape, pixels.shape))
                    raise UnequalSizes(
                        f"images must have one size to stay on the device together; got {one} in {dataset.ids[0]} and {other} in "
                        f"{dataset.ids[row]}; state a size, or use the stream feed"
                    )
                held[row] = pixels
            advance(len(rows))
    return held
