"""The sums of the pair pass on the device: the kernel adds to them rectangle by rectangle, and they come back as float64 arrays."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Protocol

import numpy as np

from repr_probe.metrics.angle_tiles import N_BINS
from repr_probe.metrics.fused.modes import Mode, Tiling
from repr_probe.metrics.fused.rectangles import Rectangle, homogeneous, merged

if TYPE_CHECKING:
    import torch

_MOST_ROWS = 1 << 15  # of a launch: with some 8192 columns, counts stay far below 2³¹ and a launch still takes milliseconds


class Totals(Protocol):
    """What the pass adds to; angles less `shift`, radians, and their squares, as sums over a row's partners.

    sums: all_1, all_2, labelled_1, labelled_2, same_1, same_2, each (N,) float64.  within (2, n_groups): over ordered pairs inside a group.
    histograms: all, labelled, positive, each (3600,) int64 of unordered pairs.  kernel (N,): Σ exp(2t(cos - 1)), or None.
    """

    @property
    def sums(self) -> dict[str, np.ndarray]: ...
    @property
    def within(self) -> np.ndarray: ...
    @property
    def histograms(self) -> dict[str, np.ndarray]: ...
    @property
    def kernel(self) -> np.ndarray | None: ...


class DeviceSums:
    """Sums of N rows, of which the first len(codes) are labelled and sorted by (group, class).

    kernel: t of uniformity, or None.  shift: radians.
    """

    def __init__(
        self, n: int, codes: np.ndarray, groups: np.ndarray, *, shift: float, kernel: float | None, mode: Mode, n_features: int,
        tiling: Tiling, device: torch.device,
    ) -> None:  # fmt: skip
        import torch

        from repr_probe.metrics.fused.kernel import COPIES

        self.n, self.groups, self.shift, self.t = n, groups, shift, kernel
        self.mode, self.width, self.tiling, self.device = mode, mode.width(n_features), tiling, device
        self.n_labelled = len(codes)
        class_marks, group_marks = _marks(codes), _marks(groups)
        self.split = not np.array_equal(class_marks, group_marks)
        self.class_marks, self.group_marks = (torch.from_numpy(marks).to(device) for marks in (class_marks, group_marks))
        room = lambda *shape: torch.zeros(shape, dtype=torch.float64, device=device)  # noqa: E731
        self.pair_sums = {True: room(2, n if self.n_labelled else 1), False: room(2, n)}
        self.same_sums = room(2, n if self.n_labelled else 1)
        self.group_sums = room(2, n if self.split else 1)
        self.kernel_sums = room(n if kernel is not None else 1)
        self.counts = {kind: torch.zeros((COPIES, N_BINS), dtype=torch.int32, device=device) for kind in ("labelled", "other", "positive")}
        self.totals = {kind: torch.zeros(N_BINS, dtype=torch.int64, device=device) for kind in self.counts}
        self.refused: list[tuple[Rectangle, torch.Tensor]] = []

    @staticmethod
    def bytes_for(n: int) -> int:
        """Of device memory, at most."""
        from repr_probe.metrics.fused.kernel import COPIES

        return n * (9 * 8 + 2 * 4) + 3 * (COPIES * 4 + 8) * N_BINS

    def add(self, whole: Rectangle, left: torch.Tensor, right: torch.Tensor) -> None:
        """Add the pairs of a rectangle; left, right: its rows and its columns as stored by the mode. Returns before the device is done."""
        for part, labelled in homogeneous(whole, self.n_labelled, _MOST_ROWS):
            top = part.rows.start - whole.rows.start
            side = part.columns.start - whole.columns.start
            self._launch(part, labelled, left[top : top + len(part.rows)], right[side : side + len(part.columns)])
        for kind, counts in self.counts.items():
            self.totals[kind] += counts.sum(0)
            counts.zero_()

    def _launch(self, part: Rectangle, labelled: bool, left: torch.Tensor, right: torch.Tensor) -> None:
        import torch

        from repr_probe.metrics.fused.kernel import pair_kernel

        down, across = self.tiling.n_tiles(len(left), len(right))
        refused = torch.zeros((down, across), dtype=torch.int8, device=self.device)
        with torch.cuda.device_of(left), warnings.catch_warnings():  # Triton launches on the current device, whatever it is given
            warnings.filterwarnings("ignore", r"tl\.reshape\(can_reorder", UserWarning)  # where it is to go, the kernel does without
            pair_kernel[(down * across,)](
                left, right, self.pair_sums[labelled], self.counts["labelled" if labelled else "other"],
                self.class_marks, self.same_sums, self.counts["positive"], self.group_marks, self.group_sums, self.kernel_sums, refused,
                part.rows.start, part.columns.start, len(left), len(right), self.n, self.shift, 2.0 * (self.t or 0.0),
                LABELLED=labelled, SPLIT=self.split, KERNEL=self.t is not None,
                WIDTH=self.width, SEGMENTS=self.mode.segments, PRECISION=self.mode.precision, **self.tiling.options(),
            )  # fmt: skip
        self.refused.append((part, refused))

    def wait(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def collect(self, into: Totals) -> list[Rectangle]:
        """Add all that was found since the last time, and return the pairs that were not: rectangles that hold a |cosine| above 0.999."""
        labelled, other, same = (_taken(sums) for sums in (self.pair_sums[True], self.pair_sums[False], self.same_sums))
        for power in (0, 1):
            into.sums[f"all_{power + 1}"] += labelled[power] + other[power]
            if self.n_labelled:
                into.sums[f"labelled_{power + 1}"] += labelled[power]
                into.sums[f"same_{power + 1}"] += same[power]
        inside = _taken(self.group_sums) if self.split else same
        for total, values in zip(into.within, inside, strict=True):
            total += np.bincount(self.groups, values[: self.n_labelled], minlength=len(total))
        counts = {kind: _taken(total) for kind, total in self.totals.items()}
        into.histograms["all"] += counts["labelled"] + counts["other"]
        into.histograms["labelled"] += counts["labelled"]
        into.histograms["positive"] += counts["positive"]
        if into.kernel is not None:
            np.add(into.kernel, _taken(self.kernel_sums), out=into.kernel)
        tile = (self.tiling.rows, self.tiling.columns)
        refused = [rectangle for part, tiles in self.refused for rectangle in merged(tiles.cpu().numpy() > 0, part, tile)]
        self.refused.clear()
        return refused


def _taken(values: torch.Tensor) -> np.ndarray:
    """As an array of its own; what is on the device starts at 0 again."""
    found = values.cpu().numpy().copy()
    values.zero_()
    return found


def _marks(values: np.ndarray) -> np.ndarray:
    """Number of the run of equal values that each entry lies in, int32; one entry at least.

    >>> _marks(np.array([7, 7, 3, 3, 5])).tolist()
    [0, 0, 1, 1, 2]
    """
    if not len(values):
        return np.zeros(1, np.int32)
    return np.cumsum(np.r_[False, values[1:] != values[:-1]]).astype(np.int32)
