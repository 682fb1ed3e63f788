"""Trees of classes: the heights at which classes meet in a dendrogram, against reference distances and against the reference's own tree."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from repr_probe import progress
from repr_probe.errors import UndefinedMeasure, UsageError
from repr_probe.metrics.inference import N_HALVES, Interval, half_samples, normal_interval
from repr_probe.metrics.leave_class_out import MIN_CLASSES
from repr_probe.metrics.mantel import MantelTest, mantel
from repr_probe.metrics.matrix_ranks import MatrixPair, correlation, deviations, matrix_pair

LINKAGES = ("average", "complete", "single", "weighted", "ward")
HALF_CLASSES = "half-class subsampling"


@dataclass(frozen=True)
class Cophenetic:
    """Correlations with the cophenetic distances of the representation's tree: the height at which two classes are first joined.

    rep_tree: Pearson with the reference distances (cophenetic_rep_tree).  tree_tree: Pearson with the cophenetic distances of the
    reference's tree (cophenetic_tree_tree).  *_spearman: the same with average ranks.  *_ci: 95 %, over other classes.  *_p: Mantel, the
    representation's tree stays and the reference is renamed.  rep_self, reference_self: Pearson of each tree with its own distances.
    tree_tree and what belongs to it are None with `tree_tree_reason` where the reference's tree joins all classes at one height.
    The linkage changes these numbers up to fourfold: it belongs beside them.
    """

    linkage: str
    rep_tree: float
    rep_tree_spearman: float
    rep_tree_ci: Interval | None
    rep_tree_p: float | None
    tree_tree: float | None
    tree_tree_spearman: float | None
    tree_tree_ci: Interval | None
    tree_tree_p: float | None
    tree_tree_reason: str | None
    rep_self: float
    reference_self: float | None
    p_floor: float | None
    exact: bool
    n_classes: int
    n_pairs: int
    permutations: int
    seed: int
    ci_method: str | None
    ci_reason: str | None


def cophenetic_alignment(representation: np.ndarray, reference: np.ndarray, *, keep: np.ndarray | None = None, linkage: str = "average",
                         permutations: int = 999, seed: int = 0, intervals: bool = True) -> Cophenetic:  # fmt: skip
    """Both cophenetic correlations of two (K, K) distance matrices.

    keep: pairs that count in the correlations; the trees are built from all distances, which must be finite.  linkage: one of LINKAGES.
    Ward wants Euclidean distances: it takes √(2d) of the representation (the distance of unit vectors when d = 1 - cosine) and the
    reference as it is. Ties make a tree depend on the order of the classes: sort them by a name first.
    The intervals: SD over 200 random halves of the classes, times √(h/(K-h)); the jackknife is twice too wide here.
    Raises UndefinedMeasure below three classes and where the representation's tree or the reference is constant.
    """
    checked_linkage(linkage)
    whole = matrix_pair(representation, reference)
    pair = matrix_pair(representation, reference, keep)
    trees = tree_distances(whole.representation, linkage, euclidean=True), tree_distances(whole.reference, linkage)
    beside = MatrixPair(trees[0], pair.reference, pair.kept)
    between, tree_reason = MatrixPair(*trees, pair.kept), None
    rep_tree, rep_test = _tested(beside, permutations, seed, "representation's tree against the reference")
    tree_tree: tuple[float, float] | tuple[None, None] = (None, None)
    tree_test: MantelTest | None = None
    try:
        tree_tree, tree_test = _tested(between, permutations, seed, "tree against tree")
    except UndefinedMeasure as error:
        tree_reason = f"in the trees, {error}"
    cis: tuple[Interval | None, Interval | None] = (None, None)
    ci_reason: str | None = "intervals were not asked for"
    if intervals:
        cis, ci_reason = _intervals(whole, pair.kept, linkage, seed, (rep_tree[0], tree_tree[0]))
    return Cophenetic(
        linkage=linkage,
        rep_tree=rep_tree[0], rep_tree_spearman=rep_tree[1], rep_tree_ci=cis[0], rep_tree_p=rep_test.p if rep_test else None,
        tree_tree=tree_tree[0], tree_tree_spearman=tree_tree[1], tree_tree_ci=cis[1], tree_tree_p=tree_test.p if tree_test else None,
        tree_tree_reason=tree_reason,
        rep_self=_pearson(trees[0], pair.representation, pair.kept),
        reference_self=None if tree_reason else _pearson(trees[1], pair.reference, pair.kept),
        p_floor=rep_test.floor if rep_test else None, exact=bool(rep_test and rep_test.exact),
        n_classes=pair.n_classes, n_pairs=pair.n_pairs, permutations=rep_test.arrangements if rep_test else 0, seed=seed,
        ci_method=HALF_CLASSES if intervals else None, ci_reason=ci_reason,
    )  # fmt: skip


def checked_linkage(linkage: str) -> None:
    if linkage not in LINKAGES:
        near = get_close_matches(str(linkage), LINKAGES, n=2) or LINKAGES
        raise UsageError(f"linkage must be one of {', '.join(LINKAGES)}; got {linkage!r}; did you mean {' or '.join(near)}?", code="E_LINKAGE")


def tree(distances: np.ndarray, linkage: str = "average", *, euclidean: bool = False) -> np.ndarray:
    """scipy's (K - 1, 4) linkage of (K, K) distances. euclidean: for Ward, turn 1 - cosine into the distance of unit vectors first."""
    from scipy.cluster.hierarchy import linkage as joined
    from scipy.spatial.distance import squareform

    checked_linkage(linkage)
    condensed = squareform(distances, checks=False)
    if linkage == "ward" and euclidean:
        condensed = np.sqrt(2.0 * np.maximum(condensed, 0.0))
    return joined(condensed, linkage)


def tree_distances(distances: np.ndarray, linkage: str = "average", *, euclidean: bool = False) -> np.ndarray:
    """(K, K) cophenetic distances of the tree of (K, K) distances; heights that differ only by rounding are made equal, so that ranks tie."""
    from scipy.cluster.hierarchy import cophenet
    from scipy.spatial.distance import squareform

    joins = tree(distances, linkage, euclidean=euclidean)
    joins[:, 2] = _without_rounding(joins[:, 2])
    return squareform(cophenet(joins), checks=False)


def _without_rounding(heights: np.ndarray) -> np.ndarray:
    """Rising heights (K - 1,); a run of steps below 1e-12 of the largest becomes its first."""
    first = np.concatenate([[True], np.diff(heights) > 1e-12 * heights[-1]])
    return heights[first][np.cumsum(first) - 1]


def _tested(pair: MatrixPair, permutations: int, seed: int, description: str) -> tuple[tuple[float, float], MantelTest | None]:
    """(Pearson, Spearman) and the Mantel test of Pearson."""
    scores = pair.scores()
    found = correlation(*scores, pair.kept), correlation(*pair.rank_scores(), pair.kept)
    return found, mantel(*scores, pair.kept, permutations=permutations, seed=seed, description=description) if permutations != 0 else None


def _pearson(first: np.ndarray, second: np.ndarray, kept: np.ndarray) -> float:
    return correlation(deviations(first, kept, "representation's tree"), deviations(second, kept, "reference"), kept)


def _intervals(whole: MatrixPair, kept: np.ndarray, linkage: str, seed: int,
               values: tuple[float, float | None]) -> tuple[tuple[Interval | None, Interval | None], str | None]:  # fmt: skip
    n_classes = whole.n_classes
    if n_classes < MIN_CLASSES:
        return (None, None), f"an interval over classes needs {MIN_CLASSES} classes; got {n_classes}"
    found = np.full((2, N_HALVES), np.nan)
    reasons: list[str | None] = [None, None]
    with progress.task("halves of the classes", N_HALVES) as advance:
        for number, classes in enumerate(half_samples(n_classes, seed)):
            part, inside = whole.part(classes), kept[np.ix_(classes, classes)]
            own = tree_distances(part.representation, linkage, euclidean=True)
            targets = (part.reference, None if values[1] is None else tree_distances(part.reference, linkage))
            for side, target in enumerate(targets):
                if target is not None and reasons[side] is None:
                    try:
                        found[side, number] = _pearson(own, target, inside)
                    except (UndefinedMeasure, ValueError) as error:
                        reasons[side] = f"in one half of the classes, {error}"
            advance(1)
    half = n_classes // 2
    errors = found.std(axis=1) * np.sqrt(half / (n_classes - half))
    intervals = [None if value is None or reason else normal_interval(value, float(error), -1.0, 1.0)
                 for value, reason, error in zip(values, reasons, errors)]  # fmt: skip
    return (intervals[0], intervals[1]), reasons[0] or reasons[1]
