"""Food-101 in its official layout (food-101): images/CLASS/NUMBER.jpg, and meta/SPLIT.json, which lists each split's images per class."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from repr_probe.datasets.catalog import CatalogEntry
from repr_probe.datasets.image_sources import FileSource
from repr_probe.datasets.places import find_folder
from repr_probe.datasets.split_contents import SplitContents, stamp_of
from repr_probe.errors import DatasetError


def read_food101(entry: CatalogEntry, split: str, root: Path) -> SplitContents:
    """One split of Food-101, class by class in alphabetical order, images in the order of the list."""
    folder = find_folder(entry, split, root)
    (listing,) = entry.files[split]
    images = _listed(folder / listing)
    class_names = tuple(sorted(images))
    paths = tuple(f"images/{name}.jpg" for class_name in class_names for name in images[class_name])
    return SplitContents(
        split=split,
        source=FileSource(str(folder), paths),
        ids=paths,
        labels=np.repeat(np.arange(len(class_names)), [len(images[name]) for name in class_names]).astype(np.int64),
        class_names=class_names,
        folder=str(folder),
        stamps=(stamp_of(folder, listing), *(stamp_of(folder, path) for path in paths)),
    )


def _listed(path: Path) -> dict[str, list[str]]:
    try:
        listed: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"Food-101 list must be readable JSON; got {path}: {' '.join(str(error).split())}") from error
    if not isinstance(listed, dict) or not listed or not all(isinstance(names, list) and names for names in listed.values()):
        raise DatasetError(f"Food-101 list must give a list of images per class; got something else in {path}")
    for names in listed.values():
        for name in names:
            if not isinstance(name, str) or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise DatasetError(f"Food-101 list must name images below images/; got {str(name)[:60]!r} in {path}")
    return listed
