"""What the pair pass will cost, measured on a few of its own tiles and said before it begins."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from repr_probe import progress
from repr_probe.files.atomic import readable_bytes
from repr_probe.metrics.pairs import BLOCK, FUSED_PAIRS, angle_pass
from repr_probe.metrics.rows import Rows
from repr_probe.progress import SLOW_SECONDS, duration

if TYPE_CHECKING:
    from repr_probe.metrics.states import GeometryStates

_BLOCKS, _FEW = 5, 3  # of rows that are tried, from all over: five are nearer the truth, three take a fair part of a pass over few blocks
_MANY = 20
_WORTH_TRYING = 1e12  # N² (D + 256): a pass of less takes under 30 s at 33 GFLOP/s, and trying would take a fair part of it
_BESIDE_PRODUCT = 256  # features whose product takes the time of arccos, bins and sums of a pair
_SUMS = 14  # numbers a row: sums in radians and in degrees


@dataclass(frozen=True)
class PassCost:
    """Of all pairs, each once: seconds in each of the processes that share them, number of pairs, bytes of memory beside the features."""

    seconds: float
    n_pairs: int
    n_bytes: int

    def __str__(self) -> str:
        return f"angles of all {self.n_pairs:,} pairs take about {duration(self.seconds)} here and {readable_bytes(self.n_bytes)} of memory"


def announce_pass(states: GeometryStates) -> None:
    """A note on what the exact pair pass of `states` will take, if that is more than half a minute; nothing for a pass that has run.

    Where several processes share the states, one of them may ask once `states.lengths` is known, for which they meet.
    """
    index = states.order[0]
    n_pairs, on_gpu = len(index) * (len(index) - 1) // 2, states.options.device.partition(":")[0] == "cuda"
    if on_gpu and n_pairs >= FUSED_PAIRS:
        return  # the kernel that takes it is many times quicker than the tiles that could be tried here
    if "angles" in states.__dict__ or float(len(index)) ** 2 * (states.space.n_features + _BESIDE_PRODUCT) < _WORTH_TRYING:
        return
    cost = pass_cost(states)
    if cost.seconds > SLOW_SECONDS:
        progress.note(f"{cost} (measured on tiles of it); --pairs sample:M (pairs=M) draws M of them instead, with a standard error")
        if not states.n_labelled:
            progress.note("no row has a label: what needs classes, as d′ and same-class angles, will have no value")


def pass_cost(states: GeometryStates) -> PassCost:
    """Measured by passes over few of the rows: tiles on the diagonal, which hold most of the same-class pairs, apart from the others."""
    index = states.order[0]
    block = min(states.options.block or BLOCK, len(index))
    n_blocks = -(-len(index) // block)
    tried = np.unique(np.linspace(0, len(index) // block - 1, _BLOCKS if n_blocks >= _MANY else _FEW).astype(np.int64))
    _seconds(states, block, tried[:1])  # compilers, threads and caches
    diagonal = min(_seconds(states, block, tried[-1:]) for _ in range(2))
    several = _seconds(states, block, tried)
    n_beside = len(tried) * (len(tried) - 1) // 2
    beside = max(0.0, several - len(tried) * diagonal) / n_beside if n_beside else 0.0
    seconds = n_blocks * diagonal + n_blocks * (n_blocks - 1) / 2 * beside
    rows = states.directions(index)
    return PassCost(seconds / states.options.ranks.world_size, len(index) * (len(index) - 1) // 2, _bytes(rows, block))


def _seconds(states: GeometryStates, block: int, blocks: np.ndarray) -> float:
    """Of a pass over the rows of these blocks alone, in this process."""
    index, codes, groups = states.order
    where = (blocks[:, None] * block + np.arange(block)).ravel()
    labelled = where[where < len(codes)]
    options = states.options
    rows = states.directions(index[where])
    start = time.perf_counter()
    with progress.reporting(None):
        angle_pass(rows, codes[labelled], groups[labelled], shift=90.0, kernel=2.0 if options.kernel else None, device=options.device,
                   block=block, matmul=options.matmul)  # fmt: skip
    return time.perf_counter() - start


def _bytes(rows: Rows, block: int) -> int:
    """Sums of the rows, four buffers of a tile, and the blocks of rows that are held (four, and one of columns) in float32."""
    return 8 * _SUMS * len(rows) + 4 * 4 * block**2 + 5 * 4 * block * rows.n_features
