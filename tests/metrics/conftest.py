"""Slow and plain twins: every pair as an entry of an N x N matrix, in float64 or better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from repr_probe.features.door import as_features
from repr_probe.metrics.definitions import DEFINITIONS, keys_of
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.reports.geometry import measure_all


class BruteForce:
    """Of the unordered pairs of non-zero rows; labels (N,) with -1 for unlabelled rows."""

    KINDS = ("all", "positive", "negative")

    @staticmethod
    def unit(x: Any) -> np.ndarray:
        wide = np.asarray(x, np.longdouble)
        return wide / np.sqrt((wide * wide).sum(axis=1, keepdims=True))

    @classmethod
    def pairs(cls, x: Any, labels: Any = None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """kind -> (1 - cosine, angle in degrees), both from differences of rows: no digit is lost for near pairs."""
        u = cls.unit(x)
        first, second = np.triu_indices(len(u), 1)
        apart = np.sqrt(((u[first] - u[second]) ** 2).sum(axis=1))
        angle = np.degrees(2 * np.arctan2(apart, np.sqrt(((u[first] + u[second]) ** 2).sum(axis=1))))
        table = (apart**2 / 2, angle)
        kinds = {"all": np.ones(len(first), bool)}
        if labels is not None:
            codes = np.asarray(labels)
            known = (codes[first] >= 0) & (codes[second] >= 0)
            same = codes[first] == codes[second]
            kinds |= {"labelled": known, "positive": known & same, "negative": known & ~same}
        return {kind: (table[0][chosen], table[1][chosen]) for kind, chosen in kinds.items()}

    @classmethod
    def d_prime(cls, x: Any, labels: Any) -> float:
        pairs = cls.pairs(x, labels)
        same, different = pairs["positive"][0], pairs["negative"][0]
        return float((different.mean() - same.mean()) / np.sqrt((same.var() + different.var()) / 2))

    @staticmethod
    def histogram(angles: np.ndarray) -> np.ndarray:
        return np.bincount(np.minimum(np.floor(np.asarray(angles, np.float64) / 0.05).astype(int), 3599), minlength=3600)

    @staticmethod
    def entropy_rank(weights: np.ndarray) -> float:
        p = weights[weights > 0] / weights.sum()
        return float(np.exp(-np.sum(p * np.log(p))))

    @classmethod
    def effective_rank(cls, x: Any, *, center: bool = False) -> float:
        x = np.asarray(x, np.float64)
        return cls.entropy_rank(np.linalg.svd(x - x.mean(axis=0) if center else x, compute_uv=False))


@pytest.fixture(scope="session")
def brute() -> type[BruteForce]:
    return BruteForce


def _measured(features: Any, labels: Any = None, *, preset: str = "full", keys: Any = None, **options: Any) -> dict[str, Measurement]:
    checked = as_features(features, labels)
    wanted = keys or [key for key in keys_of(preset) if DEFINITIONS[key].needs != "views" or checked.views is not None]
    return measure_all(GeometryStates(checked, Options(**options)), wanted)


@pytest.fixture(scope="session")
def measured() -> Callable[..., dict[str, Measurement]]:
    """features, labels -> every Measurement of a preset (or of `keys`), without the report around it."""
    return _measured


@pytest.fixture(scope="session")
def values() -> Callable[..., dict[str, float | None]]:
    """As `measured`, the numbers alone, without intervals."""

    def compute(features: Any, labels: Any = None, **options: Any) -> dict[str, float | None]:
        return {key: one.value for key, one in _measured(features, labels, intervals=False, **options).items()}

    return compute
