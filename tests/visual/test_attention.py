"""attention_maps: reductions, networks it can and cannot read, options, files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import timm
import torch
from torch import nn

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.load import load_encoder
from repr_probe.errors import CheckpointError, InputError, UsageError
from repr_probe.visual.attention import attention_maps
from repr_probe.visual.attention_tap import AttentionTap

SMALL = {"depth": 3, "embed_dim": 48, "num_heads": 2, "num_classes": 0}


@pytest.fixture(scope="module")
def images():
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(0)
    module = timm.create_model("vit_small_patch16_dinov3", img_size=64, **SMALL).eval()
    with torch.no_grad():
        for block in module.blocks:
            block.attn.qkv.weight.mul_(20)
    return as_encoder(module, image_size=64)


@pytest.fixture(scope="module")
def matrices(vit, images):
    """(n, heads, tokens, tokens) of every block."""
    found = []
    with torch.no_grad(), AttentionTap(lambda call: found.append(call.rows(slice(None)))):
        vit.module(images)
    return found


def test_maps_are_shares_of_the_attention(vit, images):
    found = attention_maps(vit, images)
    assert found.maps.shape == (3, 4, 4) and found.maps.dtype == np.float32 and (found.maps >= 0).all()
    np.testing.assert_allclose(found.maps.sum((1, 2)), found.on_patches, rtol=1e-6)
    assert ((found.on_patches > 0) & (found.on_patches < 1)).all()
    normed = attention_maps(vit, images, renormalise=True)
    np.testing.assert_allclose(normed.maps.sum((1, 2)), 1, rtol=1e-6)
    np.testing.assert_allclose(normed.on_patches, found.on_patches)


def test_mean_of_chosen_blocks(vit, images, matrices):
    rows = torch.stack(matrices).mean(2)[:, :, 0, 5:].unflatten(2, (4, 4))  # (blocks, n, 4, 4)
    for blocks, expected in [(None, rows.mean(0)), ([0, -1], rows[[0, 2]].mean(0)), ([1], rows[1])]:
        np.testing.assert_allclose(attention_maps(vit, images, blocks=blocks).maps, expected.numpy(), rtol=1e-5)
    np.testing.assert_allclose(attention_maps(vit, images, reduce="last").maps, rows[2].numpy(), rtol=1e-5)


def test_the_mean_over_heads_is_the_map(vit, images):
    for reduce in ("mean", "last"):
        heads = attention_maps(vit, images, reduce=reduce, heads=True)
        assert heads.maps.shape == (3, 2, 4, 4) and heads.on_patches.shape == (3, 2)
        np.testing.assert_allclose(heads.maps.mean(1), attention_maps(vit, images, reduce=reduce).maps, rtol=1e-5)


def test_rollout_is_the_product_over_the_blocks(vit, images, matrices):
    product = torch.eye(21)
    for weights in matrices:
        product = (0.5 * weights.mean(1) + 0.5 * torch.eye(21)) @ product
    found = attention_maps(vit, images, reduce="rollout")
    np.testing.assert_allclose(found.maps.reshape(3, 16), product[:, 0, 5:].numpy(), rtol=1e-5)
    assert (found.n_blocks, found.n_heads) == (3, 2)


def test_batches_do_not_matter_and_nothing_is_left_behind(vit, images):
    whole = attention_maps(vit, images, batch_size=3)
    one = attention_maps(vit, images, batch_size=1)
    np.testing.assert_allclose(one.maps, whole.maps, rtol=1e-5)
    vit.module.train()
    attention_maps(vit, images)
    assert vit.module.training and all(parameter.grad is None for parameter in vit.module.parameters())
    vit.module.eval()
    assert not any(part._forward_hooks for part in vit.module.modules())


def test_images_that_are_not_square(images):
    module = timm.create_model("vit_tiny_patch16_224", img_size=(64, 96), **SMALL).eval()
    found = attention_maps(as_encoder(module, image_size=(64, 96)), torch.randn(2, 3, 64, 96))
    assert found.maps.shape == (2, 4, 6)


def test_without_a_class_token_the_mean_over_patches_is_taken(images):
    module = timm.create_model("vit_base_patch16_reg4_gap_256", img_size=64, **SMALL).eval()
    encoder, matrices = as_encoder(module, image_size=64), []
    found = attention_maps(encoder, images)
    with torch.no_grad(), AttentionTap(lambda call: matrices.append(call.rows(slice(None)))):
        module(images)
    assert (found.query, found.n_prefix) == ("mean over patches", 4)  # its registers are not asked
    expected = torch.stack(matrices).mean((0, 2))[:, 4:, 4:].mean(1)
    np.testing.assert_allclose(found.maps.reshape(3, 16), expected.numpy(), rtol=1e-5)
    rolled = attention_maps(encoder, images, reduce="rollout")
    assert rolled.query == "mean over patches" and rolled.maps.shape == (3, 4, 4)


def test_more_queries_than_are_held_at_a_time(images, monkeypatch):
    encoder = as_encoder(timm.create_model("vit_base_patch16_reg4_gap_256", img_size=64, **SMALL).eval(), image_size=64)
    whole = [attention_maps(encoder, images, reduce=reduce).maps for reduce in ("mean", "rollout")]
    monkeypatch.setattr("repr_probe.visual.attention_blocks._ROWS_AT_ONCE", 3)
    for reduce, expected in zip(("mean", "rollout"), whole):
        np.testing.assert_allclose(attention_maps(encoder, images, reduce=reduce).maps, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "query"),
    [
        ("vit_base_patch16_siglip_224", SMALL, "attention pooling"),
        ("cait_xxs24_224", {"depth": 2, "embed_dim": 48}, "class attention"),
        ("xcit_nano_12_p16_224", {"depth": 2}, "class attention"),
    ],
)
def test_a_single_query_is_read_where_it_is_the_only_one_for_the_whole_image(name, options, query, images):
    encoder = as_encoder(timm.create_model(name, img_size=64, **options).eval(), image_size=64)
    found = attention_maps(encoder, images)
    assert found.query == query and found.maps.shape == (3, 4, 4)
    with pytest.raises(UsageError, match=r"reduce must be mean or last for .*, whose blocks do not share their tokens; got 'rollout'"):
        attention_maps(encoder, images, reduce="rollout")


@pytest.mark.parametrize(
    ("name", "size", "text"),
    [
        ("test_resnet", 64, "encoder must offer attention; ResNet .* computes none that torch can see; use a checkpoint or torch module of a"),
        ("swin_tiny_patch4_window7_224", 56, "attends within 4 windows of 49 tokens; use a plain vision transformer"),
        ("test_maxvit", 160, "attends within 4 windows of 25 tokens"),
        ("test_coatnet", 160, r"has blocks of different grids \(10 x 10, 5 x 5\)"),
        ("pvt_v2_b0", 64, "queries for 4 keys in a block"),
    ],
)
def test_networks_whose_attention_is_no_map_of_the_image_are_refused(name, size, text):
    options = {"img_size": 56, "depths": (1, 1, 1, 1), "embed_dim": 12} if name.startswith("swin") else {}
    encoder = as_encoder(timm.create_model(name, **options).eval(), image_size=size)
    with pytest.raises(CheckpointError, match=text) as failure:
        attention_maps(encoder, torch.randn(1, 3, size, size))
    assert failure.value.code == "E_CAPABILITY" and "\n" not in str(failure.value)


def test_an_encoder_without_inner_layers_is_refused(images):
    function = as_encoder(lambda batch: batch.reshape(len(batch), -1)[:, :7], image_size=64)
    with pytest.raises(CheckpointError, match=r"encoder must offer maps; .* offers features"):
        attention_maps(function, images)


def test_a_failing_network_leaves_no_tap(images):
    class Failing(nn.Module):
        fail = False

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 4)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            if self.fail:
                raise ValueError("broken inside")
            return self.linear(batch.mean((2, 3)))

    module = Failing()
    encoder = as_encoder(module, image_size=64)
    module.fail = True
    with pytest.raises(ValueError, match="broken inside"):
        attention_maps(encoder, images)
    assert torch.overrides._get_current_function_mode() is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"reduce": "max"}, "reduce must be one of mean, last, rollout; got 'max'"),
        ({"reduce": "rollout", "heads": True}, "heads must be left out for rollout"),
        ({"reduce": "last", "blocks": [0]}, r"blocks must be one or more numbers and go with reduce='mean'; got \[0\] with 'last'"),
        ({"blocks": []}, r"blocks must be one or more numbers"),
        ({"blocks": [0, 3]}, "blocks must be numbers from 0 to 2, or negative from the end; got 3"),
        ({"batch_size": 0}, "batch_size must be 1 or more; got 0"),
    ],
)
def test_options_that_cannot_be(vit, images, options, text):
    with pytest.raises(UsageError, match=text):
        attention_maps(vit, images, **options)


def test_images_that_do_not_fit(vit):
    with pytest.raises(InputError, match="images must be a float tensor"):
        attention_maps(vit, torch.zeros(1, 1, 64, 64))


def test_files_hold_maps_and_what_made_them(vit, images, tmp_path):
    found = attention_maps(vit, images, blocks=[0, 2])
    with np.load(found.save(tmp_path / "maps.npz")) as held:
        np.testing.assert_array_equal(held["maps"], found.maps)
        settings = json.loads(str(held["settings"]))
    assert settings["blocks"] == [0, 2] and settings["query"] == "class token" and settings["identity"] == dict(vit.identity)
    with pytest.raises(UsageError, match=r"the file of the maps must end in \.npz; got"):
        found.save(tmp_path / "maps.json")


def test_a_checkpoint_by_name(images):
    encoder = load_encoder("timm:test_vit", image_size=64)
    assert attention_maps(encoder, images).maps.shape == (3, 4, 4)
