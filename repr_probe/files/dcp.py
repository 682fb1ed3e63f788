"""Folders of torch.distributed.checkpoint: `.metadata` says what there is, `__R_K.distcp` hold the values, cut into chunks.

torch reads `.metadata` by pickle.load, which runs whatever it asks for; here it is parsed by the inert unpickler. Every chunk is what
torch.save writes, at (file, offset, length); it is read with all the checks of a file of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.inert import Dead, unpickle_inert
from repr_probe.files.printable import printable
from repr_probe.files.raw_tensors import map_file
from repr_probe.files.safe_torch import read_torch
from repr_probe.files.torch_blob import read_torch_blob

if TYPE_CHECKING:
    import torch

METADATA = ".metadata"
LIGHTNING = "meta.pt"  # Lightning keeps what is no tensor beside the folder's own files
METADATA_LIMIT = 64 << 20
CHUNKS_LIMIT = 4096  # of one tensor
DEPTH_LIMIT = 64  # of nested dictionaries
OPTIMIZER = ("optimizer", "optimizers", "optim", "opt", "optimizer_states")  # twice the weights, and never an encoder
Box = tuple[tuple[int, ...], tuple[int, ...]]  # where a chunk begins in its tensor, and its size


@dataclass(frozen=True)
class _Stored:
    """Where one chunk is: `key` and `start` say of what, the rest where."""

    key: str
    start: tuple[int, ...]
    file: str
    offset: int
    length: int


def read_dcp(folder: str | Path) -> tuple[dict[str, Any], list[Path]]:
    """The nested dictionary that was saved, with whole tensors, and the files read; the state of optimizers is left out.

    What Lightning keeps in meta.pt stands beside it at the top. Raises FileFormatError when anything is missing, cut, claimed twice or
    larger than the files can hold.
    """
    folder = Path(folder)
    stated = _metadata(folder)
    keys, paths = _member(stated, "state_dict_metadata", Mapping), stated.get("planner_data") or {}
    stored = [_stored(folder, index, info) for index, info in _member(stated, "storage_data", Mapping).items()]
    maps = {name: _map(folder, name) for name in sorted({chunk.file for chunk in stored})}
    _check_places(folder, stored, maps)
    by_key: dict[str, dict[tuple[int, ...], _Stored]] = {}
    for chunk in stored:
        by_key.setdefault(chunk.key, {})[chunk.start] = chunk
    flat: dict[tuple[Any, ...], Any] = {}
    for key, described in keys.items():
        path = _path(folder, key, paths)
        if path[0] in OPTIMIZER:
            continue
        if path in flat:
            raise _broken(folder, f"{printable(path)} is there twice")
        flat[path] = _value(folder, key, described, by_key.get(key, {}), maps)
    content = _nested(folder, flat)
    used = [folder / METADATA, *(folder / name for name in maps)]
    if (folder / LIGHTNING).is_file():
        beside = read_torch(folder / LIGHTNING)
        content = {**(beside if isinstance(beside, dict) else {}), **content}
        used.append(folder / LIGHTNING)
    return content, used


def _broken(folder: Path, what: str, code: str = "E_CORRUPT") -> FileFormatError:
    return FileFormatError(f"{folder} must be an undamaged torch.distributed checkpoint; {what}", code=code)


def _metadata(folder: Path) -> Mapping[str, Any]:
    path = folder / METADATA
    try:
        if path.stat().st_size > METADATA_LIMIT:
            raise _broken(folder, f"its {METADATA} is larger than {METADATA_LIMIT >> 20} MiB")
        found = unpickle_inert(path)
    except OSError as failure:
        raise FileFormatError(f"{path} must be readable; got {failure.strerror!r}", code="E_NOT_FOUND") from None
    if not isinstance(found, Dead) or not isinstance(found.state, Mapping):
        raise _broken(folder, f"its {METADATA} describes none")
    return found.state


def _member(holder: Any, name: str, kind: Any) -> Any:
    """An attribute of a dead object or entry of a map, which must be of the `kind`."""
    held = holder.state if isinstance(holder, Dead) else holder
    value = held.get(name) if isinstance(held, Mapping) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise FileFormatError(f"{METADATA} must describe chunks of tensors; its {name} is a {type(value).__name__}", code="E_CORRUPT")
    return value


def _stored(folder: Path, index: Any, info: Any) -> _Stored:
    state = index.state if isinstance(index, Dead) and isinstance(index.state, Mapping) else {}
    start = state.get("offset")
    place = _Stored(
        _member(index, "fqn", str), () if start is None else _sizes(start), _member(info, "relative_path", str),
        _member(info, "offset", int), _member(info, "length", int),
    )  # fmt: skip
    if info.state.get("transform_descriptors"):
        raise _broken(folder, f"{printable(place.key)} is compressed, which has no reader; save it again without extensions", "E_DCP_EXTENSION")
    if place.file in ("", ".", "..") or "/" in place.file or "\\" in place.file or "\0" in place.file:
        raise _broken(folder, f"it names a file outside itself: {printable(place.file)!r}", "E_SHARD_NAME")
    return place


def _map(folder: Path, name: str) -> np.ndarray:
    path = folder / name
    if not path.is_file():
        raise _broken(folder, f"its file {printable(name)} is missing; copy the whole folder", "E_MISSING_SHARD")
    return map_file(path) if path.stat().st_size else np.zeros(0, np.uint8)


def _check_places(folder: Path, stored: list[_Stored], maps: Mapping[str, np.ndarray]) -> None:
    """Chunks lie in their files and do not overlap: what is read is never more than what is on the disk."""
    ends: dict[str, int] = {}
    for chunk in sorted(stored, key=lambda chunk: (chunk.file, chunk.offset)):
        if chunk.offset < ends.get(chunk.file, 0) or chunk.length < 1:
            raise _broken(folder, f"the chunk of {printable(chunk.key)} overlaps another")
        ends[chunk.file] = chunk.offset + chunk.length
        if ends[chunk.file] > len(maps[chunk.file]):
            raise _broken(folder, f"its file {printable(chunk.file)} is cut short (at {printable(chunk.key)})", "E_TRUNCATED")


def _path(folder: Path, key: Any, paths: Any) -> tuple[Any, ...]:
    path = paths.get(key, (key,)) if isinstance(paths, Mapping) else (key,)
    if not isinstance(path, tuple) or not 0 < len(path) <= DEPTH_LIMIT or not all(isinstance(part, str) or type(part) is int for part in path):
        raise _broken(folder, f"the place of {printable(key)} is not a path")
    return path


def _value(folder: Path, key: str, described: Any, chunks: Mapping[tuple[int, ...], _Stored], maps: Mapping[str, np.ndarray]) -> Any:
    kind = described.kind.rpartition(".")[2] if isinstance(described, Dead) else ""
    where = f"{printable(key)} in {folder}"
    if kind == "BytesStorageMetadata":
        if len(chunks) != 1:
            raise _broken(folder, f"{printable(key)} is stored {len(chunks)} times", "E_MISSING_STORAGE")
        return _read(next(iter(chunks.values())), maps, where)
    if kind != "TensorStorageMetadata":
        raise _broken(folder, f"{printable(key)} is neither a tensor nor a value")
    size, boxes = _sizes(_member(described, "size", list | tuple)), list(_boxes(described))
    _check_boxes(folder, key, size, boxes)
    parts = []
    for start, extent in boxes:
        if start not in chunks:
            raise _broken(folder, f"a chunk of {printable(key)} is missing", "E_MISSING_STORAGE")
        parts.append((start, _tensor_of(chunks[start], extent, maps, where)))
    return _assembled(folder, key, size, parts)


def _boxes(described: Dead) -> Iterator[Box]:
    for chunk in _member(described, "chunks", list):
        yield _sizes(_member(chunk, "offsets", list | tuple)), _sizes(_member(chunk, "sizes", list | tuple))


def _check_boxes(folder: Path, key: str, size: tuple[int, ...], boxes: list[Box]) -> None:
    """The chunks must fill the tensor exactly: inside it, disjoint, and as many elements as it has."""
    if not 0 < len(boxes) <= CHUNKS_LIMIT:
        raise _broken(folder, f"{printable(key)} has {len(boxes)} chunks")
    inside = all(
        len(start) == len(extent) == len(size) and all(at + length <= whole for at, length, whole in zip(start, extent, size))
        for start, extent in boxes
    )
    if not inside or sum(math.prod(extent) for _, extent in boxes) != math.prod(size):
        raise _broken(folder, f"the chunks of {printable(key)} do not fill it")
    if len(boxes) > 1 and size:
        starts, ends = np.array([start for start, _ in boxes]), np.array([np.add(start, extent) for start, extent in boxes])
        for row in range(len(boxes) - 1):
            if np.all((starts[row] < ends[row + 1 :]) & (starts[row + 1 :] < ends[row]), axis=1).any():
                raise _broken(folder, f"the chunks of {printable(key)} overlap")


def _tensor_of(chunk: _Stored, extent: tuple[int, ...], maps: Mapping[str, np.ndarray], where: str) -> torch.Tensor:
    import torch

    if math.prod(extent) > chunk.length:  # one byte an element at least; what is claimed must be there before anything is allocated
        raise FileFormatError(f"{where} must be backed by its chunk; {chunk.length} bytes cannot hold {list(extent)}", code="E_TENSOR_BOMB")
    tensor = _read(chunk, maps, where)
    if not isinstance(tensor, torch.Tensor) or tuple(tensor.shape) != extent:
        got = list(tensor.shape) if isinstance(tensor, torch.Tensor) else type(tensor).__name__
        raise FileFormatError(f"{where} must be stored as described, a tensor of shape {list(extent)}; got {got}", code="E_SIZE_MISMATCH")
    return tensor


def _assembled(folder: Path, key: str, size: tuple[int, ...], parts: list[tuple[tuple[int, ...], torch.Tensor]]) -> torch.Tensor:
    import torch

    first = parts[0][1]
    if any(tensor.dtype != first.dtype for _, tensor in parts):
        raise _broken(folder, f"the chunks of {printable(key)} are of different types")
    if len(parts) == 1:
        return first
    whole = torch.empty(size, dtype=first.dtype)
    for start, tensor in parts:
        whole[tuple(slice(at, at + length) for at, length in zip(start, tensor.shape))] = tensor
    return whole


def _read(chunk: _Stored, maps: Mapping[str, np.ndarray], where: str) -> Any:
    return read_torch_blob(maps[chunk.file][chunk.offset : chunk.offset + chunk.length], where)


def _sizes(value: Any) -> tuple[int, ...]:
    """A torch.Size; numbers that no tensor has are refused here, so that sums and products stay small."""
    if isinstance(value, list | tuple) and len(value) <= 32 and all(type(number) is int and 0 <= number < 1 << 48 for number in value):
        return tuple(value)
    raise FileFormatError(f"{METADATA} must state shapes as whole numbers; got {printable(value)}", code="E_CORRUPT")


def _nested(folder: Path, flat: Mapping[tuple[Any, ...], Any]) -> dict[str, Any]:
    """Dictionaries again from the paths of their values; lists, which paths address by numbers, where all keys are 0, 1, ..."""
    root: dict[Any, Any] = {}
    for path, value in flat.items():
        place = root
        for part in path[:-1]:
            place = place.setdefault(part, _Branch())
            if not isinstance(place, _Branch):
                raise _broken(folder, f"{printable(path)} leads through a value")
        if path[-1] in place:
            raise _broken(folder, f"{printable(path)} is there twice, as a value and as more")
        place[path[-1]] = value
    return {key: _with_lists(value) for key, value in root.items()}


class _Branch(dict[Any, Any]):
    """A dictionary made here, as opposed to one that was stored as a value."""


def _with_lists(value: Any) -> Any:
    if not isinstance(value, _Branch):
        return value
    inner = {key: _with_lists(entry) for key, entry in value.items()}
    if inner and set(inner) == set(range(len(inner))) and all(type(key) is int for key in inner):
        return [inner[index] for index in range(len(inner))]
    return inner
