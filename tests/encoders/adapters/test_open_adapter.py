"""Checkpoints that are code: names in modules, exported programs, TorchScript; refused unless code is allowed."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from repr_probe.encoders.adapters.open_adapter import open_adapter
from repr_probe.errors import CheckpointError, UsageError

SOURCE = """
from pathlib import Path
Path("canary").write_text("ran")
import numpy as np
import torch

def encode(images):
    return images.mean((2, 3))

net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

def make(width=5):
    return torch.nn.Sequential(torch.nn.Conv2d(3, width, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

def make_encoder():
    from repr_probe.encoders.adapters.as_encoder import as_encoder
    return as_encoder(encode, image_size=8, layout="NCHW")

class Scale:
    def __call__(self, images):
        return 2 * images.mean((2, 3))

def broken():
    raise RuntimeError("no weights")

number = 3
"""
IN = {"image_size": 8}


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module in the current folder that leaves a canary when it is imported."""
    (tmp_path / "lab_nets.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    yield "lab_nets"
    sys.modules.pop("lab_nets", None)


def test_nothing_is_imported_unless_allowed(nets: str) -> None:
    with pytest.raises(CheckpointError, match=r"repro-probe geometry lab_nets:encode --dataset NAME --allow-code") as refusal:
        open_adapter("lab_nets:encode")
    assert refusal.value.code == "E_NEEDS_CODE" and not Path("canary").exists() and nets not in sys.modules


@pytest.mark.parametrize(("name", "n_features"), [("encode", 3), ("net", 4), ("make", 5), ("make_encoder", 3), ("Scale", 3)])
def test_names_in_modules(nets: str, name: str, n_features: int) -> None:
    before = list(sys.path)
    encoder = open_adapter(f"{nets}:{name}", allow_code=True, options=None if name == "make_encoder" else IN)
    assert encoder is not None and sys.path == before and Path("canary").exists()
    assert encoder.features(torch.rand(2, 3, 8, 8), ["pooled"])["pooled"].shape == (2, n_features)
    assert encoder.name == (f"{nets}:{name}" if name != "make_encoder" else "encode")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("encod", "there is no 'encod' in it; there are: encode"),
        ("number", "must be a function, a torch module or an encoder; got a int"),
        ("broken", "must return an encoder when it is called; got RuntimeError: no weights"),
    ],
)
def test_names_that_are_no_encoder(nets: str, name: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as refusal:
        open_adapter(f"{nets}:{name}", allow_code=True, options=IN)
    assert refusal.value.code == "E_CODE"


def test_modules_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad_nets.py").write_text("1 / 0")
    for text, got in (("bad_nets:f", "ZeroDivisionError"), ("no_such_nets:f", "ModuleNotFoundError")):
        with pytest.raises(CheckpointError, match=f"must name a module that can be imported; got {got}"):
            open_adapter(text, allow_code=True)


@pytest.mark.parametrize("text", ["timm:resnet18", "torchvision:resnet18", "repr_probe:digits_net", "hydes-digits", "nothing.pth", "a/b:c"])
def test_what_is_no_adapters_business(text: str) -> None:
    assert open_adapter(text) is None and open_adapter(text, allow_code=True) is None


def test_folders_and_files_of_weights_are_not_opened(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / "w.pt")
    assert open_adapter(tmp_path) is None and open_adapter(tmp_path / "w.pt", allow_code=True) is None


@pytest.fixture
def programs(tmp_path: Path, small_net: Any) -> dict[str, Path]:
    small_net.eval()
    paths = {kind: tmp_path / f"{kind}.pt2" for kind in ("torchscript", "torch-export", "fixed")}
    example = torch.rand(3, 3, 16, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(small_net, example).save(str(paths["torchscript"]))
        torch.export.save(torch.export.export(small_net, (example,), dynamic_shapes=({0: torch.export.Dim("n")},)), paths["torch-export"])
        torch.export.save(torch.export.export(small_net, (example,)), paths["fixed"])
    return paths


def test_programs_run_only_when_allowed(programs: dict[str, Path], small_net: Any, images: torch.Tensor) -> None:
    expected = small_net.eval()(images)
    for name, path in programs.items():
        kind = "torchscript" if name == "torchscript" else "torch-export"
        assert open_adapter(path, kind=kind) is None
        options = {"image_size": 16} if kind == "torchscript" else {}
        encoder = open_adapter(path, kind=kind, allow_code=True, options=options)
        assert encoder is not None and encoder.input.size == (16, 16) and encoder.architecture == kind
        torch.testing.assert_close(encoder.features(images, ["pooled"])["pooled"], expected)
        assert encoder.identity["batch"] == (3 if name == "fixed" else None)


def test_programs_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"PK\x03\x04 nothing")
    for kind in ("torchscript", "torch-export"):
        with pytest.raises(CheckpointError, match=r"must be a program this torch .* can open; got") as refusal:
            open_adapter(tmp_path / "x", kind=kind, allow_code=True)
        assert refusal.value.code == "E_CODE" and "\n" not in str(refusal.value)
        with pytest.raises(UsageError, match="pool must be left out"):
            open_adapter(tmp_path / "x", kind=kind, allow_code=True, pool="avg")


def test_options_of_another_kind_are_refused(nets: str) -> None:
    with pytest.raises(UsageError, match="output must be left out for lab_nets:encode; it takes image_size"):
        open_adapter("lab_nets:encode", allow_code=True, options={"output": "f", "mean": None})
