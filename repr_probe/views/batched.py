"""Views of a batch: crop, resize and mirror, then colours, then normalise; per image its own numbers, the work for all images at once.

`draw_views` starts from whole images on any device. Where those are too large for that, `crop_views` makes the uint8 crops of one image in a
loading worker and `colour_views` does the rest on the device; both ways draw the same numbers for the same (seed, row).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from repr_probe.errors import InputError, UsageError
from repr_probe.views.boxes import boxes_of
from repr_probe.views.crops import resize_boxes, uint8_crops
from repr_probe.views.draws import draw_numbers, flips_of, photometry_of
from repr_probe.views.photometry import apply_photometry, to_device
from repr_probe.views.recipe import SMALLEST_SIDE, MultiCrop

# Values of one size worked on together. On a CPU as many as stay in a core's cache: every operation then runs several times faster.
_CPU_BLOCK = 2**19
_DEVICE_BLOCK = 2**27


def draw_views(
    images: torch.Tensor | Sequence[torch.Tensor],
    recipe: MultiCrop,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    seed: tuple[int, ...],
    rows: Sequence[int] | np.ndarray | None = None,
    device: torch.device | str | None = None,
) -> list[torch.Tensor]:
    """The views of n images: for each view of the recipe float32 (n, C, size, size), (value - mean) / std.

    images: uint8 (n, C, H, W), or n of (C, H, W) with sizes of their own; C is 3 (RGB) or 1 (grey).  device: default where the images are.
    seed: non-negative integers; rows: (n,) numbers of the images within that seed, default 0 ... n - 1. What is drawn for an image is a
    function of seed and row alone: not of the batch it is in, nor of the device. No global generator is read or moved.
    Raises InputError for images that cannot be cropped, UsageError for a mean, std, seed or rows that do not fit.

    >>> from repr_probe.views.recipe import dino_views
    >>> images, recipe = torch.full((5, 3, 32, 32), 255, dtype=torch.uint8), dino_views(global_size=32, local_size=16, solarise=False, strength=0)
    >>> views = draw_views(images, recipe, mean=(0.5,) * 3, std=(0.25,) * 3, seed=(0, 1))
    >>> len(views), tuple(views[0].shape), tuple(views[7].shape), round(views[0].mean().item(), 3)
    (8, (5, 3, 32, 32), (5, 3, 16, 16), 2.0)
    """
    numbered = np.arange(len(images)) if rows is None else np.asarray(rows)
    if numbered.shape != (len(images),) or numbered.dtype.kind not in "iu" or (numbered < 0).any():
        raise UsageError(f"rows must be one non-negative integer for each of the {len(images)} images; got {rows!r}")
    if not isinstance(images, torch.Tensor):
        return _draw_ragged(images, recipe, mean=mean, std=std, seed=seed, rows=numbered, device=device)
    _check_images(images, len(mean))
    where = images.device if device is None else torch.device(device)
    numbers = draw_numbers(seed, numbered, recipe)
    height, width = images.shape[-2:]
    palette = _Palette(recipe, numbers, mean, std, where)
    boxes = _boxes(recipe, numbers, height, width)
    with torch.no_grad(), torch.autocast(where.type, enabled=False):
        for part in palette.blocks():
            pixels = images[part].to(where, non_blocking=True).to(torch.float32, memory_format=torch.contiguous_format)
            for size, (places, mirrored) in boxes.items():
                corners, flips = to_device([places[:, part].astype(np.float32), mirrored[:, part].astype(np.float32)], where)
                palette.colour(size, part, resize_boxes(pixels, corners, flips > 0, size))
    return palette.views()


def crop_views(image: torch.Tensor, recipe: MultiCrop, *, seed: tuple[int, ...], row: int) -> list[torch.Tensor]:
    """The uint8 crops of one image, cut and resized from its full resolution as torchvision's RandomResizedCrop does (bicubic, antialiased).

    image: uint8 (C, H, W) on the CPU. Gives for each size in `recipe.sizes` a tensor (number of views of that size, C, size, size).
    """
    _check_images(image[None], image.shape[0])
    numbers = draw_numbers(seed, np.array([row]), recipe)
    found = _boxes(recipe, numbers, *image.shape[-2:])
    return [uint8_crops(image, boxes[:, 0], flips[:, 0], size) for size, (boxes, flips) in found.items()]


def colour_views(
    crops: Sequence[torch.Tensor],
    recipe: MultiCrop,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    seed: tuple[int, ...],
    rows: np.ndarray,
) -> list[torch.Tensor]:
    """Views from the crops of n images: what `draw_views` gives, on the device of the crops.

    crops: for each size in `recipe.sizes` uint8 (number of views of that size, n, C, size, size).  rows: (n,), as in `crop_views`.
    """
    where = crops[0].device
    palette = _Palette(recipe, draw_numbers(seed, rows, recipe), mean, std, where)
    with torch.no_grad(), torch.autocast(where.type, enabled=False):
        for part in palette.blocks():
            for size, group in zip(recipe.sizes, crops, strict=True):
                palette.colour(size, part, group[:, part].to(torch.float32, memory_format=torch.contiguous_format).div_(255))
    return palette.views()


class _Palette:
    """Takes crops in [0, 1] block by block, colours and normalises them, and holds the finished views."""

    def __init__(self, recipe: MultiCrop, numbers: np.ndarray, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        if len(mean) not in (1, 3) or len(std) != len(mean) or not min(std) > 0:
            raise UsageError(f"mean and std must have 1 (grey) or 3 (RGB) values, std above 0; got {tuple(mean)!r} and {tuple(std)!r}")
        self.recipe, self.n_images = recipe, numbers.shape[1]
        scale = 1 / np.asarray(std, dtype=np.float64)
        shift = -np.asarray(mean, dtype=np.float64) * scale
        self.scale, self.shift = (line.view(-1, 1, 1) for line in to_device([scale.astype(np.float32), shift.astype(np.float32)], device))
        self.draws = {
            size: photometry_of(numbers[list(views)], [recipe.views[view] for view in views]) for size, views in recipe.sizes.items()
        }
        self.done = {
            size: torch.empty((len(views), self.n_images, len(mean), size, size), dtype=torch.float32, device=device)
            for size, views in recipe.sizes.items()
        }

    def blocks(self) -> list[slice]:
        """Parts of the batch that are worked on together."""
        values = max(group[:, 0].numel() for group in self.done.values()) if self.n_images else 1
        on_cpu = self.scale.device.type == "cpu"
        step = max(1, (_CPU_BLOCK * torch.get_num_threads() if on_cpu else _DEVICE_BLOCK) // values)
        return [slice(start, min(start + step, self.n_images)) for start in range(0, self.n_images, step)]

    def colour(self, size: int, part: slice, crops: torch.Tensor) -> None:
        """crops: (k, n_part, C, size, size) float32 in [0, 1]; changed in place."""
        apply_photometry(crops.view(-1, *crops.shape[2:]), self.draws[size].of_images(part))
        torch.addcmul(self.shift, crops, self.scale, out=self.done[size][:, part])

    def views(self) -> list[torch.Tensor]:
        """In the order of the recipe."""
        found = {view: group[place] for size, group in self.done.items() for place, view in enumerate(self.recipe.sizes[size])}
        return [found[view] for view in range(self.recipe.n_views)]


def _boxes(recipe: MultiCrop, numbers: np.ndarray, height: int, width: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """{size: boxes (k, n, 4) and flips (k, n) of its views}; numbers: (n_views, n, N_NUMBERS)."""
    ends = np.array([[*view.area, *view.ratio] for view in recipe.views]).T[..., None]  # (4, n_views, 1)
    boxes = boxes_of(numbers, height, width, area=(ends[0], ends[1]), ratio=(ends[2], ends[3]))
    flips = flips_of(numbers, recipe.views)
    return {size: (boxes[list(views)], flips[list(views)]) for size, views in recipe.sizes.items()}


def _draw_ragged(images: Sequence[torch.Tensor], recipe: MultiCrop, *, rows: np.ndarray, **options) -> list[torch.Tensor]:
    """Images of one shape are worked on together."""
    if not len(images):
        raise InputError("images must hold one image or more; got none")
    shapes: dict[torch.Size, list[int]] = {}
    for number, image in enumerate(images):
        shapes.setdefault(image.shape, []).append(number)
    parts = [draw_views(torch.stack([images[number] for number in same]), recipe, rows=rows[same], **options) for same in shapes.values()]
    order = torch.from_numpy(np.argsort(np.concatenate(list(shapes.values()))))
    return [torch.cat(same_view)[order.to(same_view[0].device)] for same_view in zip(*parts, strict=True)]


def _check_images(images: torch.Tensor, channels: int) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != channels or channels not in (1, 3):
        wanted = f"uint8 of shape (n, {channels if channels in (1, 3) else '1 or 3'}, height, width)"
        raise InputError(f"images must be {wanted}; got {images.dtype} of shape {tuple(images.shape)}")
    height, width = images.shape[-2:]
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(f"image must have {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels or more; got {height} x {width}")
