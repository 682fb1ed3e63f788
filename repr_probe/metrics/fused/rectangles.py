"""Rectangles of pairs: a rank's share of the upper triangle, and what is left of a rectangle when some of its tiles were refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from repr_probe.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Rectangle:
    """The pairs (row, column) with row < column of these rows and columns; both are ranges of positions."""

    rows: range
    columns: range

    @property
    def n_pairs(self) -> int:
        """Those above the diagonal.

        >>> Rectangle(range(0, 3), range(0, 3)).n_pairs, Rectangle(range(0, 2), range(2, 5)).n_pairs
        (3, 6)
        """
        low, high = self.columns.start, self.columns.stop
        full = max(0, min(self.rows.stop, low) - self.rows.start) * (high - low)
        left, right = max(self.rows.start, low), min(self.rows.stop, high)
        return full + (sum((high - 1 - left, high - right)) * (right - left) // 2 if right > left else 0)


def shares(n: int, height: int, width: int, ranks: Ranks = ALONE) -> Iterator[Rectangle]:
    """Strips of `height` rows from the top, and of each the blocks of `width` columns that fall to this rank, cut at the diagonal.

    Every pair goes to one rank; the deal of blocks runs on from strip to strip.

    >>> [(part.rows, part.columns) for part in shares(5, 4, 2)]
    [(range(0, 2), range(0, 2)), (range(0, 4), range(2, 4)), (range(0, 4), range(4, 5)), (range(4, 5), range(4, 5))]
    """
    dealt = 0
    for top in range(0, n, height):
        for start in range(top, n, width):
            if dealt % ranks.world_size == ranks.rank:
                stop = min(start + width, n)
                yield Rectangle(range(top, min(top + height, stop)), range(start, stop))
            dealt += 1


def homogeneous(whole: Rectangle, n_labelled: int, most_rows: int) -> Iterator[tuple[Rectangle, bool]]:
    """Parts of at most `most_rows` rows, whose pairs are either all of two labelled rows (True) or all not; the first `n_labelled` rows are.

    >>> [(part.rows, part.columns, labelled) for part, labelled in homogeneous(Rectangle(range(0, 4), range(2, 6)), 3, 100)]
    [(range(0, 3), range(2, 3), True), (range(0, 4), range(3, 6), False)]
    """
    cut = min(max(n_labelled, whole.columns.start), whole.columns.stop)
    for start, stop, labelled in ((whole.columns.start, cut, True), (cut, whole.columns.stop, False)):
        for top in range(whole.rows.start, min(whole.rows.stop, stop), most_rows):
            part = Rectangle(range(top, min(top + most_rows, whole.rows.stop, stop)), range(start, stop))
            if part.n_pairs:
                yield part, labelled


def merged(refused: np.ndarray, whole: Rectangle, tile: tuple[int, int]) -> list[Rectangle]:
    """The refused tiles of a rectangle, neighbours in a row of tiles as one. refused: (tiles down, tiles across) bool.

    >>> merged(np.array([[True, True, False], [False, False, True]]), Rectangle(range(0, 7), range(10, 20)), (4, 4))
    [Rectangle(rows=range(0, 4), columns=range(10, 18)), Rectangle(rows=range(4, 7), columns=range(18, 20))]
    """
    found = []
    for number, line in enumerate(refused):
        rows = whole.rows[number * tile[0] : (number + 1) * tile[0]]
        edges = np.flatnonzero(np.diff(np.r_[False, line, False].astype(np.int8)))
        found += [Rectangle(rows, whole.columns[first * tile[1] : last * tile[1]]) for first, last in edges.reshape(-1, 2).tolist()]
    return found
