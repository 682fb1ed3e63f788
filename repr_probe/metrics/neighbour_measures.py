"""Measures of nearest rows: hubness and label purity from one search by cosine, intrinsic dimension from one by distance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.class_rivals import require_two_classes
from repr_probe.metrics.hubness import (
    HUB_K,
    PURITY_K,
    Neighbourhoods,
    antihub_share_of,
    hub_share_of,
    labelled_rows,
    neighbourhoods,
    robin_hood_of,
    skewness_of,
)
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.measuring import measure, no_interval
from repr_probe.metrics.rows import Rows
from repr_probe.metrics.states import GeometryStates
from repr_probe.metrics.twonn import decimated, first_of_equals, likelihood, neighbour_ratios, slope

_HUBS = "rows share their neighbours; hubness grows with the number of rows, so compare at equal N"
_PURITY = "rows share their neighbours: an interval would need a search without each class"
_SCALE = "the curve over N, N/2 and N/4 rows stands for it; twonn_error is the standard error of independent rows"


class _Neighbours:
    """The searches, each on first use."""

    def __init__(self, states: GeometryStates) -> None:
        self.states = states
        self.device = states.options.device

    @cached_property
    def _every(self) -> Neighbourhoods:
        """Of all non-zero rows; with their labels where each has one."""
        codes = self.states.labels[~self.states.zero_rows]
        return neighbourhoods(self.states.unit_rows, codes if (codes >= 0).all() else None, device=self.device)

    @cached_property
    def _labelled(self) -> Neighbourhoods:
        """Of the labelled rows among themselves."""
        if self.states.n_labelled == self.states.n_unit:
            return self._every
        return neighbourhoods(*labelled_rows(self.states), device=self.device)

    def occurrences(self) -> np.ndarray:
        self.states.require_directions(HUB_K + 1)
        found = self._every.occurrences
        if found is None:
            raise UndefinedMeasure(f"needs {HUB_K + 1} non-zero rows; got {self._every.n}")
        return found

    def skewness(self) -> float:
        found = skewness_of(self.occurrences())
        if found is None:
            raise UndefinedMeasure("every row is among the nearest of equally many")
        return found

    def purity(self, k: int) -> float:
        require_two_classes(self.states)
        if self.states.n_labelled <= k:
            raise UndefinedMeasure(f"needs {k + 1} labelled, non-zero rows; got {self.states.n_labelled}")
        return self._labelled.same[k] / (k * self._labelled.n)

    @cached_property
    def distinct(self) -> Rows:
        return self.states.rows.select(first_of_equals(self.states.rows))

    @cached_property
    def ratios(self) -> np.ndarray:
        return neighbour_ratios(self.distinct, device=self.device)

    def decimated(self, parts: int) -> float:
        return decimated(self.distinct, parts, seed=self.states.options.seed, device=self.device)


def neighbour_measures(states: GeometryStates, keys: Iterable[str]) -> dict[str, Measurement]:
    """Measurements of these keys among `keys`."""
    found = _Neighbours(states)
    n_unit, n_labelled = (lambda: states.n_unit), (lambda: states.n_labelled)
    n_ratios, n_distinct = (lambda: len(found.ratios)), (lambda: len(found.distinct))
    table: dict[str, tuple[Callable[[], float], str, Callable[[], int]]] = {
        "k_skewness": (found.skewness, _HUBS, n_unit),
        "robin_hood": (lambda: robin_hood_of(found.occurrences(), HUB_K), _HUBS, n_unit),
        "antihub_share": (lambda: antihub_share_of(found.occurrences()), _HUBS, n_unit),
        "hub_share": (lambda: hub_share_of(found.occurrences(), HUB_K), _HUBS, n_unit),
        "twonn": (lambda: likelihood(found.ratios), _SCALE, n_ratios),
        "twonn_fit": (lambda: slope(found.ratios), _SCALE, n_ratios),
        "twonn_error": (lambda: likelihood(found.ratios) / float(np.sqrt(len(found.ratios))), "it is a standard error itself", n_ratios),
        "twonn_half": (lambda: found.decimated(2), _SCALE, n_distinct),
        "twonn_quarter": (lambda: found.decimated(4), _SCALE, n_distinct),
    }
    for k in PURITY_K:
        table[f"knn_purity_{k}"] = (lambda k=k: found.purity(k), _PURITY, n_labelled)  # type: ignore[misc]
    return {key: measure(key, table[key][0], no_interval(table[key][1]), table[key][2]) for key in keys if key in table}
