"""Folders of images and masks: SPLIT/images + SPLIT/masks, or images/SPLIT + masks/SPLIT, files of a pair named alike."""

from __future__ import annotations

from pathlib import Path

from repr_probe.datasets.folders import IMAGE_SUFFIXES
from repr_probe.datasets.names import one_of, shortened
from repr_probe.errors import DatasetError

MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif")
TRAIN, HELD_OUT = ("train",), ("test", "val", "valid", "validation")
_LAYOUT = "SPLIT/images and SPLIT/masks (or images/SPLIT and masks/SPLIT) for train and test or val"


def mask_folder_splits(folder: Path) -> dict[str, tuple[Path, Path]]:
    """{split: (folder of images, folder of masks)}; raises DatasetError where the folder has no such layout."""
    if not folder.is_dir():
        raise DatasetError(f"dataset must be voc or a folder with {_LAYOUT}; got {folder}, which is {'a file' if folder.exists() else 'not there'}")
    found = {}
    for split in (*TRAIN, *HELD_OUT):
        for images, masks in ((folder / split / "images", folder / split / "masks"), (folder / "images" / split, folder / "masks" / split)):
            if images.is_dir() and masks.is_dir():
                found[split] = (images, masks)
    if not found:
        inside = shortened(sorted(child.name for child in folder.iterdir())) or "nothing"
        raise DatasetError(f"dataset folder must hold {_LAYOUT}; got {inside} in {folder}")
    return found


def choose_split(splits: dict[str, tuple[Path, Path]], wanted: str | None, folder: Path) -> str:
    """`wanted`, or the held-out split of a folder: test before val."""
    if wanted is not None and wanted in splits:
        return wanted
    held_out = next((split for split in HELD_OUT if split in splits), None)
    if wanted is not None or held_out is None:
        raise DatasetError(f"split must be {one_of(splits)}; got {wanted or 'no test or val'} for {folder}")
    return held_out


def pair_files(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Image and mask of the same name (but for the suffix), sorted; raises DatasetError naming images without a mask."""
    by_stem: dict[str, Path] = {}
    for path in sorted(masks.iterdir()):
        if path.suffix.lower() in MASK_SUFFIXES and not path.name.startswith("."):
            if path.stem in by_stem:
                raise DatasetError(f"mask must be one file an image; got {by_stem[path.stem].name} and {path.name} in {masks}")
            by_stem[path.stem] = path
    pictures = [path for path in sorted(images.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")]
    if not pictures:
        raise DatasetError(f"dataset folder must hold images ({' '.join(sorted(IMAGE_SUFFIXES))}); got none in {images}")
    bare = [path.name for path in pictures if path.stem not in by_stem]
    if bare:
        raise DatasetError(f"every image must have a mask of the same name in {masks}; {len(bare)} of {len(pictures)} have none: {shortened(bare)}")
    return [(path, by_stem[path.stem]) for path in pictures]
