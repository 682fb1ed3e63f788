"""Numbers read off a histogram of angles (3600 bins of 0.05 degrees): quantiles, shape, ROC area and overlap."""

from __future__ import annotations

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.angle_tiles import BIN, N_BINS

QUANTILES = (1, 5, 25, 50, 75, 95, 99)
_CENTERS = (np.arange(N_BINS) + 0.5) * BIN


def quantile(counts: np.ndarray, share: float) -> float:
    """Angle below which `share` of the pairs lie: linear within the first bin whose cumulative count reaches ceil(share · M); degrees.

    >>> counts = np.zeros(3600, int); counts[1800] = 4
    >>> round(quantile(counts, 0.5), 6)
    90.025
    """
    total = counts.sum()
    target = np.ceil(share * total)
    cumulative = np.cumsum(counts)
    number = int(np.searchsorted(cumulative, target))
    before = cumulative[number - 1] if number else 0
    return float(number * BIN + BIN * (target - before) / counts[number])


def mode(counts: np.ndarray) -> float:
    """Centre of the first fullest bin, degrees."""
    return float(_CENTERS[int(np.argmax(counts))])


def skewness_and_excess(counts: np.ndarray) -> tuple[float, float]:
    """Third and fourth standardised moments (the fourth less 3) from bin centres."""
    weight = counts / counts.sum()
    deviation = _CENTERS - weight @ _CENTERS
    variance = weight @ deviation**2
    if variance <= 0:
        raise UndefinedMeasure("angles must spread over more than one bin")
    return float(weight @ deviation**3 / variance**1.5), float(weight @ deviation**4 / variance**2 - 3.0)


def area_under_roc(positive: np.ndarray, negative: np.ndarray) -> float:
    """P(angle of a positive pair < angle of a negative pair), pairs in one bin count half; 0.5: no separation, 1: perfect.

    >>> near, far = np.zeros(3600, int), np.zeros(3600, int); near[100] = 3; far[200] = 5
    >>> area_under_roc(near, far)
    1.0
    """
    above = negative.sum() - np.cumsum(negative)
    wins = positive.astype(np.float64) @ (above + negative / 2.0)
    return float(wins / (float(positive.sum()) * float(negative.sum())))


def overlap(positive: np.ndarray, negative: np.ndarray) -> float:
    """Σ min(p₊, p₋) over 1-degree bins: 0 when the two kinds of pairs never share an angle, 1 when they are alike."""
    coarse = [counts.reshape(180, -1).sum(axis=1) / counts.sum() for counts in (positive, negative)]
    return float(np.minimum(*coarse).sum())
