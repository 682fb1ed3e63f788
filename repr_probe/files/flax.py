"""Flax's msgpack files: nested maps of names to arrays.

Flax writes an array as extension type 1, a packed (shape, name of the type, bytes), a scalar of numpy as type 3 in the same form,
and arrays above 2^30 bytes as a map of pieces. msgpack itself is a dozen kinds of values behind one leading byte each.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import printable
from repr_probe.files.raw_tensors import map_file, raw_tensor

DEPTH_LIMIT = 64
VALUES_LIMIT = 500_000  # about ten for every array
NAMES_LIMIT = 50_000_000  # characters of all names, joined
ARRAY, COMPLEX, SCALAR = 1, 2, 3
PIECES = "__msgpack_chunked_array__"
OPTIMIZER = ("opt_state", "optimizer", "opt")  # large, and never an encoder
DTYPES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
    "complex64", "complex128", "float8_e4m3fn", "float8_e5m2",
)  # fmt: skip
_NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
# leading byte -> (kind of value, bytes of its length)
_SIZED = {
    0xC4: ("bytes", 1), 0xC5: ("bytes", 2), 0xC6: ("bytes", 4), 0xC7: ("extension", 1), 0xC8: ("extension", 2), 0xC9: ("extension", 4),
    0xD9: ("text", 1), 0xDA: ("text", 2), 0xDB: ("text", 4), 0xDC: ("list", 2), 0xDD: ("list", 4), 0xDE: ("map", 2), 0xDF: ("map", 4),
}  # fmt: skip


def read_flax(path: str | Path) -> dict[str, Any]:
    """Names joined by dots -> tensors and plain values ("params.conv_init.kernel"), in the order of the file, without optimizer state.

    Kernels stay as Flax keeps them: (height, width, in, out), and (in, out) for dense layers. Arrays are memory-mapped.
    Raises FileFormatError (E_CORRUPT, E_TRUNCATED, E_SIZE_MISMATCH) for whatever is not such a file, whole and to its last byte.
    """
    path = Path(path)
    packed = _Packed(path, map_file(path) if path.stat().st_size else np.zeros(0, np.uint8))
    tree = packed.value(0)
    if packed.position != packed.end or not isinstance(tree, dict):
        raise packed.broken("one map of names to arrays and nothing behind it")
    flat: dict[str, Any] = {}
    waiting = [(key, value) for key, value in reversed(tree.items()) if key not in OPTIMIZER]
    while waiting:
        name, value = waiting.pop()
        packed.characters -= len(name)
        if packed.characters < 0:
            raise packed.broken(f"names of {NAMES_LIMIT} characters together")
        if isinstance(value, dict) and PIECES in value:
            value = _joined(packed, name, value)
        if isinstance(value, dict):
            waiting += [(f"{name}.{key}", inner) for key, inner in reversed(value.items())]
        elif name in flat:
            raise packed.broken(f"every name once (twice: {printable(name)})")
        else:
            flat[name] = packed.tensor(value, name) if isinstance(value, _Array) else value.tobytes() if isinstance(value, np.ndarray) else value
    return flat


@dataclass(frozen=True)
class _Array:
    shape: Any
    dtype: Any
    data: Any


class _Packed:
    """A file being unpacked from `position` on; never reads behind `end`, and every value takes at least one byte of it."""

    def __init__(self, path: Path, data: np.ndarray) -> None:
        self.path, self.data, self.position, self.end = path, data, 0, len(data)
        self.values, self.characters = VALUES_LIMIT, NAMES_LIMIT

    def broken(self, wanted: str, code: str = "E_CORRUPT") -> FileFormatError:
        return FileFormatError(f"{self.path} must be an undamaged Flax msgpack file: {wanted}; got other content", code=code)

    def take(self, n_bytes: int) -> np.ndarray:
        if n_bytes > self.end - self.position:
            raise FileFormatError(f"{self.path} must be complete; its content ends in the middle of a value; copy it again", code="E_TRUNCATED")
        self.position += n_bytes
        return self.data[self.position - n_bytes : self.position]

    def value(self, depth: int) -> Any:
        if depth > DEPTH_LIMIT:
            raise self.broken(f"nested at most {DEPTH_LIMIT} deep")
        self.values -= 1
        if self.values < 0:
            raise self.broken(f"at most {VALUES_LIMIT} values")
        lead = int(self.take(1)[0])
        if lead <= 0x7F or lead >= 0xE0:
            return lead if lead <= 0x7F else lead - 256
        if lead in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[lead]
        if lead in _NUMBERS:
            return struct.unpack(_NUMBERS[lead], self.take(struct.calcsize(_NUMBERS[lead])).tobytes())[0]
        kind, length = self._kind_and_length(lead)
        if kind == "bytes":
            return self.take(length)
        if kind == "text":
            return self._text(length)
        if kind == "extension":
            return self._extension(length, depth)
        if kind == "list":  # as Flax itself: lists are maps of "0", "1", ...
            return {str(index): self.value(depth + 1) for index in range(self._possible(length))}
        return self._map(length, depth)

    def _kind_and_length(self, lead: int) -> tuple[str, int]:
        if lead < 0xC0:
            return ("map", lead & 15) if lead < 0x90 else ("list", lead & 15) if lead < 0xA0 else ("text", lead & 31)
        if 0xD4 <= lead <= 0xD8:
            return "extension", 1 << (lead - 0xD4)
        if lead not in _SIZED:
            raise self.broken("known kinds of values only")
        kind, width = _SIZED[lead]
        return kind, int.from_bytes(self.take(width).tobytes(), "big")

    def _possible(self, length: int) -> int:
        if length > self.end - self.position:
            self.take(length)  # raises
        return length

    def _text(self, length: int) -> str:
        try:
            return self.take(length).tobytes().decode()
        except UnicodeDecodeError:
            raise self.broken("names in UTF-8") from None

    def _map(self, length: int, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for _ in range(self._possible(length)):
            key = self.value(depth + 1)
            if not isinstance(key, str) or key in entries:
                raise self.broken("names that are text, each once")
            entries[key] = self.value(depth + 1)
        return entries

    def _extension(self, length: int, depth: int) -> Any:
        kind = int(self.take(1)[0])
        if kind not in (ARRAY, COMPLEX, SCALAR):
            raise self.broken("extension types 1 to 3 only")
        end, outer = self.position + self._possible(length), self.end
        self.end = end
        parts = self.value(depth + 1)
        if self.position != end or not isinstance(parts, dict) or len(parts) != (2 if kind == COMPLEX else 3):
            raise self.broken("arrays as (shape, type, bytes)")
        self.end = outer
        if kind == COMPLEX:
            return None  # a complex number of Python: no weight
        return _Array(*parts.values())

    def tensor(self, array: _Array, name: str) -> Any:
        import torch

        where = f"{printable(name)} in {self.path}"
        named = isinstance(array.dtype, str) and array.dtype in DTYPES
        if not named or not isinstance(array.data, np.ndarray) or not isinstance(array.shape, dict):
            raise self.broken(f"arrays of known type ({printable(name)})")
        return raw_tensor(array.data, getattr(torch, array.dtype), list(array.shape.values()), where=where)


def _joined(packed: _Packed, name: str, stated: dict[str, Any]) -> Any:
    """One tensor of its pieces."""
    import torch

    shape, pieces = stated.get("shape"), stated.get("chunks")
    if not isinstance(shape, dict) or not isinstance(pieces, dict) or not pieces or not all(isinstance(piece, _Array) for piece in pieces.values()):
        raise packed.broken(f"arrays in pieces as Flax writes them ({printable(name)})")
    joined = torch.cat([packed.tensor(piece, name).flatten() for piece in pieces.values()])
    sizes = list(shape.values())
    where = f"{printable(name)} in {packed.path}"
    return raw_tensor(joined.view(torch.uint8).numpy(), joined.dtype, sizes, where=where)
