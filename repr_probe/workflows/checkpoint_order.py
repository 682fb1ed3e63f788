"""Where in its run a checkpoint was written: told from its name, else from what is in the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from repr_probe import progress
from repr_probe.errors import FileFormatError

# "ckpt_00000400.pt" of this package, "checkpoint-500" of transformers, "epoch=3-step=1200.ckpt" of Lightning, "checkpoint_0099.pth.tar".
_STEP = re.compile(r"(?:^|[^a-z])(?:global[_-]?)?(?:step|iter|iteration)s?[=_-]?(\d+)", re.IGNORECASE)
_EPOCH = re.compile(r"(?:^|[^a-z])(?:epoch|ep)s?[=_-]?(\d+)", re.IGNORECASE)
_ITSELF = re.compile(r"^ckpt_(\d+)\.pt$|^checkpoint-(\d+)$")
_STEP_KEYS, _EPOCH_KEYS = ("step", "global_step", "iteration", "iter"), ("epoch",)


class Place(NamedTuple):
    """axis: "step" or "epoch".  number: of updates or epochs made, as the checkpoint counts them."""

    axis: str
    number: int


def place_of(checkpoint: str | Path) -> Place | None:
    """The place of a checkpoint in its run, or None where nothing tells it.

    >>> place_of("runs/a/ckpt_00000400.pt"), place_of("epoch=3-step=1200.ckpt"), place_of("model_epoch12.pth")
    (Place(axis='step', number=400), Place(axis='step', number=1200), Place(axis='epoch', number=12))
    """
    path = Path(checkpoint)
    for axis, pattern in (("step", _ITSELF), ("step", _STEP), ("epoch", _EPOCH)):
        if found := pattern.search(path.name):
            return Place(axis, int(next(group for group in found.groups() if group is not None)))
    return _place_inside(path) if path.is_file() else None


def in_order(checkpoints: Sequence[str | Path]) -> list[tuple[Path, Place]]:
    """The checkpoints of one run by their places. Where one of them tells none, or steps and epochs are mixed, all keep the order they
    were given in and are counted from 0, which is noted."""
    paths = [Path(checkpoint) for checkpoint in checkpoints]
    places = [place_of(path) for path in paths]
    known = [place for place in places if place is not None]
    if len(known) == len(paths) and len({place.axis for place in known}) == 1:
        return sorted(zip(paths, known), key=lambda pair: pair[1].number)
    if len(paths) > 1:
        lost = next((path.name for path, place in zip(paths, places) if place is None), "steps and epochs are mixed")
        progress.note(f"no step is told by {lost}: checkpoints are counted in the order given" if lost in {path.name for path in paths}
                      else f"{lost}: checkpoints are counted in the order given")  # fmt: skip
    return [(path, Place("step", number)) for number, path in enumerate(paths)]


def _place_inside(path: Path) -> Place | None:
    from repr_probe.files.safe_torch import read_torch

    try:
        content = read_torch(path)
    except FileFormatError:
        return None  # of another kind; whether it can be opened is for the loader to say
    for axis, keys in (("step", _STEP_KEYS), ("epoch", _EPOCH_KEYS)):
        for key in keys:
            number = _whole(content.get(key)) if isinstance(content, dict) else None
            if number is not None:
                return Place(axis, number)
    return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
