"""Standardised rows in float64 blocks: column mean 0 and SD 1 over the rows that set the scale, constant columns 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from repr_probe.metrics.rows import Rows


@dataclass(frozen=True, eq=False)
class Scale:
    """mean (n_features,) and factor (n_features,), 1 / SD or 0 for a constant column."""

    mean: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(cls, rows: Rows) -> Scale:
        """Two passes over the rows, ddof 0. A column whose SD is rounding of its entries (8 eps of the largest) is constant."""
        n, width = len(rows), rows.n_features
        total, largest = np.zeros(width), np.zeros(width)
        for _, block in rows.blocks():
            total += block.sum(axis=0)
            np.maximum(largest, np.abs(block).max(axis=0), out=largest)
        mean, square = total / n, np.zeros(width)
        for _, block in rows.blocks():
            block -= mean
            square += np.einsum("ij,ij->j", block, block)
        deviation = np.sqrt(square / n)
        constant = deviation <= 8 * np.finfo(np.float64).eps * largest
        return cls(mean, np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, deviation)))


class Standardised:
    """Blocks of `rows` under `scale`; kept in memory where they fit into `memory` bytes, else made anew in every pass."""

    def __init__(self, rows: Rows, scale: Scale, memory: int) -> None:
        self.rows, self.scale, self.memory = rows, scale, memory

    @cached_property
    def kept(self) -> np.ndarray | None:
        return self.block(0, len(self)) if 8 * len(self) * self.n_features <= self.memory else None

    def part(self, start: int, stop: int) -> Standardised:
        """Rows start..stop, under the same scale."""
        if (start, stop) == (0, len(self)):
            return self
        return Standardised(self.rows.select(np.arange(start, stop)), self.scale, self.memory)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_features(self) -> int:
        return self.rows.n_features

    def block(self, start: int, stop: int) -> np.ndarray:
        values = self.rows.block(start, stop)
        values -= self.scale.mean
        values *= self.scale.factor
        return values

    def blocks(self, size: int) -> Iterator[tuple[slice, np.ndarray]]:
        for start in range(0, len(self), size):
            where = slice(start, min(start + size, len(self)))
            yield where, self.block(where.start, where.stop) if self.kept is None else self.kept[where]
