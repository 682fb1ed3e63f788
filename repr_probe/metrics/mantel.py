"""Mantel's test: is a correlation of two distance matrices larger than under a random naming of the classes?

Pairs of classes are not independent (K classes make K(K-1)/2 pairs), so the p that belongs to independent pairs is far too small. Here the
classes of the reference are renamed at random, rows and columns together, and the correlation is taken again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations as orders
from itertools import product
from math import factorial, prod

import numpy as np

from repr_probe import progress
from repr_probe.errors import UndefinedMeasure, UsageError

_BLOCK = 25  # rows gathered at once: they stay in the cache
_TIE = 1e-12


@dataclass(frozen=True)
class MantelTest:
    """p: two-sided.  floor: the smallest p that this many arrangements can give.  arrangements: how many were taken, the observed one left out
    when they were drawn and included when `exact` (all of them).  null_sd: SD of the correlation over them."""

    statistic: float
    p: float
    floor: float
    arrangements: int
    exact: bool
    null_sd: float


def mantel(representation: np.ndarray, reference: np.ndarray, kept: np.ndarray, *, permutations: int = 999, seed: int = 0,
           groups: np.ndarray | None = None, description: str = "Mantel permutations") -> MantelTest:  # fmt: skip
    """Permutation test of the correlation of two (K, K) matrices over the kept pairs i < j.

    The representation stays, the reference is renamed, and the pairs that do not count move with it. Ranks are made once, by the caller.
    Counted are |r| >= |r observed| - 1e-12: p = (count + 1)/(permutations + 1), or count/K! over all K! namings where K! <= permutations.
    groups: (K,) codes; classes then change names only inside their group.  Memory: O(K²); cost: K²/2 products a permutation.
    Raises UndefinedMeasure where no two classes may change names, UsageError without a permutation.

    >>> square = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    >>> mantel(square, square, ~np.eye(4, dtype=bool)).p  # 2 of the 24 namings: as it is, and back to front
    0.08333333333333333
    """
    checked_permutations(permutations)
    blocks = _blocks(len(kept), groups)
    if all(len(block) < 2 for block in blocks):
        raise UndefinedMeasure("a permutation test needs two classes that may change places")
    total = prod(factorial(len(block)) for block in blocks)
    exact = total <= permutations
    count = total if exact else permutations
    arrangements = _all_orders(blocks) if exact else _random_orders(blocks, permutations, seed)
    statistic = _Statistic(representation, reference, kept)
    observed = statistic(np.arange(len(kept)))
    values = np.empty(count)
    with progress.task(description, count) as advance:
        for number, order in enumerate(arrangements):
            values[number] = statistic(order)
            if number % 50 == 49:
                advance(50)
        advance(count % 50)
    reached = int(np.sum(np.abs(values) >= abs(observed) - _TIE))
    if exact:
        farthest = int(np.sum(np.abs(values) >= np.abs(values).max() - _TIE))
        return MantelTest(observed, reached / count, farthest / count, count, True, float(values.std()))
    return MantelTest(observed, (reached + 1) / (count + 1), 1 / (count + 1), count, False, float(values.std()))


def checked_permutations(permutations: int) -> None:
    if isinstance(permutations, bool) or not isinstance(permutations, int | np.integer) or permutations < 1:
        raise UsageError(f"permutations must be a whole number from 1; got {permutations!r}", code="E_PERMUTATIONS")


class _Statistic:
    """Pearson's r of the kept pairs after a renaming of the reference."""

    def __init__(self, representation: np.ndarray, reference: np.ndarray, kept: np.ndarray) -> None:
        weights = np.triu(kept, 1)
        self.first = np.triu(representation - representation[weights].mean(), 1)
        inside = reference[weights]
        self.second = np.where(kept, reference - inside.mean(), 0.0)
        self.n = len(inside)
        self.spread = float(np.sum((inside - inside.mean()) ** 2))
        self.sums = float(self.first.sum()), float(np.sum(self.first * self.first))
        self.rows, self.gathered = np.empty((_BLOCK, len(kept))), np.empty(_BLOCK * len(kept))
        self.left_out = np.nonzero(np.triu(~kept, 1))

    def __call__(self, order: np.ndarray) -> float:
        """order: (K,) which class of the reference stands beside each class of the representation."""
        products = 0.0
        for start in range(0, len(order), _BLOCK):
            rows, columns = order[start : start + _BLOCK], order[start:]
            beside = self.gathered[: len(rows) * len(columns)].reshape(len(rows), len(columns))
            # mode="clip" writes straight into `out`. No BLAS product: on a busy machine its threads wait for each other longer than this takes.
            self.second.take(rows, axis=0, out=self.rows[: len(rows)], mode="clip").take(columns, axis=1, out=beside, mode="clip")
            products += float(np.einsum("ij,ij->", self.first[start : start + _BLOCK, start:], beside))
        total, squares = self._sums_beside(order)
        spread = (squares - total * total / self.n) * self.spread
        # A renaming that leaves the representation constant on the pairs that count speaks against the finding: it is counted.
        return products / np.sqrt(spread) if spread > 0 else 1.0

    def _sums_beside(self, order: np.ndarray) -> tuple[float, float]:
        """Sum and sum of squares of the representation over the pairs that count."""
        if not len(self.left_out[0]):
            return self.sums
        place = np.argsort(order)
        one, other = place[self.left_out[0]], place[self.left_out[1]]
        gone = self.first[np.minimum(one, other), np.maximum(one, other)]
        return self.sums[0] - float(gone.sum()), self.sums[1] - float(np.sum(gone * gone))


def _blocks(n_classes: int, groups: np.ndarray | None) -> list[np.ndarray]:
    if groups is None:
        return [np.arange(n_classes)]
    return [np.flatnonzero(groups == group) for group in np.unique(groups)]


def _all_orders(blocks: list[np.ndarray]) -> Iterator[np.ndarray]:
    places = np.concatenate(blocks)
    for parts in product(*(orders(block.tolist()) for block in blocks)):
        order = np.empty(len(places), dtype=np.intp)
        order[places] = [name for part in parts for name in part]
        yield order


def _random_orders(blocks: list[np.ndarray], count: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    places = np.concatenate(blocks)
    for _ in range(count):
        order = np.empty(len(places), dtype=np.intp)
        order[places] = np.concatenate([rng.permutation(block) for block in blocks])
        yield order
