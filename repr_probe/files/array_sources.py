"""Named arrays out of array files: NumPy, torch, safetensors, HDF5. Nothing in a file is ever run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import printable


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
        raise FileFormatError(_numpy_trouble(path, "its array", failure)) from None


def read_npz(path: Path) -> Source:
    """Every array of an .npz archive."""
    arrays: dict[str, np.ndarray] = {}
    name = ""
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                arrays[name] = archive[name]
    except Exception as failure:  # damage shows as a zip, zlib, value or end-of-file error, depending on where it is
        raise FileFormatError(_numpy_trouble(path, f"array {printable(name)!r}", failure)) from None
    texts = {name: str(array) for name, array in arrays.items() if array.ndim == 0 and array.dtype.kind == "U"}
    return Source({name: array for name, array in arrays.items() if name not in texts}, texts)


def _numpy_trouble(path: Path, what: str, failure: Exception) -> str:
    if "Object arrays" in str(failure) or "allow_pickle" in str(failure) or "Python objects" in str(failure):
        return f"{path} must hold numbers or strings; {what} holds Python objects, which could run code; nothing was run"
    reason = printable(" ".join(str(failure).split()) or type(failure).__name__, limit=120)
    return f"{path} must be complete and undamaged; {what} cannot be read ({reason}); copy it again"


def read_torch_arrays(path: Path) -> Source:
    """A tensor, or the tensors, lists of strings and lists of numbers at the top of a dictionary."""
    import torch

    from repr_probe.files.safe_torch import read_torch

    content = read_torch(path)
    if isinstance(content, torch.Tensor):
        return _from_tensors({"": content})
    if not isinstance(content, Mapping):
        raise FileFormatError(f"{path} must hold a tensor or a dictionary of tensors; got a {type(content).__name__}")
    named = {str(name): value for name, value in content.items()}
    source = _from_tensors({name: value for name, value in named.items() if isinstance(value, torch.Tensor)})
    lists = {name: np.array(value) for name, value in named.items() if _is_flat_list(value)}
    texts = {name: json.dumps(value, default=str) for name, value in named.items() if isinstance(value, Mapping)}
    return Source({**source.arrays, **lists}, texts, source.notes)


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
            sets = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
            texts = {name: value for name, value in file.attrs.items() if isinstance(value, str)}
            return Source({name: np.asarray(item[()]) for name, item in sets.items()}, texts)
    except (OSError, RuntimeError, ValueError, KeyError) as failure:
        raise FileFormatError(f"{path} must be a complete HDF5 file; got {printable(failure, limit=120)}; copy it again") from None
