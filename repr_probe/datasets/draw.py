"""The draw of --limit: some rows of a split, as equal per class as can be."""

from __future__ import annotations

import numpy as np

from repr_probe.errors import UsageError


def balanced_draw(labels: np.ndarray | None, count: int, limit: int, *, seed: int = 0) -> np.ndarray:
    """Row numbers of a class-balanced random draw of `limit` out of `count` rows, ascending (so the original order is kept).

    Class counts of the draw differ by one at most, except where a class is used up; without labels it is a plain draw. Draws are nested:
    with the same seed a smaller limit gives a subset of a larger one. A limit of `count` or more keeps every row.

    >>> balanced_draw(np.array([0, 0, 0, 0, 1, 1, 2]), 7, 3, seed=1).size
    3
    """
    if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or limit < 1:
        raise UsageError(f"limit must be a positive integer; got {limit!r}")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise UsageError(f"seed must be a non-negative integer; got {seed!r}")
    if limit >= count:
        return np.arange(count)
    classes = np.zeros(count, dtype=np.int64) if labels is None else np.asarray(labels)
    generator = np.random.default_rng(seed)
    row_keys = generator.random(count)
    class_keys = generator.random(int(classes.max()) + 1)
    # Round r takes the r-th row of every class, in the order of the row keys; the last, incomplete round serves some classes only,
    # in the order of the class keys.
    order = np.lexsort((row_keys, classes))
    sorted_classes = classes[order]
    starts = np.flatnonzero(np.r_[True, sorted_classes[1:] != sorted_classes[:-1]])
    rounds = np.arange(count) - np.repeat(starts, np.diff(np.r_[starts, count]))
    chosen = np.lexsort((class_keys[sorted_classes], rounds))[:limit]
    return np.sort(order[chosen])
