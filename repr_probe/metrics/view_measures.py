"""Measures of augmented views: alignment, view angles, center vector norm over views."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.inference import normal_interval
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.measuring import IntervalPlan, measure, no_interval
from repr_probe.metrics.states import GeometryStates
from repr_probe.metrics.view_pairs import ViewPairs, view_pairs

_METHOD = "standard error over images"


class _Views:
    def __init__(self, states: GeometryStates) -> None:
        self.states = states

    @cached_property
    def pairs(self) -> ViewPairs:
        views = self.states.features.views
        if views is None:
            raise UndefinedMeasure("needs augmented views: repro-probe extract --views V")
        return view_pairs(views)

    def center_norm(self) -> float:
        return float(np.linalg.norm(self.pairs.center))

    def angle_std(self) -> float:
        mean = self.pairs.angle.mean()
        return float(np.sqrt(max(0.0, self.pairs.angle_square.mean() - mean**2)))

    def std_interval(self, value: float) -> tuple[float, float]:
        mean = self.pairs.angle.mean()
        square = self.pairs.angle_square - 2.0 * mean * self.pairs.angle + mean**2
        return normal_interval(value, _error(square) / (2.0 * value) if value > 0 else 0.0, 0.0, 90.0)


def _error(values: np.ndarray) -> float:
    return float(values.std() / np.sqrt(len(values)))


def view_measures(states: GeometryStates, keys: Iterable[str]) -> dict[str, Measurement]:
    """Measurements of the view keys among `keys`; images are the units of the intervals (views of one image go together)."""
    views = _Views(states)
    n_pairs: Callable[[], int] = lambda: views.pairs.n_pairs  # noqa: E731
    table: dict[str, tuple[Callable[[], float], Callable[[float], tuple[float, float]], Callable[[], int]]] = {
        "alignment_views": (lambda: float(views.pairs.distance.mean()),
                            lambda value: normal_interval(value, _error(views.pairs.distance), 0.0, 4.0), n_pairs),
        "center_vector_norm_views": (views.center_norm,
                                     lambda value: normal_interval(value, _error(views.pairs.toward_center) / max(value, 1e-300), 0.0, 1.0),
                                     lambda: views.pairs.n_pairs),
        "angle_positive_views_mean": (lambda: float(views.pairs.angle.mean()),
                                      lambda value: normal_interval(value, _error(views.pairs.angle), 0.0, 180.0), n_pairs),
        "angle_positive_views_std": (views.angle_std, views.std_interval, n_pairs),
    }  # fmt: skip
    off = no_interval("intervals were switched off")
    plan = lambda compute: IntervalPlan(compute, _METHOD) if states.options.intervals else off  # noqa: E731
    return {key: measure(key, table[key][0], plan(table[key][1]), table[key][2]) for key in keys if key in table}
