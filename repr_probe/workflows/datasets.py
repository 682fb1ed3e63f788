"""The data sets known by name: which there are, which are on this disk, and how to fetch one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from repr_probe.datasets.catalog import CATALOG, CatalogEntry, find_entry
from repr_probe.files.home import data_root as chosen_data_root


@dataclass(frozen=True)
class DatasetRecord:
    """One known data set.

    splits: images per split as published.  present: the splits that are on this disk.  place: the folder they are read from, or would be.
    download_bytes: size of the official archive, 0 where nothing is downloaded (see homepage).
    """

    name: str
    splits: Mapping[str, int | None]
    default_split: str
    n_classes: int
    image_size: str
    download_bytes: int
    place: str
    present: tuple[str, ...]
    homepage: str
    terms: str


def list_datasets(data_root: str | Path | None = None) -> list[DatasetRecord]:
    """Every known data set, with what of it lies under `data_root` (default: REPR_PROBE_DATA, else `data` in the home folder)."""
    root = chosen_data_root(data_root)
    return [_record(entry, root) for entry in CATALOG.values()]


def get_dataset(name: str, data_root: str | Path | None = None) -> Path:
    """Download a data set by name, check its md5 and unpack it; returns its folder. Present already: nothing is done.

    Raises DatasetError for an unknown name (with the nearest ones), for a set that cannot be fetched, and for a failed download.
    """
    from repr_probe.datasets.download import fetch

    return fetch(find_entry(name), chosen_data_root(data_root))


def _record(entry: CatalogEntry, root: Path) -> DatasetRecord:
    from repr_probe.datasets.presence import present_splits

    present = present_splits(entry, root)
    place = next(iter(present.values()), root / entry.place)
    return DatasetRecord(
        name=entry.name,
        splits=entry.splits,
        default_split=entry.default_split,
        n_classes=entry.n_classes,
        image_size=entry.image_size,
        download_bytes=entry.archive_bytes,
        place=str(place),
        present=tuple(present),
        homepage=entry.homepage,
        terms=entry.terms,
    )
