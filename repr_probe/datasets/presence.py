"""Which splits of a known data set are on this disk, and where. Looks at names only, never at contents."""

from __future__ import annotations

from pathlib import Path

from repr_probe.datasets.catalog import CatalogEntry
from repr_probe.datasets.imagenet import locate_imagenet
from repr_probe.datasets.places import locate

IN_PACKAGE = Path("scikit-learn")  # where digits lie


def present_splits(entry: CatalogEntry, root: Path) -> dict[str, Path]:
    """split -> the folder it would be read from, for the splits that are there."""
    if entry.name == "digits":
        return dict.fromkeys(entry.splits, IN_PACKAGE)
    look = locate_imagenet if entry.name.startswith("imagenet") else locate
    found = {split: look(entry, split, root) for split in entry.splits}
    return {split: folder for split, folder in found.items() if folder}
