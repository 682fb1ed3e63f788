"""Measures of labels without the pair pass: centroid ranks, noise share, d-prime on cosines, class alignment."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.centroids import Centroids, centroid_rank_of, leave_group_out_ranks
from repr_probe.metrics.inference import delete_groups, jackknife_interval, means_without_each
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.measuring import IntervalPlan, measure, no_interval
from repr_probe.metrics.pair_sums import PairSums, PairTotals, sensitivity
from repr_probe.metrics.states import MIN_CLASSES, GeometryStates

CLASS_JACKKNIFE = "delete-one-class jackknife"
GROUP_JACKKNIFE = "delete-one-group jackknife (100 random groups of classes)"
ROW_JACKKNIFE = "delete-one-image jackknife"


def class_method(n_classes: int) -> str:
    return CLASS_JACKKNIFE if n_classes <= 100 else GROUP_JACKKNIFE


def too_few_classes(n_classes: int) -> str:
    return f"needs {MIN_CLASSES} classes; got {n_classes}; population='images' gives the interval for new images of the same classes"


def class_plan(states: GeometryStates, compute: Callable[[float], tuple[float, float]], method: str) -> IntervalPlan:
    """An interval over classes, where one can be had."""
    if not states.options.intervals:
        return no_interval("intervals were switched off")
    if states.options.population == "images":
        return no_interval("only worked out for new classes")
    if states.n_classes < MIN_CLASSES:
        return no_interval(too_few_classes(states.n_classes))
    return IntervalPlan(compute, method, "classes")


def pair_plan(states: GeometryStates, statistic: Callable[[PairTotals], np.ndarray], sums: Callable[[], PairSums],
              low: float = -np.inf, high: float = np.inf) -> IntervalPlan:  # fmt: skip
    """Jackknife of a statistic of PairTotals over classes or over images, by states.options.population."""
    if states.options.intervals and states.options.population == "images":
        return IntervalPlan(lambda value: jackknife_interval(value, statistic(sums().without_each_row()), low, high), ROW_JACKKNIFE)
    by_group = lambda value: jackknife_interval(value, statistic(sums().without_each_group()), low, high)  # noqa: E731
    return class_plan(states, by_group, class_method(states.n_classes))


# --- statistics of pairs ----------------------------------------------------------------------------------------------


def d_prime_of(totals: PairTotals) -> np.ndarray:
    return sensitivity(totals.same(), totals.different())


def d_prime_against_all(totals: PairTotals) -> np.ndarray:
    return sensitivity(totals.same(), totals.every())


def alignment_of(totals: PairTotals) -> np.ndarray:
    """2(1 - mean same-class cosine): the mean squared distance of unit rows of one class."""
    return 2.0 * (1.0 - totals.same()[0])


def _d_prime_by_class(states: GeometryStates) -> np.ndarray:
    """(K′,) d-prime of each class with two rows or more: its own pairs against its pairs with other classes."""
    totals = states.cosine_sums.per_class()
    with np.errstate(invalid="ignore", divide="ignore"):
        return d_prime_of(totals)[totals.same_n > 0]


def _class_mean_plan(states: GeometryStates, values: Callable[[], np.ndarray]) -> IntervalPlan:
    def interval(value: float) -> tuple[float, float]:
        return jackknife_interval(value, means_without_each(values()))

    return class_plan(states, interval, CLASS_JACKKNIFE)


# --- centroids --------------------------------------------------------------------------------------------------------


def _unit_means(centroids: Centroids) -> np.ndarray:
    length = np.linalg.norm(centroids.means, axis=1)
    if (length == 0).any():
        raise UndefinedMeasure("a class mean has length 0")
    return centroids.means / length[:, None]


def _raw_means(states: GeometryStates) -> np.ndarray:
    sums = states.moments.classes
    return sums.raw[states.centroids.codes] / states.centroids.counts[:, None]


def _rank_plan(states: GeometryStates, means: Callable[[], np.ndarray], center: bool) -> IntervalPlan:
    def interval(value: float) -> tuple[float, float]:
        groups = delete_groups(states.n_classes, seed=states.options.seed)
        return jackknife_interval(value, leave_group_out_ranks(means(), groups, center=center), 1.0, float(states.n_classes))

    return class_plan(states, interval, class_method(states.n_classes))


def _noise_plan(states: GeometryStates) -> IntervalPlan:
    def interval(value: float) -> tuple[float, float]:
        groups = delete_groups(states.n_classes, seed=states.options.seed)
        left = np.array([states.centroids.noise_share(groups != group) for group in range(int(groups.max()) + 1)])
        return jackknife_interval(value, left, 0.0)

    return class_plan(states, interval, class_method(states.n_classes))


_Entry = tuple[Callable[[], float], IntervalPlan, Callable[[], int]]


def class_measures(states: GeometryStates, keys: Iterable[str]) -> dict[str, Measurement]:
    """Measurements of the labelled, angle-free keys among `keys`."""
    table = _pair_table(states) | _centroid_table(states)
    return {key: measure(key, *table[key]) for key in keys if key in table}


def _pair_table(states: GeometryStates) -> dict[str, _Entry]:
    sums = lambda: states.cosine_sums  # noqa: E731
    n_same = lambda: int(states.same_class_pairs()[0])  # noqa: E731
    n_all = lambda: int(sums().totals().all_n) // 2  # noqa: E731

    def value(statistic: Callable[[PairTotals], np.ndarray]) -> Callable[[], float]:
        def compute() -> float:
            states.require_pairs()
            return float(statistic(sums().totals()))

        return compute

    def same_only() -> float:
        return float(2.0 * (1.0 - states.same_class_pairs()[1]))

    by_class = lambda: _d_prime_by_class(states)  # noqa: E731

    def class_mean() -> float:
        states.require_pairs()
        return float(by_class().mean())

    return {
        "d_prime": (value(d_prime_of), pair_plan(states, d_prime_of, sums), n_all),
        "d_prime_all_vs_positive": (value(d_prime_against_all), pair_plan(states, d_prime_against_all, sums), n_all),
        "d_prime_class_mean": (class_mean, _class_mean_plan(states, by_class), lambda: len(by_class())),
        "alignment_class": (same_only, pair_plan(states, alignment_of, sums, 0.0, 4.0), n_same),
    }


def _centroid_table(states: GeometryStates) -> dict[str, _Entry]:
    n_classes = lambda: states.n_classes  # noqa: E731

    def rank(means: Callable[[], np.ndarray], *, center: bool = False, eigenvalues: bool = False) -> _Entry:
        plan = no_interval("see centroid_rank") if eigenvalues else _rank_plan(states, means, center)
        return lambda: centroid_rank_of(means(), center=center, eigenvalues=eigenvalues), plan, n_classes

    means = lambda: states.centroids.means  # noqa: E731
    weighted = lambda: means() * np.sqrt(states.centroids.counts / states.centroids.counts.sum())[:, None]  # noqa: E731

    def centered() -> float:
        if states.centroids.means.shape[0] < 2:
            raise UndefinedMeasure("needs two classes; got 1")
        return centroid_rank_of(means(), center=True)

    return {
        "centroid_rank": rank(means),
        "centroid_rank_centered": (centered, _rank_plan(states, means, True), n_classes),
        "centroid_rank_eigenvalues": rank(means, eigenvalues=True),
        "centroid_rank_raw": rank(lambda: _raw_means(states)),
        "centroid_rank_unit": rank(lambda: _unit_means(states.centroids)),
        "centroid_rank_weighted": rank(weighted),
        "centroid_noise_share": (lambda: states.centroids.noise_share(), _noise_plan(states), n_classes),
    }
