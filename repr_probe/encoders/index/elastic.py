"""Tables whose shape follows the image size: what size a table of another shape was made for.

With g = side of the grid of places (image size / stride), tables have g places along an axis ("side"), 2g - 1 offsets ("span"),
g^2 + p places with p tokens in front ("square"), or (2g - 1)^2 + p offsets ("spans").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LENGTHS = {
    "side": lambda g: g,
    "span": lambda g: 2 * g - 1,
    "square": lambda g: g * g,
    "spans": lambda g: (2 * g - 1) ** 2,
}
LARGEST_GRID = 1024
MOST_IN_FRONT = 16


@dataclass(frozen=True)
class Axis:
    """One axis of a table: form names how its length follows the grid, plus a constant; `grid` is the side at the native image size."""

    axis: int
    form: str
    constant: int
    grid: int

    def side(self, length: int) -> int | None:
        """The grid side that gives this length, or None.

        >>> Axis(1, "square", 1, 14).side(1370)
        37
        """
        places = length - self.constant
        if not 0 < places <= LENGTHS["spans"](LARGEST_GRID):
            return None
        root = math.isqrt(places)
        side = {"side": places, "span": (places + 1) // 2, "square": root, "spans": (root + 1) // 2}[self.form]
        return side if 0 < side <= LARGEST_GRID and LENGTHS[self.form](side) == places else None


def fit_axis(axis: int, native: int, doubled: int) -> Axis | None:
    """The form of an axis that is `native` long at the native image size and `doubled` long at twice that size.

    >>> fit_axis(1, 197, 785)
    Axis(axis=1, form='square', constant=1, grid=14)
    """
    for form, length in LENGTHS.items():
        for grid in range(1, 129):
            constant = native - length(grid)
            if length(2 * grid) - length(grid) == doubled - native and 0 <= constant <= (MOST_IN_FRONT if form in ("square", "spans") else 0):
                return Axis(axis, form, constant, grid)
    return None


def fit_table(native: tuple[int, ...], doubled: tuple[int, ...]) -> tuple[Axis, ...] | None:
    """The forms of every axis that changed; None when the change has no known form."""
    if len(native) != len(doubled):
        return None
    axes = [fit_axis(axis, *lengths) for axis, lengths in enumerate(zip(native, doubled)) if lengths[0] != lengths[1]]
    return None if None in axes or not axes else tuple(axis for axis in axes if axis is not None)


def image_size_of(
    shape: tuple[int, ...], native: tuple[int, ...], axes: tuple[Axis, ...], size: tuple[int, int]
) -> tuple[int, int] | None:  # fmt: skip
    """The image size for which a table of native shape `native` (at image size `size`) has the shape `shape`; None when there is none.

    >>> image_size_of((1, 1370, 384), (1, 257, 384), (Axis(1, "square", 1, 16),), (224, 224))
    (518, 518)
    """
    changing = {axis.axis for axis in axes}
    if len(shape) != len(native) or any(shape[i] != native[i] for i in range(len(native)) if i not in changing):
        return None
    sides = [axis.side(shape[axis.axis]) for axis in axes]
    if any(side is None for side in sides):
        return None
    lengths = [round(edge * side / axis.grid) for side, axis, edge in zip(sides, axes, (*size, *size)) if side is not None]
    if len(axes) == 2 and all(axis.form == "side" for axis in axes):
        return lengths[0], lengths[1]
    return (lengths[0], lengths[0]) if len(set(lengths)) == 1 and size[0] == size[1] else None
