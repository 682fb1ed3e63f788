"""AngleSums: what a pair pass adds up, tile by tile: row sums of angles and their squares, sums inside classes and groups, histograms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.metrics.angle_tiles import HIDDEN_BIN, N_BINS, Tile
from repr_probe.metrics.pair_sums import PairSums
from repr_probe.metrics.products import Product
from repr_probe.metrics.rows import Rows

if TYPE_CHECKING:
    import torch

_SAMPLE = 1024  # rows
_FEW = 1 << 14
Sums = tuple[np.ndarray, np.ndarray]  # over rows, over columns


@dataclass(frozen=True, eq=False)
class AnglePass:
    """What the pair pass found; angles in degrees.

    first, second (N,): Σ(angle - shift) and Σ(angle - shift)² over a row's partners.  kernel (N,): Σ exp(-t‖u - u′‖²), or None.
    labelled: PairSums of the labelled rows, or None.  histograms: "all", "labelled", "positive" -> (3600,) int64 counts of unordered pairs.
    """

    shift: float
    first: np.ndarray
    second: np.ndarray
    kernel: np.ndarray | None
    labelled: PairSums | None
    histograms: dict[str, np.ndarray]
    n_duplicates: int

    @property
    def n_pairs(self) -> int:
        return len(self.first) * (len(self.first) - 1) // 2

    def mean_and_std(self) -> tuple[float, float]:
        """Over all unordered pairs, from exact sums; degrees."""
        n = 2.0 * self.n_pairs
        mean = self.first.sum() / n
        return float(np.clip(self.shift + mean, 0.0, 180.0)), float(np.sqrt(max(0.0, self.second.sum() / n - mean * mean)))


class AngleSums:
    """The running sums of a pair pass over unit rows: labelled rows first, sorted by (group, class); codes, groups: (n_labelled,).

    sums: Σ(angle - shift) and Σ(angle - shift)² over a row's partners, by kind of partner, each (N,), in radians.  within: over ordered pairs
    inside a group.  kernel: Σ exp(-t‖u - u′‖²), or None.  histograms: unordered pairs in bins of 0.05 degree.
    """

    def __init__(
        self, rows: Rows, codes: np.ndarray, groups: np.ndarray, shift: float, kernel: float | None, device: str, block: int
    ) -> None:
        import torch

        self.rows, self.codes, self.groups, self.shift, self.kernel_t = rows, codes, groups, shift, kernel
        self.device = torch.device(device)
        self.shift_radians = float(np.radians(shift))
        n = len(rows)
        self.block = min(block, n)
        self.class_runs, self.group_runs = _edges(codes), _edges(groups)
        self.split_groups = len(self.group_runs) != len(self.class_runs)
        self.sums = {name: np.zeros(n) for name in ("all_1", "all_2", "labelled_1", "labelled_2", "same_1", "same_2")}
        self.within = np.zeros((2, int(groups.max()) + 1 if len(groups) else 0))
        self.kernel = np.zeros(n) if kernel is not None else None
        self.histograms = {name: np.zeros(N_BINS, np.int64) for name in ("all", "labelled", "positive")}
        self.n_duplicates = np.zeros(1, np.int64)

    @cached_property
    def _buffers(self) -> Tile:
        return Tile.buffers(self.block, self.block, self.device)

    def unit(self, part: range) -> torch.Tensor:
        """These rows, float32 on the device, scaled to length 1."""
        return self._unit(self.rows, part.start, part.stop)

    def sample(self) -> torch.Tensor:
        """Unit rows from all over, one block at most, to try a product on."""
        n = min(len(self.rows), _SAMPLE)
        return self._unit(self.rows.select(np.linspace(0, len(self.rows) - 1, n).astype(np.int64)), 0, n)

    def _unit(self, rows: Rows, start: int, stop: int) -> torch.Tensor:
        """In float32 on the device; lengths from float64 sums of squares."""
        import torch

        stored = rows.values[rows.where(start, stop)]
        stored = np.array(stored) if rows.index is None else stored  # a copy either way: scaled in place below
        if stored.dtype == np.float16:
            stored = stored.astype(np.float32)
        block = torch.from_numpy(stored).to(self.device)
        block.div_(torch.linalg.vector_norm(block, dim=1, keepdim=True, dtype=torch.float64).to(block.dtype))
        return block.float()

    def add(self, rows: range, columns: range, left: Any, right: Any, product: Product) -> None:
        """Add the pairs row < column of a tile of at most block x block; left, right: its rows and columns as `product` prepared them."""
        tile = self._buffers.cut(len(rows), len(columns))
        tile.fill(left, right, product, self.rows, (rows.start, columns.start), self.shift_radians)
        self.n_duplicates += tile.n_duplicates
        top, side = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
        whole = (slice(0, len(rows)), slice(0, len(columns)))
        n_labelled = len(self.codes)
        counts, first, second = self._count(tile, whole), *self._add(tile, whole, top, side, "all")
        self.histograms["all"] += counts
        if side.stop <= n_labelled:
            self.histograms["labelled"] += counts
            self._add_sums("labelled", top, side, first, second)
        elif top.start < n_labelled and side.start < n_labelled:
            part = (slice(0, min(len(rows), n_labelled - top.start)), slice(0, n_labelled - side.start))
            self.histograms["labelled"] += self._count(tile, part)
            self._add(tile, part, slice(top.start, top.start + part[0].stop), slice(side.start, n_labelled), "labelled")
        self._add_within(tile, top, side)
        if self.kernel is not None and self.kernel_t is not None:
            tile.cosine.sub_(1.0).mul_(2.0 * self.kernel_t).exp_()
            self.kernel[top] += _np(tile.cosine.sum(1))
            self.kernel[side] += _np(tile.cosine.sum(0))

    def _add_within(self, tile: Tile, top: slice, side: slice) -> None:
        """Same-class and same-group pairs of this tile: rectangles, since rows are sorted."""
        for start, stop in _rectangles(self.class_runs, top, side):
            part = (_local(start, stop, top), _local(start, stop, side))
            self.histograms["positive"] += self._count(tile, part)
            first, second = self._add(tile, part, _global(start, stop, top), _global(start, stop, side), "same")
            if not self.split_groups:
                self._add_group(int(self.groups[start]), first[0], second[0])
        if self.split_groups:
            for start, stop in _rectangles(self.group_runs, top, side):
                first, second = _sums(tile, (_local(start, stop, top), _local(start, stop, side)))
                self._add_group(int(self.groups[start]), first[0], second[0])

    def _add_group(self, group: int, first: np.ndarray, second: np.ndarray) -> None:
        self.within[:, group] += 2.0 * first.sum(), 2.0 * second.sum()  # unordered pairs of the tile count twice

    def _count(self, tile: Tile, part: tuple[slice, slice]) -> np.ndarray:
        import torch

        bins = tile.bins[part].reshape(-1)
        if len(bins) <= _FEW:
            counts = np.bincount(bins.cpu().numpy(), minlength=HIDDEN_BIN + 1)
        else:
            counts = torch.bincount(bins, minlength=HIDDEN_BIN + 1).cpu().numpy()
        counts[N_BINS - 1] += counts[N_BINS]
        return counts[:N_BINS]

    def _add(self, tile: Tile, part: tuple[slice, slice], rows: slice, columns: slice, name: str) -> tuple[Sums, Sums]:
        first, second = _sums(tile, part)
        self._add_sums(name, rows, columns, first, second)
        return first, second

    def _add_sums(self, name: str, rows: slice, columns: slice, first: Sums, second: Sums) -> None:
        for suffix, (by_row, by_column) in (("_1", first), ("_2", second)):
            self.sums[name + suffix][rows] += by_row
            self.sums[name + suffix][columns] += by_column

    def additive(self) -> list[np.ndarray]:
        """The sums themselves: those of disjoint tiles add up, over ranks and over runs."""
        kernel = [] if self.kernel is None else [self.kernel]
        return [*self.sums.values(), self.within, *self.histograms.values(), self.n_duplicates, *kernel]

    def key(self, how: str) -> list[bytes | np.ndarray]:
        """What the sums depend on: rows (by their lengths and some of themselves), their order and classes, and how they are summed."""
        import torch

        values, index = self.rows.values, self.rows.index
        which = np.empty(0) if index is None else index
        return [f"{how} {self.shift} {self.kernel_t} {self.block} {values.shape} {values.dtype} {torch.__version__}".encode(), which,
                self.rows.norms(), values[:: -(-len(values) // 64)], self.codes, self.groups]  # fmt: skip

    def result(self) -> AnglePass:
        """Sums in degrees."""
        degrees = {"1": 180.0 / np.pi, "2": (180.0 / np.pi) ** 2}
        sums = {name: values * degrees[name[-1]] for name, values in self.sums.items()}
        self.within *= np.array([[degrees["1"]], [degrees["2"]]])
        n = len(self.codes)
        labelled = None
        if n:
            parts = {"all_1": sums["labelled_1"], "all_2": sums["labelled_2"], "same_1": sums["same_1"], "same_2": sums["same_2"]}
            labelled = PairSums(self.codes, self.groups, **{name: values[:n] for name, values in parts.items()},
                                within_1=self.within[0], within_2=self.within[1], shift=self.shift, zero_variance=1e-9)  # fmt: skip
        return AnglePass(self.shift, sums["all_1"], sums["all_2"], self.kernel, labelled, self.histograms, int(self.n_duplicates[0]))


def _sums(tile: Tile, part: tuple[slice, slice]) -> tuple[Sums, Sums]:
    """Row and column sums of the deviations and of their squares; numpy is quicker on a few, torch on many."""
    import torch

    deviation = tile.angle[part]
    if deviation.numel() <= _FEW:
        few = deviation.cpu().numpy().astype(np.float64)
        square = few * few
        return (few.sum(axis=1), few.sum(axis=0)), (square.sum(axis=1), square.sum(axis=0))
    squares = torch.mul(deviation, deviation, out=tile.work[part])
    return (_np(deviation.sum(1)), _np(deviation.sum(0))), (_np(squares.sum(1)), _np(squares.sum(0)))


def _np(tensor: torch.Tensor) -> np.ndarray:
    return tensor.double().cpu().numpy()


def _edges(values: np.ndarray) -> np.ndarray:
    """(n_runs, 2) start and stop of each run of equal values."""
    if not len(values):
        return np.empty((0, 2), np.int64)
    edges = np.flatnonzero(np.r_[True, values[1:] != values[:-1], True])
    return np.column_stack([edges[:-1], edges[1:]])


def _rectangles(runs: np.ndarray, top: slice, side: slice) -> Iterator[tuple[int, int]]:
    """Runs that meet both the rows and the columns of a tile."""
    low, high = max(top.start, side.start), min(top.stop, side.stop)
    for number in range(int(np.searchsorted(runs[:, 1], min(top.start, side.start), "right")), len(runs)):
        start, stop = int(runs[number, 0]), int(runs[number, 1])
        if start >= max(low, high):
            break
        if start < top.stop and stop > top.start and start < side.stop and stop > side.start:
            yield start, stop


def _local(start: int, stop: int, frame: slice) -> slice:
    return slice(max(start, frame.start) - frame.start, min(stop, frame.stop) - frame.start)


def _global(start: int, stop: int, frame: slice) -> slice:
    return slice(max(start, frame.start), min(stop, frame.stop))
