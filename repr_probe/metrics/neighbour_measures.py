"""Measures of nearest rows: hubness and label purity from one search by cosine, intrinsic dimension from one by distance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any

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


class _Searches:
    """The searches, each on first use, its rows dealt over the ranks of the states."""

    def __init__(self, states: GeometryStates) -> None:
        self.states = states

    @classmethod
    def of(cls, states: GeometryStates) -> _Searches:
        """Those of these states, kept with what else they compute once: what ranks search together, the first one finds when it measures."""
        found: _Searches = vars(states).setdefault("neighbour_searches", cls(states))
        return found

    @property
    def _where(self) -> dict[str, Any]:
        return {"device": self.states.options.device, "ranks": self.states.options.ranks}

    @cached_property
    def _every(self) -> Neighbourhoods:
        """Of all non-zero rows; with their labels where each has one."""
        codes = self.states.labels[~self.states.zero_rows]
        return neighbourhoods(self.states.unit_rows, codes if (codes >= 0).all() else None, **self._where)

    @cached_property
    def _labelled(self) -> Neighbourhoods:
        """Of the labelled rows among themselves."""
        if self.states.n_labelled == self.states.n_unit:
            return self._every
        return neighbourhoods(*labelled_rows(self.states), **self._where)

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
        return neighbour_ratios(self.distinct, **self._where)

    @cached_property
    def half(self) -> float:
        return self._decimated(2)

    @cached_property
    def quarter(self) -> float:
        return self._decimated(4)

    def _decimated(self, parts: int) -> float:
        return decimated(self.distinct, parts, seed=self.states.options.seed, **self._where)


def search_together(states: GeometryStates, keys: Iterable[str]) -> None:
    """Do now, in every process, the searches behind `keys`; `neighbour_measures` in the first one then finds them done."""
    table = _table(states)
    for key in keys:
        if key in table:
            with suppress(UndefinedMeasure):  # alike in all, and told when it is measured
                table[key][0]()


def neighbour_measures(states: GeometryStates, keys: Iterable[str]) -> dict[str, Measurement]:
    """Measurements of these keys among `keys`."""
    table = _table(states)
    return {key: measure(key, table[key][0], no_interval(table[key][1]), table[key][2]) for key in keys if key in table}


def _table(states: GeometryStates) -> dict[str, tuple[Callable[[], float], str, Callable[[], int]]]:
    """key -> (value, why there is no interval, number of rows)."""
    found = _Searches.of(states)
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
        "twonn_half": (lambda: found.half, _SCALE, n_distinct),
        "twonn_quarter": (lambda: found.quarter, _SCALE, n_distinct),
    }
    for k in PURITY_K:
        table[f"knn_purity_{k}"] = (lambda k=k: found.purity(k), _PURITY, n_labelled)  # type: ignore[misc]
    return table
