"""What every probe of a classifier returns, and how it is made from predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from repr_probe.metrics.inference import Interval
from repr_probe.probes.accuracy import wilson_interval
from repr_probe.probes.labelled_rows import Split

_OF_ROWS = ("hits", "top5_hits", "predictions", "test_rows", "class_names")


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """Accuracy of a classifier on frozen features.

    top1, top5: shares of test rows, in [0, 1], higher is better. top5 is None where there are five classes or fewer (`top5_reason`).
    ci, top5_ci: Wilson's 95 % intervals: other test images of the same classes, the same training rows.
    protocol: one line with everything that decides the number; only results of one protocol are comparable.
    settings: the preset and every value that was used or chosen.
    n_train, n_test: rows used.  n_absent: test rows of a class that no training row has (misses).
    hits, top5_hits: (n_test,) bool.  predictions: (n_test,) codes into `class_names`.
    test_rows: (n_test,) row number of each in the test features as they came (rows left out are in `notes`).
    These four are None, and `class_names` is empty, in a result read from a file: it holds nothing of single rows.
    """

    top1: float
    ci: Interval
    top5: float | None
    top5_ci: Interval | None
    top5_reason: str | None
    protocol: str
    settings: Mapping[str, Any]
    n_train: int
    n_test: int
    n_features: int
    n_classes: int
    n_absent: int
    hits: np.ndarray | None = field(repr=False)
    top5_hits: np.ndarray | None = field(repr=False)
    predictions: np.ndarray | None = field(repr=False)
    test_rows: np.ndarray | None = field(repr=False)
    class_names: tuple[str, ...] = field(repr=False)
    notes: tuple[str, ...]

    def __float__(self) -> float:
        return self.top1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: everything but the arrays of single rows."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in _OF_ROWS}
        intervals = {name: None if plain[name] is None else list(plain[name]) for name in ("ci", "top5_ci")}
        return {**plain, **intervals, "settings": dict(self.settings), "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` gave, without the answers to single rows; unknown fields are passed over. TypeError or KeyError for absent ones."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        intervals = {name: None if data[name] is None else _interval(data[name]) for name in ("ci", "top5_ci")}
        nothing = {**dict.fromkeys(_OF_ROWS), "class_names": ()}
        return cls(**{**known, **intervals, **nothing, "settings": frozen(data["settings"]), "notes": tuple(data["notes"])})


def _interval(bounds: Any) -> Interval:
    low, high = bounds
    return float(low), float(high)


def scored(split: Split, ranks: np.ndarray, predictions: np.ndarray) -> dict[str, Any]:
    """The fields of a ProbeResult that follow from ranks (n_test,), the place of the true class, and predictions (n_test,)."""
    n, reason = len(split.test), split.top5_reason
    hits, five = ranks == 0, None if reason else ranks < 5
    return {
        "top1": float(hits.mean()),
        "ci": wilson_interval(int(hits.sum()), n),
        "top5": None if five is None else float(five.mean()),
        "top5_ci": None if five is None else wilson_interval(int(five.sum()), n),
        "top5_reason": reason,
        "n_train": len(split.train),
        "n_test": n,
        "n_features": split.train.rows.n_features,
        "n_classes": split.n_classes,
        "n_absent": int(split.absent.sum()),
        "hits": hits,
        "top5_hits": five,
        "predictions": predictions,
        "test_rows": split.test.kept,
        "class_names": split.class_names,
    }


def frozen(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(settings))
