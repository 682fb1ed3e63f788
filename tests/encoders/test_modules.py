"""Pickled modules whose classes are not loaded, compared with what their own state_dict gives."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from repr_probe.encoders.modules import holds_dead, is_module, module_facts, module_tensors
from repr_probe.errors import FileFormatError
from repr_probe.files.inert import Dead
from repr_probe.files.safe_torch import read_torch


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4, eps=1e-3)
        self.empty = None
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("passing", torch.ones(3), persistent=False)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(images)) * self.scale[:, None, None]


def network() -> nn.Module:
    shared = nn.Conv2d(4, 2, 1)
    return nn.Sequential(Block(), nn.ReLU(), nn.Sequential(shared, Block()), shared)


def assert_same(read: dict[str, torch.Tensor], module: nn.Module) -> None:
    wanted = module.state_dict()
    assert list(read) == list(wanted)
    assert all(torch.equal(read[name], tensor) for name, tensor in wanted.items())


def test_a_whole_module(tmp_path: Path) -> None:
    module = network()
    torch.save(module, tmp_path / "x")
    dead = read_torch(tmp_path / "x")
    assert is_module(dead) and holds_dead({"a": [dead]})
    assert_same(module_tensors(dead), module)
    facts = module_facts(dead)
    assert facts[""]["class"] == "torch.nn.modules.container.Sequential"
    assert facts["0.conv"]["stride"] == (2, 2) and facts["0.conv"]["padding"] == (1, 1) and facts["0.norm"]["eps"] == 1e-3
    assert facts["0"]["class"].endswith("Block") and "training" not in facts["0"]


def test_a_scripted_module(tmp_path: Path) -> None:
    module = network().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(str(tmp_path / "x"))
    dead = read_torch(tmp_path / "x")
    assert is_module(dead)
    read, wanted = module_tensors(dead), module.state_dict()
    assert set(wanted) <= set(read)  # scripting does not say which buffers are passing
    assert all(torch.equal(read[name], tensor) for name, tensor in wanted.items())
    assert {name.rpartition(".")[2] for name in set(read) - set(wanted)} <= {"passing"}


def module_of(**modules: Any) -> Dead:
    dead = Dead("x.Y")
    dead.state = {"_modules": modules, "_parameters": {}, "_buffers": {}, "depth": 3, "heads": [1, 2], "fn": Dead("x.f"), "_hidden": 1}
    return dead


def test_cycles_and_shared_chains() -> None:
    inner = module_of()
    inner.state["_parameters"]["w"] = torch.ones(1)
    ring = module_of(a=inner)
    inner.state["_modules"]["b"] = ring
    with pytest.raises(FileFormatError, match=r"the module a\.b contains itself"):
        module_tensors(ring)
    chain = module_of()
    chain.state["_parameters"]["w"] = torch.ones(1)
    for _ in range(60):
        chain = module_of(a=chain, b=chain)
    assert len(module_tensors(chain)) <= 16


def test_facts_are_plain() -> None:
    assert module_facts(module_of()) == {"": {"class": "x.Y", "depth": 3, "heads": [1, 2]}}


def test_what_is_no_module() -> None:
    assert not is_module(Dead("argparse.Namespace")) and not is_module({"_modules": {}}) and not is_module(None)
    looped: list[Any] = [1]
    looped.append(looped)
    assert not holds_dead({"a": looped, "b": (1, "x")})
