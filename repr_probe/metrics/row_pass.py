"""RowPass: a few numbers for every row (norm, active features, cosine to the mean direction), from which row-level intervals follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.metrics.algebra import HOST, Algebra
from repr_probe.metrics.rows import Rows


@dataclass(frozen=True, eq=False)
class RowPass:
    """Per row, zero rows included: norm, n_zero entries. Per non-zero row: toward = u·m, tilt = u·g, spread = Σⱼ wⱼ(uⱼ - mⱼ)²."""

    norm: np.ndarray
    n_zero: np.ndarray
    toward: np.ndarray
    tilt: np.ndarray
    spread: np.ndarray


def row_pass(rows: Rows, mean_unit: np.ndarray, tilt: np.ndarray, weight: np.ndarray, algebra: Algebra = HOST) -> RowPass:
    """rows: raw (N, D); mean_unit m, tilt g, weight w: (D,); algebra: where the rows are read."""
    mean_there, tilt_there, weight_there = (algebra.asarray(vector) for vector in (mean_unit, tilt, weight))
    norm, n_zero = np.empty(len(rows)), np.empty(len(rows))
    toward, tilted, spread = [], [], []
    for start, block in algebra.blocks(rows):
        part = slice(start, start + len(block))
        lengths = algebra.norms(block)
        norm[part] = algebra.host(lengths)
        n_zero[part] = algebra.host((block == 0).sum(axis=1))
        full = lengths > 0
        unit = block[full] / lengths[full][:, None]
        toward.append(algebra.host(unit @ mean_there))
        tilted.append(algebra.host(unit @ tilt_there))
        spread.append(algebra.host(algebra.xp.square(unit - mean_there) @ weight_there))
    return RowPass(norm, n_zero, *(np.concatenate(parts) for parts in (toward, tilted, spread)))
