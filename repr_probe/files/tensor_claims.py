"""What a pickle claims about its tensors, compared with the bytes behind them before a tensor is made."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repr_probe.files.dead import Name
from repr_probe.files.pickle_machine import Refused
from repr_probe.files.printable import printable

if TYPE_CHECKING:
    import torch

DIMENSIONS_LIMIT = 64
NUMBER_LIMIT = 1 << 60
DTYPE_OF_STORAGE = {
    "UntypedStorage": "uint8", "_UntypedStorage": "uint8", "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexDoubleStorage": "complex128", "ComplexFloatStorage": "complex64",
    "QUInt8Storage": "quint8", "QInt8Storage": "qint8", "QInt32Storage": "qint32", "QUInt4x2Storage": "quint4x2", "QUInt2x4Storage": "quint2x4",
}  # fmt: skip


@dataclass(frozen=True)
class Storage:
    """A run of bytes a pickle refers to: `n_bytes` from `start` of the record `key`, whose whole length is `whole`."""

    key: str
    dtype: torch.dtype
    n_bytes: int
    whole: int
    start: int = 0


Making = Callable[[Storage, "torch.dtype", tuple[int, ...], tuple[int, ...], int], Any]


def storage_of(pid: Any) -> Storage:
    """The storage of a persistent id ("storage", type, key, device, elements[, (view key, offset, elements)])."""
    import torch

    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or _ascii(pid[0]) != "storage" or not isinstance(pid[1], Name):
        raise pickle.UnpicklingError("a reference to something that is no storage")
    kind, key, view = pid[1].kind, pid[2], pid[5] if len(pid) == 6 else None
    dtype = getattr(torch, DTYPE_OF_STORAGE.get(kind.rpartition(".")[2], ""), None)
    if dtype is None or not kind.startswith("torch."):
        raise pickle.UnpicklingError(f"unknown kind of storage {printable(kind)}")
    if not isinstance(key, str | int | bytes) or isinstance(key, bool):
        raise pickle.UnpicklingError("a storage without a name")
    (n_elements,) = _whole((pid[4],), "elements")
    whole = n_elements * dtype.itemsize
    name = key.decode("latin-1") if isinstance(key, bytes) else str(key)
    if view is None:
        return Storage(name, dtype, whole, whole)
    if not isinstance(view, tuple) or len(view) != 3:
        raise pickle.UnpicklingError("a view that is none")
    start, length = (number * dtype.itemsize for number in _whole(view[1:], "view"))
    if start + length > whole:
        raise Refused(f"must be undamaged; a view of the storage {printable(name)} is larger than the storage", "E_SIZE_MISMATCH")
    return Storage(name, dtype, length, whole, start)


def extents(
    storage: Any, offset: Any, size: Any, stride: Any, name: Callable[[], str], dtype: Any = None
) -> tuple[Any, tuple[int, ...], tuple[int, ...], int]:  # fmt: skip
    """The checked (dtype, size, stride, offset) of a tensor over `storage`; by stride 0 a file of 4 bytes can claim terabytes."""
    import torch

    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError("a tensor over something that is no storage")
    dtype = storage.dtype if dtype is None else dtype
    if not isinstance(dtype, torch.dtype):
        raise pickle.UnpicklingError("a tensor of an unknown type")
    (offset,), size, stride = _whole((offset,), "offset"), _whole(size, "size"), _whole(stride, "stride")
    if len(size) != len(stride) or len(size) > DIMENSIONS_LIMIT:
        raise pickle.UnpicklingError("a tensor of unequal numbers of sizes and strides")
    n_elements, held = math.prod(size), storage.n_bytes
    if n_elements * dtype.itemsize > held:
        text = f"must back its tensors; {printable(name())} shows {n_elements * dtype.itemsize} bytes but {held} are stored"
        raise Refused(text, "E_TENSOR_BOMB")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride)) if n_elements else -1
    if (last + 1) * dtype.itemsize > held:
        text = f"must back its tensors; {printable(name())} reaches to byte {(last + 1) * dtype.itemsize} of {held}"
        raise Refused(text, "E_TENSOR_BOMB")
    return dtype, size, stride, offset


def _whole(numbers: Any, what: str) -> tuple[int, ...]:
    if not isinstance(numbers, tuple | list) or not all(type(number) is int and 0 <= number < NUMBER_LIMIT for number in numbers):
        raise pickle.UnpicklingError(f"{what} must be whole numbers")
    return tuple(numbers)


def shape_of(size: Any) -> tuple[int, ...]:
    """A checked shape, of a tensor without values here."""
    sizes = _whole(size, "size")
    if len(sizes) > DIMENSIONS_LIMIT or math.prod(sizes) >= NUMBER_LIMIT:
        raise pickle.UnpicklingError("a tensor of impossible size")
    return sizes


def _ascii(text: Any) -> Any:
    return text.decode("latin-1") if isinstance(text, bytes) else text
