"""A random sample of pairs, half same-class and half different-class, for those who ask; every report says how many and the seed."""

from __future__ import annotations

import numpy as np

from repr_probe.metrics.angle_tiles import pair_angles
from repr_probe.metrics.rows import Rows


def draw_same(rng: np.random.Generator, codes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` same-class pairs, uniform over all of them, with replacement; codes (n,) sorted in runs."""
    edges = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1], True])
    starts, sizes = edges[:-1], np.diff(edges).astype(np.float64)
    weight = sizes * (sizes - 1.0)
    which = rng.choice(len(starts), size=count, p=weight / weight.sum())
    first = rng.integers(0, sizes[which].astype(np.int64))
    second = rng.integers(0, sizes[which].astype(np.int64) - 1)
    second += second >= first
    return starts[which] + first, starts[which] + second


def draw_pairs(rng: np.random.Generator, n: int, count: int, codes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """`count` pairs of different rows out of n, uniform, with replacement; with codes (n,): of different classes only."""
    first, second = np.empty(0, np.int64), np.empty(0, np.int64)
    while len(first) < count:
        a, b = rng.integers(0, n, 2 * count), rng.integers(0, n, 2 * count)
        good = a != b if codes is None else codes[a] != codes[b]
        first, second = np.r_[first, a[good]], np.r_[second, b[good]]
    return first[:count], second[:count]


def sampled_angles(rows: Rows, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles in degrees, float64."""
    return np.degrees(pair_angles(rows, first, second))
