"""Correlations of two distance matrices without each class, and the jackknife interval made of them."""

from __future__ import annotations

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.inference import Interval, jackknife_interval

JACKKNIFE = "delete-one-class jackknife"
MIN_CLASSES = 10


def correlations_without_each(first: np.ndarray, second: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Pearson's r of the kept pairs i < j without class k, for every k: (K,); NaN where one side is constant then.

    first, second: (K, K) symmetric matrices of `deviations`. All K at once, O(K²): a class takes its row out of five sums. Of rank matrices
    it is Spearman's rho with the ranks of the full sample.
    """
    one, other = np.where(kept, first, 0.0), np.where(kept, second, 0.0)
    n = kept.sum(axis=1).astype(np.float64)
    rows = [one.sum(axis=1), other.sum(axis=1)]
    rows += [np.einsum("ij,ij->i", left, right) for left, right in ((one, one), (other, other), (one, other))]
    left = [row.sum() / 2.0 - row for row in (n, *rows)]  # without row k and column k; each pair stands twice in the sum of all rows
    count, sum_one, sum_other, squares_one, squares_other, products = left
    with np.errstate(invalid="ignore", divide="ignore"):
        spread_one = squares_one - sum_one * sum_one / count
        spread_other = squares_other - sum_other * sum_other / count
        alive = (spread_one > 1e-12) & (spread_other > 1e-12)
        r = (products - sum_one * sum_other / count) / np.sqrt(spread_one * spread_other)
    return np.where(alive, np.clip(r, -1.0, 1.0), np.nan)


def class_interval(value: float, without_each: np.ndarray, low: float = -1.0, high: float = 1.0) -> Interval:
    """95 % interval over other classes from the values without each class.

    Raises UndefinedMeasure below 10 classes.
    """
    enough_classes(len(without_each))
    return jackknife_interval(value, without_each, low, high)


def enough_classes(n_classes: int) -> None:
    """Raise UndefinedMeasure below 10 classes."""
    if n_classes < MIN_CLASSES:
        raise UndefinedMeasure(f"an interval over classes needs {MIN_CLASSES} classes; got {n_classes}")
