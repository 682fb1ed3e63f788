"""ProbeSet: the fixed clean images, with their labels, on which a model is looked at while it learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch

from repr_probe.datasets.draw import balanced_draw
from repr_probe.datasets.image_dataset import ImageDataset
from repr_probe.datasets.open import open_dataset
from repr_probe.datasets.transform import pixels_of
from repr_probe.errors import UsageError
from repr_probe.loading import choose_workers, image_batches
from repr_probe.preprocessing import InputSpec


class ProbeSet(NamedTuple):
    """images: (n, channels, height, width) float32, preprocessed for evaluation (or uint8, see `probe_set`).

    labels: (n,) int64, or None for an unlabelled set.
    """

    images: torch.Tensor
    labels: np.ndarray | None


def probe_set(
    dataset: str | Path | ImageDataset,
    input: InputSpec | None = None,
    *,
    limit: int | None = 5000,
    split: str | None = None,
    data_root: str | Path | None = None,
    seed: int = 0,
    pixels: bool = False,
) -> ProbeSet:
    """`limit` images of a data set, drawn class-balanced by `seed` (order kept), decoded once and held in memory.

    dataset: a known name or a folder, opened for `input` (what the encoder wants to see), or an ImageDataset that is open already.
    limit: None for all.  split, data_root: as in `open_dataset`.
    pixels: uint8 images before they are normalised, in a quarter of the memory (5,000 at 224 pixels: 0.75 GB instead of 3); whoever looks
        at them calls `repr_probe.datasets.transform.normalise_pixels`, which gives the very same floats.
    The same draw as `--limit`, so that the command line sees the very same images.

    >>> from repr_probe.preprocessing import InputSpec
    >>> images, labels = probe_set("digits", InputSpec(size=(8, 8), mean=(0.0,), std=(1.0,)), limit=20)
    >>> tuple(images.shape), np.bincount(labels).tolist()
    ((20, 1, 8, 8), [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    """
    rows: np.ndarray | range
    if isinstance(dataset, ImageDataset):
        if input is not None or split is not None or data_root is not None:
            raise UsageError("input, split and data_root must be left out for a data set that is open already; got one of them")
        opened = dataset
        rows = range(len(opened)) if limit is None else balanced_draw(opened.labels, len(opened), limit, seed=seed)
    else:
        if input is None:
            raise UsageError(f"input must say what the encoder wants to see when dataset is a name; got None for {dataset}")
        opened = open_dataset(dataset, input, split=split, data_root=data_root, limit=limit, seed=seed)
        rows = range(len(opened))
    drawn = cast(ImageDataset, _Drawn(opened, rows, pixels=pixels))
    images = torch.cat(list(image_batches(drawn, start=0, batch_size=64, workers=choose_workers(None, drawn))))
    return ProbeSet(images, None if opened.labels is None else opened.labels[np.asarray(rows)])


class _Drawn:
    """Some rows of a data set, for the processes that decode."""

    def __init__(self, dataset: ImageDataset, rows: Sequence[int] | np.ndarray, *, pixels: bool) -> None:
        self.dataset, self.rows, self.input, self.pixels = dataset, rows, dataset.input, pixels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> torch.Tensor:
        row = int(self.rows[place])
        return pixels_of(self.dataset.transform.cropped(self.dataset.image(row))) if self.pixels else self.dataset[row]
