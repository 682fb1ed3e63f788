"""Encoders by name: random weights that depend on nothing, preprocessing from the configuration, and what the user may change."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from repr_probe.encoders.load import load_encoder
from repr_probe.errors import CheckpointError, FileFormatError, UsageError

from .conftest import pooled_by


def test_weights_are_those_of_seed_0(images: torch.Tensor) -> None:
    torch.manual_seed(12345)
    one = load_encoder("timm:test_resnet")
    torch.manual_seed(0)
    module = timm.create_model("test_resnet", num_classes=0).eval()
    assert torch.equal(one.features(images)["pooled"], pooled_by(module, images))
    assert one.name == "timm:test_resnet" and one.identity["weights"] == "random, seed 0"
    assert one.notes == ("the weights are random, seed 0; published ones: --pretrained",)


@pytest.mark.parametrize("name", ["timm:test_vit", "torchvision:shufflenet_v2_x0_5"])
def test_random_numbers_of_the_caller_are_left_alone(name: str) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what is checked
    load_encoder(name)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]  # noqa: NPY002
    assert torch.equal(before[0], after[0]) and before[1] == after[1] and (before[2] == after[2]).all()


def test_configuration_of_timm() -> None:
    spec = load_encoder("timm:test_vit").input
    assert spec.size == (160, 160) and spec.interpolation == "bicubic" and spec.crop_pct == 0.95 and spec.mean == (0.5, 0.5, 0.5)
    assert set(spec.sources.values()) == {"timm configuration of test_vit"}


def test_configuration_of_torchvision() -> None:
    spec = load_encoder("torchvision:shufflenet_v2_x0_5").input
    assert spec.size == (224, 224) and spec.interpolation == "bilinear" and spec.crop_pct == 224 / 256
    assert spec.mean == (0.485, 0.456, 0.406) and spec.std == (0.229, 0.224, 0.225)


def test_overrides_are_recorded_with_their_source() -> None:
    spec = load_encoder("timm:test_resnet", image_size=64, mean=0.1, std=[0.2, 0.3, 0.4]).input
    assert spec.size == (64, 64) and spec.mean == (0.1, 0.1, 0.1) and spec.std == (0.2, 0.3, 0.4)
    assert spec.sources == {
        "size": "--image-size", "mean": "--mean", "std": "--std",
        "interpolation": "timm configuration of test_resnet", "crop_pct": "timm configuration of test_resnet",
    }  # fmt: skip


def test_image_size_of_a_network_with_positions() -> None:
    encoder = load_encoder("timm:test_vit", image_size=(96, 64))
    assert encoder.input.size == (96, 64)
    assert encoder.features(torch.randn(2, 3, 96, 64))["pooled"].shape == (2, 64)
    with pytest.raises(CheckpointError, match="image_size must suit torchvision:vit_b_16"):
        load_encoder("torchvision:vit_b_16", image_size=64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 0}, "image_size must be positive"),
        ({"image_size": (1, 2, 3)}, "image_size must be one number or height and width"),
        ({"mean": [0.1, 0.2]}, "mean must have one value or one for each of 3 channels; got 2"),
        ({"mean": float("nan")}, "mean must be finite"),
        ({"std": 0}, "std must be positive"),
        ({"pool": "median"}, "pool must be one of avg, mean, cls, max; got 'median'"),
        ({"pool": "cls"}, "pool must be avg or max for 'pooled'"),
        ({"device": "tpu9"}, "device must be auto, cpu, cuda, cuda:N or mps; got 'tpu9'"),
        ({"device": "cuda:77"}, "device must be there; got 'cuda:77', but this machine offers cpu"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_encoder("timm:test_resnet", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:vit_tiny_patch16_22", r"arch must be a network of torchvision or timm.*nearest: .*timm:vit_tiny_patch16_224"),
        ("torchvision:resnet5", "nearest: torchvision:resnet50"),
        ("timm:test_vit.no_such_tag", "must have a tag timm knows"),
        ("resnet50", "must be a file, an embedded network, timm:NAME or torchvision:NAME; got 'resnet50'; nearest: .*torchvision:resnet50"),
        ("qqqqqqqqqqqqqqqqqqqqq", "no name is near"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_encoder(name)


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"must be an existing file; got .*absent\.pth, and nothing is there"):
        load_encoder(tmp_path / "absent.pth")


def test_options_that_contradict_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="arch must be left out when the checkpoint is a network's name"):
        load_encoder("timm:test_vit", arch="test_resnet")
    torch.save({"weight": torch.ones(1)}, tmp_path / "x")
    with pytest.raises(CheckpointError, match="pretrained must be left out"):
        load_encoder(tmp_path / "x", pretrained=True)
    with pytest.raises(CheckpointError, match="arch must not run code unless that is allowed; got keras:resnet50"):
        load_encoder(tmp_path / "x", arch="keras:resnet50")


def test_published_weights_that_cannot_be_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    with pytest.raises(CheckpointError, match=r"torchvision:squeezenet1_1 must be downloadable; got OSError: no network"):
        load_encoder("torchvision:squeezenet1_1", pretrained=True)
    assert capsys.readouterr().out == ""  # what torch prints while it downloads must not mix with results


def test_embedded_networks() -> None:
    encoder = load_encoder("hydes-digits")
    assert encoder.architecture == "repr_probe:digits_net" and encoder.input.channels == 1 and encoder.input.size == (8, 8)
    with pytest.raises(CheckpointError, match="nearest: hydes-digits"):
        load_encoder("hydes-digit")
