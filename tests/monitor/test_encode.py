from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn.parallel import DataParallel
from torch.optim.swa_utils import AveragedModel

from repr_probe.errors import UsageError
from repr_probe.monitor.encode import encode

IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def seen(model: nn.Module, images: torch.Tensor = IMAGES) -> torch.Tensor:
    with torch.no_grad():
        return encode(model.eval(), images)


def test_the_backbone_is_taken_where_there_is_one(learner, probe):
    images, _ = probe
    with torch.no_grad():
        expected = learner.eval().backbone(images)
    assert torch.equal(seen(learner, images), expected)


@pytest.mark.parametrize("wrap", [DataParallel, AveragedModel, lambda model: torch.compile(model, backend="eager")])
def test_wrappers_are_looked_through(learner, probe, wrap):
    images, _ = probe
    assert torch.equal(seen(wrap(learner), images), seen(learner, images))


def test_maps_are_averaged_over_their_places():
    model = nn.Conv2d(3, 5, 3)
    with torch.no_grad():
        expected = model(IMAGES).mean((2, 3))
    torch.testing.assert_close(seen(model), expected)


def test_the_classifier_of_torchvision_and_timm_is_left_out():
    network = torchvision.models.resnet18(num_classes=7).eval()
    features = seen(network)
    assert features.shape == (2, 512)
    with torch.no_grad():
        torch.testing.assert_close(network.fc(features), network(IMAGES))
    assert isinstance(network.fc, nn.Linear)
    vit = timm.create_model("test_vit", img_size=32).eval()
    with torch.no_grad():
        expected = vit.forward_head(vit.forward_features(IMAGES), pre_logits=True)
    torch.testing.assert_close(seen(vit), expected)


def hugging_face(name: str) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    if name == "resnet":
        config = transformers.ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic")
        return transformers.ResNetForImageClassification(config)
    small = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "image_size": 32, "patch_size": 16}
    if name == "vit":
        return transformers.ViTModel(transformers.ViTConfig(**small))
    if name == "vit with a head":
        return transformers.ViTForImageClassification(transformers.ViTConfig(**small))
    config = transformers.SwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=2)
    return transformers.SwinModel(config)


@pytest.mark.parametrize(("name", "reading"), [("vit", "token 0"), ("vit with a head", "token 0"), ("swin", "mean"), ("resnet", "maps")])
def test_hugging_face_outputs_are_read_from_the_last_hidden_state(name, reading):
    torch.manual_seed(0)
    model = hugging_face(name).eval()
    with torch.no_grad():
        state = model.base_model(IMAGES).last_hidden_state
    expected = {"token 0": lambda: state[:, 0], "mean": lambda: state.mean(1), "maps": lambda: state.mean((2, 3))}[reading]()
    torch.testing.assert_close(seen(model), expected)


def test_an_output_that_cannot_be_read_is_refused():
    class Pair(nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return images, images

    with pytest.raises(UsageError, match=r"model must give a tensor or a Hugging Face output for images; got a tuple; say encode="):
        seen(Pair())
