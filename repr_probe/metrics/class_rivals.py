"""Each row beside its own class and the nearest other one: what silhouettes and nearest-class-mean accuracy are made of, in O(N K D)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.features.door import as_features
from repr_probe.metrics.inference import delete_groups
from repr_probe.metrics.states import GeometryStates, Options

_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Rivals:
    """Per row (N,): own class and its number of rows; distance to the own class, to the nearest other class (`rival`, equal ones by the
    lower class) and to the nearest one outside the jackknife group of that rival.  groups (K,): jackknife group of each class.
    """

    codes: np.ndarray
    counts: np.ndarray
    own: np.ndarray
    rival: np.ndarray
    rival_code: np.ndarray
    second: np.ndarray
    groups: np.ndarray

    def without_each_group(self, score: Callable[[Rivals], np.ndarray]) -> np.ndarray:
        """(n_groups,) mean score of the remaining rows when a group of classes is left out."""
        return np.array([score(self._without(group)).mean() for group in range(int(self.groups.max()) + 1)])

    def _without(self, group: int) -> Rivals:
        kept = self.groups[self.codes] != group
        lost = self.groups[self.rival_code[kept]] == group
        return Rivals(self.codes[kept], self.counts[kept], self.own[kept], np.where(lost, self.second[kept], self.rival[kept]),
                      np.where(lost, -1, self.rival_code[kept]), self.second[kept], self.groups)  # fmt: skip


def _rivals(blocks: Iterable[np.ndarray], codes: np.ndarray, groups: np.ndarray) -> Rivals:
    """blocks: (rows, K) distances to the classes, in the order of `codes`; overwritten."""
    parts, start = [], 0
    for distance in blocks:
        row, code = np.arange(len(distance)), codes[start : start + len(distance)]
        own = distance[row, code]
        distance[row, code] = np.inf
        rival_code = distance.argmin(axis=1)
        rival = distance[row, rival_code]
        distance[groups == groups[rival_code][:, None]] = np.inf
        parts.append((own, rival, rival_code, distance.min(axis=1)))
        start += len(distance)
    own, rival, rival_code, second = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Rivals(codes, np.bincount(codes)[codes], own, rival, rival_code, second, groups)


def cosine_rivals(states: GeometryStates) -> Rivals:
    """Distance to a class: mean of 1 - cosine to its rows, the row itself left out of its own class.

    From sums of lifted rows (about a reference row), so that differences of cosines near 1 keep their digits. Labelled, non-zero rows in
    the order of `states.order`. Raises UndefinedMeasure without same-class and different-class pairs.
    """
    states.require_pairs()
    index, codes, _ = states.order
    rows, gram = states.directions(index[: len(codes)]), states.unit_gram
    lifted = states.moments.classes.lifted[states.centroids.codes]
    counts = lifted[:, -1].copy()
    sums = -lifted
    sums[:, -2:] = 0.5 * lifted[:, :-3:-1]  # Σ (1 - cos) = (q, 1)·(n, Q)/2 - e·E

    def blocks() -> Iterable[np.ndarray]:
        for start in range(0, len(codes), _BLOCK):
            stop = min(start + _BLOCK, len(codes))
            total = np.maximum(gram.lift_rows(rows, start, stop) @ sums.T, 0.0)
            others = np.repeat(counts[None], stop - start, axis=0)
            others[np.arange(stop - start), codes[start:stop]] -= 1.0  # the row itself adds 0 to the sum
            yield total / np.maximum(others, 1.0)

    return _rivals(blocks(), codes, delete_groups(states.n_classes, seed=states.options.seed))


def euclidean_rivals(states: GeometryStates, means: np.ndarray) -> Rivals:
    """Squared distance of raw rows to the class means (K, D) in the coordinates of `states.space`, less ‖x‖², which all classes share."""
    index, codes, _ = states.order
    rows = states.space.select(index[: len(codes)])
    center = means.mean(axis=0)
    moved = means - center
    square = np.einsum("ij,ij->i", moved, moved)
    blocks = (square - 2.0 * ((block - center) @ moved.T) for _, block in rows.blocks(size=_BLOCK))
    return _rivals(blocks, codes, delete_groups(states.n_classes, seed=states.options.seed))


def silhouettes(rivals: Rivals) -> np.ndarray:
    """(N,) (rival - own)/max(rival, own) in [-1, 1]; 0 for a class of one and where both are 0."""
    largest = np.maximum(rivals.own, rivals.rival)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((rivals.counts > 1) & (largest > 0), (rivals.rival - rivals.own) / largest, 0.0)


def own_is_nearest(rivals: Rivals) -> np.ndarray:
    """(N,) 1.0 where no other class mean is nearer, equal ones going to the lower class, else 0.0."""
    return ((rivals.own < rivals.rival) | ((rivals.own == rivals.rival) & (rivals.codes < rivals.rival_code))).astype(np.float64)


def silhouette_cosine(features: object, labels: object) -> float:
    """How well rows sit in their class by cosine distance: 1 tight and apart, 0 on a border, below 0 in the wrong class.

    Mean over rows of (b - a)/max(a, b): a the mean of 1 - cosine to the other rows of the class, b the least such mean over the other
    classes; 0 for a class of one. features: (n_samples, n_features); labels: one per row. Exact from class sums, O(N K D), no pair formed.
    Source: Rousseeuw 1987; equals scikit-learn's silhouette_score(metric="cosine").

    >>> round(silhouette_cosine([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]], ["a", "a", "b", "b"]), 12)
    1.0
    """
    return float(silhouettes(cosine_rivals(GeometryStates(as_features(features, labels), Options(intervals=False)))).mean())


def require_two_classes(states: GeometryStates) -> None:
    """Raises UndefinedMeasure below two classes of labelled, non-zero rows."""
    states.require_labels()
    if states.n_classes < 2:
        raise UndefinedMeasure(f"needs two classes; got {states.n_classes}")
