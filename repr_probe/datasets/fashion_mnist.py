"""Fashion-MNIST in its official idx files, plain (torchvision's FashionMNIST/raw) or compressed (.gz, as published)."""

from __future__ import annotations

import gzip
import zlib
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from repr_probe.datasets.catalog import CatalogEntry
from repr_probe.datasets.image_sources import PackedSource
from repr_probe.datasets.places import GZIP, actual_name, find_folder
from repr_probe.datasets.split_contents import SplitContents, packed_ids, stamp_of
from repr_probe.errors import DatasetError

CLASS_NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_UNSIGNED_BYTES = 8  # the idx code of the only element type used here


def read_fashion_mnist(entry: CatalogEntry, split: str, root: Path) -> SplitContents:
    """One split of Fashion-MNIST."""
    folder = find_folder(entry, split, root)
    images, labels_file = (actual_name(folder, name) or name for name in entry.files[split])
    labels = read_idx(folder / labels_file, 1).astype(np.int64)
    pixels = read_idx(folder / images, 3)
    if len(labels) != len(pixels):
        raise DatasetError(f"{entry.name} must have one label per image; got {len(labels)} labels for {len(pixels)} images in {folder}")
    if labels.max() >= len(CLASS_NAMES):
        raise DatasetError(f"{entry.name} labels must be below {len(CLASS_NAMES)}; got {labels.max()} in {folder / labels_file}")
    return SplitContents(
        split=split,
        source=PackedSource(partial(read_idx, folder / images, 3), len(pixels), pixels),
        ids=packed_ids(split, len(pixels)),
        labels=labels,
        class_names=CLASS_NAMES,
        folder=str(folder),
        stamps=(stamp_of(folder, images), stamp_of(folder, labels_file)),
    )


def read_idx(path: Path, n_dims: int) -> np.ndarray:
    """A uint8 idx file: two zero bytes, type, number of dimensions, big-endian sizes, data. Plain files are memory-mapped."""
    try:
        if path.suffix == GZIP:
            with gzip.open(path) as file:
                shape = _idx_shape(path, file, n_dims)
                values = np.frombuffer(file.read(), dtype=np.uint8)
        else:
            with path.open("rb") as file:
                shape = _idx_shape(path, file, n_dims)
                values = np.memmap(file, dtype=np.uint8, mode="r", offset=file.tell())
    except (OSError, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"idx file must be readable; got {path}: {' '.join(str(error).split())}") from error
    if values.size != np.prod(shape, dtype=object):
        raise DatasetError(f"idx file must hold {' x '.join(map(str, shape))} bytes, as its header says; got {values.size} in {path}")
    return values.reshape(shape)


def _idx_shape(path: Path, file: IO[bytes] | gzip.GzipFile, n_dims: int) -> tuple[int, ...]:
    header = file.read(4 + 4 * n_dims)
    if len(header) < 4 + 4 * n_dims or header[:4] != bytes((0, 0, _UNSIGNED_BYTES, n_dims)):
        begin = header[:4].hex(" ") or "nothing"
        raise DatasetError(f"idx file must begin with the header of {n_dims}-dimensional bytes; got {begin} in {path}")
    shape = tuple(int(size) for size in np.frombuffer(header, dtype=">u4", offset=4))
    if 0 in shape:
        raise DatasetError(f"idx file must hold something; got the shape {shape} in {path}")
    return shape
