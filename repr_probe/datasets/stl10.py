"""STL-10 in its official binary layout (stl10_binary): images column by column, labels from 1.

Memory-mapped: torchvision's reader hashes and loads all 3 GB, the 100,000 unlabelled images included, on each opening.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from repr_probe.datasets.catalog import CatalogEntry
from repr_probe.datasets.image_sources import PackedSource
from repr_probe.datasets.places import find_folder
from repr_probe.datasets.split_contents import SplitContents, packed_ids, stamp_of
from repr_probe.errors import DatasetError

_SIDE = 96
_IMAGE_BYTES = 3 * _SIDE * _SIDE


def read_stl10(entry: CatalogEntry, split: str, root: Path) -> SplitContents:
    """One split of STL-10; "unlabeled" has no labels."""
    folder = find_folder(entry, split, root)
    images, *label_files = entry.files[split]
    size = (folder / images).stat().st_size
    if size == 0 or size % _IMAGE_BYTES:
        raise DatasetError(f"STL-10 file must hold whole images of {_IMAGE_BYTES} bytes; got {size} bytes in {folder / images}")
    count = size // _IMAGE_BYTES
    class_names = _class_names(folder / label_files[1], entry.n_classes) if label_files else ()
    return SplitContents(
        split=split,
        source=PackedSource(partial(_load, str(folder / images)), count),
        ids=packed_ids(split, count),
        labels=_labels(folder / label_files[0], count, len(class_names)) if label_files else None,
        class_names=class_names,
        folder=str(folder),
        stamps=tuple(stamp_of(folder, name) for name in entry.files[split]),
    )


def _class_names(path: Path, n_classes: int) -> tuple[str, ...]:
    names = tuple(path.read_bytes().decode("utf-8", "replace").split())
    if len(names) != n_classes:
        raise DatasetError(f"STL-10 file must name {n_classes} classes; got {len(names)} in {path}")
    return names


def _labels(path: Path, count: int, n_classes: int) -> np.ndarray:
    labels = np.fromfile(path, dtype=np.uint8).astype(np.int64) - 1
    if len(labels) != count:
        raise DatasetError(f"STL-10 must have one label per image; got {len(labels)} labels for {count} images in {path}")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise DatasetError(f"STL-10 labels must be 1 to {n_classes}; got {labels.min() + 1} to {labels.max() + 1} in {path}")
    return labels


def _load(path: str) -> np.ndarray:
    stored = np.memmap(path, dtype=np.uint8, mode="r").reshape(-1, 3, _SIDE, _SIDE)  # (n, colour, column, row)
    return stored.transpose(0, 3, 2, 1)
