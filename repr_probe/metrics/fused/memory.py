"""What fits on the device: all rows at once, or strips of rows that stay while the columns stream past; one line when not even that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import InputError
from repr_probe.ranks import ALONE, Ranks

BLOCK = 8192  # columns of a rectangle
_STRIP = 4 * BLOCK  # rows of a rectangle where all rows fit
_SMALLEST = 1024
_USED = 0.9  # of the free memory; the rest is for the allocator's rounding and the libraries' own
_SLOTS = 2  # blocks of columns: one in use, one arriving


@dataclass(frozen=True)
class Plan:
    """Rows held at once, and the columns of a rectangle; `resident` where all rows are held."""

    held: int
    block: int
    resident: bool

    @property
    def height(self) -> int:
        """Rows of a rectangle."""
        return min(self.held, _STRIP) if self.resident else self.held


def plan(n: int, *, row_bytes: int, loading_bytes: int, fixed_bytes: int, free_bytes: int, ranks: Ranks = ALONE) -> Plan:
    """For n rows of `row_bytes` each as stored; loading one takes `loading_bytes` more, and `fixed_bytes` are needed whatever is held.

    All ranks get the same plan: that of the one with the least memory. Raise InputError where the smallest strip does not fit.

    >>> plan(100_000, row_bytes=8192, loading_bytes=32768, fixed_bytes=10**7, free_bytes=80 * 10**9)
    Plan(held=100000, block=8192, resident=True)
    >>> plan(100_000, row_bytes=8192, loading_bytes=32768, fixed_bytes=10**7, free_bytes=10**9)
    Plan(held=57344, block=8192, resident=False)
    """
    held = np.zeros((ranks.world_size, 2), np.int64)
    held[ranks.rank] = _fitting(n, row_bytes, loading_bytes, int(free_bytes * _USED) - fixed_bytes)
    ranks.sum(held)
    rows, block = (int(least) for least in held.min(axis=0))
    if rows == 0:
        need = (fixed_bytes + _smallest_bytes(n, row_bytes, loading_bytes)) / _USED
        raise InputError(f"device must have {need / 2**30:.2f} GiB of free memory for the pair pass over {n} rows; got {free_bytes / 2**30:.2f} GiB"
                         "; use --device cpu or --pairs sample:M")  # fmt: skip
    return Plan(rows, block, rows == n)


def _fitting(n: int, row_bytes: int, loading_bytes: int, free: int) -> tuple[int, int]:
    """(rows held, block); the largest block with which all rows fit or, failing that, a strip of twice its height; (0, 0) if none does."""
    block = min(BLOCK, n)
    while True:
        whole = n * row_bytes + block * loading_bytes
        strip = (free - block * (loading_bytes + _SLOTS * row_bytes)) // row_bytes // block * block
        if whole <= free:
            return n, block
        if strip >= 2 * block or (strip >= block and block <= _SMALLEST):
            return min(strip, n), block
        if block <= _SMALLEST:
            return 0, 0
        block //= 2


def _smallest_bytes(n: int, row_bytes: int, loading_bytes: int) -> int:
    block = min(_SMALLEST, n)
    return min(n * row_bytes + block * loading_bytes, block * (loading_bytes + (_SLOTS + 1) * row_bytes))
