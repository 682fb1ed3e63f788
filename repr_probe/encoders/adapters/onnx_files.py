"""Which other files an ONNX model would have its runtime open: read off the protobuf itself, before any runtime sees the model."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from repr_probe.errors import CheckpointError, FileFormatError
from repr_probe.files.printable import printable

# Message: {number of a field: the message in it}, on every way from the model to a tensor (onnx.proto).
FIELDS = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
}
DEPTH = 200
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def external_files(path: str | Path) -> list[Path]:
    """The files that hold tensors of the model at `path`, each proved to be a regular file inside the model's folder and long enough.

    Raises CheckpointError (E_EXTERNAL_DATA) for any other place, FileFormatError (E_CORRUPT) where the model is no whole protobuf.
    """
    path = Path(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            entries = list(_entries(content, 0, len(content), "Model", 0))
        except (IndexError, ValueError) as failure:
            got = printable(failure, limit=80)
            raise FileFormatError(f"{path} must be a whole ONNX model; got {got}; copy it again", code="E_CORRUPT") from None
    return list(dict.fromkeys(_checked(path, entry) for entry in entries))


def _entries(content: Any, start: int, end: int, message: str, depth: int) -> Iterator[dict[str, str]]:
    """The external data of every tensor inside a message, {"location": ..., "offset": ...}."""
    if depth > DEPTH:
        raise ValueError("graphs nested too deep")
    told: dict[str, str] = {}
    for number, kind, first, last in _fields(content, start, end):
        inner = FIELDS[message].get(number)
        if inner is None or kind != BYTES:
            continue
        if inner == "Entry":
            key, value = _key_and_value(content, first, last)
            if key == "location" and key in told:  # which of two the runtime takes is its own affair
                raise ValueError("a tensor stored in two places")
            told[key] = value
        else:
            yield from _entries(content, first, last, inner, depth + 1)
    if told:
        yield told


def _fields(content: Any, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, first byte, end) of every field of the message in content[start:end]."""
    position = start
    while position < end:
        tag, position = _varint(content, position, end)
        kind, first = tag & 7, position
        if kind == VARINT:
            _, position = _varint(content, position, end)
        elif kind == BYTES:
            length, first = _varint(content, position, end)
            position = first + length
        elif kind in (FIXED64, FIXED32):
            position += 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {first}")
        if position > end or tag >> 3 == 0:
            raise ValueError(f"a field that does not fit at byte {first}")
        yield tag >> 3, kind, first, position


def _varint(content: Any, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise ValueError(f"an end in the middle of a number at byte {position}")
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError(f"a number of more than ten bytes at byte {position}")


def _key_and_value(content: Any, start: int, end: int) -> tuple[str, str]:
    texts = {1: "", 2: ""}
    for number, kind, first, last in _fields(content, start, end):
        if number in texts and kind == BYTES:
            texts[number] = bytes(content[first:last]).decode("utf-8", "surrogateescape")
    return texts[1], texts[2]


def _checked(path: Path, entry: dict[str, str]) -> Path:
    location = entry.get("location", "")
    shown = printable(location)
    # A model that is a link (a download cache keeps blobs elsewhere) has two folders; its runtime looks in the first.
    folder = path.absolute().parent
    homes = (folder.resolve(), path.resolve().parent)
    # Backslashes and drives mean other places on other systems; nothing an exporter writes needs them.
    foreign = not location or "\0" in location or "\\" in location or ":" in location or location.startswith("/")
    place = folder if foreign else (folder / location).resolve()
    if foreign or not any(place.is_relative_to(home) for home in homes) or ".." in Path(location).parts:
        raise CheckpointError(
            f"{path} must keep its weights inside its own folder; got the place {shown!r}; nothing was opened", code="E_EXTERNAL_DATA"
        )  # fmt: skip
    if not place.is_file():
        raise CheckpointError(f"{path} must have its weights beside it; {shown} is not there; copy it too", code="E_EXTERNAL_DATA")
    try:
        needed = int(entry.get("offset") or 0) + int(entry.get("length") or 0)
    except ValueError:
        raise CheckpointError(f"{path} must say in numbers where in {shown} its weights are", code="E_EXTERNAL_DATA") from None
    size = place.stat().st_size
    if not 0 <= needed <= size:
        raise CheckpointError(f"{path} must have complete weights beside it; {shown} has {size} bytes, {needed} are asked for",
                              code="E_EXTERNAL_DATA")  # fmt: skip
    return folder / location
