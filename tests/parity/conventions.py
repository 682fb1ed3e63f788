"""What the expressions of `readings` are made of: our functions, and here the conventions of other tools that are no option of ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from inputs import inputs

import repr_probe
from repr_probe.features.door import as_features
from repr_probe.metrics.class_rivals import Rivals, silhouettes
from repr_probe.metrics.cloud_measures import cloud_measures
from repr_probe.metrics.collapse_measures import collapse_measures
from repr_probe.metrics.lidar import view_scatter
from repr_probe.metrics.neighbour_measures import neighbour_measures
from repr_probe.metrics.spectral_measures import spectral_measures
from repr_probe.metrics.spectrum import rankme_from_sigma
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.metrics.twonn import neighbour_ratios

# --- ours, by key -----------------------------------------------------------------------------------------------------


@cache
def _states() -> GeometryStates:
    return GeometryStates(as_features(inputs().x, inputs().y), Options(intervals=False))


class Report:
    """`geometry_report(x, y, preset="full")` as far as it is asked: key -> value, computed by the same functions."""

    builders: tuple[Callable[..., dict[str, Any]], ...] = (spectral_measures, cloud_measures, collapse_measures, neighbour_measures)

    def __getitem__(self, key: str) -> float:
        found = next(got[key] for build in self.builders if key in (got := build(_states(), [key])))
        return float(found.value)


# --- conventions of others --------------------------------------------------------------------------------------------


def eigenvalues(rows: np.ndarray) -> np.ndarray:
    """Of the covariance, descending."""
    return GeometryStates(as_features(rows), Options(intervals=False)).spectrum(center=True).values


def log_slope(values: np.ndarray, low: int, high: int, *, weighted: bool) -> float:
    """-slope of ln λⱼ on ln j over j = low..high, weights 1/j or none: any range, where ours keeps to at most half the rank."""
    index = np.arange(low, high + 1)
    weight = 1.0 / index if weighted else np.ones(len(index))
    return -float(np.polyfit(np.log(index), np.log(values[low - 1 : high]), 1, w=np.sqrt(weight))[0])


def drawn(n_rows: int, n_pairs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random pairs with replacement, less those of a row with itself: vecscope's and nngeom's draw."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, n_rows, n_pairs), rng.integers(0, n_rows, n_pairs)
    return first[first != second], second[first != second]


def cosines(rows: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.einsum("ij,ij->i", unit[pairs[0]], unit[pairs[1]])


def uniformity_of(pair_cosines: np.ndarray) -> float:
    return float(np.log(np.mean(np.exp(-2.0 * (2.0 - 2.0 * pair_cosines)))))


def by_rows(rows: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """(NC1, NC2 equinorm, NC2 angle) with W and the centre over rows, not over classes: the centre is no longer that of the class means,
    so that B has one rank more.
    """
    classes = np.unique(labels)
    means = np.stack([rows[labels == one].mean(axis=0) for one in classes])
    moved = means - rows.mean(axis=0)
    inner = rows - means[np.searchsorted(classes, labels)]
    between = np.linalg.pinv(moved.T @ moved / len(classes))
    length = np.linalg.norm(moved, axis=1)
    pairs = (moved @ moved.T / np.outer(length, length))[np.triu_indices(len(classes), 1)]
    nc1 = np.einsum("ij,ij->", inner @ between, inner) / len(rows) / len(classes)
    return float(nc1), float(length.std() / length.mean()), float(np.abs(pairs + 1.0 / (len(classes) - 1.0)).mean())


def self_duality_by_rows(rows: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """NC3 as ssrlib has it: ‖A/‖A‖ - M/‖M‖‖², M the class means about the mean of all rows."""
    means = np.stack([rows[labels == one].mean(axis=0) for one in np.unique(labels)]) - rows.mean(axis=0)
    return float(np.linalg.norm(weights / np.linalg.norm(weights) - means / np.linalg.norm(means)) ** 2)


def lidar_of_matrix_rows(views: np.ndarray, delta: float = 1e-6) -> float:
    """reptrix: sums in place of covariances, then the covariance spectrum of the *rows of the LiDAR matrix* in place of its eigenvalues."""
    between, within = view_scatter(views)
    values, vectors = np.linalg.eigh(within * (views.shape[1] - 1.0) + delta * np.eye(len(within)))
    root = (vectors / np.sqrt(values)) @ vectors.T
    return rankme_from_sigma(eigenvalues(root @ (between * (len(views) - 1.0)) @ root), len(within))


def ratios(rows: np.ndarray) -> np.ndarray:
    """(n,) ln(r₂/r₁), ascending."""
    return np.sort(neighbour_ratios(GeometryStates(as_features(rows), Options(intervals=False)).rows))


def kept(log_ratios: np.ndarray) -> np.ndarray:
    """The nine tenths with the smallest ratios."""
    return log_ratios[: int(0.9 * len(log_ratios))]


def censored(log_ratios: np.ndarray) -> float:
    """Maximum likelihood where the largest tenth is known to be larger, and no more."""
    small = kept(log_ratios)
    return float((len(small) - 1.0) / (small.sum() + (len(log_ratios) - len(small)) * small[-1]))


def slope_with_intercept(log_ratios: np.ndarray) -> float:
    small = kept(log_ratios)
    return -float(np.polyfit(small, np.log(1.0 - np.arange(1, len(small) + 1) / len(log_ratios)), 1)[0])


def silhouette_euclidean(rows: np.ndarray, labels: np.ndarray) -> float:
    """Our silhouettes of Euclidean distances, all pairs formed."""
    square = np.einsum("ij,ij->i", rows, rows)
    distance = np.sqrt(np.maximum(square[:, None] + square - 2.0 * rows @ rows.T, 0.0))
    np.fill_diagonal(distance, 0.0)
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    total = np.stack([distance[:, labels == one].sum(axis=1) for one in classes], axis=1)
    each = np.arange(len(rows))
    own = total[each, codes] / (counts[codes] - 1.0)
    total[each, codes] = np.inf
    rival = (total / counts).min(axis=1)
    return float(silhouettes(Rivals(codes, counts[codes], own, rival, codes, rival, np.zeros(len(classes), int))).mean())


# --- expressions ------------------------------------------------------------------------------------------------------


_PUBLIC = ("rankme", "effective_rank", "participation_ratio", "anisotropy", "mean_cosine", "center_vector_norm", "angles", "uniformity",
           "feature_correlation", "cka", "knn")  # fmt: skip


@cache
def ours(expression: str) -> float:
    """The value of an expression on the arrays of `inputs`; `report` is a `Report`."""
    from repr_probe.metrics.lidar import lidar
    from repr_probe.metrics.neural_collapse import neural_collapse
    from repr_probe.metrics.twonn import twonn

    public = {name: getattr(repr_probe, name) for name in _PUBLIC}
    names = {**globals(), **public, **vars(inputs()), "report": Report(), "lidar": lidar, "neural_collapse": neural_collapse, "twonn": twonn}
    return float(eval(expression, names))
