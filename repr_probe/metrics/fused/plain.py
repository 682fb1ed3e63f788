"""The same sums by plain float64 matrices, for a few hundred rows: what the kernel is held against before it is trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.metrics.angle_tiles import N_BINS
from repr_probe.metrics.fused.device_sums import Totals
from repr_probe.metrics.fused.rectangles import Rectangle


@dataclass(frozen=True, eq=False)
class PlainTotals:
    """Totals that start at zero."""

    sums: dict[str, np.ndarray]
    within: np.ndarray
    histograms: dict[str, np.ndarray]
    kernel: np.ndarray | None

    @classmethod
    def zeros(cls, n: int, groups: np.ndarray, *, kernel: bool) -> PlainTotals:
        names = [f"{kind}_{power}" for kind in ("all", "labelled", "same") for power in (1, 2)]
        within = np.zeros((2, int(groups.max()) + 1 if len(groups) else 0))
        histograms = {kind: np.zeros(N_BINS, np.int64) for kind in ("all", "labelled", "positive")}
        return cls({name: np.zeros(n) for name in names}, within, histograms, np.zeros(n) if kernel else None)


def pairs_of(n: int, rectangles: list[Rectangle]) -> np.ndarray:
    """(n, n) bool: the pairs of these rectangles, above the diagonal."""
    inside = np.zeros((n, n), bool)
    for part in rectangles:
        inside[part.rows.start : part.rows.stop, part.columns.start : part.columns.stop] = True
    return np.triu(inside, 1)


def add_plainly(
    into: Totals, unit: np.ndarray, codes: np.ndarray, groups: np.ndarray, pairs: np.ndarray, *, shift: float, kernel: float | None
) -> None:
    """Add these pairs (n, n; above the diagonal) of float64 unit rows; shift in radians, kernel: t."""
    n, n_labelled = len(unit), len(codes)
    cosine = np.clip(unit @ unit.T, -1.0, 1.0)
    angle = np.arccos(cosine)
    labelled, alike, together = (np.zeros((n, n), bool) for _ in range(3))
    part = np.s_[:n_labelled, :n_labelled]
    labelled[part], alike[part], together[part] = True, codes[:, None] == codes, groups[:, None] == groups
    both = pairs | pairs.T
    for power in (1, 2):
        value = np.where(both, (angle - shift) ** power, 0.0)
        for kind, which in (("all", both), ("labelled", labelled), ("same", alike)):
            into.sums[f"{kind}_{power}"] += np.where(which, value, 0.0).sum(axis=1)
        inside = np.where(together, value, 0.0).sum(axis=1)[:n_labelled]
        into.within[power - 1] += np.bincount(groups, inside, minlength=into.within.shape[1])
    for kind, which in (("all", pairs), ("labelled", labelled & pairs), ("positive", alike & pairs)):
        into.histograms[kind] += np.bincount(np.minimum(angle[which] * (N_BINS / np.pi), N_BINS - 1).astype(np.int64), minlength=N_BINS)
    if into.kernel is not None and kernel is not None:
        np.add(into.kernel, np.where(both, np.exp(2.0 * kernel * (cosine - 1.0)), 0.0).sum(axis=1), out=into.kernel)


def difference(found: Totals, true: Totals, *, angle_error: float, t: float) -> str | None:
    """What differs by more than angles do that are off by `angle_error` (radians), in words; None where nothing does.

    A histogram may hold in each bin, and those next to it, what lies that near an edge; here the counts up to each edge are compared.
    """
    n = len(true.sums["all_1"])
    for name, values in true.sums.items():
        allowed = n * angle_error * (1.0 if name.endswith("1") else 2.0 * np.pi)
        if (apart := float(np.abs(found.sums[name] - values).max(initial=0.0))) > allowed:
            return f"{name} by {apart:.2g} rad"
    if (apart := float(np.abs(found.within - true.within).max(initial=0.0))) > 2.0 * np.pi * n * n * angle_error:
        return f"within by {apart:.2g} rad"
    if true.kernel is not None and found.kernel is not None:
        apart = float(np.abs(found.kernel - true.kernel).max())
        if apart > 2.0 * t * n * angle_error:
            return f"kernel by {apart:.2g}"
    for name, counts in true.histograms.items():
        if (moved := np.abs(np.cumsum(found.histograms[name] - counts))).max() > edge_room(true, name, angle_error):
            return f"the histogram {name} by {int(moved.max())} pairs"
    return None


def edge_room(true: Totals, name: str, angle_error: float) -> float:
    """Pairs of one histogram that may lie on the other side of an edge: those of the fullest bin as far as the error reaches, fivefold, and 3."""
    return 3.0 + 5.0 * float(true.histograms[name].max()) * min(1.0, 2.0 * angle_error * N_BINS / np.pi)
