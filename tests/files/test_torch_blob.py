"""What torch.save writes, read out of the middle of something else."""

from __future__ import annotations

import argparse
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repr_probe.errors import FileFormatError
from repr_probe.files.inert import Dead
from repr_probe.files.torch_blob import read_torch_blob


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def read(blob: bytes, before: int = 0) -> Any:
    return read_torch_blob(np.frombuffer(bytearray(before) + blob, dtype=np.uint8)[before:], "part 3")


@pytest.mark.parametrize("before", [0, 1, 64])
def test_tensors_of_every_kind(before: int) -> None:
    base = torch.arange(24.0)
    content = {
        "plain": base.reshape(4, 6), "turned": base.reshape(4, 6).T, "part": base[5:9], "strided": base[::3], "scalar": torch.tensor(3),
        "half": torch.ones(3, dtype=torch.bfloat16), "none": torch.empty(0, 4), "flags": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(torch.ones(2)), "number": 3, "list": [torch.ones(1), "x"],
    }  # fmt: skip
    back = read(saved(content), before)
    for name in ("plain", "turned", "part", "strided", "scalar", "half", "none", "flags", "parameter"):
        assert torch.equal(back[name], content[name]) and back[name].dtype == content[name].dtype, name  # type: ignore[arg-type,attr-defined]
    assert back["number"] == 3 and back["list"][1] == "x"


def test_classes_are_dead() -> None:
    back = read(saved(argparse.Namespace(heads=6)))
    assert isinstance(back, Dead) and back.kind == "argparse.Namespace" and back.state == {"heads": 6}


class Hostile:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return eval, (f"open({str(self.canary)!r}, 'w')",)


def refused(blob: bytes, message: str, code: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read(blob)
    assert caught.value.code == code and str(caught.value).startswith("part 3 ") and str(caught.value).isprintable()


def test_nothing_is_run(tmp_path: Path) -> None:
    refused(saved({"a": Hostile(tmp_path / "canary")}), r"reference to \w+\.eval", "E_MALICIOUS")
    assert not (tmp_path / "canary").exists()


def rewritten(change: Any, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved({"w": torch.ones(8)}))) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            content = change(name.partition("/")[2], old.read(name))
            if content is not None:
                new.writestr(name, content)
    return buffer.getvalue()


def test_damage() -> None:
    refused(saved(torch.ones(3))[:-40], "its zip directory is missing", "E_TRUNCATED")
    refused(b"", "its zip directory is missing", "E_TRUNCATED")
    refused(pickle.dumps(3), "its zip directory is missing", "E_TRUNCATED")
    refused(rewritten(lambda name, content: None if name == "data/0" else content), "its entry data/0 is missing", "E_MISSING_STORAGE")
    refused(rewritten(lambda name, content: None if name == "data.pkl" else content), "its entry data.pkl is missing", "E_MISSING_STORAGE")
    refused(rewritten(lambda name, content: content + b"1234" if name == "data/0" else content), "has 36 bytes, not 32", "E_SIZE_MISMATCH")
    refused(rewritten(lambda name, content: content[:8] if name == "data/0" else content), "part 3", "E_TENSOR_BOMB")
    refused(rewritten(lambda name, content: b"big" if name == "byteorder" else content), "must be little-endian", "E_DTYPE")
    refused(rewritten(lambda name, content: content[:-3] if name == "data.pkl" else content), "its pickle cannot be read", "E_CORRUPT")
    refused(rewritten(lambda name, content: content, zipfile.ZIP_DEFLATED), "must be uncompressed", "E_ZIP_COMPRESSED")


def test_strides_that_repeat_bytes() -> None:
    refused(saved({"w": torch.ones(1).expand(1000, 1000)}), "w shows 4000000 bytes but 4 are stored", "E_TENSOR_BOMB")
