"""Feature maps: one layout for all networks, and nothing left behind."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer as TorchvisionViT

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.maps import default_map_layers, feature_maps, maps_and_output, prefix_tokens, token_grid
from repr_probe.errors import CheckpointError, InputError, UsageError


class SmallNet(nn.Module):
    """Two convolutions with an in-place activation behind each, and a part that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.layer2 = nn.Conv2d(5, 7, 3, stride=2, padding=1)
        self.spare = nn.Linear(2, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.act(self.layer2(self.act(self.layer1(images)))).mean((2, 3))


class HuggingFaceViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

        config = Dinov2WithRegistersConfig(
            hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=28, patch_size=7, num_register_tokens=3
        )
        self.vit = Dinov2WithRegistersModel(config)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.vit(images).last_hidden_state[:, 0]


def tiny_swin() -> nn.Module:
    return timm.models.swin_transformer.SwinTransformer(
        img_size=64, embed_dim=16, depths=(1, 1), num_heads=(1, 2), window_size=4, num_classes=0
    )


def images_of(encoder, n=2):
    return torch.randn(n, 3, *encoder.input.size, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def small():
    torch.manual_seed(0)
    return as_encoder(SmallNet(), image_size=(24, 32), name="small")


def test_maps_are_what_the_layer_gave_before_an_in_place_activation(small):
    images = images_of(small)
    maps = feature_maps(small, images, ["layer2", "layer1"])
    assert list(maps) == ["layer2", "layer1"]
    with torch.no_grad():
        first = small.module.layer1(images)
        assert torch.equal(maps["layer1"], first)
        assert torch.equal(maps["layer2"], small.module.layer2(first.relu()))
    assert maps["layer2"].shape == (2, 7, 6, 8)
    assert not maps["layer1"].requires_grad and not maps["layer1"].is_inference()


def test_channels_last_maps_are_turned():
    encoder = as_encoder(tiny_swin(), image_size=64, name="swin")
    maps = feature_maps(encoder, images_of(encoder), ["layers.0", "layers.1"])
    assert [tuple(each.shape) for each in maps.values()] == [(2, 16, 16, 16), (2, 32, 8, 8)]
    with torch.no_grad():
        assert torch.allclose(maps["layers.0"].permute(0, 2, 3, 1), encoder.module.layers[0](encoder.module.patch_embed(images_of(encoder))))


def test_maps_as_many_as_channels_follow_the_images_proportions(small):
    net = nn.Sequential(nn.Conv2d(3, 6, 4, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    encoder = as_encoder(net, image_size=(24, 32), name="as many channels as rows")
    assert feature_maps(encoder, images_of(encoder), ["0"])["0"].shape == (2, 6, 6, 8)  # 6 x 6 are the first two sides


@pytest.mark.parametrize("registers", [0, 4])
def test_tokens_become_a_grid_in_reading_order(registers):
    net = timm.models.vision_transformer.VisionTransformer(
        img_size=(32, 48), patch_size=8, embed_dim=12, depth=4, num_heads=2, num_classes=0, reg_tokens=registers
    )
    encoder = as_encoder(net, image_size=(32, 48), name="vit")
    seen = []
    handle = net.blocks[1].register_forward_hook(lambda _, __, output: seen.append(output))
    maps = feature_maps(encoder, images_of(encoder), ["blocks.1"])["blocks.1"]
    handle.remove()
    assert maps.shape == (2, 12, 4, 6)
    assert torch.equal(maps[1, :, 2, 5], seen[0][1, 1 + registers + 2 * 6 + 5])
    assert default_map_layers(encoder) == ["blocks.0", "blocks.1", "blocks.2", "blocks.3"]


def test_torchvision_and_hugging_face_tokens():
    torchvision = as_encoder(TorchvisionViT(image_size=32, patch_size=8, num_layers=5, num_heads=2, hidden_dim=12, mlp_dim=12), image_size=32)
    layers = default_map_layers(torchvision)
    assert layers == [f"encoder.layers.encoder_layer_{number}" for number in (0, 1, 2, 4)]
    assert {tuple(each.shape) for each in feature_maps(torchvision, images_of(torchvision), layers).values()} == {(2, 12, 4, 4)}
    hugging_face = as_encoder(HuggingFaceViT(), image_size=28, name="hf")
    assert prefix_tokens(hugging_face.module) == 4
    layers = default_map_layers(hugging_face)
    assert {tuple(each.shape) for each in feature_maps(hugging_face, images_of(hugging_face), layers).values()} == {(2, 16, 4, 4)}


@pytest.mark.parametrize("build", [SmallNet, tiny_swin, HuggingFaceViT])
def test_gradients_reach_the_maps_of_a_frozen_network(build):
    torch.manual_seed(0)
    net = build().requires_grad_(False)
    encoder = as_encoder(net, image_size=28 if build is HuggingFaceViT else 64, name="frozen")
    # Of the last block only the class token counts: the gradients of its patches are zero, so it is left out.
    layers = {"SmallNet": ["layer1", "layer2"], "tiny_swin": ["layers.0", "layers.1"]}.get(build.__name__) or default_map_layers(encoder)[:3]
    images = images_of(encoder)
    maps, output = maps_and_output(encoder, images.requires_grad_(), layers, grad=True)
    gradients = torch.autograd.grad(output.square().sum(), list(maps.values()))
    assert all(gradient.shape == maps[layer].shape and gradient.abs().sum() > 0 for layer, gradient in zip(layers, gradients))
    plain, same = maps_and_output(encoder, images.detach(), layers)
    assert all(torch.allclose(plain[layer], maps[layer]) for layer in layers) and torch.allclose(same, output)


def test_gradients_need_something_that_requires_them(small):
    small.module.requires_grad_(False)
    with pytest.raises(UsageError, match=r"images must require gradients for a network whose weights do not; call images.requires_grad_\(\)"):
        feature_maps(small, images_of(small), ["layer1"], grad=True)


def test_network_is_left_as_it_was_also_after_a_failure(small):
    small.module.train()
    small.module.layer2.eval()
    modes = [part.training for part in small.module.modules()]
    with pytest.raises(UsageError, match="layer must run once in a pass; 'act' runs several times"):
        feature_maps(small, images_of(small), ["layer1", "act"])
    assert [part.training for part in small.module.modules()] == modes
    assert not any(part._forward_hooks for part in small.module.modules())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        (["layer3"], "layer must be a layer of .*; got 'layer3'; nearest: layer2, layer1"),
        (["pooled"], "layer must give maps; 'pooled' is one vector an image; name a stage or a module"),
        (["spare"], "layer must take part in the forward pass; 'spare' does not run"),
        ("layer1", "layers must be a list of one or more names; got 'layer1'"),
    ],
)
def test_layers_that_give_no_maps(small, layers, text):
    with pytest.raises(UsageError, match=text):
        feature_maps(small, images_of(small), layers)


def test_vectors_and_odd_tokens_are_no_maps():
    net = nn.Sequential(nn.Flatten(2), nn.Linear(64, 8), nn.Flatten(), nn.Linear(24, 4))
    encoder = as_encoder(net, image_size=8, name="vectors")
    with pytest.raises(UsageError, match=r"layer must give maps or tokens of 2 images; '3' gives shape \(2, 4\)"):
        feature_maps(encoder, images_of(encoder), ["3"])
    with pytest.raises(UsageError, match="layer must give one token a patch; '1' gives 3, of them 0 in front, for images of 8 x 8"):
        feature_maps(encoder, images_of(encoder), ["1"])
    with pytest.raises(UsageError, match=r"layers must be named for module:.*: it has neither stages nor a row of blocks"):
        default_map_layers(encoder)


def test_an_encoder_without_readable_layers():
    encoder = as_encoder(lambda images: images.mean((2, 3)), image_size=8, name="a function")
    with pytest.raises(CheckpointError, match=r"encoder must offer maps; a function .* use a checkpoint or torch module"):
        feature_maps(encoder, torch.zeros(1, 3, 8, 8), ["stage1"])


def test_images_the_network_does_not_take(small):
    with pytest.raises(InputError, match="images must be a float tensor"):
        feature_maps(small, torch.zeros(1, 1, 24, 32), ["layer1"])


def test_token_grids_follow_the_image():
    assert token_grid(8 * 6, 64, 48) == (8, 6)
    assert token_grid(12 * 16, 199, 260) == (12, 16)  # incomplete patches are cut off
    assert token_grid(0, 8, 8) is None
    assert token_grid(26, 224, 224) is None
