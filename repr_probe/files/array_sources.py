"""Named arrays out of array files: NumPy, torch, safetensors, HDF5. Nothing in a file is ever run."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import printable

# Compressed numbers shrink to a tenth, mostly zeros to a fiftieth; a file that grows more than this was made to fill the memory.
MOST_GROWTH = 200
FREE_BYTES = 1 << 28
SMALL_PARTS, SMALL_DEPTH = 100_000, 32
_MAT_NUMBERS = ("double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))


@dataclass(frozen=True, eq=False)
class Source:
    """arrays by name ("" when the file holds one without a name).  metadata: texts stored beside them.  notes: casts."""

    arrays: Mapping[str, np.ndarray]
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_npy(path: Path) -> Source:
    """One array, memory-mapped read-only."""
    try:
        return Source({"": np.load(path, mmap_mode="r", allow_pickle=False)})
    except (ValueError, OSError, EOFError, SyntaxError) as failure:
        raise _numpy_trouble(path, "its array", failure) from None


def read_npz(path: Path) -> Source:
    """Every array of an .npz archive."""
    arrays: dict[str, np.ndarray] = {}
    name = ""
    try:
        with zipfile.ZipFile(path) as directory:
            check_growth(path, sum(entry.file_size for entry in directory.infolist()), path.stat().st_size)
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                arrays[name] = archive[name]
    except FileFormatError:
        raise
    except Exception as failure:  # damage shows as a zip, zlib, value or end-of-file error, depending on where it is
        raise _numpy_trouble(path, f"array {printable(name)!r}", failure) from None
    texts = {name: str(array) for name, array in arrays.items() if array.ndim == 0 and array.dtype.kind == "U"}
    return Source({name: array for name, array in arrays.items() if name not in texts}, texts)


def check_growth(path: Path, claimed: int, stored: int) -> None:
    """Raises FileFormatError (E_ZIP_COMPRESSED) for a small file that would fill the memory: nothing is unpacked before this."""
    if claimed > FREE_BYTES and claimed > MOST_GROWTH * max(stored, 1):
        raise FileFormatError(
            f"{path} must hold the numbers it shows; {stored} bytes would unpack to {claimed}; nothing was unpacked", code="E_ZIP_COMPRESSED"
        )  # fmt: skip


def _numpy_trouble(path: Path, what: str, failure: Exception) -> FileFormatError:
    if "Object arrays" in str(failure) or "allow_pickle" in str(failure) or "Python objects" in str(failure):
        message = f"{path} must hold numbers or strings; {what} holds Python objects, which could run code; nothing was run"
        return FileFormatError(message, code="E_OBJECT_ARRAY")
    reason = printable(" ".join(str(failure).split()) or type(failure).__name__, limit=120)
    return FileFormatError(f"{path} must be complete and undamaged; {what} cannot be read ({reason}); copy it again", code="E_CORRUPT")


def read_torch_arrays(path: Path, *, lists: bool = False) -> Source:
    """A tensor, or the tensors, lists of strings and lists of numbers at the top of a dictionary.  lists: also one list alone."""
    import torch

    from repr_probe.files.safe_torch import read_torch

    content = read_torch(path)
    if isinstance(content, torch.Tensor):
        return _from_tensors({"": content})
    if isinstance(content, np.ndarray) or (lists and _is_flat_list(content)):
        return Source({"": content if isinstance(content, np.ndarray) else _flat_array(path, content)})
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise FileFormatError(f"{path} must hold a tensor or a dictionary of tensors; got a {kind}", code="E_LIST")
    named = {name if isinstance(name, str) else printable(name): value for name, value in content.items()}
    source = _from_tensors({name: value for name, value in named.items() if isinstance(value, torch.Tensor)})
    others = {name: _flat_array(path, value) for name, value in named.items() if _is_flat_list(value)}
    others |= {name: value for name, value in named.items() if isinstance(value, np.ndarray) and value.dtype.kind in "fiubSU"}
    texts = {name: json.dumps(value, default=printable) for name, value in named.items() if isinstance(value, Mapping) and _is_small(value)}
    texts |= {name: value for name, value in named.items() if isinstance(value, str)}
    return Source({**source.arrays, **others}, texts, source.notes)


def _flat_array(path: Path, values: Any) -> np.ndarray:
    """NumPy gives every text the room of the longest."""
    longest = max((len(value) for value in values if isinstance(value, str)), default=1)
    check_growth(path, 4 * longest * len(values), path.stat().st_size)
    return np.array(values)


def _is_small(value: Any) -> bool:
    """Whether it can be written as JSON: plain keys, at most SMALL_PARTS parts, however they are shared, and nothing without end."""
    waiting, n_parts = [(value, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        inner = list(part.values()) if isinstance(part, dict) else list(part) if isinstance(part, list | tuple) else []
        n_parts += len(inner)
        if n_parts > SMALL_PARTS or depth > SMALL_DEPTH or (isinstance(part, dict) and not all(isinstance(key, str | int) for key in part)):
            return False
        waiting += [(item, depth + 1) for item in inner]
    return True


def _is_flat_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and (_all_of(value, str) or _all_of(value, int))


def _all_of(values: Iterable[Any], kind: type) -> bool:
    return all(isinstance(value, kind) for value in values)


def read_safetensors_arrays(path: Path) -> Source:
    """Every tensor, and the strings of the metadata."""
    from repr_probe.files.safe_tensors import read_safetensors

    tensors, metadata = read_safetensors(path)
    source = _from_tensors(tensors)
    return Source(source.arrays, metadata, source.notes)


def _from_tensors(tensors: Mapping[str, Any]) -> Source:
    """Tensors as NumPy arrays; the types NumPy lacks become float32, which holds each of their values exactly."""
    import torch

    arrays, notes = {}, []
    for name, tensor in tensors.items():
        tensor = tensor.detach()
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise FileFormatError(f"features must be dense; {printable(name)!r} is {str(tensor.layout).removeprefix('torch.')}")
        if tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
            notes.append(f"{printable(name) or 'the tensor'} is stored as {str(tensor.dtype).removeprefix('torch.')}; read as float32")
            tensor = tensor.float()
        arrays[name] = tensor.resolve_conj().resolve_neg().numpy()
    return Source(arrays, notes=tuple(notes))


def read_hdf5(path: Path) -> Source:
    """Every dataset at the top of the file."""
    try:
        import h5py
    except ImportError as failure:
        raise FileFormatError(f'{path} is an HDF5 file, and h5py is not installed; run: pip install "repr-probe[h5]"') from failure

    try:
        with h5py.File(path, "r") as file:
            sets = {name: file[name] for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)}
            sets = {name: item for name, item in sets.items() if isinstance(item, h5py.Dataset)}
            for name, item in sets.items():
                _check_stored_here(path, name, item)
            texts = {name: value for name, value in file.attrs.items() if isinstance(value, str)}
            return Source({name: np.asarray(item[()]) for name, item in sets.items()}, texts)
    except (OSError, RuntimeError, ValueError, KeyError, MemoryError) as failure:
        if isinstance(failure, FileFormatError):
            raise
        raise FileFormatError(f"{path} must be a complete HDF5 file; got {printable(failure, limit=120)}; copy it again",
                              code="E_CORRUPT") from None  # fmt: skip


def _check_stored_here(path: Path, name: str, item: Any) -> None:
    """HDF5 can point into other files of the machine; only what this file holds is read."""
    if item.external or item.is_virtual:
        raise FileFormatError(f"{path} must hold its data itself; {printable(name)!r} lies in other files; nothing of them was read",
                              code="E_EXTERNAL_DATA")  # fmt: skip
    check_growth(path, item.nbytes, item.id.get_storage_size())


def read_mat(path: Path) -> Source:
    """Numeric matrices of a MATLAB file (version 5 to 7); one with a row per image, named after it, becomes one matrix with ids."""
    import scipy.io

    try:
        listed = [(name, shape) for name, shape, kind in scipy.io.whosmat(path) if kind in _MAT_NUMBERS]
        check_growth(path, sum(8 * math.prod(shape) for _, shape in listed), path.stat().st_size)
        content = scipy.io.loadmat(path, variable_names=[name for name, _ in listed])
    except FileFormatError:
        raise
    except Exception as failure:  # damage shows as any of a dozen errors
        reason = printable(" ".join(str(failure).split()) or type(failure).__name__, limit=120)
        message = f"{path} must be a complete MATLAB file of version 5 to 7; got {reason}; save it with -v7"
        raise FileFormatError(message, code="E_CORRUPT") from None
    arrays = {name: np.ascontiguousarray(content[name]) for name, _ in listed if name in content}
    rows = {array.shape for array in arrays.values()}
    if len(arrays) > 1 and len(rows) == 1 and next(iter(rows))[0] == 1 and "features" not in arrays:
        note = f"features are the {len(arrays)} rows of {path.name}, each under the name of its image"
        return Source({"features": np.concatenate(list(arrays.values())), "ids": np.array(list(arrays))}, notes=(note,))
    flat = {name: array.ravel() if 1 in array.shape and name != "features" else array for name, array in arrays.items()}
    return Source(flat)
