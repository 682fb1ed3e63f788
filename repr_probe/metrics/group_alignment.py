"""Spearman of two distance matrices over pairs of classes, and what is left of it when one division into groups is held fixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import InputError
from repr_probe.metrics.mantel import mantel
from repr_probe.metrics.matrix_ranks import correlation, deviations, matrix_pair


def spearman_of(representation: np.ndarray, reference: np.ndarray, keep: np.ndarray | None = None) -> float:
    """Spearman of two (K, K) distance matrices over the pairs i < j that count, -1 .. 1; keep: (K, K) symmetric bool, default all.

    Raises UndefinedMeasure below three classes or three pairs and where one side is constant; InputError on matrices that are no distances.
    """
    return spearman_test(representation, reference, keep, permutations=0)[0]


def spearman_test(
    representation: np.ndarray, reference: np.ndarray, keep: np.ndarray | None = None, *, permutations: int = 999, seed: int = 0,
    groups: np.ndarray | None = None, description: str = "Mantel permutations",
) -> tuple[float, float | None]:  # fmt: skip
    """(`spearman_of`, its two-sided Mantel p; None with permutations=0).

    groups: (K,) codes; classes then change names inside their group only, so that the division into groups stays as it is.
    """
    pair = matrix_pair(representation, reference, keep)
    ranks = pair.rank_scores()
    rho = correlation(*ranks, pair.kept)
    if permutations == 0:
        return rho, None
    return rho, mantel(*ranks, pair.kept, permutations=permutations, seed=seed, groups=groups, description=description).p


@dataclass(frozen=True)
class GroupControl:
    """Agreement of two distance matrices beyond one division of the classes into groups.

    split: Spearman of the representation with the division alone (0 inside a group, 1 across).
    partial: Spearman of the two with the division held fixed.
    within: Spearman over the `n_pairs` pairs inside a group; within_p: its Mantel test, classes changing names inside their group only.
    """

    split: float
    partial: float
    within: float
    within_p: float | None
    n_pairs: int


def group_control(
    representation: np.ndarray, reference: np.ndarray, groups: np.ndarray, *, keep: np.ndarray | None = None, permutations: int = 999,
    seed: int = 0, description: str = "Mantel permutations",
) -> GroupControl:  # fmt: skip
    """How much of the agreement of two (K, K) distance matrices one division of the classes makes. groups: (K,) codes.

    partial: (r_xy - r_xz r_yz) / √((1 - r_xz²)(1 - r_yz²)) of ranks, z the division: what is left when the best straight-line fit on it is
    taken from both. Raises UndefinedMeasure as `spearman_of`, where no pair, or every pair, lies inside a group, and where no two classes of one
    group could change names; InputError for groups of another number (E_GROUPS).

    >>> places = np.array([0.0, 1.0, 3.0, 10.0, 12.0, 15.0])
    >>> gaps = np.abs(places[:, None] - places)
    >>> found = group_control(gaps, gaps, np.array([0, 0, 0, 1, 1, 1]), permutations=0)
    >>> round(found.split, 3), round(found.partial, 9), round(found.within, 9), found.n_pairs
    (0.853, 1.0, 1.0, 6)
    """
    codes = np.asarray(groups)
    if codes.shape != (len(representation),):
        raise InputError(f"groups must name one group for each of the {len(representation)} classes; got shape {codes.shape}", code="E_GROUPS")
    pair = matrix_pair(representation, reference, keep)
    across = codes[:, None] != codes
    division = deviations(across.astype(np.float64), pair.kept, "the division into groups")
    ranks = pair.rank_scores()
    split, explained = (correlation(scores, division, pair.kept) for scores in ranks)
    inside = pair.kept & ~across
    within, p = spearman_test(representation, reference, inside, permutations=permutations, seed=seed, groups=codes, description=description)
    # Both sides vary inside the groups, else `within` would have raised: about 1 / n_pairs of the variance of ranks, or more, is not the division's.
    partial = (correlation(*ranks, pair.kept) - split * explained) / np.sqrt((1.0 - split**2) * (1.0 - explained**2))
    return GroupControl(split, float(partial), within, p, int(inside.sum()) // 2)
