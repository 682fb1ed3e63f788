"""Networks to train: named, seeded, in train mode, of the sizes the run has; and their files fit where they came from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from repr_probe.encoders.load import load_encoder
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.training.config import config_from
from repr_probe.training.export import model_card, write_backbone
from repr_probe.training.networks import build_backbone, convert_for_ranks

SMALL = {"dataset": "cifar10", "global_size": 32, "local_size": 16}


@pytest.mark.parametrize(
    ("stated", "architecture", "n_features"),
    [
        ({"dataset": "digits"}, "repr_probe:digits_net", 64),
        ({**SMALL}, "repr_probe:resnet(stem=cifar)", 512),
        ({**SMALL, "stem": "imagenet"}, "torchvision:resnet18", 512),
        ({**SMALL, "width": 16}, "repr_probe:resnet(stem=cifar, width=16)", 128),
        ({**SMALL, "arch": "repr_probe:resnet(layers=1-1-1, width=8, stem=cifar)"}, "repr_probe:resnet(layers=1-1-1, stem=cifar, width=8)", 32),
        ({**SMALL, "arch": "timm:test_vit"}, "timm:test_vit", 64),
        ({"dataset": "fashion-mnist", "arch": "timm:test_resnet"}, "timm:test_resnet", 96),
    ],
)
def test_networks_by_name(stated, architecture, n_features):
    config = config_from(stated)
    built = build_backbone(config)
    assert (built.architecture, built.n_features) == (architecture, n_features)
    assert built.module.training and all(parameter.requires_grad for parameter in built.module.parameters())
    images = torch.randn(3, built.input.channels, config.local_size, config.local_size)
    assert built.module(images).shape == (3, n_features)


@pytest.mark.parametrize("arch", ["repr_probe:digits_net", "timm:test_vit"])
def test_the_weights_follow_from_the_seed_alone(arch):
    stated = {"dataset": "digits"} if "digits" in arch else {**SMALL, "arch": arch}
    before = torch.get_rng_state()
    first, second, third = (list(build_backbone(config_from({**stated, "seed": seed})).module.parameters()) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(map(torch.equal, first, second))
    assert not all(map(torch.equal, first, third))


def test_the_cifar_resnet_is_torchvisions_with_another_stem():
    from torchvision.models import resnet18

    theirs = resnet18()
    theirs.conv1, theirs.maxpool, theirs.fc = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity(), nn.Identity()
    ours = build_backbone(config_from(SMALL)).module.eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(theirs.eval()(images), ours(images))


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:test_vit"])
def test_an_exported_backbone_fits_where_its_network_comes_from(name, tmp_path: Path):
    config = config_from({**SMALL, "arch": name, "stem": "imagenet"})
    built = build_backbone(config)
    write_backbone(tmp_path / "backbone.safetensors", built.module.state_dict(), config, step=7)
    theirs = _elsewhere(name)
    theirs.load_state_dict(load_file(tmp_path / "backbone.safetensors"), strict=True)
    encoder = load_encoder(tmp_path / "backbone.safetensors")
    assert encoder.architecture == name and encoder.input.to_dict() == built.input.to_dict()
    images = torch.randn(2, 3, 32, 32)
    expected = theirs.eval()(images)
    assert torch.allclose(encoder.features(images, ["pooled"])["pooled"], expected, atol=1e-6)


def _elsewhere(name: str) -> nn.Module:
    import timm
    from torchvision.models import resnet18

    if name.startswith("timm:"):
        return timm.create_model(name.removeprefix("timm:"), num_classes=0, img_size=32)
    theirs = resnet18()
    theirs.fc = nn.Identity()
    return theirs


@pytest.mark.parametrize(
    ("stated", "error", "message"),
    [
        ({**SMALL, "arch": "resnet81"}, CheckpointError, "arch must be a network of torchvision or timm; got 'resnet81'; nearest: .*resnet18"),
        ({**SMALL, "arch": "timm:test_vit", "width": 8}, UsageError, "width must go with one of resnet18, .*; got it with timm:test_vit"),
        ({**SMALL, "arch": "timm:test_vit", "local_size": 17}, UsageError, "local_size must suit timm:test_vit; got 17"),
    ],
)
def test_what_cannot_be_built(stated, error, message):
    with pytest.raises(error, match=message) as caught:
        build_backbone(config_from(stated))
    assert "\n" not in str(caught.value)


def test_images_of_other_channels():
    with pytest.raises(UsageError, match="mean and std must have a value for each of 1 channels of the images; got 3"):
        build_backbone(config_from(SMALL), 1)


def test_batch_norm_is_shared_only_by_several_gpus():
    module = nn.Sequential(nn.BatchNorm1d(2))
    for device, world_size in (("cpu", 2), ("cuda", 1)):
        assert type(convert_for_ranks(module, device=torch.device(device), world_size=world_size)[0]) is nn.BatchNorm1d
    assert type(convert_for_ranks(module, device=torch.device("cuda"), world_size=2)[0]) is nn.SyncBatchNorm


def test_a_card_says_what_was_done_and_assumed():
    config = config_from({**SMALL, "width": 16, "options": {"kappa": 10.0}})
    card = model_card(config, name="mine", n_parameters=123, results={"knn_top1": 0.5, "loss": 2.0}, start={"knn_top1": 0.25}, facts={"steps": 3})
    assert "# mine" in card and "repr_probe:resnet(stem=cifar, width=16)" in card
    assert "| kappa | 10 |" in card and "| knn_top1 | 0.5 | 0.25 |" in card and "| loss | 2 |  |" in card
    assert "- weight_decay: none is named" in card and "- steps: 3" in card
