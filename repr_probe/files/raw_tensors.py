"""Tensors from bytes of a file that name their own type and shape, memory-mapped, with every size checked before it is believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import printable

if TYPE_CHECKING:
    import torch

DIMENSIONS_LIMIT = 32
LENGTH_LIMIT = 1 << 48  # of one dimension; anything above is no tensor and overflows the arithmetic of torch


def map_file(path: str | Path) -> np.ndarray:
    """The bytes of a file that is not empty, (n,) uint8. Only what is touched is read; writing to them does not reach the file."""
    return np.asarray(np.memmap(path, dtype=np.uint8, mode="c"))


def raw_tensor(
    data: np.ndarray, dtype: torch.dtype, shape: Sequence[Any], *, where: str, strides: Sequence[Any] | None = None, offset: Any = 0
) -> torch.Tensor:  # fmt: skip
    """A tensor over the bytes `data` ((n,) uint8), which it shares where they are aligned.

    shape, strides, offset: in elements; without strides the bytes must be exactly those of a contiguous tensor.
    where: what it is called in errors.  Raises FileFormatError: E_CORRUPT, E_SIZE_MISMATCH, E_TENSOR_BOMB (strides that repeat bytes).
    """
    import torch

    sizes = _checked(shape, f"shape of {where}")
    width = dtype.itemsize
    needed = math.prod(sizes) * width
    if strides is None:
        if needed != data.nbytes:
            raise FileFormatError(f"{where} must hold {needed} bytes for its shape; got {data.nbytes}", code="E_SIZE_MISMATCH")
        return _elements(data, dtype).reshape(sizes)
    if needed > data.nbytes:
        raise FileFormatError(f"{where} must be backed by its bytes; it shows {needed} of them but has {data.nbytes}", code="E_TENSOR_BOMB")
    steps, (start,) = _checked(strides, f"strides of {where}"), _checked([offset], f"offset of {where}")
    if len(steps) != len(sizes):
        raise FileFormatError(f"{where} must have as many strides as dimensions; got {len(steps)} for {len(sizes)}", code="E_CORRUPT")
    last = start + sum((size - 1) * step for size, step in zip(sizes, steps)) if needed else -1
    if (last + 1) * width > data.nbytes:
        raise FileFormatError(f"{where} must lie within its {data.nbytes} bytes; its strides reach further", code="E_SIZE_MISMATCH")
    if not needed:
        return torch.empty(sizes, dtype=dtype)
    return _elements(data[: data.nbytes // width * width], dtype).as_strided(sizes, steps, start)


def _elements(data: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    import torch

    if not data.nbytes:
        return torch.empty(0, dtype=dtype)
    aligned = data if data.ctypes.data % max(dtype.itemsize, 1) == 0 else data.copy()
    return torch.from_numpy(aligned).view(dtype)


def _checked(numbers: Sequence[Any], what: str) -> list[int]:
    whole = isinstance(numbers, list | tuple) and all(type(number) is int and 0 <= number < LENGTH_LIMIT for number in numbers)
    if not whole or len(numbers) > DIMENSIONS_LIMIT:
        raise FileFormatError(f"{what} must be a short list of whole numbers; got {printable(numbers)}", code="E_CORRUPT")
    return list(numbers)
