"""The fixed features on which every tool is run: numbers with few bits, so that float32 and float64 hold the same ones on any machine."""

from __future__ import annotations

import hashlib
from functools import cache
from types import SimpleNamespace

import numpy as np

SEED = 20261
_STEP = 256.0  # every number is a multiple of 1/256


def _few_bits(values: np.ndarray) -> np.ndarray:
    return np.round(values * _STEP) / _STEP


@cache
def inputs() -> SimpleNamespace:
    """All that a call of a peer or of ours may name.

    x (320, 224): features with a falling spectrum, eight unequal classes, a common offset and unequal norms; y (320,): their labels.
    even, even_y: 18 rows of each class of x. other (320, 96): another representation of the same rows, a mixture of x and noise.
    views (60, 6, 24): six views each of 60 objects. cloud (400, 6): points of a curved surface of three dimensions.
    bank, bank_y, queries, queries_y: a split of x by rows into 220 and 100. w (8, 224), b (8,): a linear classifier of x.
    """
    rng = np.random.default_rng(SEED)
    y = np.sort(rng.choice(8, 320, p=np.arange(4.0, 12.0) / 60.0))
    scale = 4.0 * np.arange(1.0, 225.0) ** -0.5
    means = rng.standard_normal((8, 224)) * scale * 0.5
    offset = np.zeros(224)
    offset[::7] = 1.0
    noise = rng.standard_normal((320, 224)) * scale
    x = _few_bits((offset + means[y] + noise) * np.exp(0.3 * rng.standard_normal((320, 1))))
    other = _few_bits(x @ rng.standard_normal((224, 96)) / 15.0 + 0.7 * rng.standard_normal((320, 96)))
    width = 2.0 * np.arange(1.0, 25.0) ** -0.7
    views = _few_bits((rng.standard_normal((60, 1, 24)) + 0.5 * rng.standard_normal((60, 6, 24))) * width)
    angle = rng.random((400, 3)) * 3.0
    cloud = _few_bits(8.0 * np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * (1.0 + 0.2 * angle[:, [1, 2, 0, 1, 2, 0]]))
    w = _few_bits(means + 0.5 * rng.standard_normal((8, 224)))
    order = rng.permutation(320)
    even = np.flatnonzero(np.arange(320) - np.searchsorted(y, y) < 18)
    train, test = order[:220], order[220:]
    return SimpleNamespace(
        x=x, y=y, even=x[even], even_y=y[even], other=other, views=views, cloud=cloud, w=w, b=_few_bits(rng.standard_normal(8)),
        bank=x[train], bank_y=y[train], queries=x[test], queries_y=y[test],
    )  # fmt: skip


def fingerprint() -> str:
    """SHA-256 of all arrays, by name."""
    digest = hashlib.sha256()
    for name, array in sorted(vars(inputs()).items()):
        digest.update(f"{name} {array.shape} {array.dtype.kind}".encode())
        digest.update(np.ascontiguousarray(array, np.float64).tobytes())
    return digest.hexdigest()
