"""What the k nearest rows by cosine say: hubs that are neighbours of many, and how pure neighbourhoods are in their label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.features.door import as_features
from repr_probe.metrics.class_rivals import require_two_classes
from repr_probe.metrics.row_neighbours import nearest_rows
from repr_probe.metrics.rows import Rows
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.ranks import ALONE, Ranks

HUB_K = 10
PURITY_K = (1, 10, 50)


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """occurrences (N,): how often each row is among the HUB_K nearest of another, None with HUB_K rows or fewer.

    same: k -> number of pairs (row, one of its k nearest) with one label, for the k that the number of rows allows.  n: rows.
    """

    occurrences: np.ndarray | None
    same: dict[int, int]
    n: int


def neighbourhoods(
    rows: Rows, codes: np.ndarray | None, *, k: int = HUB_K, purity: tuple[int, ...] = PURITY_K, device: str = "cpu", ranks: Ranks = ALONE
) -> Neighbourhoods:
    """One search for both. rows: of unit length; codes (N,): labels, or None for hubness alone. Each rank searches for its part of the rows."""
    n = len(rows)
    kept = [cut for cut in purity if codes is not None and cut < n]
    cuts = tuple(cut for cut in {k, *kept} if cut < n)
    if not cuts:
        return Neighbourhoods(None, {}, n)
    occurrences, same = np.zeros(n, np.int64), np.zeros(len(kept), np.int64)
    for start, index in nearest_rows(rows, max(cuts), cuts=cuts, part=ranks.run_of(n), device=device):
        occurrences += np.bincount(index[:, :k].ravel(), minlength=n)
        if codes is not None:
            equal = codes[index] == codes[start : start + len(index), None]
            same += [int(equal[:, :cut].sum()) for cut in kept]
    ranks.sum(occurrences)
    ranks.sum(same)
    return Neighbourhoods(occurrences if k < n else None, dict(zip(kept, same.tolist(), strict=True)), n)


@dataclass(frozen=True)
class Hubness:
    """Of N_k, how often a row is among the k nearest of another; its mean is k.

    skewness: third standardised moment; None where every row has the same N_k.  robin_hood: Σ|N_k - k|/(2 k N), the share of neighbour
    slots to be moved until all rows have k.  antihub_share: rows that are nobody's neighbour.  hub_share: slots taken by rows with 2k or more.
    """

    skewness: float | None
    robin_hood: float
    antihub_share: float
    hub_share: float


def hubness(features: Any, *, k: int = HUB_K, device: str = "cpu") -> Hubness:
    """Whether a few rows are among the nearest neighbours of very many, as happens in many dimensions.

    features: (n_samples, n_features); by cosine, a row is no neighbour of itself, ties to the lower row. k below the number of rows.
    Source: Radovanović, Nanopoulos & Ivanović 2010; robin hood: Feldbauer et al. 2018.

    >>> hubness([[1.0, 0.0], [0.9, 0.1], [0.8, 0.3], [0.0, 1.0]], k=1).antihub_share  # 0 and 1 have each other; 2 has 1, and 3 has 2
    0.25
    """
    rows = GeometryStates(as_features(features), Options(intervals=False)).unit_rows
    counts = neighbourhoods(rows, None, k=_checked(k), device=device).occurrences
    if counts is None:
        raise UndefinedMeasure(f"needs more than {k} non-zero rows; got {len(rows)}")
    return Hubness(skewness_of(counts), robin_hood_of(counts, k), antihub_share_of(counts), hub_share_of(counts, k))


def knn_purity(features: Any, labels: Any, *, k: int = HUB_K, device: str = "cpu") -> float:
    """Share of same-label rows among the k nearest other rows by cosine, averaged over labelled rows; ties to the lower row.

    features: (n_samples, n_features); labels: one per row, of two classes or more.  Range [0, 1]; the share of the class is chance, and a
    class of k rows or fewer cannot reach 1.

    >>> knn_purity([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.4, 1.0]], ["a", "a", "b", "a"], k=1)  # the last two have each other
    0.5
    """
    states = GeometryStates(as_features(features, labels), Options(intervals=False))
    require_two_classes(states)
    rows, codes = labelled_rows(states)
    found = neighbourhoods(rows, codes, k=_checked(k), purity=(int(k),), device=device)
    if k not in found.same:
        raise UndefinedMeasure(f"needs more than {k} labelled, non-zero rows; got {len(rows)}")
    return found.same[k] / (k * len(rows))


def labelled_rows(states: GeometryStates) -> tuple[Rows, np.ndarray]:
    """(non-zero rows that have a label, of unit length and as stored; their labels)."""
    kept = np.flatnonzero(~states.zero_rows & (states.labels >= 0))
    return Rows(states.features.values, kept, unit=True, lengths=states.lengths), states.labels[kept]


def _checked(k: int) -> int:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise InputError(f"k must be an integer, 1 or more; got {k!r}")
    return int(k)


def skewness_of(counts: np.ndarray) -> float | None:
    """Population skewness of (N,) occurrences; None without spread."""
    centered = counts - counts.mean()
    variance = float(np.mean(centered**2))
    return float(np.mean(centered**3)) / variance**1.5 if counts.min() < counts.max() else None


def robin_hood_of(counts: np.ndarray, k: int) -> float:
    return float(np.abs(counts - k).sum() / (2.0 * k * len(counts)))


def antihub_share_of(counts: np.ndarray) -> float:
    return float(np.mean(counts == 0))


def hub_share_of(counts: np.ndarray, k: int) -> float:
    return float(counts[counts >= 2 * k].sum() / counts.sum())
