"""ImageNet-1k and subsets of its classes, from a folder with train/ and val/, each with one folder per wnid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from repr_probe.classes.wnids import imagenet100_wnids, imagenet_names, is_wnid, read_wnids
from repr_probe.datasets.catalog import CatalogEntry
from repr_probe.datasets.folders import read_class_folders
from repr_probe.datasets.split_contents import SplitContents
from repr_probe.errors import DatasetError

_ARCHIVES = {"train": "ILSVRC2012_img_train.tar", "val": "ILSVRC2012_img_val.tar"}


def read_imagenet(entry: CatalogEntry, split: str, root: Path, *, wnid_file: Path | None = None) -> SplitContents:
    """One split of imagenet or imagenet100, or of the classes listed in `wnid_file`; classes in the order of their wnids."""
    if wnid_file is not None:
        wnids: Sequence[str] = read_wnids(wnid_file)
    else:
        wnids = imagenet100_wnids() if entry.name == "imagenet100" else tuple(imagenet_names())
    folder = find_imagenet(entry, split, root)
    return read_class_folders(folder, split, tuple(wnids), split)


def find_imagenet(entry: CatalogEntry, split: str, root: Path) -> Path:
    """ROOT/imagenet or ROOT, whichever holds SPLIT/WNID folders; a DatasetError says what to do about any other state of things."""
    found = locate_imagenet(entry, split, root)
    if found:
        return found
    for folder in (root / entry.place, root):
        unsorted = _unsorted(folder, split)
        if unsorted:
            raise DatasetError(
                f"dataset must have its images in one folder per wnid; got {unsorted}; sort them with the development kit: "
                f"torchvision.datasets.ImageNet({str(folder)!r}, split={split!r}) does it from the official archives"
            )
    raise DatasetError(
        f"dataset must be on disk; got no {entry.name} in {root / entry.place / split} or {root / split}; it is not downloaded for you: "
        f"get ILSVRC 2012 from {entry.homepage} and give the folder that holds {split}/WNID/*.JPEG with --data-root"
    )


def locate_imagenet(entry: CatalogEntry, split: str, root: Path) -> Path | None:
    """The first of those folders that holds SPLIT/WNID, or None."""
    return next((folder for folder in (root / entry.place, root) if _has_wnid_folders(folder / split)), None)


def _has_wnid_folders(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(is_wnid(entry.name) and entry.is_dir() for entry in entries)


def _unsorted(folder: Path, split: str) -> str | None:
    """What is there instead of class folders: the flat official images, or the official archive."""
    place = folder / split
    for flat in (place, folder / f"ILSVRC2012_img_{split}"):
        if flat.is_dir():
            first = min((path.name for path in flat.glob("ILSVRC2012_*.JPEG")), default=None)
            if first:
                return f"all images directly in {flat} (first {first})"
    archive = folder / _ARCHIVES[split]
    return f"the archive {archive}" if archive.is_file() else None
