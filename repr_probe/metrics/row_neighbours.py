"""The nearest rows of every row of one set, itself left out: exact in float64, ties to the lower row, a block of rows at a time.

One float32 search (`neighbours`) finds nearly all; rows whose k-th and next neighbour are closer than its rounding are searched again in
float64. By Euclidean distance, which for unit rows is the order of cosines. Rows are taken about their mean and scaled by a power of two,
so that a cloud far from the origin, or collapsed to a narrow cone, keeps its digits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from repr_probe.metrics.neighbours import MEMORY, ROUNDING, nearest
from repr_probe.metrics.rows import Rows, row_norms

_GRID = 2.0**40  # scores that agree to 2⁻⁴⁰ of the largest squared length are put in order by their distances, or by index
_SPARE = 8  # candidates beyond the k-th whose distances are taken from differences
_QUERIES, _BANK = 256, 4096
_NUMBERS = 1 << 21


class _Lifted(Rows):
    """Rows (x, tail) with x about `center` and times `scale`: tail 1 of a query, -‖x‖²/2 in the bank, so that products rank by distance."""

    def __init__(self, rows: Rows, center: np.ndarray, scale: float, *, bank: bool) -> None:
        super().__init__(rows.values, rows.index, unit=rows.unit, lengths=rows.lengths)
        self.center, self.scale, self.bank = center, scale, bank

    @property
    def n_features(self) -> int:
        return super().n_features + 1

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
    rows: Rows, k: int, *, cuts: tuple[int, ...] = (), device: str = "cpu", memory: int = MEMORY
) -> Iterator[tuple[int, np.ndarray]]:
    """(start, index) for blocks of rows: index (n, k) int64, the nearest other rows of rows start, start + 1, ...

    For each c of `cuts`, and for k, the first c columns are exactly the c nearest rows; inside these, columns are in float32 order.
    rows: as stored or of unit length, k + 1 of them or more. memory: bytes of working memory, whatever the number of rows.
    """
    center, scale = _frame(rows)
    bank, queries = (_Lifted(rows, center, scale, bank=side) for side in (True, False))
    n = len(rows)
    wanted = min(k + 1, n - 1)
    step = max(_QUERIES, memory // (2 * (16 * wanted + 16 * bank.n_features)))  # what `nearest` holds at a time
    for start in range(0, n, step):
        own = np.arange(start, min(start + step, n))
        found = nearest(bank, queries.select(own), wanted, own=own, device=device, memory=memory)
        index = found.index[:, :k]
        doubtful = _doubtful(queries.select(own), found.cosines, {*cuts, k})
        for part in np.array_split(doubtful, -(-len(doubtful) // _QUERIES)) if len(doubtful) else ():
            index[part] = _settled(rows, bank, queries, own[part], k, device)
        yield start, index


def squared_distances(rows: Rows, own: np.ndarray, index: np.ndarray) -> np.ndarray:
    """(n, m) float64 ‖x - x′‖² from differences: rows `own` (n,) against rows `index` (n, m)."""
    found = np.empty(index.shape)
    step = max(1, _NUMBERS // (rows.n_features * (index.shape[1] + 1)))
    for start in range(0, len(own), step):
        part = index[start : start + step]
        each = rows.select(own[start : start + step]).block(0, len(part))
        others = rows.select(part.ravel()).block(0, part.size).reshape(*part.shape, -1)
        others -= each[:, None]
        found[start : start + step] = np.einsum("ijk,ijk->ij", others, others)
    return found


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


def _settled(rows: Rows, bank: Rows, queries: Rows, own: np.ndarray, k: int, device: str) -> np.ndarray:
    """(n, k) nearest rows of rows `own`: float64 scores, then distances from differences of the best, equal ones by index."""
    import torch

    n, wanted = len(bank), min(k + _SPARE, len(bank) - 1)
    each = torch.from_numpy(queries.select(own).block(0, len(own))).to(device)
    best = torch.empty(len(own), 0, dtype=torch.float64, device=device)
    place = torch.empty(len(own), 0, dtype=torch.int64, device=device)
    for start in range(0, n, _BANK):
        columns = torch.from_numpy(bank.block(start, min(start + _BANK, n))).to(device)
        scores = (each @ columns.T).mul_(_GRID).round_()
        inside = np.flatnonzero((own >= start) & (own < start + len(columns)))
        scores[inside, own[inside] - start] = -torch.inf
        names = torch.arange(start, start + len(columns), device=device).expand_as(scores)
        best, order = torch.cat([best, scores], 1).sort(dim=1, descending=True, stable=True)
        best, place = best[:, :wanted], torch.cat([place, names], 1).gather(1, order[:, :wanted])
    index = place.cpu().numpy()
    nearer = np.lexsort((index, squared_distances(rows, own, index)), axis=1)
    return np.take_along_axis(index, nearer[:, :k], axis=1)
