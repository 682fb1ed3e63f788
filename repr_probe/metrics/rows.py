"""Rows: a matrix read in float64 blocks, in any order, raw or scaled to unit length, without ever copying it whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK_NUMBERS = 1 << 21  # 16 MiB of float64


class Rows:
    """Blocks of rows of `values` (n_samples, n_features), any float dtype, memory-mapped or not.

    index: which rows, in which order (None: all, as stored).  unit: divide each row by its length (then no row may be zero).
    """

    def __init__(self, values: np.ndarray, index: np.ndarray | None = None, *, unit: bool = False) -> None:
        self.values = values
        self.index = index
        self.unit = unit

    def __len__(self) -> int:
        return len(self.values) if self.index is None else len(self.index)

    @property
    def n_features(self) -> int:
        return int(self.values.shape[1])

    @property
    def block_size(self) -> int:
        return int(np.clip(_BLOCK_NUMBERS // self.n_features, 1, 8192))

    def select(self, index: np.ndarray) -> Rows:
        """The rows at these positions of this view."""
        return Rows(self.values, index if self.index is None else self.index[index], unit=self.unit)

    def as_unit(self) -> Rows:
        return Rows(self.values, self.index, unit=True)

    def block(self, start: int, stop: int) -> np.ndarray:
        """Rows start..stop as a new (rows, n_features) float64 array."""
        where = slice(start, stop) if self.index is None else self.index[start:stop]
        block = np.array(self.values[where], dtype=np.float64)
        if self.unit:
            block /= row_norms(block)[:, None]
        return block

    def columns(self, which: np.ndarray) -> np.ndarray:
        """(n_samples, len(which)) float64: some columns of all rows, scaled if `unit`."""
        values = self.values[:, which] if self.index is None else self.values[self.index][:, which]
        block = np.array(values, dtype=np.float64)
        if self.unit:
            block /= self.norms()[:, None]
        return block

    def norms(self) -> np.ndarray:
        """(n_samples,) lengths of the rows as stored."""
        return np.concatenate([row_norms(part) for _, part in Rows(self.values, self.index).blocks()])

    def blocks(self, size: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """(start, block) from first to last row."""
        size = size or self.block_size
        for start in range(0, len(self), size):
            yield start, self.block(start, min(start + size, len(self)))


def row_norms(block: np.ndarray) -> np.ndarray:
    """Euclidean length of each row: square root of the float64 sum of squares."""
    return np.sqrt(np.einsum("ij,ij->i", block, block))
