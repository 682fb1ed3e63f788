"""Class prototypes: mean of the unit rows of each class, and of two random halves of them for the noise ceiling, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import InputError
from repr_probe.features.feature_set import Features

_BLOCK_BYTES = 1 << 24
_CANCELLED = 1e-12  # length of a mean of unit rows
LEAST_FOR_HALVES = 4  # images of a class, so that each half has two


@dataclass(frozen=True, eq=False)
class Prototypes:
    """means (K, D) float64, counts (K,) unit rows in each, codes (K,) their class codes.  halves: two (K, D) means of random
    halves of each class's rows, 0 for a half without a row; below LEAST_FOR_HALVES rows they say nothing.

    A class whose rows are all zeros is here with count 0 and mean 0.  directed (K,): which means have a direction.
    """

    means: np.ndarray
    counts: np.ndarray
    codes: np.ndarray
    halves: tuple[np.ndarray, np.ndarray]
    n_zero: int

    @property
    def directed(self) -> np.ndarray:
        """(K,) bool: False where the unit rows cancel to what rounding leaves."""
        return np.linalg.norm(self.means, axis=1) > _CANCELLED

    def distance(self) -> np.ndarray:
        """(K, K) 1 - cosine, zero diagonal; NaN in the rows of a mean of length 0."""
        return cosine_distance(self.means)


def cosine_distance(means: np.ndarray) -> np.ndarray:
    """(K, K) 1 - cosine of the rows, symmetric, zero diagonal, to 12 decimals.

    Rounded, because pairs that are equally far must tie in the ranks: the last digits depend on the order of the classes.
    """
    length = np.linalg.norm(means, axis=1)
    unit = means / np.where(length > 0.0, length, np.nan)[:, None]
    cosine = np.clip(unit @ unit.T, -1.0, 1.0)
    distance = np.round(1.0 - (cosine + cosine.T) / 2.0, 12)
    np.fill_diagonal(distance, 0.0)
    return distance


def prototypes_of(features: Features, *, seed: int = 0) -> Prototypes:
    """Means of the classes that have a labelled row.

    The halves are drawn by `seed` within each class.
    Raises InputError without labels.
    """
    if features.labels is None or not features.n_classes:
        raise InputError("labels must say the class of each row; got none; give labels, or class names with one row per class")
    labels = features.labels
    n_codes = max(int(labels.max()) + 1, len(features.class_names))
    second = _second_halves(labels, seed)
    sums = np.zeros((2, n_codes, features.n_features))
    counts = np.zeros((2, n_codes), np.int64)
    n_zero = 0
    step = max(1, _BLOCK_BYTES // (8 * features.n_features))
    for start in range(0, features.n_samples, step):
        rows = np.asarray(features.values[start : start + step], dtype=np.float64)
        # Divided by the largest entry first: the square of a very small or very large row would leave the range.
        peak = np.abs(rows).max(axis=1)
        codes = labels[start : start + step]
        chosen = (codes >= 0) & (peak > 0)
        n_zero += int(((codes >= 0) & (peak == 0)).sum())
        rows = rows[chosen] / peak[chosen, None]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        part = second[start : start + step][chosen].astype(np.int64)
        np.add.at(sums, (part, codes[chosen]), rows)
        np.add.at(counts, (part, codes[chosen]), 1)
    present = np.flatnonzero(np.bincount(labels[labels >= 0], minlength=n_codes))
    total = counts.sum(axis=0)[present]
    means = sums.sum(axis=0)[present] / np.maximum(total, 1)[:, None]
    one, other = (sums[half, present] / np.maximum(counts[half, present], 1)[:, None] for half in (0, 1))
    return Prototypes(means, total, present, (one, other), n_zero)


def _second_halves(labels: np.ndarray, seed: int) -> np.ndarray:
    """(n,) bool: which rows of each class belong to the second of two random halves."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.unique(labels, return_counts=True)[1]
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    second = np.empty(len(labels), bool)
    second[order] = rank % 2 == 1
    return second
