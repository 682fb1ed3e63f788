"""RowPass: a few numbers for every row (norm, active features, cosine to the mean direction), from which row-level intervals follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.metrics.rows import Rows, row_norms


@dataclass(frozen=True, eq=False)
class RowPass:
    """Per row, zero rows included: norm, n_zero entries. Per non-zero row: toward = u·m, tilt = u·g, spread = Σⱼ wⱼ(uⱼ - mⱼ)²."""

    norm: np.ndarray
    n_zero: np.ndarray
    toward: np.ndarray
    tilt: np.ndarray
    spread: np.ndarray


def row_pass(rows: Rows, mean_unit: np.ndarray, tilt: np.ndarray, weight: np.ndarray) -> RowPass:
    """rows: raw (N, D); mean_unit m, tilt g, weight w: (D,)."""
    norm, n_zero = np.empty(len(rows)), np.empty(len(rows))
    toward, tilted, spread = [], [], []
    for start, block in rows.blocks():
        part = slice(start, start + len(block))
        norm[part] = row_norms(block)
        n_zero[part] = (block == 0).sum(axis=1)
        full = norm[part] > 0
        unit = block[full] / norm[part][full, None]
        toward.append(unit @ mean_unit)
        tilted.append(unit @ tilt)
        spread.append(np.square(unit - mean_unit) @ weight)
    return RowPass(norm, n_zero, *(np.concatenate(parts) for parts in (toward, tilted, spread)))
