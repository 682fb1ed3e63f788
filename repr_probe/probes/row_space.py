"""Fewer rows than features: a penalised linear fit lives in the span of the rows, so it is done in as many coordinates as there are rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from repr_probe.probes.standardised import Standardised

_BLOCK = 1024
_RANK = 1e-12  # eigenvalues of the Gram matrix below this share of the largest are rounding


class RowSpace:
    """The rows in an orthonormal basis of their span: (n_rows, rank) in place of (n_rows, n_features), with the same inner products.

    The part of the weights that is orthogonal to every row changes no score and only adds to the penalty, so it is zero at the optimum.
    """

    def __init__(self, rows: Standardised) -> None:
        self.rows = rows
        gram = np.empty((len(rows), len(rows)))
        for one, left in rows.blocks(_BLOCK):
            for other, right in rows.blocks(_BLOCK):
                gram[one, other] = left @ right.T
        squares, axes = np.linalg.eigh(gram)
        kept = squares > _RANK * max(squares[-1], np.finfo(np.float64).tiny)
        lengths = np.sqrt(squares[kept])
        self.values = axes[:, kept] * lengths  # (n_rows, rank)
        self._back = axes[:, kept] / lengths

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_features(self) -> int:
        return self.values.shape[1]

    def blocks(self, size: int) -> Iterator[tuple[slice, np.ndarray]]:
        for start in range(0, len(self), size):
            where = slice(start, min(start + size, len(self)))
            yield where, self.values[where]

    def lifted(self, weights: np.ndarray) -> np.ndarray:
        """Weights (n_penalties, rank + 1, n_classes), the last row biases, as weights of the features (n_penalties, n_features + 1, n_classes)."""
        by_row = np.einsum("nr,prc->pnc", self._back, weights[:, :-1], optimize=True)
        lifted = np.zeros((len(weights), self.rows.n_features, weights.shape[2]))
        for where, block in self.rows.blocks(_BLOCK):
            lifted += np.einsum("nd,pnc->pdc", block, by_row[:, where], optimize=True)
        return np.concatenate([lifted, weights[:, -1:]], axis=1)
