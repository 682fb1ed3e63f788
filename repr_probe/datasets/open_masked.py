"""`open_masked_images`: voc or a folder of images and masks, to a split ready for dense prediction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from repr_probe.datasets.draw import balanced_draw
from repr_probe.datasets.mask_folders import choose_split, mask_folder_splits, pair_files
from repr_probe.datasets.mask_ids import count_ids, n_classes_of
from repr_probe.datasets.masked_images import MaskedImages
from repr_probe.datasets.voc import VOC_CLASSES, VOC_VOID, voc_pairs
from repr_probe.errors import DatasetError, UsageError
from repr_probe.files.home import data_root as default_root

VOC = "voc"
DEFAULT_VOID = 255
MOST_CLASSES = 65_535


def open_masked_images(
    dataset: str | Path,
    *,
    split: str | None = None,
    data_root: str | Path | None = None,
    ignore_index: int | None = None,
    classes: int | Sequence[str] | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> tuple[MaskedImages, MaskedImages]:
    """(training split, held-out split) of "voc" (train, val), or of a folder with train and test or val.

    split: the held-out one; default val of voc, of a folder test before val.  ignore_index: the id of void; default 255.
    classes: how many, or their names in the order of the ids; default: the ids of the training masks (noted), which must have no gap.
    limit: at most so many images of each split, drawn by `seed`.
    Raises DatasetError for a layout, an image without mask or a file that does not fit, UsageError for options.
    """
    names: Sequence[str]
    void = DEFAULT_VOID if ignore_index is None else ignore_index
    if dataset == VOC and not Path(VOC).is_dir():
        if classes is not None or ignore_index not in (None, VOC_VOID):
            raise UsageError("classes and ignore_index must be left out for voc, whose 21 classes and void 255 are fixed; got one")
        root = default_root(data_root)
        splits = {name: voc_pairs(root, name) for name in dict.fromkeys(("train", split or "val"))}
        held_out, names, origin = split or "val", VOC_CLASSES, VOC
    else:
        folder = Path(dataset)
        places = mask_folder_splits(folder)
        if "train" not in places:
            raise DatasetError(f"dataset folder must have a split train to train the probe on; got {', '.join(places)} in {folder}")
        held_out, origin = choose_split(places, split, folder), folder.name
        splits = {name: (pair_files(*places[name]), ()) for name in dict.fromkeys(("train", held_out))}
        names, found = _class_names(classes, splits["train"][0], void)
        splits["train"] = (splits["train"][0], found)
    if held_out == "train":
        raise UsageError("split must be the held-out one; got 'train', on which the probe is trained")
    opened = [_opened(origin, name, *splits[name], names=names, void=void) for name in ("train", held_out)]
    if limit is not None:
        opened = [one.take(balanced_draw(None, len(one), limit, seed=seed)) for one in opened]
    return opened[0], opened[1]


def _opened(
    name: str, split: str, pairs: list[tuple[Path, Path]], notes: tuple[str, ...], *, names: Sequence[str], void: int
) -> MaskedImages:  # fmt: skip
    images, masks = zip(*pairs)
    return MaskedImages(
        name=name, split=split, images=images, masks=masks, ids=tuple(path.stem for path in images), class_names=tuple(names),
        ignore_index=void, fingerprint=_fingerprint(pairs), notes=notes,
    )  # fmt: skip


def _class_names(classes: int | Sequence[str] | None, pairs: list[tuple[Path, Path]], void: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(names, notes): as given, or numbered as the ids of the training masks are."""
    if classes is None:
        number = n_classes_of(count_ids([mask for _, mask in pairs]), void=void, where=pairs[0][1].parent)
        return tuple(f"class {each}" for each in range(number)), (f"{number} classes, by the ids in the training masks; --classes says otherwise",)
    names = tuple(f"class {number}" for number in range(classes)) if isinstance(classes, int) else tuple(classes)
    if not 2 <= len(names) <= MOST_CLASSES or len(set(names)) < len(names):
        raise UsageError(f"classes must be a number of 2 or more, or as many different names; got {classes!r}")
    return names, ()


def _fingerprint(pairs: list[tuple[Path, Path]]) -> str:
    """sha256 of names, sizes and times of all files."""
    digest = hashlib.sha256()
    for path in (path for pair in pairs for path in pair):
        status = path.stat()
        digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
