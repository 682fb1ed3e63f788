"""open_dataset: a known name or a folder -> ImageDataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from repr_probe.datasets.catalog import CATALOG, CatalogEntry, find_entry
from repr_probe.datasets.digits import read_digits
from repr_probe.datasets.draw import balanced_draw
from repr_probe.datasets.fingerprint import fingerprint_of
from repr_probe.datasets.folders import read_folder
from repr_probe.datasets.image_dataset import ImageDataset
from repr_probe.datasets.image_sources import ChosenSource
from repr_probe.datasets.names import one_of
from repr_probe.datasets.split_contents import SplitContents
from repr_probe.datasets.transform import build_transform
from repr_probe.errors import DatasetError
from repr_probe.files.home import data_root as chosen_data_root
from repr_probe.preprocessing import InputSpec


def open_dataset(
    dataset: str | Path,
    input: InputSpec,
    *,
    split: str | None = None,
    data_root: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    verify: bool = False,
) -> ImageDataset:
    """Open one split of a data set, preprocessed for an encoder; nothing is downloaded, no image is decoded yet.

    dataset: a known name (`repr_probe.datasets.catalog`), "imagenet:FILE" for the classes whose wnids FILE lists, else a folder
    (`repr_probe.datasets.folders` says how it is read); a pathlib.Path is always a folder.  input: what the encoder wants to see.
    split: default test (val for ImageNet).  data_root: where known sets lie (default: REPR_PROBE_DATA, else `data` in the home folder).
    limit: a class-balanced draw of so many images by `seed`, order kept.  verify: hash contents for the fingerprint, not sizes and times.
    Raises DatasetError for an unknown or missing set, UsageError for an impossible option.
    """
    transform = build_transform(input)
    name, contents = _read(dataset, split, data_root)
    fingerprint = contents.constant_fingerprint or fingerprint_of(contents.folder, contents.stamps, verify=verify)
    notes = list(contents.notes)
    if limit is not None:
        contents = _limited(contents, limit, seed, notes)
    return ImageDataset(
        name=name,
        split=contents.split,
        input=input,
        labels=contents.labels,
        class_names=contents.class_names,
        ids=contents.ids,
        fingerprint=fingerprint,
        source=contents.source,
        transform=transform,
        notes=tuple(notes),
        wnids=contents.wnids,
    )


def _read(dataset: str | Path, split: str | None, data_root: str | Path | None) -> tuple[str, SplitContents]:
    if isinstance(dataset, str) and dataset.lower() in CATALOG:
        entry = find_entry(dataset)
        return entry.name, _read_known(entry, _allowed_split(entry, split), chosen_data_root(data_root))
    folder = Path(dataset).expanduser()
    if isinstance(dataset, str) and not folder.exists() and "/" not in dataset:
        find_entry(dataset)  # raises with the nearest names
    contents = read_folder(folder, split=split)
    return folder.absolute().resolve().name or str(folder), contents


def _read_known(entry: CatalogEntry, split: str, root: Path) -> SplitContents:
    if entry.name == "digits":
        return read_digits(split)
    raise DatasetError(f"dataset must be present; got no {entry.name} in {root / entry.place}")


def _allowed_split(entry: CatalogEntry, split: str | None) -> str:
    if split is None:
        return entry.default_split
    if split not in entry.splits:
        raise DatasetError(f"split must be {one_of(entry.splits)} for {entry.name}; got {split!r}")
    return split


def _limited(contents: SplitContents, limit: int, seed: int, notes: list[str]) -> SplitContents:
    count = len(contents.ids)
    rows = balanced_draw(contents.labels, count, limit, seed=seed)
    if limit >= count:
        notes.append(f"limit {limit} is not below the {count} images of the split: all of them are used")
        return contents
    labels = None if contents.labels is None else contents.labels[rows]
    if labels is not None and (left_out := len(contents.class_names) - np.unique(labels).size):
        notes.append(f"limit {limit} leaves {left_out} of {len(contents.class_names)} classes without an image")
    changes: Mapping = {"source": ChosenSource(contents.source, rows), "labels": labels, "ids": tuple(contents.ids[row] for row in rows)}
    return SplitContents(**{**vars(contents), **changes})
