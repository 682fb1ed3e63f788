"""Neural collapse: how nearly the rows of a class are one point, and the class means a simplex. 0 is collapsed throughout.

Means are of raw rows; μ_G is the mean of the class means; classes weigh alike. Spreads (NC1) are over classes of two rows or more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.features.door import as_features
from repr_probe.metrics.class_rivals import Rivals, euclidean_rivals, own_is_nearest, require_two_classes
from repr_probe.metrics.inference import delete_groups
from repr_probe.metrics.rows import Rows
from repr_probe.metrics.states import GeometryStates, Options

_CUT = 1e-10  # of the largest eigenvalue of B
_NOTHING = (8.0 * np.finfo(np.float64).eps) ** 2


class NeuralCollapse(NamedTuple):
    """See `neural_collapse`; nc3 and nc4 are None without classifier weights."""

    nc1: float
    nc1_trace: float
    nc1_cdnv: float
    nc2_equinorm: float
    nc2_angle: float
    ncc_accuracy: float
    nc3: float | None = None
    nc4: float | None = None


def neural_collapse(features: Any, labels: Any, *, weights: Any = None, bias: Any = None) -> NeuralCollapse:
    """Distance from neural collapse, where rows equal their class mean and the means form a simplex: every part is 0 there.

    features: (n_samples, n_features); labels: one per row; weights (n_classes, n_features) and bias (n_classes,): of the last linear
    layer, classes in sorted order of the labels.
    nc1: tr(W B⁺)/K, W and B the within-class and between-class covariance, classes alike.  nc1_trace: tr W/tr B.  nc1_cdnv: mean over
    ordered pairs of classes of (v_k + v_l)/(2‖μ_k - μ_l‖²), v the mean squared distance to the class mean.
    nc2_equinorm: SD/mean of ‖μ_k - μ_G‖.  nc2_angle: mean over pairs of |cos(μ_k - μ_G, μ_l - μ_G) + 1/(K - 1)|; a simplex needs
    n_features of n_classes - 1 or more.  ncc_accuracy: share of rows whose nearest class mean is their own (1 is collapsed).
    nc3: ‖A/‖A‖ - M/‖M‖‖ in Frobenius norm, A the weights, M the centred means.  nc4: share of rows whose nearest class mean is not what
    the classifier says.
    Source: Papyan, Han & Donoho 2020 (arXiv 2008.08186); CDNV: Galanti et al. 2022.

    >>> found = neural_collapse([[1.0, 1.0], [1.0, 3.0], [5.0, 1.0], [5.0, 3.0]], ["a", "a", "b", "b"])
    >>> found.nc1_trace, found.ncc_accuracy  # ±1 about means that are 4 apart: 1/2²
    (0.25, 1.0)
    """
    states = GeometryStates(as_features(features, labels), Options(intervals=False))
    found = Collapse(states)
    without = NeuralCollapse(found.variability(), found.trace_ratio(), found.distance_variance(), found.norm_variation(),
                             found.simplex_gap(), found.accuracy())  # fmt: skip
    if weights is None:
        if bias is not None:
            raise InputError("bias must come with weights; got bias alone")
        return without
    layer = _matrix(weights, "weights", (states.n_classes, states.features.n_features))
    offset = np.zeros(len(layer)) if bias is None else _matrix(bias, "bias", (len(layer),))
    return without._replace(nc3=_self_duality(states, layer), nc4=_disagreement(states, layer, offset))


class Collapse:
    """Neural collapse of the labelled, non-zero rows, and its jackknife values over groups of classes.

    A class statistic takes `keep`, (K,) bool, the classes that take part. Rows are in the coordinates of `states.space`.
    """

    def __init__(self, states: GeometryStates) -> None:
        self.states = states

    # --- classes ------------------------------------------------------------------------------------------------------

    @cached_property
    def means(self) -> np.ndarray:
        """(K, D) μ_k. Raises UndefinedMeasure below two classes."""
        require_two_classes(self.states)
        sums = self.states.moments.classes
        present = sums.count > 0
        return sums.raw[present] / sums.count[present, None]

    @cached_property
    def centered(self) -> np.ndarray:
        """(K, D) μ_k - μ_G. Raises UndefinedMeasure where all means are equal."""
        center = self.means.mean(axis=0)
        moved = self.means - center
        if np.sum(moved * moved) <= len(moved) * _NOTHING * float(center @ center):
            raise UndefinedMeasure("class means must differ; all are equal")
        return moved

    @cached_property
    def groups(self) -> np.ndarray:
        return delete_groups(len(self.means), seed=self.states.options.seed)

    @cached_property
    def every(self) -> np.ndarray:
        return np.ones(len(self.means), bool)

    @cached_property
    def several(self) -> np.ndarray:
        """(K,) bool: classes of two rows or more. Raises UndefinedMeasure below two of them."""
        require_two_classes(self.states)
        found = np.bincount(self.states.order[1]) > 1
        if found.sum() < 2:
            raise UndefinedMeasure(f"needs two classes of two rows or more; got {int(found.sum())}")
        return found

    def without_each_group(self, statistic: Callable[[np.ndarray], float]) -> np.ndarray:
        """(n_groups,) the statistic with each group of classes left out."""
        return np.array([statistic(self.groups != group) for group in range(int(self.groups.max()) + 1)])

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _class_runs(self) -> Iterator[tuple[int, Rows]]:
        """(class, its rows); classes come group by group."""
        index, codes, _ = self.states.order
        edges = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1], True])
        for start, stop in pairwise(edges):
            yield int(codes[start]), self.states.space.select(index[start:stop])

    @cached_property
    def variances(self) -> np.ndarray:
        """(K,) v_k, mean of ‖x - μ_k‖² over the class."""
        found = np.zeros(len(self.means))
        for code, rows in self._class_runs():
            found[code] = sum(float(np.square(block - self.means[code]).sum()) for _, block in rows.blocks()) / len(rows)
        return found

    @cached_property
    def axes(self) -> np.ndarray:
        """(D, r) orthonormal: the directions in which the means of `several` classes differ."""
        chosen = self.centered[self.several]
        _, sigma, axes = np.linalg.svd(chosen - chosen.mean(axis=0), full_matrices=False)
        if sigma[0] == 0.0:
            raise UndefinedMeasure("class means must differ; all of two rows or more are equal")
        rank = min(int((sigma**2 > _CUT * sigma[0] ** 2).sum()), len(chosen) - 1)
        return np.asarray(axes[:rank].T)

    def _scatters(self) -> Iterator[tuple[int, np.ndarray]]:
        """(group, (r, r) sum of the W_k of its classes of two rows or more, along `axes`), a group at a time."""
        size = self.axes.shape[1]
        group, total = 0, np.zeros((size, size))
        for code, rows in self._class_runs():
            if self.groups[code] != group:
                yield group, total
                group, total = int(self.groups[code]), np.zeros((size, size))
            if self.several[code]:
                for _, block in rows.blocks():
                    projected = (block - self.means[code]) @ self.axes
                    total += projected.T @ projected / len(rows)
        yield group, total

    @cached_property
    def _scatter(self) -> np.ndarray:
        """(r, r) Σ_k W_k along `axes`."""
        return np.asarray(sum(part for _, part in self._scatters()))

    def _ratio(self, keep: np.ndarray, scatter: np.ndarray) -> float:
        """tr(W B⁺)/K of the classes `keep`, whose W_k add up to `scatter`."""
        chosen = self.centered[keep & self.several] @ self.axes
        if len(chosen) < 2:
            raise UndefinedMeasure("needs two classes of two rows or more")
        chosen = chosen - chosen.mean(axis=0)
        values, vectors = np.linalg.eigh(chosen.T @ chosen)  # K times the eigenvalues of B, as `scatter` is K times W
        kept = values > _CUT * values[-1]
        kept[: max(0, len(values) - len(chosen) + 1)] = False
        return float((np.einsum("ij,ij->j", vectors, scatter @ vectors)[kept] / values[kept]).sum() / len(chosen))

    # --- NC1 ----------------------------------------------------------------------------------------------------------

    def variability(self) -> float:
        return self._ratio(self.every, self._scatter)

    def variability_without_each_group(self) -> np.ndarray:
        return np.array([self._ratio(self.groups != group, self._scatter - part) for group, part in self._scatters()])

    def trace_ratio(self, keep: np.ndarray | None = None) -> float:
        chosen = self.several if keep is None else self.several & keep
        means = self.centered[chosen]
        return float(self.variances[chosen].sum() / np.sum((means - means.mean(axis=0)) ** 2))

    @cached_property
    def _pair_variance(self) -> np.ndarray:
        """(K, K) (v_k + v_l)/(2‖μ_k - μ_l‖²), 0 on the diagonal and for classes of one row."""
        from scipy.spatial.distance import cdist

        distance = cdist(self.centered, self.centered, "sqeuclidean")
        np.fill_diagonal(distance, 1.0)
        pairs = np.outer(self.several, self.several)
        np.fill_diagonal(pairs, False)
        if (distance[pairs] == 0).any():
            raise UndefinedMeasure("two classes have the same mean")
        return np.where(pairs, (self.variances[:, None] + self.variances) / (2.0 * np.where(pairs, distance, 1.0)), 0.0)

    def distance_variance(self, keep: np.ndarray | None = None) -> float:
        chosen = self.several if keep is None else self.several & keep
        count = int(chosen.sum())
        return float(self._pair_variance[np.ix_(chosen, chosen)].sum() / (count * (count - 1.0)))

    # --- NC2 ----------------------------------------------------------------------------------------------------------

    @cached_property
    def _gram(self) -> np.ndarray:
        return self.centered @ self.centered.T

    def _lengths(self, keep: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """(Gram matrix of the means about their own mean, their lengths)."""
        gram = self._gram if keep is None else self._gram[np.ix_(keep, keep)]
        column = gram.mean(axis=0)
        gram = gram - column - column[:, None] + column.mean()
        return gram, np.sqrt(np.maximum(np.diag(gram), 0.0))

    def norm_variation(self, keep: np.ndarray | None = None) -> float:
        _, length = self._lengths(keep)
        return float(length.std() / length.mean())

    def simplex_gap(self, keep: np.ndarray | None = None) -> float:
        gram, length = self._lengths(keep)
        if (length <= 1e-12 * length.max()).any():
            raise UndefinedMeasure("a class mean is the mean of all class means and has no direction")
        count = len(length)
        off = np.abs(gram / np.outer(length, length) + 1.0 / (count - 1.0))
        return float((off.sum() - np.trace(off)) / (count * (count - 1.0)))

    # --- nearest class mean ---------------------------------------------------------------------------------------------

    @cached_property
    def rivals(self) -> Rivals:
        return euclidean_rivals(self.states, self.means)

    def accuracy(self) -> float:
        return float(own_is_nearest(self.rivals).mean())


# --- against a classifier ---------------------------------------------------------------------------------------------


def _matrix(values: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=np.float64)
    if array.shape != shape:
        wanted = "(n_classes, n_features)" if len(shape) == 2 else "(n_classes,)"
        raise InputError(f"{name} must be {wanted} = {shape}; got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite; got {int((~np.isfinite(array)).sum())} entries that are not")
    return array


def _labelled_means(states: GeometryStates) -> tuple[Rows, np.ndarray, np.ndarray]:
    """(labelled rows as stored, their classes, class means (K, D) in the features' own coordinates)."""
    index, codes, _ = states.order
    rows = states.rows.select(index[: len(codes)])
    sums = np.zeros((states.n_classes, rows.n_features))
    for start, block in rows.blocks():
        np.add.at(sums, codes[start : start + len(block)], block)
    return rows, codes, sums / np.bincount(codes)[:, None]


def _self_duality(states: GeometryStates, weights: np.ndarray) -> float:
    means = _labelled_means(states)[2]
    means = means - means.mean(axis=0)
    length = np.linalg.norm(weights)
    if length == 0:
        raise UndefinedMeasure("the classifier's weights are all zero")
    return float(np.linalg.norm(weights / length - means / np.linalg.norm(means)))


def _disagreement(states: GeometryStates, weights: np.ndarray, bias: np.ndarray) -> float:
    rows, codes, means = _labelled_means(states)
    center = means.mean(axis=0)
    moved = means - center
    square = np.einsum("ij,ij->i", moved, moved)
    different = 0
    for _, block in rows.blocks():
        nearest = (square - 2.0 * ((block - center) @ moved.T)).argmin(axis=1)
        different += int((nearest != (block @ weights.T + bias).argmax(axis=1)).sum())
    return different / len(codes)
