"""Alignment inside groups of classes, and with the division into groups held fixed (is it more than animal against artifact?)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.metrics.mantel import mantel
from repr_probe.metrics.matrix_alignment import Alignment, align
from repr_probe.metrics.matrix_ranks import correlation, deviations, matrix_pair


@dataclass(frozen=True)
class GroupAlignment:
    """One group: its name, the positions of its classes, and its alignment, or None with the reason."""

    name: str
    classes: tuple[int, ...]
    alignment: Alignment | None
    reason: str | None


def within_groups(representation: np.ndarray, reference: np.ndarray, groups: Sequence[str | None], *, keep: np.ndarray | None = None,
                  minimum: int = 8, permutations: int = 999, seed: int = 0, intervals: bool = True) -> tuple[GroupAlignment, ...]:  # fmt: skip
    """`align` over the classes of each group of `minimum` classes or more, largest group first, then by name.

    groups: (K,) name of each class's group, None for a class outside all groups.
    """
    names = _checked(groups, len(representation))
    members = {name: tuple(np.flatnonzero([name == other for other in names]).tolist()) for name in sorted({name for name in names if name})}
    found = []
    for name, classes in sorted(members.items(), key=lambda item: -len(item[1])):
        if len(classes) < minimum:
            continue
        cut = np.ix_(classes, classes)
        inside = None if keep is None else np.asarray(keep)[cut]
        try:
            alignment = align(np.asarray(representation)[cut], np.asarray(reference)[cut], keep=inside, permutations=permutations,
                              seed=seed, intervals=intervals)  # fmt: skip
            found.append(GroupAlignment(name, classes, alignment, None))
        except UndefinedMeasure as error:
            found.append(GroupAlignment(name, classes, None, str(error)))
    return tuple(found)


@dataclass(frozen=True)
class GroupControl:
    """Agreement of two distance matrices beyond a division of the classes into groups.

    spearman: over the classes that have a group.  division_representation, division_reference: Spearman of each matrix with the division
    (0 inside a group, 1 across): how much of it the division alone makes.  partial: Spearman of the two with the division held fixed.
    p, floor: two-sided Mantel test of `partial`, classes changing places only inside their group, so that the division stays as it is.
    """

    spearman: float
    division_representation: float
    division_reference: float
    partial: float
    p: float | None
    floor: float | None
    exact: bool
    groups: tuple[tuple[str, int], ...]
    n_classes: int
    n_pairs: int
    permutations: int
    seed: int


def partial_mantel(representation: np.ndarray, reference: np.ndarray, groups: Sequence[str | None], *, keep: np.ndarray | None = None,
                   permutations: int = 999, seed: int = 0) -> GroupControl:  # fmt: skip
    """Partial Spearman of two (K, K) distance matrices given which pairs lie in one group, with a Mantel test restricted to the groups.

    Ranks of all pairs, from which the best straight-line fit on the division is taken: (r_xy - r_xz r_yz) / √((1 - r_xz²)(1 - r_yz²)).
    groups: (K,) names; classes without one (None) are left out.
    Raises UndefinedMeasure with fewer than two groups, where no group has two classes, and where a matrix is nothing but the division.
    """
    names = _checked(groups, len(representation))
    inside = np.flatnonzero([name is not None for name in names])
    found, codes, sizes = np.unique([names[row] or "" for row in inside], return_inverse=True, return_counts=True)
    if len(found) < 2:
        raise UndefinedMeasure(f"a division of the classes needs 2 groups; got {len(found)}")
    pair = matrix_pair(representation, reference, keep).part(inside)
    pair = matrix_pair(pair.representation, pair.reference, pair.kept)
    division = deviations((codes[:, None] != codes).astype(np.float64), pair.kept, "the division into groups")
    ranks = pair.rank_scores()
    on_division = [correlation(scores, division, pair.kept) for scores in ranks]
    rest = []
    for scores, share, name in zip(ranks, on_division, ("representation", "reference")):
        if 1.0 - share * share <= 1e-12:
            raise UndefinedMeasure(f"{name} is nothing but the division into groups")
        rest.append(deviations(scores - share * division, pair.kept, name))
    first, second = rest
    test = mantel(first, second, pair.kept, permutations=permutations, seed=seed, groups=codes) if permutations != 0 else None
    return GroupControl(
        spearman=correlation(*ranks, pair.kept), division_representation=on_division[0], division_reference=on_division[1],
        partial=correlation(first, second, pair.kept), p=test.p if test else None, floor=test.floor if test else None,
        exact=bool(test and test.exact), groups=tuple((str(name), int(size)) for name, size in zip(found, sizes)),
        n_classes=pair.n_classes, n_pairs=pair.n_pairs, permutations=test.arrangements if test else 0, seed=seed,
    )  # fmt: skip


def _checked(groups: Sequence[str | None], n_classes: int) -> list[str | None]:
    if len(groups) != n_classes:
        raise InputError(f"groups must name one group for each of the {n_classes} classes; got {len(groups)}", code="E_GROUPS")
    return [None if name is None or name == "" else str(name) for name in groups]
