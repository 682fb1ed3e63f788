"""Measures of angles: means and SDs over all, same-class and different-class pairs, quantiles, shape, d-prime on angles, uniformity."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics import angles as histogram
from repr_probe.metrics.angle_facts import AngleKind, SampledAngles, facts_of
from repr_probe.metrics.class_measures import CLASS_JACKKNIFE, class_plan, pair_plan
from repr_probe.metrics.inference import jackknife_interval, means_without_each, normal_interval
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.measuring import IntervalPlan, measure, no_interval
from repr_probe.metrics.pair_sums import PairTotals, sensitivity
from repr_probe.metrics.pass_cost import announce_pass
from repr_probe.metrics.states import GeometryStates

_HISTOGRAM = no_interval("read off a histogram of dependent pairs: no interval method")
_KINDS = ("all", "positive", "negative")


@dataclass(frozen=True)
class _Entry:
    value: Callable[[], float]
    plan: IntervalPlan
    n: Callable[[], int]


def angle_measures(states: GeometryStates, keys: Iterable[str]) -> dict[str, Measurement]:
    """Measurements of the keys that need angles. The pair pass (or the sample) runs once, on first use."""
    table = _table(states)
    wanted = [key for key in keys if key in table]
    if wanted and states.options.pairs is None:
        announce_pass(states)
    return {key: measure(key, table[key].value, table[key].plan, table[key].n) for key in wanted}


def _table(states: GeometryStates) -> dict[str, _Entry]:
    facts = facts_of(states)
    table: dict[str, _Entry] = {}
    for name in _KINDS:
        table |= _kind_table(states, name, lambda name=name: facts.kind(name))  # type: ignore[misc]
    drawn = facts if isinstance(facts, SampledAngles) else None
    positive, negative = (lambda: facts.kind("positive")), (lambda: facts.kind("negative"))
    both = lambda: positive().n + negative().n  # noqa: E731
    counts = lambda: (positive().counts, negative().counts)  # noqa: E731
    sums = lambda: _labelled(states)  # noqa: E731
    roc = lambda: histogram.area_under_roc(*counts())  # noqa: E731
    table |= {
        "uniformity": _Entry(facts.uniformity, _uniformity_plan(states, facts.uniformity_error), lambda: facts.kind("all").n),
        "d_prime_angle": _Entry(lambda: float(sensitivity(negative().moments(), positive().moments())),
                                _sampled_plan(states, drawn.d_prime_error) if drawn else pair_plan(states, _d_prime_angle, sums), both),
        "angle_gap": _Entry(lambda: negative().mean - positive().mean,
                            _sampled_plan(states, drawn.gap_error, -180.0, 180.0) if drawn else pair_plan(states, _gap, sums), both),
        "auc": _Entry(roc, _HISTOGRAM, both),
        "d_prime_auc": _Entry(lambda: _from_auc(roc()), _HISTOGRAM, both),
        "overlap": _Entry(lambda: histogram.overlap(*counts()), _HISTOGRAM, both),
        "angle_positive_mean_class": _Entry(lambda: _class_mean(states)[0], _class_plan(states, 0), lambda: len(_per_class(states)[0])),
        "angle_positive_std_class": _Entry(lambda: _class_mean(states)[1], _class_plan(states, 1), lambda: len(_per_class(states)[0])),
    }  # fmt: skip
    return table


def _kind_table(states: GeometryStates, name: str, kind: Callable[[], AngleKind]) -> dict[str, _Entry]:
    n = lambda: kind().n  # noqa: E731
    plans = [_moment_plan(states, name, kind, number) for number in (0, 1)]
    table = {
        f"angle_{name}_mean": _Entry(lambda: kind().mean, plans[0], n),
        f"angle_{name}_std": _Entry(lambda: kind().std, plans[1], n),
        f"angle_{name}_mode": _Entry(lambda: histogram.mode(kind().counts), _HISTOGRAM, n),
        f"angle_{name}_skewness": _Entry(lambda: histogram.skewness_and_excess(kind().counts)[0], _HISTOGRAM, n),
        f"angle_{name}_excess": _Entry(lambda: histogram.skewness_and_excess(kind().counts)[1], _HISTOGRAM, n),
    }
    for q in histogram.QUANTILES:
        table[f"angle_{name}_q{q:02d}"] = _Entry(lambda q=q: histogram.quantile(kind().counts, q / 100.0), _HISTOGRAM, n)  # type: ignore[misc]
    return table


def _moment_plan(states: GeometryStates, name: str, kind: Callable[[], AngleKind], number: int) -> IntervalPlan:
    """Of the mean (0) or SD (1) of one kind of pair."""
    high = (180.0, 90.0)[number]
    error = lambda: kind().errors[number]  # noqa: E731
    if states.options.pairs is not None:
        return _sampled_plan(states, error, 0.0, high)
    if not states.options.intervals:
        return no_interval("intervals were switched off")
    if name == "all":
        return IntervalPlan(lambda value: normal_interval(value, error(), 0.0, high), "Hoeffding (row means)")
    of = PairTotals.same if name == "positive" else PairTotals.different

    def statistic(totals: PairTotals) -> np.ndarray:
        mean, variance = of(totals)
        return mean if number == 0 else np.sqrt(variance)

    return pair_plan(states, statistic, lambda: _labelled(states), 0.0, high)


def _labelled(states: GeometryStates):  # type: ignore[no-untyped-def]
    sums = states.angles.labelled
    if sums is None:
        raise UndefinedMeasure("needs labels")
    return sums


def _sampled_plan(states: GeometryStates, error: Callable[[], float], low: float = -np.inf, high: float = np.inf) -> IntervalPlan:
    """Of a value from sampled pairs: its standard error, printed in any case, and 1.96 of it to either side."""
    if not states.options.intervals:
        return IntervalPlan(missing="intervals were switched off", error=error)
    method = f"sampling of pairs only: {states.options.pairs:,} pairs drawn with replacement, 1.96 standard errors (SE)"
    return IntervalPlan(lambda value: normal_interval(value, error(), low, high), method, "these images", error=error)


def _uniformity_plan(states: GeometryStates, error: Callable[[], float]) -> IntervalPlan:
    if states.options.pairs is not None:
        return _sampled_plan(states, error, -8.0, 0.0)
    if not states.options.intervals:
        return no_interval("intervals were switched off")
    return IntervalPlan(lambda value: normal_interval(value, error(), -8.0, 0.0), "Hoeffding (row means)")


def _d_prime_angle(totals: PairTotals) -> np.ndarray:
    return sensitivity(totals.different(), totals.same())


def _gap(totals: PairTotals) -> np.ndarray:
    return totals.different()[0] - totals.same()[0]


def _from_auc(area: float) -> float:
    from scipy.special import ndtri

    return float(np.sqrt(2.0) * ndtri(area))


def _per_class(states: GeometryStates) -> tuple[np.ndarray, np.ndarray]:
    """(mean angle, mean square angle) of each class with two rows or more."""
    if states.options.pairs is not None:
        raise UndefinedMeasure("needs all pairs; pairs were sampled")
    states.require_same_class()
    totals = _labelled(states).per_class()
    several = totals.same_n > 0
    mean = np.clip(totals.shift + totals.same_1[several] / totals.same_n[several], 0.0, 180.0)
    variance = np.maximum(totals.same_2[several] / totals.same_n[several] - (mean - totals.shift) ** 2, 0.0)
    return mean, variance + mean**2


def _class_mean(states: GeometryStates) -> tuple[float, float]:
    mean, square = _per_class(states)
    return float(mean.mean()), float(np.sqrt(max(0.0, square.mean() - mean.mean() ** 2)))


def _class_plan(states: GeometryStates, number: int) -> IntervalPlan:
    def interval(value: float) -> tuple[float, float]:
        mean, square = _per_class(states)
        means, squares = means_without_each(mean), means_without_each(square)
        left = means if number == 0 else np.sqrt(np.maximum(squares - means**2, 0.0))
        return jackknife_interval(value, left, 0.0, (180.0, 90.0)[number])

    return class_plan(states, interval, CLASS_JACKKNIFE)
