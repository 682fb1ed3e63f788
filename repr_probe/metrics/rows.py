"""Rows: a matrix read in float64 blocks, in any order, raw or scaled to unit length, without ever copying it whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_CACHED = 1 << 19  # numbers of a block that stays in the processor's cache (4 MiB of float64)
_LARGEST = 1 << 21
_EFFICIENT_ROWS = 1024  # for products of D x D; fewer rows at a time spend their time adding matrices


class Rows:
    """Blocks of rows of `values` (n_samples, n_features), any float dtype, memory-mapped or not.

    index: which rows, in which order (None: all, as stored).  unit: divide each row by its length (then no row may be zero).
    lengths: of all rows of `values`, where they are known already.
    """

    def __init__(
        self, values: np.ndarray, index: np.ndarray | None = None, *, unit: bool = False, lengths: np.ndarray | None = None
    ) -> None:
        self.values = values
        self.index = index
        self.unit = unit
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.values) if self.index is None else len(self.index)

    @property
    def n_features(self) -> int:
        return int(self.values.shape[1])

    @property
    def block_size(self) -> int:
        wanted = max(_CACHED // self.n_features, _EFFICIENT_ROWS)
        return max(1, min(wanted, _LARGEST // self.n_features))

    def select(self, index: np.ndarray) -> Rows:
        """The rows at these positions of this view."""
        return Rows(self.values, index if self.index is None else self.index[index], unit=self.unit, lengths=self.lengths)

    def as_unit(self) -> Rows:
        return Rows(self.values, self.index, unit=True, lengths=self.lengths)

    def where(self, start: int, stop: int) -> slice | np.ndarray:
        """What rows start..stop are in `values`."""
        return slice(start, stop) if self.index is None else self.index[start:stop]

    def block(self, start: int, stop: int, out: np.ndarray | None = None) -> np.ndarray:
        """Rows start..stop as a new (rows, n_features) float64 array, or written into `out`."""
        where = self.where(start, stop)
        values = self.values[where]
        if out is None:
            out = np.empty(values.shape)
        if not self.unit:
            out[...] = values
            return out
        if self.lengths is not None:
            return np.divide(values, self.lengths[where][:, None], out=out)
        out[...] = values
        out /= row_norms(out)[:, None]
        return out

    def columns(self, which: np.ndarray) -> np.ndarray:
        """(n_samples, len(which)) float64: some columns of all rows, scaled if `unit`."""
        values = self.values[:, which] if self.index is None else self.values[self.index][:, which]
        block = np.array(values, dtype=np.float64)
        if self.unit:
            block /= self.norms()[:, None]
        return block

    def norms(self) -> np.ndarray:
        """(n_samples,) lengths of the rows as stored."""
        if self.lengths is not None:
            return self.lengths if self.index is None else self.lengths[self.index]
        if self.values.dtype == np.float64 and self.index is None:
            return row_norms(self.values)
        return np.concatenate([row_norms(part) for _, part in Rows(self.values, self.index).blocks()])

    def blocks(self, size: int | None = None, *, part: tuple[int, int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """(start, block) from first to last row; part: only rows start..stop of them."""
        size = size or self.block_size
        first, last = part or (0, len(self))
        for start in range(first, last, size):
            yield start, self.block(start, min(start + size, last))


def row_norms(block: np.ndarray) -> np.ndarray:
    """Euclidean length of each row: square root of the float64 sum of squares."""
    return np.sqrt(np.einsum("ij,ij->i", block, block))
