"""Measures of how rows stand to their class: neural collapse, silhouette, and LiDAR with classes or images as objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.class_measures import class_method, class_plan
from repr_probe.metrics.class_rivals import Rivals, cosine_rivals, own_is_nearest, silhouettes
from repr_probe.metrics.inference import jackknife_interval
from repr_probe.metrics.lidar import class_rank, discriminant_rank, view_scatter
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.measuring import IntervalPlan, measure, no_interval
from repr_probe.metrics.neural_collapse import Collapse
from repr_probe.metrics.states import GeometryStates

_GROWS = "LiDAR grows with the number of objects and of rows of each: compare at equal numbers"
_Entry = tuple[Callable[[], float], IntervalPlan, Callable[[], int]]


class _Silhouette:
    def __init__(self, states: GeometryStates) -> None:
        self.states = states

    @cached_property
    def rivals(self) -> Rivals:
        return cosine_rivals(self.states)

    def value(self) -> float:
        return float(silhouettes(self.rivals).mean())


def collapse_measures(states: GeometryStates, keys: Iterable[str]) -> dict[str, Measurement]:
    """Measurements of these keys among `keys`; their intervals leave out one class, or group of classes, at a time."""
    table = _table(states)
    return {key: measure(key, *table[key]) for key in keys if key in table}


def _table(states: GeometryStates) -> dict[str, _Entry]:
    found, silhouette = Collapse(states), _Silhouette(states)
    n_classes = lambda: states.n_classes  # noqa: E731
    n_rows = lambda: states.n_labelled  # noqa: E731

    def plan(left: Callable[[], np.ndarray], low: float = 0.0, high: float = np.inf) -> IntervalPlan:
        return class_plan(states, lambda value: jackknife_interval(value, left(), low, high), class_method(states.n_classes))

    def over_classes(statistic: Callable[..., float], n: Callable[[], int]) -> _Entry:
        return statistic, plan(lambda: found.without_each_group(statistic)), n

    n_several = lambda: int(found.several.sum())  # noqa: E731
    return {
        "nc1": (found.variability, plan(found.variability_without_each_group), n_several),
        "nc1_trace": over_classes(found.trace_ratio, n_several),
        "nc1_cdnv": over_classes(found.distance_variance, n_several),
        "nc2_equinorm": over_classes(found.norm_variation, n_classes),
        "nc2_angle": over_classes(found.simplex_gap, n_classes),
        "ncc_accuracy": (found.accuracy, plan(lambda: found.rivals.without_each_group(own_is_nearest), 0.0, 1.0), n_rows),
        "silhouette_cosine": (silhouette.value, plan(lambda: silhouette.rivals.without_each_group(silhouettes), -1.0, 1.0), n_rows),
        "lidar_class": (lambda: class_rank(states), no_interval(_GROWS), n_classes),
        "lidar": (lambda: _lidar(states), no_interval(_GROWS), lambda: states.features.n_samples),
    }


def _lidar(states: GeometryStates) -> float:
    views = states.features.views
    if views is None:
        raise UndefinedMeasure("needs augmented views: repro-probe extract --views V")
    return discriminant_rank(*view_scatter(views), states.features.n_features)
