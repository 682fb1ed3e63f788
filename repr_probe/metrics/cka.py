"""Linear CKA of two representations of the same images: one pass over the rows, additive and mergeable, never an N x N matrix.

Rows are lifted as in `lifted`, each about its own first row; every sum that HSIC₁ and the biased HSIC need stands in three matrices Σ v wᵀ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.features.door import as_features
from repr_probe.features.feature_set import Features
from repr_probe.metrics.lifted import LiftedGram
from repr_probe.metrics.rows import Rows

_LEAST_ROWS = 4
_NOTHING = 1e-12  # of the biased self term: what rounding leaves of an unbiased one that is zero


@dataclass(frozen=True)
class Similarity:
    """debiased: linear CKA from HSIC₁; 1 for one cloud up to rotation and scale, 0 on average for independent ones. An unbiased
    estimate: with few rows it may fall slightly below 0 or above 1.

    biased: the usual estimate, in [0, 1], which reads about 1/(1 + N/D) on independent features.  n: rows.
    """

    debiased: float
    biased: float
    n: int


class CkaState:
    """One-pass state of two representations, `update(x, y)` with (rows, D1) and (rows, D2) of the same images; float64 throughout.

    Memory: (D1 + 2)² + (D2 + 2)² + (D1 + 2)(D2 + 2) numbers, whatever the number of rows.

    >>> state, rows = CkaState(), np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 5.0], [3.0, 3.0], [4.0, 1.0]])
    >>> state.update(rows[:2], -2.0 * rows[:2])
    >>> state.update(rows[2:], -2.0 * rows[2:])
    >>> round(state.similarity().debiased, 12)
    1.0
    """

    def __init__(self) -> None:
        self.first: LiftedGram | None = None
        self.second: LiftedGram | None = None
        self.cross = np.zeros((0, 0))

    def update(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add rows of both. Raises InputError where the two differ in number."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if len(x) != len(y):
            raise InputError(f"second must have the rows of first; got {len(y)} rows for {len(x)}")
        if not len(x):
            return
        if self.first is None or self.second is None:
            self.first, self.second = LiftedGram(x[0].copy()), LiftedGram(y[0].copy())
            self.cross = np.zeros((x.shape[1] + 2, y.shape[1] + 2))
        left, right = self.first.lift(x), self.second.lift(y)
        self.first.add(left)
        self.second.add(right)
        self.cross += left.T @ right

    def merged(self, other: CkaState) -> CkaState:
        """The state of both sets of rows."""
        if self.first is None or self.second is None or other.first is None or other.second is None:
            return other if self.first is None else self
        found = CkaState()
        found.first, found.second = self.first.merged(other.first), self.second.merged(other.second)
        rows = _move(other.first.reference - self.first.reference)
        columns = _move(other.second.reference - self.second.reference)
        found.cross = self.cross + rows @ other.cross @ columns.T
        return found

    def similarity(self) -> Similarity:
        """CKA of the rows so far. Raises UndefinedMeasure below four rows, and where a self term is not positive."""
        n = 0 if self.first is None else int(self.first.count)
        if self.first is None or self.second is None or n < _LEAST_ROWS:
            raise UndefinedMeasure(f"needs {_LEAST_ROWS} rows; got {n}")
        return _similarity(self.cross, _self_terms(self.first.matrix, "the first"), _self_terms(self.second.matrix, "the second"))


def cka(first: Any, second: Any, *, debiased: bool = True) -> float:
    """How alike two representations of the same images are, up to rotation and scale: linear CKA from unbiased HSIC.

    HSIC₁(X, Y)/√(HSIC₁(X, X) HSIC₁(Y, Y)); with `debiased=False` ‖YcᵀXc‖²/(‖XcᵀXc‖ ‖YcᵀYc‖), which rises with D/N whatever the features.
    first, second: (n_samples, D1) and (n_samples, D2), rows of the same images in the same order; where both have ids, these must agree.
    Range [0, 1]; 0 for unrelated features (the debiased one by noise slightly below 0 or above 1).
    Source: Kornblith et al. 2019 (arXiv 1905.00414); HSIC₁ of Song et al. 2012, as used by Nguyen et al. 2021 (arXiv 2010.15327).
    Raises InputError for other images or another order, UndefinedMeasure below four rows or for constant features.

    >>> square = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]
    >>> round(cka(square, [[-3.0 * y, 3.0 * x] for x, y in square]), 12)
    1.0
    """
    found = similarities([as_features(first), as_features(second)])[0, 1]
    if isinstance(found, UndefinedMeasure):
        raise found
    return found.debiased if debiased else found.biased


def similarities(features: Sequence[Features], names: Sequence[str] | None = None) -> dict[tuple[int, int], Similarity | UndefinedMeasure]:
    """CKA of every pair i < j: one pass for each self term and one for each pair, so that two blocks of rows are all that is held.

    A representation without a self term has no CKA with any other: its pairs hold why, and the others theirs. names: for that sentence.
    Raises InputError as `cka`, UndefinedMeasure below four rows.
    """
    named = next((held for held in features if held.ids is not None), None)
    for held in features[1:]:
        same_rows(features[0], held)
        if named is not None:
            same_rows(named, held)  # the first may have no ids, and the others' still contradict each other
    if features and features[0].n_samples < _LEAST_ROWS:
        raise UndefinedMeasure(f"needs {_LEAST_ROWS} rows; got {features[0].n_samples}")
    spaces = [_space(one) for one in features]
    called = names if names is not None else [f"representation {place + 1}" for place in range(len(spaces))]
    own = [_self_terms_or_why(rows, name) for rows, name in zip(spaces, called, strict=True)]
    found: dict[tuple[int, int], Similarity | UndefinedMeasure] = {}
    for i, j in combinations(range(len(spaces)), 2):
        one, other = own[i], own[j]
        if isinstance(one, UndefinedMeasure):
            found[i, j] = one
        elif isinstance(other, UndefinedMeasure):
            found[i, j] = other
        else:
            found[i, j] = _similarity(_cross(spaces[i], spaces[j]), one, other)
    return found


def same_rows(first: Features, second: Features) -> None:
    """Raise InputError unless both have as many rows and, where both have ids, the same ids in the same order."""
    if first.n_samples != second.n_samples:
        raise InputError(f"second must have the rows of first; got {second.n_samples} rows for {first.n_samples}")
    if first.ids is None or second.ids is None or first.ids == second.ids:
        return
    row = next(place for place, pair in enumerate(zip(first.ids, second.ids, strict=True)) if pair[0] != pair[1])
    ids = f"{first.ids[row]!r} and {second.ids[row]!r}"
    raise InputError(f"second must be of the images of first, in one order; got {ids} as row {row}")


def _space(features: Features) -> Rows:
    """The rows, with more features than rows in coordinates of the rows (a rotation by QR, which changes no inner product)."""
    rows = Rows(features.values)
    if features.n_features <= features.n_samples:
        return rows
    triangle = np.asarray(np.linalg.qr(rows.block(0, len(rows)).T, mode="r"))
    return Rows(np.ascontiguousarray(triangle.T))


def _cross(first: Rows, second: Rows) -> np.ndarray:
    """(D1 + 2, D2 + 2) Σ v wᵀ of the lifted rows, each about its first row."""
    left, right = LiftedGram(first.block(0, 1)[0]), LiftedGram(second.block(0, 1)[0])
    total = np.zeros((first.n_features + 2, second.n_features + 2))
    size = min(first.block_size, second.block_size)
    for start in range(0, len(first), size):
        stop = min(start + size, len(first))
        lifted = left.lift_rows(first, start, stop)
        total += lifted.T @ (lifted if second is first else right.lift_rows(second, start, stop))
    return total


def _move(d: np.ndarray) -> np.ndarray:
    """T with T v the lift about a reference that lies d before that of v."""
    transform = np.eye(len(d) + 2)
    transform[:-2, -1] = d
    transform[-2, :-2] = 2.0 * d
    transform[-2, -1] = d @ d
    return transform


def _self_terms_or_why(rows: Rows, name: str) -> tuple[float, float] | UndefinedMeasure:
    try:
        return _self_terms(_cross(rows, rows), name)
    except UndefinedMeasure as why:
        return why


def _self_terms(matrix: np.ndarray, name: str) -> tuple[float, float]:
    unbiased, biased = _hsic1(matrix), _hsic0(matrix)
    if unbiased <= _NOTHING * biased:
        raise UndefinedMeasure(f"the self term HSIC₁ of {name} is not positive: its rows are equal, or too few for their noise")
    return unbiased, biased


def _similarity(cross: np.ndarray, first: tuple[float, float], second: tuple[float, float]) -> Similarity:
    unbiased = _hsic1(cross) / np.sqrt(first[0]) / np.sqrt(second[0])
    biased = _hsic0(cross) / np.sqrt(first[1]) / np.sqrt(second[1])
    return Similarity(float(unbiased), float(min(1.0, biased)), int(cross[-1, -1]))


def _hsic1(lifted: np.ndarray) -> float:
    """Unbiased HSIC with linear kernels from Σ v wᵀ: the trace of the Gram matrices without diagonals, their sums taken out (Song et al. 2012)."""
    m, sx, sy = lifted[:-2, :-2], lifted[:-2, -1], lifted[-1, :-2]
    wx, wy = lifted[:-2, -2], lifted[-2, :-2]  # Σ‖y‖² x and Σ‖x‖² y
    n, a, b, c = lifted[-1, -1], lifted[-2, -1], lifted[-1, -2], lifted[-2, -2]
    sums = (sx @ sx - a) * (sy @ sy - b) / ((n - 1.0) * (n - 2.0))
    rows = sx @ m @ sy - sx @ wx - sy @ wy + c
    return float((np.einsum("ij,ij->", m, m) - c + sums - 2.0 * rows / (n - 2.0)) / (n * (n - 3.0)))


def _hsic0(lifted: np.ndarray) -> float:
    """‖YcᵀXc‖²/(n - 1)², the biased HSIC."""
    n = lifted[-1, -1]
    centred = lifted[:-2, :-2] - np.outer(lifted[:-2, -1], lifted[-1, :-2]) / n
    return float(np.einsum("ij,ij->", centred, centred) / (n - 1.0) ** 2)
