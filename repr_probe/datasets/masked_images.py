"""MaskedImages: the images of one split with a class id for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from repr_probe.datasets.transform import INTERPOLATIONS, convert, normalise
from repr_probe.errors import DatasetError
from repr_probe.preprocessing import InputSpec

# Pillow modes whose numbers are indices as they stand: palette, grey, bits, wide integers.
_INDEX_MODES = ("P", "L", "1", "I", "I;16", "I;16B", "I;16L")


@dataclass(frozen=True, eq=False)
class MaskedImages:
    """A split for dense prediction; made by `open_masked_images`.

    images, masks: files, one of each per id.  class_names: one per id 0 ... n_classes - 1.  ignore_index: void, None for no void.
    Images go to the network whole: resized to its input size in both directions, nothing is cropped, so every pixel of the original
    mask has a prediction.
    """

    name: str
    split: str
    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    ids: tuple[str, ...]
    class_names: tuple[str, ...]
    ignore_index: int | None
    fingerprint: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    def image(self, index: int, input: InputSpec) -> torch.Tensor:
        """float32 (channels, height, width), resized to the whole of `input.size` and normalised."""
        path = self.images[index]
        try:
            with Image.open(path) as image:
                height, width = input.size
                fitted = convert(image, input.channels)
                if fitted.size != (width, height):
                    fitted = fitted.resize((width, height), INTERPOLATIONS[input.interpolation])
                return normalise(fitted, input)
        except (OSError, ValueError, SyntaxError) as failure:
            raise DatasetError(f"dataset must hold readable images; got {path} ({failure})") from failure

    def mask(self, index: int) -> np.ndarray:
        """(height, width) int64 class ids at the size of the mask file; raises DatasetError naming a file that does not fit."""
        path = self.masks[index]
        ids = read_mask(path)
        with Image.open(self.images[index]) as image:
            width, height = image.size
        if ids.shape != (height, width):
            raise DatasetError(f"mask must have the size of its image, {height} x {width}; got {ids.shape[0]} x {ids.shape[1]} in {path}")
        known = ids < self.n_classes
        if self.ignore_index is not None:
            known |= ids == self.ignore_index
        if not known.all():
            void = "none" if self.ignore_index is None else self.ignore_index
            raise DatasetError(
                f"mask must hold class ids 0 to {self.n_classes - 1} or void ({void}); got {int(ids[~known][0])} in {path}; "
                "see --classes and --ignore-index"
            )
        return ids

    def mask_at(self, index: int, size: tuple[int, int]) -> np.ndarray:
        """The mask at another (height, width): the nearest pixel's id, because a mean of two ids would be a third class."""
        ids = self.mask(index)
        if ids.shape == size:
            return ids
        rows, columns = (((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip(size, ids.shape))
        return ids[rows[:, None], columns]

    def take(self, rows: Sequence[int] | np.ndarray) -> MaskedImages:
        """The same split with these images only."""
        images, masks, ids = (tuple(values[int(row)] for row in rows) for values in (self.images, self.masks, self.ids))
        return replace(self, images=images, masks=masks, ids=ids)  # type: ignore[arg-type]


def read_mask(path: Path) -> np.ndarray:
    """(height, width) int64 indices of a mask file: palette images are read as their indices, never as colours."""
    try:
        with Image.open(path) as mask:
            mask.load()
            mode, values = mask.mode, np.array(mask)
    except (OSError, ValueError, SyntaxError) as failure:
        raise DatasetError(f"mask must be a readable image; got {path} ({failure})") from failure
    if mode not in _INDEX_MODES:
        raise DatasetError(f"mask must hold one class id a pixel (palette or grey); got mode {mode} in {path}; convert its colours to ids")
    return values.astype(np.int64)
