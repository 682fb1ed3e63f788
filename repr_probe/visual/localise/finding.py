"""Finding: one number of a check with its interval and the number that chance would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from repr_probe.probes.accuracy import wilson_interval

N_DRAWS = 2000


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    check: "grid", "composite", "masks", "randomisation", "insertion-deletion" or "pca".  maps: which map ("last layer", "fused"), or the baseline.
    target: what the maps explain.  measure: "energy", "pointing", ...  value: None where there is none, and `reason` says why.
    ci: 95 %; ci_method: how it was made.  chance: what a map that knows nothing gets, None where there is no such number.
    n: units the value is a mean over, named by `unit`.  n_dead: maps without any positive value, left out.
    """

    check: str
    maps: str
    target: str
    measure: str
    value: float | None
    ci: tuple[float, float] | None
    ci_method: str
    chance: float | None
    n: int
    unit: str
    n_dead: int = 0
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "ci": None if self.ci is None else list(self.ci)}


def mean_finding(
    values: np.ndarray, *, check: str, maps: str, target: str, measure: str, chance: float | None, unit: str = "images",
    groups: np.ndarray | None = None, seed: int = 0,
) -> Finding:  # fmt: skip
    """The mean of (n,) values, NaN for a dead map, with a percentile bootstrap over images, or over `groups` (n,) of values that belong together."""
    live = np.isfinite(values)
    kept, owners = values[live], (np.arange(len(values)) if groups is None else groups)[live]
    facts: dict[str, Any] = {"check": check, "maps": maps, "target": target, "measure": measure, "chance": chance, "unit": unit}
    if not len(kept):
        return Finding(**facts, value=None, ci=None, ci_method="", n=0, n_dead=len(values), reason="every map is dead")
    low, high, n_groups = _bootstrap(kept, owners, seed)
    over = "images" if groups is None else "grids"
    ci, method = ((low, high), f"bootstrap over {n_groups} {over}") if n_groups > 1 else (None, "none: one unit")
    return Finding(**facts, value=float(kept.mean()), ci=ci, ci_method=method, n=len(kept), n_dead=int((~live).sum()))


def share_finding(
    hits: np.ndarray, *, check: str, maps: str, target: str, chance: float, unit: str = "images", measure: str = "pointing"
) -> Finding:
    """The share of (n,) hits, NaN for a dead map, with Wilson's interval; a bootstrap would give no width to 16 hits of 16."""
    kept = hits[np.isfinite(hits)]
    facts: dict[str, Any] = {"check": check, "maps": maps, "target": target, "measure": measure, "chance": chance, "unit": unit, "n": len(kept)}
    if not len(kept):
        return Finding(**facts, value=None, ci=None, ci_method="", n_dead=len(hits), reason="every map is dead")
    ci = wilson_interval(kept.sum(), len(kept))
    return Finding(**facts, value=float(kept.mean()), ci=ci, ci_method="Wilson", n_dead=len(hits) - len(kept))


def resample_means(rows: np.ndarray, seed: int = 0, draws: int = N_DRAWS) -> np.ndarray:
    """(draws, k) column means of (n, k) rows drawn with replacement."""
    rng = np.random.default_rng(seed)
    return np.stack([rows[rng.integers(0, len(rows), len(rows))].mean(0) for _ in range(draws)])


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """The 2.5 % and 97.5 % points."""
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def _bootstrap(values: np.ndarray, owners: Sequence[int] | np.ndarray, seed: int) -> tuple[float, float, int]:
    _, place = np.unique(owners, return_inverse=True)
    sums = np.stack([np.bincount(place, weights=values), np.bincount(place).astype(float)], axis=1)  # (groups, 2)
    means = resample_means(sums, seed)
    return *percentiles(means[:, 0] / means[:, 1]), len(sums)
