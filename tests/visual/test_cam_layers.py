"""Which modules are blocks, in every family, and layers on which the output does not depend."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.visual.layers import blocks_of, chosen_layers


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("torchvision:resnet50", 16, "layer1.0", "layer4.2"),
        ("torchvision:mobilenet_v2", 17, "features.1", "features.17"),
        ("torchvision:efficientnet_b0", 16, "features.1.0", "features.7.0"),
        ("torchvision:convnext_tiny", 18, "features.1.0", "features.7.2"),
        ("torchvision:swin_t", 12, "features.1.0", "features.7.1"),
        ("torchvision:vit_b_32", 12, "encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_11"),
        ("torchvision:vgg11", 0, "", ""),
        ("timm:tf_efficientnet_lite0", 16, "blocks.0.0", "blocks.6.0"),
        ("timm:convnext_atto", 12, "stages.0.blocks.0", "stages.3.blocks.1"),
        ("timm:regnety_002", 13, "s1.b1", "s4.b7"),
        ("timm:swin_tiny_patch4_window7_224", 12, "layers.0.blocks.0", "layers.3.blocks.1"),
        ("timm:vit_tiny_patch16_224", 12, "blocks.0", "blocks.11"),
    ],
)  # fmt: skip
def test_blocks(name, count, first, last):
    library, _, model = name.partition(":")
    with torch.device("meta"):
        network = timm.create_model(model) if library == "timm" else torchvision.models.get_model(model)
    blocks = blocks_of(network)
    assert len(blocks) == count
    assert not blocks or (blocks[0], blocks[-1]) == (first, last)


def tiny_vit(**options):
    torch.manual_seed(0)
    network = timm.models.vision_transformer.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=12, depth=4, num_heads=2, num_classes=0, **options
    )
    return as_encoder(network, image_size=32, name="tiny vit")


def test_the_last_block_of_a_class_token_network_has_no_gradient_on_its_patches():
    """Other tools hook it and draw a map of exact zeros, or fail."""
    encoder = tiny_vit()
    for word in ("stages", "all"):
        layers, notes = chosen_layers(encoder, word)
        assert layers == ["blocks.0", "blocks.1", "blocks.2", "blocks.3.norm1"]
        assert notes == ["blocks.3.norm1 stands in for blocks.3, on whose patches the class token no longer depends"]
    message = "got 'blocks.3', whose maps have gradient 0 for every image: only the class token of it is used; name blocks.3.norm1"
    with pytest.raises(UsageError, match=f"layer must reach the output; {message}"):
        chosen_layers(encoder, ["blocks.1", "blocks.3"])
    assert chosen_layers(encoder, ["blocks.3.norm1"]) == (["blocks.3.norm1"], [])
    assert chosen_layers(encoder, ["blocks.3"], gradients=False) == (["blocks.3"], [])


def test_with_average_pooling_the_last_block_stays():
    encoder = tiny_vit(class_token=False, global_pool="avg")
    assert chosen_layers(encoder, "all") == ([f"blocks.{number}" for number in range(4)], [])


class SideBranch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.side = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

    def forward(self, images):
        maps = self.trunk(images)
        self.side(maps)
        return maps.mean((2, 3))


def test_a_branch_that_leads_nowhere():
    encoder = as_encoder(SideBranch(), image_size=8, name="side")
    with pytest.raises(UsageError, match="got 'side', whose maps have gradient 0 for every image: nothing that follows uses them; name an earlier"):
        chosen_layers(encoder, ["trunk", "side"])
    with pytest.raises(UsageError, match=r"layers must be named for .*SideBranch: it has no row of blocks"):
        chosen_layers(encoder, "all")
    with pytest.raises(UsageError, match="got 'trunc'; nearest: trunk"):
        chosen_layers(encoder, ["trunc"])


def test_encoders_without_maps():
    with pytest.raises(CheckpointError, match=r"encoder must offer maps; function .* offers features; use a checkpoint or torch module"):
        chosen_layers(as_encoder(lambda images: images.mean((2, 3)), image_size=8, name="function"), "stages")
