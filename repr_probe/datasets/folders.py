"""Any folder of images as a data set: which children are splits, which are classes, which files are images."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np

from repr_probe.classes.wnids import class_names_of, is_wnid
from repr_probe.datasets.image_sources import FileSource
from repr_probe.datasets.names import one_of, shortened
from repr_probe.datasets.split_contents import FileStamp, SplitContents
from repr_probe.errors import DatasetError

SPLIT_NAMES = ("train", "val", "valid", "validation", "test")
_VALIDATION = ("val", "valid", "validation")
IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp", ".gif"))
WHOLE = "all"  # the split of a folder that is not divided


def read_folder(folder: Path, *, split: str | None = None) -> SplitContents:
    """The images of a folder that a user named.

    Children named train, val, valid, validation or test (in any case) are splits: the default is test, else a validation split, else the
    only one. Other children are classes, whose images may lie in subfolders. Without children it is an unlabelled set, split "all".
    Hidden files and files without an image suffix are skipped. Raises DatasetError where the folder fits none of this.
    """
    if not folder.is_dir():
        raise DatasetError(f"dataset must be a folder of images; got {folder}, which is {'a file' if folder.exists() else 'not there'}")
    splits = _splits_of(folder)
    if not splits:
        if split not in (None, WHOLE):
            raise DatasetError(
                f"split must be left out for a folder without train, val or test inside; got {split!r} for {folder}"
            )
        return _contents(folder, "", _scan(folder, ""), WHOLE)
    chosen = _choose_split(folder, splits, split)
    return _contents(folder, chosen, _scan(folder / chosen, f"{chosen}/"), chosen.lower())


def read_class_folders(folder: Path, subfolder: str, classes: tuple[str, ...], split: str) -> SplitContents:
    """The images below folder/subfolder/CLASS for the given classes, every one of which must be there; other children are left aside."""
    children = {}
    for name in classes:
        place = folder / subfolder / name
        children[name] = list(_images_below(place, f"{subfolder}/{name}/")) if place.is_dir() else []
    missing = [name for name, images in children.items() if not images]
    if missing:
        raise DatasetError(
            f"dataset must have images in all {len(classes)} class folders of {folder / subfolder}; "
            f"{len(missing)} are missing or empty, first {missing[0]}"
        )
    return _contents(folder, subfolder, _Tree(children=children), split)


@dataclass
class _Tree:
    """The images directly in a folder and those below each of its children."""

    loose: list[FileStamp] = field(default_factory=list)
    children: dict[str, list[FileStamp]] = field(default_factory=dict)

    def filled(self) -> list[str]:
        return [name for name, images in self.children.items() if images]


def _scan(folder: Path, prefix: str) -> _Tree:
    tree = _Tree()
    for entry in _entries(folder):
        if _is_folder(entry):
            tree.children[entry.name] = list(_images_below(Path(entry.path), f"{prefix}{entry.name}/"))
        elif _is_image(entry.name):
            tree.loose.append(_stamp(entry, prefix))
    return tree


def _images_below(folder: Path, prefix: str) -> Iterator[FileStamp]:
    """Every image below `folder` in sorted order; each real folder is visited once, so that links in a circle come to an end."""
    seen = set()
    pending = [(folder, prefix)]
    while pending:
        place, prefix = pending.pop()
        status = os.stat(place)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        folders = []
        for entry in _entries(place):
            if _is_folder(entry):
                folders.append((Path(entry.path), f"{prefix}{entry.name}/"))
            elif _is_image(entry.name):
                yield _stamp(entry, prefix)
        pending.extend(reversed(folders))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(f"dataset folder must be readable; got {folder} ({error.strerror})") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_image(name: str) -> bool:
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES  # no Path: called once per file


def _stamp(entry: os.DirEntry[str], prefix: str) -> FileStamp:
    try:
        status = entry.stat()
    except OSError as error:
        raise DatasetError(f"dataset must hold readable images; got {entry.path} ({error.strerror}); is it a broken link?") from error
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise DatasetError(f"dataset must hold image files; got {entry.path}, which is no regular file")
    return FileStamp(prefix + entry.name, status.st_size, status.st_mtime_ns)


def _splits_of(folder: Path) -> list[str]:
    """The children that are splits; none when the children are classes. Children without images have no say.

    Looks at the first image of each child only, so that a large train folder is not listed for the sake of its neighbour.
    """
    entries = _entries(folder)
    children = [entry.name for entry in entries if _is_folder(entry)]
    if not any(name.lower() in SPLIT_NAMES for name in children):
        return []
    filled = [name for name in children if next(_images_below(folder / name, ""), None)]
    splits = [name for name in filled if name.lower() in SPLIT_NAMES]
    others = [name for name in filled if name.lower() not in SPLIT_NAMES]
    if len(splits) > 1 and others:
        raise DatasetError(
            f"dataset folder must hold either splits or classes; got {', '.join(splits)} beside {shortened(others)} in {folder}; "
            "name one split's own folder"
        )
    loose = [entry.name for entry in entries if not _is_folder(entry) and _is_image(entry.name)]
    if splits and not others and loose:
        raise _loose_error(folder, loose, splits, "split folders")
    return [] if others else splits


def _choose_split(folder: Path, splits: list[str], wanted: str | None) -> str:
    by_name = {name.lower(): name for name in splits}
    if len(by_name) < len(splits):
        raise DatasetError(f"dataset folder must have each split once; got {', '.join(splits)} in {folder}")
    if wanted is None:
        for name in ("test", *_VALIDATION):
            if name in by_name:
                return by_name[name]
        return splits[0]
    spellings = _VALIDATION if wanted.lower() in _VALIDATION else ()
    for name in (wanted.lower(), *spellings):
        if name in by_name:
            return by_name[name]
    raise DatasetError(f"split must be {one_of(by_name)}; got {wanted!r} for {folder}")


def _contents(folder: Path, subfolder: str, tree: _Tree, split: str) -> SplitContents:
    place = folder / subfolder
    classes = tree.filled()
    if classes and tree.loose:
        raise _loose_error(place, [PurePath(stamp.path).name for stamp in tree.loose], classes, "class folders")
    if not classes and not tree.loose:
        raise DatasetError(f"dataset folder must hold images ({' '.join(sorted(IMAGE_SUFFIXES))}); got none in {place}")
    stamps = tuple([stamp for name in classes for stamp in tree.children[name]] or tree.loose)
    paths = tuple(stamp.path for stamp in stamps)
    synsets = bool(classes) and all(is_wnid(name) for name in classes)
    return SplitContents(
        split=split,
        source=FileSource(str(folder), paths),
        ids=tuple(map(_printable, paths)),
        labels=np.repeat(np.arange(len(classes)), [len(tree.children[name]) for name in classes]).astype(np.int64) if classes else None,
        class_names=class_names_of(classes) if synsets else tuple(map(_printable, classes)),
        folder=str(folder),
        stamps=stamps,
        wnids=tuple(classes) if synsets else None,
        notes=_notes(tree, classes),
    )


def _notes(tree: _Tree, classes: list[str]) -> tuple[str, ...]:
    notes = []
    empty = [name for name in tree.children if name not in set(classes)]
    if empty:
        notes.append(f"{len(empty)} folder{'s' if len(empty) > 1 else ''} without images left aside: {shortened(empty)}")
    named_like_splits = [name for name in classes if name.lower() in SPLIT_NAMES]
    if named_like_splits:
        notes.append(f"{named_like_splits[0]!r} was read as a class, because the folders beside it are not splits")
    if len(classes) == 1:
        notes.append(f"all images are of one class, {_printable(classes[0])!r}")
    return tuple(notes)


def _loose_error(folder: Path, loose: list[str], folders: list[str], beside: str) -> DatasetError:
    return DatasetError(
        f"dataset folder must hold either images or {beside}; got {len(loose)} loose images (first {loose[0]}) "
        f"beside {shortened(folders)} in {folder}"
    )


def _printable(name: str) -> str:
    """File names that are not UTF-8 stay usable for opening, but ids must be writable as text."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")
