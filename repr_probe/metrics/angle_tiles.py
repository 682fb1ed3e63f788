"""One tile of angles: cosines and angles in float32, and the repairs where float32 is not enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.metrics.products import Product
from repr_probe.metrics.rows import Rows

if TYPE_CHECKING:
    import torch

N_BINS = 3600
BIN = 180.0 / N_BINS  # degrees
HIDDEN_BIN = N_BINS + 1  # of pairs that do not count; N_BINS itself takes an angle of exactly 180 degrees
_NEAR = 0.999  # beyond this |cosine| the arccos of a float32 is off by more than 1e-4 degree
_GATHER = 4096  # near pairs worth repairing one by one; with more the whole tile is redone in float64
_DUPLICATE = 1e-12
_ROUNDING = 1e-15


@dataclass
class Tile:
    """Buffers of one (block, block) tile, reused for all: cosine, angle (radians; later angle - shift), work; bin number of each pair.

    Pairs that do not count (the diagonal and what is below it) have bin HIDDEN_BIN and angle - shift 0.
    """

    cosine: torch.Tensor
    angle: torch.Tensor
    work: torch.Tensor
    bins: torch.Tensor
    n_duplicates: int = 0

    @classmethod
    def buffers(cls, rows: int, columns: int, device: torch.device) -> Tile:
        import torch

        cosine, angle, work = (torch.empty((rows, columns), device=device) for _ in range(3))
        return cls(cosine, angle, work, torch.empty((rows, columns), dtype=torch.int32, device=device))

    def cut(self, rows: int, columns: int) -> Tile:
        """The same memory for a smaller tile."""
        cosine, angle, work, bins = (
            buffer.view(-1)[: rows * columns].view(rows, columns) for buffer in (self.cosine, self.angle, self.work, self.bins))  # fmt: skip
        return Tile(cosine, angle, work, bins)

    def fill(self, left: Any, right: Any, product: Product, source: Rows, starts: tuple[int, int], shift: float) -> None:
        """Angles of all pairs of `left` and `right`: rows starts[0].. and starts[1].. of `source` (unit, float64 on demand), prepared by `product`."""
        import torch

        product(left, right, self.cosine, self.bins)
        crosses = starts[0] + len(self.cosine) > starts[1]
        hidden = torch.ones_like(self.cosine, dtype=torch.bool).tril_(starts[0] - starts[1]) if crosses else None
        if hidden is not None:
            self.cosine.masked_fill_(hidden, 0.0)
        low, high = torch.aminmax(self.cosine)
        if max(-float(low), float(high)) > _NEAR:
            self._repair(source, starts)
        else:
            torch.acos(self.cosine, out=self.angle)
        torch.mul(self.angle, N_BINS / np.pi, out=self.work)
        self.bins.copy_(self.work)
        self.angle.sub_(shift)
        if hidden is not None:
            self.bins.masked_fill_(hidden, HIDDEN_BIN)
            self.angle.masked_fill_(hidden, 0.0)
            self.cosine.masked_fill_(hidden, -float("inf"))

    def _repair(self, source: Rows, starts: tuple[int, int]) -> None:
        import torch

        self.cosine.clamp_(-1.0, 1.0)
        near = torch.nonzero(self.cosine.abs() > _NEAR)
        if len(near) > _GATHER:
            self._redo(source, starts)
            return
        torch.acos(self.cosine, out=self.angle)
        pairs = near.cpu().numpy()
        exact = pair_angles(source, pairs[:, 0] + starts[0], pairs[:, 1] + starts[1])
        self.n_duplicates += int((1.0 - np.cos(exact) < _DUPLICATE).sum())
        self.angle[near[:, 0], near[:, 1]] = torch.as_tensor(exact, dtype=torch.float32, device=self.angle.device)

    def _redo(self, source: Rows, starts: tuple[int, int]) -> None:
        """The whole tile in float64, from 1 - cos = (‖e‖² + ‖e′‖²)/2 - e·e′ about a unit reference: no digits lost near 0."""
        import torch

        n_rows, n_columns = self.cosine.shape
        reference = source.block(starts[0], starts[0] + 1)[0]
        left = source.block(starts[0], starts[0] + n_rows) - reference
        right = source.block(starts[1], starts[1] + n_columns) - reference
        deficit = left @ right.T
        np.negative(deficit, out=deficit)
        deficit += (np.einsum("ij,ij->i", left, left) / 2.0)[:, None]
        deficit += np.einsum("ij,ij->i", right, right) / 2.0
        deficit[deficit < _ROUNDING] = 0.0
        np.minimum(deficit, 2.0, out=deficit)
        counted = np.triu(deficit < _DUPLICATE, starts[0] - starts[1] + 1)
        self.n_duplicates += int(counted.sum())
        self.cosine.copy_(torch.as_tensor(1.0 - deficit))
        self.angle.copy_(torch.as_tensor(2.0 * np.arcsin(np.sqrt(deficit / 2.0))))


def pair_angles(source: Rows, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angle in radians of the given pairs of unit rows, 2 atan2(‖u - v‖, ‖u + v‖) in float64: exact near 0 and near π."""
    angles = np.empty(len(first))
    step = max(1, (1 << 20) // source.n_features)
    for start in range(0, len(first), step):
        u = source.select(first[start : start + step]).block(0, step)
        v = source.select(second[start : start + step]).block(0, step)
        plus = np.linalg.norm(u + v, axis=1)
        u -= v
        angles[start : start + step] = 2.0 * np.arctan2(np.linalg.norm(u, axis=1), plus)
    return angles
