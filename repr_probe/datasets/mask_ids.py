"""The class ids that masks hold, counted over their pixels; how many classes they are where nobody says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from repr_probe.datasets.masked_images import read_mask
from repr_probe.errors import DatasetError

SHOWN = 6  # ids in a message
_COUNTED = 1 << 16  # ids below it are counted, others sorted


def count_ids(masks: Sequence[Path]) -> dict[int, int]:
    """Class id -> pixels in all of `masks`, by rising id."""
    counts: dict[int, int] = {}
    for ids in map(read_mask, masks):
        if ids.size and ids.min() >= 0 and ids.max() < _COUNTED:
            pixels = np.bincount(ids.ravel())
            values = np.flatnonzero(pixels)
            pixels = pixels[values]
        else:
            values, pixels = np.unique(ids, return_counts=True)
        for value, number in zip(values.tolist(), pixels.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + number
    return dict(sorted(counts.items()))


def n_classes_of(counts: Mapping[int, int], *, void: int, where: Path) -> int:
    """How many classes these ids are: 0 ... n - 1, each of them there (void may be one of them, which is then never counted).

    Raises DatasetError where there is no pixel beside the void, where there is one class alone, and where ids are left out: an id of 77
    may be a class, a second void or a shade of grey, and only a person knows.
    """
    ids = [value for value in counts if value != void]
    if not ids:
        raise DatasetError(f"masks must have a pixel that is not void ({void}); got none in {where}")
    seen = sorted([*ids, void]) if void in counts and 0 <= void < ids[-1] else ids  # a void among the classes leaves no gap
    stray = seen if seen[0] != 0 else next((seen[place + 1 :] for place, (one, other) in enumerate(pairwise(seen)) if other != one + 1), [])
    if stray:
        raise DatasetError(_left_out(seen, stray, counts, where, void_is_free=void not in counts))
    if len(ids) == 1:
        beside = f" beside void {void} ({_share([void], counts)} of the pixels)" if void in counts else ""
        raise DatasetError(f"masks must hold two classes or more; got {ids[0]} alone{beside} in {where}; say --classes or --ignore-index")
    return ids[-1] + 1


def _left_out(ids: Sequence[int], stray: Sequence[int], counts: Mapping[int, int], where: Path, *, void_is_free: bool) -> str:
    n_first = len(ids) - len(stray)
    first = f"{'0 to ' if n_first > 1 else ''}{n_first - 1} and then " if n_first else "no 0 but "
    some = ", ".join(map(str, stray[:SHOWN])) + (f" and {len(stray) - SHOWN} more" if len(stray) > SHOWN else "")
    void = f", --ignore-index {stray[0]} where {stray[0]} is void" if len(stray) == 1 and void_is_free else ""
    return (
        f"masks must hold ids 0, 1, 2 ... without a gap where classes is not given; got {first}{some} ({_share(stray, counts)} of the pixels) "
        f"in {where}; pass --classes {ids[-1] + 1} where every id is a class{void}, or correct the masks"
    )


def _share(ids: Sequence[int], counts: Mapping[int, int]) -> str:
    share = 100 * sum(counts[each] for each in ids) / sum(counts.values())
    return f"{share:.2g} %" if share < 99.5 else f"{share:.0f} %"
