"""Where an ONNX model keeps its weights, read before any runtime opens it; models are written here byte by byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from repr_probe.encoders.adapters.onnx_files import external_files
from repr_probe.errors import CheckpointError, FileFormatError


def field(number: int, content: bytes) -> bytes:
    """One length-delimited field of a protobuf message."""

    def varint(value: int) -> bytes:
        out = b""
        while value > 0x7F:
            out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
        return out + bytes([value])

    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(**entries: str) -> bytes:
    named = b"".join(field(13, field(1, key.encode()) + field(2, value.encode())) for key, value in entries.items())
    return b"\x10\x01" + field(8, b"w") + named


def model(graph: bytes) -> bytes:
    return b"\x08\x09" + field(7, graph)


PLACES = {
    "initialiser": lambda one: field(5, one),
    "sparse": lambda one: field(15, field(1, one)),
    "constant node": lambda one: field(1, field(5, field(5, one))),
    "list of tensors": lambda one: field(1, field(5, field(10, one))),
    "graph in a graph": lambda one: field(1, field(5, field(6, field(5, one)))),
}


@pytest.mark.parametrize("place", PLACES)
def test_files_are_found_wherever_a_tensor_can_stand(tmp_path: Path, place: str) -> None:
    (tmp_path / "w.data").write_bytes(b"0" * 100)
    (tmp_path / "m.onnx").write_bytes(model(PLACES[place](tensor(location="w.data", offset="40", length="60"))))
    assert external_files(tmp_path / "m.onnx") == [tmp_path / "w.data"]
    (tmp_path / "m.onnx").write_bytes(model(PLACES[place](tensor(location="../secret"))))
    with pytest.raises(CheckpointError, match="inside its own folder"):
        external_files(tmp_path / "m.onnx")


def test_functions_and_training_graphs_are_read_too(tmp_path: Path) -> None:
    one = tensor(location="/etc/passwd")
    for content in (field(25, field(7, field(5, field(5, one)))), field(20, field(2, field(5, one))), field(7, b"") + field(7, field(5, one))):
        (tmp_path / "m.onnx").write_bytes(b"\x08\x09" + content)
        with pytest.raises(CheckpointError, match="got the place '/etc/passwd'"):
            external_files(tmp_path / "m.onnx")


def test_a_cache_of_links(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "blobs" / "1").write_bytes(model(field(5, tensor(location="w"))))
    (tmp_path / "blobs" / "2").write_bytes(b"0")
    (tmp_path / "snapshot" / "m.onnx").symlink_to(tmp_path / "blobs" / "1")
    (tmp_path / "snapshot" / "w").symlink_to(tmp_path / "blobs" / "2")
    assert external_files(tmp_path / "snapshot" / "m.onnx") == [tmp_path / "snapshot" / "w"]


@pytest.mark.parametrize("location", ["../w", "a/../../w", "a/../w", "/w", "C:w", "..\\w", "file://w", "", "link/w", "w\x1b[2J/.."])
def test_places_outside_the_folder(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "w").write_bytes(b"secret")
    (folder / "w").write_bytes(b"own")
    (folder / "link").symlink_to(tmp_path)
    (folder / "m.onnx").write_bytes(model(field(5, tensor(location=location))))
    with pytest.raises(CheckpointError, match=r"must keep its weights inside its own folder; .* nothing was opened") as refusal:
        external_files(folder / "m.onnx")
    assert refusal.value.code == "E_EXTERNAL_DATA" and "\x1b" not in str(refusal.value)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "gone"}, "gone is not there; copy it too"),
        ({"location": "pipe"}, "pipe is not there"),
        ({"location": "w", "offset": "4", "length": "7"}, "w has 10 bytes, 11 are asked for"),
        ({"location": "w", "offset": "-5"}, "-5 are asked for"),
        ({"location": "w", "offset": "x"}, "must say in numbers"),
    ],
)
def test_files_that_cannot_be_meant(tmp_path: Path, entries: dict[str, str], message: str) -> None:
    (tmp_path / "w").write_bytes(b"0" * 10)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "m.onnx").write_bytes(model(field(5, tensor(**entries))))
    with pytest.raises(CheckpointError, match=message):
        external_files(tmp_path / "m.onnx")


@pytest.mark.parametrize("content", [b"\x08", b"\x3a\x7f", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0b", b"\x00\x00"])
def test_damage_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(FileFormatError, match="must be a whole ONNX model") as refusal:
        external_files(tmp_path / "m.onnx")
    assert refusal.value.code == "E_CORRUPT"


def test_graphs_nested_without_end(tmp_path: Path) -> None:
    graph = b""
    for _ in range(150):
        graph = field(1, field(5, field(6, graph)))
    (tmp_path / "m.onnx").write_bytes(model(graph))
    with pytest.raises(FileFormatError, match="nested too deep"):
        external_files(tmp_path / "m.onnx")
