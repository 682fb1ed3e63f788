"""Means over the steps of an epoch, exact across an interruption."""

from __future__ import annotations

from collections.abc import Mapping


class Averages:
    """Running sums by name; names may come and go between steps. `state` and `restore` carry them through a checkpoint.

    >>> averages = Averages()
    >>> averages.add({"loss": 1.0}); averages.add({"loss": 3.0, "ceiling": 5.0})
    >>> averages.means()
    {'loss': 2.0, 'ceiling': 5.0}
    """

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        return {name: total / self._counts[name] for name, total in self._sums.items()}

    def clear(self) -> None:
        self._sums, self._counts = {}, {}

    def state(self) -> dict[str, dict[str, float] | dict[str, int]]:
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def restore(self, state: Mapping[str, Mapping[str, float]]) -> None:
        self._sums = {name: float(total) for name, total in state["sums"].items()}
        self._counts = {name: int(count) for name, count in state["counts"].items()}
