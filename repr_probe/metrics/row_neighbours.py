"""Nearest rows, exact in float64, ties to the lower row: of every row of one set among the others, and of queries in a bank.

One float32 search (`neighbours`) finds nearly all; rows whose k-th and next neighbour are closer than its rounding are searched again in
float64. By Euclidean distance, which for unit rows is the order of cosines. Rows are taken about their mean and scaled by a power of two,
so that a cloud far from the origin, or collapsed to a narrow cone, keeps its digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from repr_probe.metrics.neighbours import MEMORY, ROUNDING, Neighbours, nearest
from repr_probe.metrics.rows import Rows, row_norms

if TYPE_CHECKING:
    import torch

_GRID = 2.0**40  # scores that agree to 2⁻⁴⁰ of the largest squared length are put in order by their distances
_EQUAL, _UNIT = 2.0**-40, 2.0**-48  # distances as near as this are equal: a part of themselves; what rounding leaves of unit rows
_SPARE = 8  # candidates beyond the k-th whose distances are taken from differences
_QUERIES, _BANK = 256, 1024
_NUMBERS = 1 << 18


class _Lifted(Rows):
    """Rows (x, tail) with x about `center` and times `scale`: tail 1 of a query, -‖x‖²/2 in the bank, so that products rank by distance."""

    def __init__(self, rows: Rows, center: np.ndarray, scale: float, *, bank: bool) -> None:
        super().__init__(rows.values, rows.index, unit=rows.unit, lengths=rows.lengths)
        self.center, self.scale, self.bank = center, scale, bank

    @property
    def n_features(self) -> int:
        return super().n_features + 1

    @property
    def plain(self) -> Rows:
        return Rows(self.values, self.index, unit=self.unit, lengths=self.lengths)

    def select(self, index: np.ndarray) -> _Lifted:
        return _Lifted(super().select(index), self.center, self.scale, bank=self.bank)

    def block(self, start: int, stop: int, out: np.ndarray | None = None) -> np.ndarray:
        lifted = np.empty((stop - start, self.n_features)) if out is None else out
        lifted[:, :-1] = super().block(start, stop)
        lifted[:, :-1] -= self.center
        lifted[:, :-1] *= self.scale
        lifted[:, -1] = -0.5 * np.einsum("ij,ij->i", lifted[:, :-1], lifted[:, :-1]) if self.bank else 1.0
        return lifted


def nearest_rows(
    rows: Rows, k: int, *, cuts: tuple[int, ...] = (), part: tuple[int, int] | None = None, device: str = "cpu", memory: int = MEMORY
) -> Iterator[tuple[int, np.ndarray]]:
    """(start, index) for blocks of rows: index (n, k) int64, the nearest other rows of rows start, start + 1, ...

    For each c of `cuts`, and for k, the first c columns are exactly the c nearest rows; inside these, columns are in float32 order.
    rows: as stored or of unit length, k + 1 of them or more.  part: only of rows start..stop, as `Ranks.run_of` deals them.
    memory: bytes of working memory, whatever the number of rows.
    """
    first, last = part or (0, len(rows))
    if first == last:
        return
    bank, queries = _lifted(rows, rows)
    wanted = min(k + 1, len(rows) - 1)
    step = max(_QUERIES, memory // (2 * (16 * wanted + 4 * bank.n_features)))  # what `nearest` holds at a time
    for start in range(first, last, step):
        own = np.arange(start, min(start + step, last))
        found = nearest(bank, queries.select(own), wanted, own=own, device=device, memory=memory)
        index = found.index[:, :k]
        doubtful = _doubtful(queries.select(own), found.cosines, {*cuts, k})
        if len(doubtful):
            index[doubtful] = _settled(bank, queries.select(own[doubtful]), k, own[doubtful], device, memory).index
        yield start, index


def settled(
    bank: Rows, queries: Rows, k: int, *, own: np.ndarray | None = None, device: str = "cpu", memory: int = MEMORY
) -> Neighbours:
    """The k rows of `bank` nearest to each row of `queries`, both of unit length, in their exact order; `cosines` holds cosine - 1 in float64.

    That difference, -‖q - b‖²/2 from the entries' differences, keeps its digits where all rows have nearly one direction. Distances that
    differ by no more than rounding are equal.  own: as in `nearest`.
    """
    return _settled(*_lifted(bank, queries), k, own, device, memory)


def squared_distances(queries: Rows, bank: Rows, index: np.ndarray) -> np.ndarray:
    """(n, m) float64 ‖q - b‖² from differences: each row of `queries` (n of them) against rows `index` (n, m) of `bank`."""
    found = np.empty(index.shape)
    step = max(1, _NUMBERS // (bank.n_features * (index.shape[1] + 1)))
    for start in range(0, len(index), step):
        part = index[start : start + step]
        each = queries.block(start, start + len(part))
        others = bank.select(part.ravel()).block(0, part.size).reshape(*part.shape, -1)
        others -= each[:, None]
        found[start : start + step] = np.einsum("ijk,ijk->ij", others, others)
    return found


def _lifted(bank: Rows, queries: Rows) -> tuple[_Lifted, _Lifted]:
    center, scale = _frame(bank)
    return _Lifted(bank, center, scale, bank=True), _Lifted(queries, center, scale, bank=False)


def _frame(rows: Rows) -> tuple[np.ndarray, float]:
    """(mean row, power of two that brings the farthest row to a length in (1/2, 1])."""
    center = np.zeros(rows.n_features)
    for _, block in rows.blocks():
        center += block.sum(axis=0)
    center /= len(rows)
    largest = max(float(row_norms(block - center).max()) for _, block in rows.blocks())
    return center, float(2.0 ** -np.ceil(np.log2(largest))) if largest > 0 else 1.0


def _doubtful(queries: Rows, scores: np.ndarray, cuts: set[int]) -> np.ndarray:
    """Rows for which rounding may have put a neighbour on the wrong side of a cut.

    A row nearer than r to x is no longer than ‖x‖ + r, and the rounding of its score goes with that squared.
    """
    length = np.concatenate([row_norms(block[:, :-1]) for _, block in queries.blocks()])
    doubtful = np.zeros(len(length), bool)
    for cut in cuts:
        if cut < scores.shape[1]:
            last = scores[:, cut].astype(np.float64)
            reach = length + np.sqrt(np.maximum(length**2 - 2.0 * last, 0.0))
            doubtful |= scores[:, cut - 1] - last <= ROUNDING * reach**2
    return np.flatnonzero(doubtful)


def _settled(bank: _Lifted, queries: _Lifted, k: int, own: np.ndarray | None, device: str, memory: int) -> Neighbours:
    """The k nearest of each query from float64 scores, then from distances by differences among the best."""
    wanted = min(k + _SPARE, len(bank) - (own is not None))
    step = max(_QUERIES, memory // (4 * (8 * bank.n_features + 16 * wanted)))
    scores, index = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), step):
        which = np.arange(start, min(start + step, len(queries)))
        part = queries.select(which)
        distances, places = _ranked(*_measured(bank, part, k, wanted, None if own is None else own[which], device), _noise(bank))
        scores[which], index[which] = -0.5 * distances[:, :k] ** 2, places[:, :k]
    return Neighbours(scores, index)


def _measured(bank: _Lifted, queries: _Lifted, k: int, count: int, own: np.ndarray | None, device: str) -> tuple[np.ndarray, np.ndarray]:
    """(distances, rows of the bank), each (n, count or more), with the k nearest among them.

    In a tight cluster more rows than `count` may share one score; candidates are added until the cut does not run through such a tie, unless
    the tied ones that are known are equally far, as copies of a row are.
    """
    most = len(bank) - (own is not None)
    while True:
        places, scores = _candidates(bank, queries, count, own, device)
        distances = np.sqrt(squared_distances(queries.plain, bank.plain, places))
        least, kth = scores.min(axis=1, keepdims=True), -np.partition(-scores, k - 1, axis=1)[:, k - 1]
        tied = scores == least
        nearest, farthest = np.where(tied, distances, np.inf).min(axis=1), np.where(tied, distances, -np.inf).max(axis=1)
        cut_in_tie = (kth <= least[:, 0] + 1.0) & (farthest > nearest * (1.0 + _EQUAL) + _noise(bank))
        if count >= most or not cut_in_tie.any():
            return distances, places
        count = min(4 * count, most)


def _noise(bank: _Lifted) -> float:
    return _UNIT if bank.unit else 0.0


def _candidates(bank: _Lifted, queries: _Lifted, wanted: int, own: np.ndarray | None, device: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, wanted) rows of the bank with the largest float64 scores, the lower ones of equals; and these scores, in steps of the grid."""
    import torch

    tiles = [_Best(queries.block(start, min(start + _QUERIES, len(queries))), None if own is None else own[start : start + _QUERIES], device)
             for start in range(0, len(queries), _QUERIES)]  # fmt: skip
    for start in range(0, len(bank), _BANK):
        columns = torch.from_numpy(bank.block(start, min(start + _BANK, len(bank)))).to(device)
        for tile in tiles:
            tile.add(columns, start, wanted)
    return np.concatenate([tile.place.cpu().numpy() for tile in tiles]), np.concatenate([tile.scores.cpu().numpy() for tile in tiles])


class _Best:
    """Some queries: rows (n, width), and the scores and places (n, at most wanted) of the best so far, places ascending."""

    def __init__(self, rows: np.ndarray, own: np.ndarray | None, device: str) -> None:
        import torch

        self.rows, self.own = torch.from_numpy(rows).to(device), own
        self.scores = torch.empty(len(rows), 0, dtype=torch.float64, device=device)
        self.place = torch.empty(len(rows), 0, dtype=torch.int64, device=device)

    def add(self, columns: torch.Tensor, start: int, wanted: int) -> None:
        import torch

        scores = (self.rows @ columns.T).mul_(_GRID).round_()
        if self.own is not None:
            inside = np.flatnonzero((self.own >= start) & (self.own < start + len(columns)))
            scores[inside, self.own[inside] - start] = -torch.inf
        names = torch.arange(start, start + len(columns), device=scores.device).expand_as(scores)
        self.scores, self.place = torch.cat([self.scores, scores], 1), torch.cat([self.place, names], 1)
        if self.scores.shape[1] > wanted:
            kept = _first_largest(self.scores, wanted)
            self.scores, self.place = self.scores.gather(1, kept), self.place.gather(1, kept)


def _first_largest(values: torch.Tensor, count: int) -> torch.Tensor:
    """(n, count) columns of the largest in each row, ascending; of equal values the first columns."""
    least = values.topk(count, dim=1, sorted=False).values.amin(1, keepdim=True)
    above, level = values > least, values == least
    room = count - above.sum(1, keepdim=True)
    return (above | (level & (level.cumsum(1) <= room))).nonzero()[:, 1].view(len(values), count)


def _ranked(distances: np.ndarray, index: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Both (n, m) by ascending distance, equal ones by index; distances that rounding may have parted are given the lowest of them.

    >>> distances, index = _ranked(np.array([[2.0, 1.0 + 1e-15, 1.0]]), np.array([[4, 3, 5]]), 0.0)
    >>> distances.tolist(), index.tolist()
    ([[1.0, 1.0, 2.0]], [[3, 5, 4]])
    """
    order = np.argsort(distances, axis=1)
    distances, index = np.take_along_axis(distances, order, 1), np.take_along_axis(index, order, 1)
    apart = np.diff(distances, axis=1) > _EQUAL * distances[:, 1:] + noise
    first = np.zeros(index.shape, np.int64)
    first[:, 1:] = np.maximum.accumulate(np.where(apart, np.arange(1, index.shape[1]), 0), axis=1)
    distances = np.take_along_axis(distances, first, 1)
    order = np.lexsort((index, distances), axis=1)
    return np.take_along_axis(distances, order, 1), np.take_along_axis(index, order, 1)
