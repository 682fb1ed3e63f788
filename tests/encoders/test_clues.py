"""Facts that tensors do not show: from pickled modules, and from several places at once in their order of trust."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from repr_probe.encoders.checkpoint_file import CheckpointFile, read_checkpoint
from repr_probe.encoders.clues import collect_clues
from repr_probe.encoders.hints import Hint
from repr_probe.encoders.hints_in_modules import module_clues
from repr_probe.encoders.reading import Clue
from repr_probe.encoders.sources import SourceFacts

Save = Callable[[Any], Path]


def clues_of(save: Save, content: Any) -> dict[str, Any]:
    found = module_clues(read_checkpoint(save(content)).content)
    assert {clue.source for clue in found.values()} <= {"attributes of the pickled module"}
    return {name: clue.value for name, clue in found.items()}


def small_resnet(padding: int, pool: bool) -> nn.Module:
    module = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])
    module.conv1 = nn.Conv2d(3, 64, 3, 1, padding, bias=False)
    if not pool:
        module.maxpool = nn.Identity()
    return module


class TestModules:
    def test_transformers(self, save: Save) -> None:
        module = timm.create_model("test_vit", num_heads=4, global_pool="avg")
        assert clues_of(save, module) == {"heads": 4, "eps": 1e-6, "activation": "gelu", "pool": "mean"}

    @pytest.mark.parametrize(("padding", "pool", "stem"), [(1, False, "cifar"), (2, False, "solo"), (1, True, None)])
    def test_small_stems(self, save: Save, padding: int, pool: bool, stem: str | None) -> None:
        assert clues_of(save, {"model": small_resnet(padding, pool)}).get("stem") == stem

    @pytest.mark.parametrize("place", ["3x3", "1x1"])
    def test_where_a_bottleneck_strides(self, save: Save, place: str) -> None:
        module = torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, [1, 1, 1, 1])
        if place == "1x1":
            for stage in (module.layer2, module.layer3, module.layer4):
                stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        clues = clues_of(save, module)
        assert clues["stride_place"] == place and clues["stem"] == "imagenet"

    def test_a_projection_head_is_not_the_network(self, save: Save) -> None:
        module = nn.ModuleDict({"backbone": small_resnet(1, False), "head": nn.Sequential(nn.Linear(2, 2), nn.GELU())})
        assert "activation" not in clues_of(save, module)

    def test_modules_that_disagree(self, save: Save) -> None:
        two = {"a": timm.create_model("test_vit", num_heads=4), "b": timm.create_model("test_vit", num_heads=2)}
        clues = clues_of(save, two)
        assert "heads" not in clues and clues["eps"] == 1e-6

    def test_nothing_pickled(self, save: Save) -> None:
        assert clues_of(save, {"state_dict": {"x": torch.ones(1)}, "args": {"num_heads": 3}}) == {}

    def test_a_circle_of_maps(self) -> None:
        circle: dict[str, Any] = {}
        circle["self"] = circle
        assert module_clues(circle) == {}
        assert module_clues(pickle) == module_clues(None) == {}


def test_order_of_trust(save: Save) -> None:
    """flags, then words and configuration, then pickled attributes, then habits."""
    file = read_checkpoint(save({"model": timm.create_model("test_vit", num_heads=4)}))
    source = SourceFacts("MoCo v3", "", clues={name: Clue(1, "usual") for name in ("heads", "eps", "stem", "pool", "patch_size")})
    hint = Hint(None, clues={"heads": Clue(2, "config.json"), "stem": Clue("cifar", "args"), "pool": Clue("mean", "args")})
    clues = collect_clues(file, hint, source, {"heads": 8, "stem": None, "image_size": (32, 32)})
    assert clues["heads"] == Clue(8, "--heads")
    assert clues["image_size"] == Clue((32, 32), "--image-size")
    assert clues["stem"] == Clue("cifar", "args") and clues["pool"] == Clue("mean", "args")
    assert clues["eps"] == Clue(1e-6, "attributes of the pickled module")
    assert clues["patch_size"] == Clue(1, "usual")


def test_without_anything() -> None:
    assert collect_clues(CheckpointFile(Path("x"), "torch-zip", {}, True), Hint(None), None, {}) == {}
