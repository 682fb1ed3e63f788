"""How well nearest neighbours and a linear probe tell the classes of the probe set from its features."""

from __future__ import annotations

import numpy as np

Labelled = tuple[np.ndarray, np.ndarray]  # (n, n_features) features, (n,) codes with -1 for an unlabelled row


def nearest_top1(probe: Labelled, bank: Labelled | None, *, device: str = "auto") -> float:
    """Share of the labelled rows of `probe` that kNN names rightly, 0..1, by the rows of `bank`; without one each row by all others."""
    from repr_probe.probes.knn import knn

    queries = _labelled(probe)
    found = knn(*queries, device=device) if bank is None else knn(*_labelled(bank), *queries, device=device)
    return float(found.top1)


def linear_top1(probe: Labelled, bank: Labelled | None, *, seed: int = 0, device: str = "auto") -> float:
    """Share of the labelled rows of `probe` that a linear probe names rightly, 0..1.

    It learns on `bank`; without one on every second row of each class, and is scored on the others.
    """
    from repr_probe.probes.linear import linear

    features, labels = _labelled(probe)
    if bank is not None:
        return float(linear(*_labelled(bank), features, labels, seed=seed, device=device).top1)
    learns = alternate_rows(labels)
    return float(linear(features[learns], labels[learns], features[~learns], labels[~learns], seed=seed, device=device).top1)


def alternate_rows(labels: np.ndarray) -> np.ndarray:
    """(n,) bool: the first, third, fifth ... row of every class.

    >>> alternate_rows(np.array([0, 0, 1, 0, 1])).tolist()
    [True, False, True, True, False]
    """
    order = np.argsort(labels, kind="stable")
    ranked = labels[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    place = np.arange(len(labels)) - np.repeat(starts, np.diff(np.r_[starts, len(labels)]))
    chosen = np.empty(len(labels), bool)
    chosen[order] = place % 2 == 0
    return chosen


def _labelled(rows: Labelled) -> Labelled:
    features, labels = rows
    kept = labels >= 0
    return features[kept], labels[kept]
