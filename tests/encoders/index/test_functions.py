from __future__ import annotations

import pytest

from repr_probe.encoders.architectures import resolve_architecture
from repr_probe.encoders.index.functions import Trials, groups_of, told_apart, with_kinds
from repr_probe.encoders.index.record import Record
from repr_probe.encoders.index.survey import every_architecture, survey


def kinds(*names: str) -> tuple[list[int], Trials]:
    trials = Trials()
    found = with_kinds([survey(resolve_architecture(name)) for name in names], trials)
    return [record.kind for record in found], trials


@pytest.mark.slow
def test_the_same_network_of_two_libraries_is_one_kind() -> None:
    assert kinds("torchvision:resnet18", "timm:resnet18")[0] == [1, 1]


@pytest.mark.slow
def test_a_blurred_variant_is_another_kind() -> None:
    assert kinds("timm:resnet18", "timm:resnetblur18")[0] == [1, 2]


@pytest.mark.slow
def test_another_padding_is_another_kind() -> None:
    assert kinds("timm:mobilenetv3_small_075", "timm:tf_mobilenetv3_small_075")[0] == [1, 2]


def test_another_norm_is_another_kind() -> None:
    assert kinds("timm:test_efficientnet_gn", "timm:test_efficientnet_ln")[0] == [1, 2]


def test_networks_that_agree_in_every_setting_need_no_trial() -> None:
    found, trials = kinds("timm:vit_tiny_patch16_224", "timm:deit_tiny_patch16_224", "timm:resnet10t")
    assert found == [1, 1, 0]
    assert (trials.by_settings, trials.by_features) == (1, 0)


def test_too_large_networks_count_as_different(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repr_probe.encoders.index.functions.LARGEST_TRIED", 1)
    found, trials = kinds("torchvision:resnet18", "timm:resnet18")
    assert found == [1, 2]
    assert trials.too_large == ["torchvision:resnet18 and timm:resnet18"]


def test_groups_tell_their_kinds() -> None:
    same = (("a", (1,)), ("b", (2,)))
    records = [Record("x", same, kind=1), Record("y", same, kind=2), Record("z", same[:1])]
    assert [[record.name for record in group] for group in groups_of(records)] == [["x", "y"]]
    assert told_apart(records) == [[["x"], ["y"]]]


def test_the_survey_of_a_network() -> None:
    record = survey(resolve_architecture("timm:vit_tiny_patch16_224"))
    assert record.stem == "patch_embed.proj.weight"
    assert [name for name, _ in record.tables] == ["pos_embed"]
    assert [name for _, name in record.head] == ["head.weight", "head.bias"]
    assert record.size == (224, 224)
    assert record.mean_std == "mean 0.5 0.5 0.5, std 0.5 0.5 0.5"
    assert not any(name.startswith("head") for name, _ in record.tensors)


def test_classifiers_only() -> None:
    names = {str(architecture) for architecture in every_architecture()}
    assert {"torchvision:resnet50", "timm:resnet50", "torchvision:vit_b_16"} <= names
    assert not any("rcnn" in name or "r3d" in name or "raft" in name or "deeplab" in name for name in names)
