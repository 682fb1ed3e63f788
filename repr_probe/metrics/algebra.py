"""Where float64 linear algebra runs: numpy and scipy on the processor, or torch on a GPU; the formulas above are the same lines for both.

An `Array` is what the chosen library holds. `xp` is its namespace, in which only names that numpy and torch share are used; rows come in
as they are stored and are widened where they are used; results leave by `host`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.files.atomic import readable_bytes
from repr_probe.metrics.rows import Rows

if TYPE_CHECKING:
    import torch

Array = Any  # numpy.ndarray or torch.Tensor, float64
_NUMBERS = 1 << 22  # of a block of rows on a GPU: 32 MiB of float64


class Algebra:
    """On the processor."""

    xp: Any = np

    def zeros(self, *shape: int) -> Array:
        return np.zeros(shape)

    def empty(self, *shape: int) -> Array:
        return np.empty(shape)

    def asarray(self, values: Array) -> Array:
        """`values` in float64 here; not copied where they are so already."""
        return np.asarray(values, np.float64)

    def narrow(self, values: Array) -> Array:
        """`values` in float32 here, for what needs three digits."""
        return np.asarray(values, np.float32)

    def host(self, array: Array) -> np.ndarray:
        """As numpy array; not copied where it is one."""
        return array

    def block_size(self, rows: Rows) -> int:
        return rows.block_size

    def read(self, rows: Rows, start: int, stop: int, out: Array = None) -> Array:
        """Rows start..stop (rows, n_features), new or written into `out`."""
        return rows.block(start, stop, out)

    def blocks(self, rows: Rows, part: tuple[int, int] | None = None) -> Iterator[tuple[int, Array]]:
        """(start, block) from first to last row; part: only rows start..stop of them."""
        size, (first, last) = self.block_size(rows), part or (0, len(rows))
        for start in range(first, last, size):
            yield start, self.read(rows, start, min(start + size, last))

    def norms(self, block: Array) -> Array:
        """(rows,) Euclidean lengths."""
        return self.xp.sqrt(self.xp.einsum("ij,ij->i", block, block))

    def lengths(self, rows: Rows) -> np.ndarray:
        """(n_samples,) lengths of the rows as stored."""
        return rows.norms()

    def segment_sums(self, values: Array, order: np.ndarray, starts: np.ndarray) -> Array:
        """(len(starts), ·): sums of consecutive runs of values[order]; run s begins at starts[s], the last ends with `order`."""
        return np.add.reduceat(values[order], starts, axis=0)

    def eigh(self, matrix: Array, *, vectors: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Ascending eigenvalues of a symmetric matrix, and its eigenvectors in columns (or None); `matrix` may be lost."""
        from scipy.linalg import eigh

        if vectors:  # .T is the order LAPACK wants
            return eigh(matrix.T, driver="evd", check_finite=False, overwrite_a=True)
        return eigh(matrix.T, eigvals_only=True, driver="evr", check_finite=False, overwrite_a=True), None

    @contextmanager
    def room(self, n_features: int, further: int = 0) -> Iterator[None]:
        """Around work on matrices of n_features² and `further` numbers. Raises InputError where a GPU has no room for them."""
        yield


HOST = Algebra()


class TorchAlgebra(Algebra):
    """On one device of torch."""

    def __init__(self, device: str) -> None:
        import torch

        self.xp = torch
        self.device = torch.device(device)

    def zeros(self, *shape: int) -> torch.Tensor:
        return self.xp.zeros(shape, dtype=self.xp.float64, device=self.device)

    def empty(self, *shape: int) -> torch.Tensor:
        return self.xp.empty(shape, dtype=self.xp.float64, device=self.device)

    def asarray(self, values: Array) -> torch.Tensor:
        return self.xp.as_tensor(values, dtype=self.xp.float64, device=self.device)

    def narrow(self, values: Array) -> torch.Tensor:
        return self.xp.as_tensor(values, dtype=self.xp.float32, device=self.device)

    def host(self, array: Array) -> np.ndarray:
        return array.cpu().numpy()

    def block_size(self, rows: Rows) -> int:
        return max(1, _NUMBERS // rows.n_features)

    def read(self, rows: Rows, start: int, stop: int, out: Array = None) -> torch.Tensor:
        where = rows.where(start, stop)
        stored = rows.values[where]
        stored = np.array(stored) if rows.index is None else stored  # a copy either way: a mapped file is read-only, torch's arrays are not
        out = self.empty(*stored.shape) if out is None else out
        out.copy_(self.xp.from_numpy(stored).to(self.device))
        if rows.unit:
            out /= (self.norms(out) if rows.lengths is None else self.asarray(rows.lengths[where]))[:, None]
        return out

    def lengths(self, rows: Rows) -> np.ndarray:
        stored = Rows(rows.values, rows.index)
        return np.concatenate([self.host(self.norms(block)) for _, block in self.blocks(stored)])

    def segment_sums(self, values: torch.Tensor, order: np.ndarray, starts: np.ndarray) -> torch.Tensor:
        segments = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(order)]))
        segment_of, chosen = (self.xp.from_numpy(index).to(self.device) for index in (segments, order))
        # Of torch's ways to add by index this one sorts on a GPU, and so adds in the same order each time.
        return self.zeros(len(starts), values.shape[1]).index_put_((segment_of,), values[chosen], accumulate=True)

    def eigh(self, matrix: Array, *, vectors: bool) -> tuple[np.ndarray, np.ndarray | None]:
        there = self.asarray(matrix)
        if not vectors:
            return self.host(self.xp.linalg.eigvalsh(there)), None
        values, basis = self.xp.linalg.eigh(there)
        return self.host(values), self.host(basis)

    @contextmanager
    def room(self, n_features: int, further: int = 0) -> Iterator[None]:
        try:
            yield
        except self.xp.OutOfMemoryError as refusal:
            wanted = f"device must have {readable_bytes(bytes_needed(n_features, further))} free for {n_features} features in float64"
            raise InputError(f"{wanted}; got {self.device} without; use --device cpu") from refusal


def bytes_needed(n_features: int, further: int = 0) -> int:
    """The most that moments, cosine sums or a spectrum take on a device: five matrices, blocks of rows with their copies, `further` numbers.

    >>> bytes_needed(2048) // 2**20
    384
    """
    return 8 * (5 * (n_features + 2) ** 2 + 7 * max(_NUMBERS, n_features) + further)


def algebra_on(device: str) -> Algebra:
    """TorchAlgebra on a CUDA (or ROCm) device. Other devices leave this work to the processor: Apple's GPUs (mps) have no float64.

    >>> algebra_on("cpu") is algebra_on("mps") is HOST
    True
    """
    return TorchAlgebra(device) if device.partition(":")[0] == "cuda" else HOST
