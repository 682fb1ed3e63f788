"""Flax's msgpack files, written here by an encoder of their own."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repr_probe.errors import FileFormatError
from repr_probe.files.flax import read_flax


class Ext:
    def __init__(self, kind: int, data: bytes) -> None:
        self.kind, self.data = kind, data


def packed(value: Any) -> bytes:
    """msgpack of a value; every length in its widest form but for short texts and small numbers."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return struct.pack("b", value) if -32 <= value < 128 else b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return (bytes([0xA0 | len(text)]) if len(text) < 32 else b"\xdb" + struct.pack(">I", len(text))) + text
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, tuple):
        return bytes([0x90 | len(value)]) + b"".join(map(packed, value))
    if isinstance(value, Ext):
        return b"\xc9" + struct.pack(">I", len(value.data)) + bytes([value.kind]) + value.data
    assert isinstance(value, dict)
    return b"\xdf" + struct.pack(">I", len(value)) + b"".join(packed(key) + packed(inner) for key, inner in value.items())


def array(values: np.ndarray, kind: int = 1, dtype: str = "") -> Ext:
    return Ext(kind, packed((tuple(values.shape), dtype or values.dtype.name, values.tobytes())))


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def to_file(content: Any) -> Path:
        path = tmp_path / "model.msgpack"
        path.write_bytes(content if isinstance(content, bytes) else packed(content))
        return path

    return to_file


KERNEL = np.arange(3 * 3 * 2 * 4, dtype=np.float32).reshape(3, 3, 2, 4)


def test_a_training_state(write: Any) -> None:
    content = {
        "step": 70000,
        "params": {"conv_init": {"kernel": array(KERNEL)}, "Dense_0": {"bias": array(np.arange(3, dtype=np.float16))}},
        "batch_stats": {"bn_init": {"mean": array(np.ones(2, dtype=np.float64))}},
        "opt_state": {"0": {"mu": {"conv_init": {"kernel": array(KERNEL)}}}},
        "note": None,
    }
    read = read_flax(write(content))
    assert list(read) == ["step", "params.conv_init.kernel", "params.Dense_0.bias", "batch_stats.bn_init.mean", "note"]
    assert read["step"] == 70000 and read["note"] is None
    assert torch.equal(read["params.conv_init.kernel"], torch.from_numpy(KERNEL))
    assert read["params.Dense_0.bias"].dtype == torch.float16 and read["batch_stats.bn_init.mean"].dtype == torch.float64


def test_other_kinds_of_values(write: Any) -> None:
    bfloat = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    pieces = {"0": array(KERNEL.ravel()[:50]), "1": array(KERNEL.ravel()[50:])}
    content = {
        "half": array(bfloat.view(torch.int16).numpy(), dtype="bfloat16"),
        "number": array(np.float32(2.5).reshape(()), kind=3),
        "list": (array(np.ones(1, np.int8)), -5, 0.5, True),
        "large": {"__msgpack_chunked_array__": True, "shape": {"0": 3, "1": 3, "2": 2, "3": 4}, "chunks": pieces},
        "none": array(np.zeros((0, 3), np.float32)),
        "complex": Ext(2, packed((1.0, 2.0))),
    }
    read = read_flax(write(content))
    assert torch.equal(read["half"], bfloat) and read["number"] == torch.tensor(2.5)
    assert read["list.0"].dtype == torch.int8 and (read["list.1"], read["list.2"], read["list.3"]) == (-5, 0.5, True)
    assert torch.equal(read["large"], torch.from_numpy(KERNEL)) and read["none"].shape == (0, 3)
    assert read["complex"] is None


def test_every_cut_is_noticed(write: Any) -> None:
    whole = packed({"params": {"a": array(np.arange(4, dtype=np.float32))}, "b": 3.0})
    for length in range(len(whole)):
        with pytest.raises(FileFormatError) as caught:
            read_flax(write(whole[:length]))
        assert caught.value.code in ("E_TRUNCATED", "E_CORRUPT") and "\n" not in str(caught.value)


def array_of(shape: Any, dtype: Any, data: Any) -> dict[str, Any]:
    return {"a": Ext(1, packed((shape, dtype, data)))}


@pytest.mark.parametrize(
    ("content", "message", "code"),
    [
        (array_of((10, 10), "float32", b"1234"), "must hold 400 bytes for its shape; got 4", "E_SIZE_MISMATCH"),
        (array_of((1 << 60, 0), "float32", b""), "must be a short list of whole numbers", "E_CORRUPT"),
        (array_of((-1,), "float32", b""), "whole numbers", "E_CORRUPT"),
        (array_of((1,), "object", b"12345678"), "arrays of known type", "E_CORRUPT"),
        (array_of((1,), b"float32", b"1234"), "arrays of known type", "E_CORRUPT"),
        ({"a": Ext(1, packed((1, 2)))}, "arrays as", "E_CORRUPT"),
        ({"a": Ext(7, b"1")}, "extension types", "E_CORRUPT"),
        ({"a": {"b": 1}, "a.b": 2}, "every name once", "E_CORRUPT"),
        (packed({"a": 1}) + b"\0", "nothing behind it", "E_CORRUPT"),
        (packed(3), "one map of names", "E_CORRUPT"),
        (b"\x81\x01\x01", "names that are text", "E_CORRUPT"),
        (b"\x82\xa1a\x01\xa1a\x01", "each once", "E_CORRUPT"),
        (b"\x81\xa1\xff\x01", "names in UTF-8", "E_CORRUPT"),
        (b"\x81\xa1a\xc1", "known kinds of values", "E_CORRUPT"),
        (b"\x81\xa1a" * 100 + b"\x01", "nested at most 64 deep", "E_CORRUPT"),
        (b"\xdf\xff\xff\xff\xff", "must be complete", "E_TRUNCATED"),
        (b"\x81\xa1a\xdd\xff\xff\xff\xff\x01", "must be complete", "E_TRUNCATED"),
        ({"a": {"__msgpack_chunked_array__": True, "shape": {"0": 4}}}, "arrays in pieces", "E_CORRUPT"),
        (b"", "must be complete", "E_TRUNCATED"),
    ],
)
def test_damaged_files(write: Any, content: Any, message: str, code: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read_flax(write(content))
    assert caught.value.code == code


def test_random_bytes_end_in_an_error(write: Any) -> None:
    generator = np.random.default_rng(0)
    for _ in range(300):
        with pytest.raises(FileFormatError):
            read_flax(write(b"\x84\xa1a" + generator.bytes(200)))
