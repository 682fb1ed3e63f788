"""open_dataset: a known name or a folder -> ImageDataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from repr_probe import progress
from repr_probe.datasets.catalog import CATALOG, CatalogEntry, find_entry
from repr_probe.datasets.cifar import read_cifar
from repr_probe.datasets.digits import read_digits
from repr_probe.datasets.draw import balanced_draw
from repr_probe.datasets.fashion_mnist import read_fashion_mnist
from repr_probe.datasets.fingerprint import fingerprint_of
from repr_probe.datasets.folders import read_folder
from repr_probe.datasets.food101 import read_food101
from repr_probe.datasets.image_dataset import ImageDataset
from repr_probe.datasets.image_sources import ChosenSource
from repr_probe.datasets.imagenet import read_imagenet
from repr_probe.datasets.names import one_of
from repr_probe.datasets.split_contents import SplitContents
from repr_probe.datasets.stl10 import read_stl10
from repr_probe.datasets.transform import build_transform
from repr_probe.errors import DatasetError
from repr_probe.files.home import data_root as chosen_data_root
from repr_probe.preprocessing import InputSpec

_READERS: dict[str, Callable[[CatalogEntry, str, Path], SplitContents]] = {
    "cifar10": read_cifar,
    "cifar100": read_cifar,
    "stl10": read_stl10,
    "food101": read_food101,
    "fashion-mnist": read_fashion_mnist,
    "imagenet": read_imagenet,
    "imagenet100": read_imagenet,
}


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
    root = chosen_data_root(data_root)
    if isinstance(dataset, str):
        if dataset.lower() in CATALOG:
            entry = find_entry(dataset)
            if Path(dataset).is_dir():
                progress.note(f"{dataset} is the known data set; the folder of that name here is read as ./{dataset}")
            return entry.name, _read_known(entry, _allowed_split(entry, split), root)
        kind, _, wnid_file = dataset.partition(":")
        if kind.lower() == "imagenet" and wnid_file:
            entry, path = find_entry(kind), Path(wnid_file).expanduser()
            return f"imagenet:{path.name}", read_imagenet(entry, _allowed_split(entry, split), root, wnid_file=path)
        if "/" not in dataset and not Path(dataset).exists():
            find_entry(dataset)  # raises with the nearest names
    folder = Path(dataset).expanduser().absolute()
    return folder.resolve().name or str(folder), read_folder(folder, split=split)


def _read_known(entry: CatalogEntry, split: str, root: Path) -> SplitContents:
    contents = read_digits(split) if entry.name == "digits" else _READERS[entry.name](entry, split, root)
    official, found = entry.splits[split], len(contents.ids)
    if official is not None and official != found:
        note = f"{entry.name} {split} has {found} images here; the published split has {official}"
        contents = replace(contents, notes=(*contents.notes, note))
    return contents


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
    ids = tuple(contents.ids[row] for row in rows)
    return replace(contents, source=ChosenSource(contents.source, rows), labels=labels, ids=ids)
