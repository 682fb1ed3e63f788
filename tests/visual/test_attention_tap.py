"""The tap against the attention that eager code forms, for every way a vision transformer computes it."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.visual.attention import attention_maps
from repr_probe.visual.attention_tap import AttentionCall, AttentionTap

SMALL = {"depth": 3, "embed_dim": 48, "num_heads": 2, "num_classes": 0}
# name: image size, tokens in front of the patches
TIMM = {
    "vit_tiny_patch16_224": (64, 1), "deit3_small_patch16_224": (64, 1), "beit_base_patch16_224": (64, 1), "eva02_tiny_patch14_224": (56, 1),
    "vit_small_patch14_reg4_dinov2": (56, 5), "vit_small_patch16_dinov3": (64, 5), "deit_tiny_distilled_patch16_224": (64, 2),
}  # fmt: skip


def sharpened(module: nn.Module) -> nn.Module:
    """Weights large enough that attention is far from uniform."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim == 1 and name.endswith("weight"):  # normalisation and layer scale
                parameter.fill_(1.0)
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (0.4 if parameter.ndim == 2 else 0.1))
    return module.eval()


def pictures(side: int, n: int = 2) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(2))


def eager_of_timm(module: Any, images: torch.Tensor) -> list[torch.Tensor]:
    """What enters the dropout of attention when fused kernels are off: the weights themselves."""
    seen: list[torch.Tensor] = []
    handles = []
    for block in module.blocks:
        block.attn.fused_attn = False
        handles.append(block.attn.attn_drop.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0])))
    with torch.no_grad():
        module(images)
    for handle, block in zip(handles, module.blocks):
        handle.remove()
        block.attn.fused_attn = True
    return seen


def of_class_token(weights: list[torch.Tensor], n_prefix: int, side: int = 4) -> torch.Tensor:
    """(n, side, side): mean over blocks and heads of the first row, patches alone."""
    return torch.stack(weights).mean((0, 2))[:, 0, n_prefix:].unflatten(1, (side, side))


@pytest.mark.parametrize("name", TIMM)
def test_timm_networks_agree_with_their_own_eager_code(name):
    size, n_prefix = TIMM[name]
    module = sharpened(timm.create_model(name, img_size=size, **SMALL))
    images = pictures(size)
    weights = eager_of_timm(module, images)
    assert len(weights) == 3 and weights[0].std() > 0.02
    found = attention_maps(as_encoder(module, image_size=size), images)
    assert (found.n_blocks, found.n_heads, found.n_prefix, found.query) == (3, 2, n_prefix, "class token")
    torch.testing.assert_close(torch.from_numpy(found.maps), of_class_token(weights, n_prefix), rtol=1e-4, atol=1e-5)
    per_head = attention_maps(as_encoder(module, image_size=size), images, reduce="last", heads=True).maps
    expected = weights[-1][:, :, 0, n_prefix:].unflatten(2, (4, 4))
    torch.testing.assert_close(torch.from_numpy(per_head), expected, rtol=1e-4, atol=1e-5)


def test_eager_code_of_timm_is_seen_in_its_softmax():
    module = sharpened(timm.create_model("vit_tiny_patch16_224", img_size=64, **SMALL))
    fused = attention_maps(as_encoder(module, image_size=64), pictures(64))
    for block in module.blocks:
        block.attn.fused_attn = False
    eager = attention_maps(as_encoder(module, image_size=64), pictures(64))
    assert eager.n_blocks == fused.n_blocks == 3
    torch.testing.assert_close(torch.from_numpy(eager.maps), torch.from_numpy(fused.maps), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["ViT", "Dinov2", "DeiT"])
def test_hugging_face_networks_agree_with_their_own_eager_code(kind):
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=48, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64, image_size=64, patch_size=16,
        attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0,
    )  # fmt: skip
    module = sharpened(getattr(transformers, f"{kind}Model")(config))
    module.set_attn_implementation("eager")
    with torch.no_grad():
        weights = list(module(pictures(64), output_attentions=True).attentions)
    n_prefix = 2 if kind == "DeiT" else 1
    for implementation in ("sdpa", "eager"):
        module.set_attn_implementation(implementation)
        found = attention_maps(as_encoder(Pooled(module), image_size=64), pictures(64))
        assert (found.n_blocks, found.n_prefix) == (3, n_prefix)
        torch.testing.assert_close(torch.from_numpy(found.maps), of_class_token(weights, n_prefix), rtol=1e-4, atol=1e-5)


class Pooled(nn.Module):
    """The class token of a Hugging Face network."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.inner(images).last_hidden_state[:, 0]


def torchvision_vit() -> Any:
    from torchvision.models import VisionTransformer

    return sharpened(VisionTransformer(image_size=64, patch_size=16, num_layers=3, num_heads=2, hidden_dim=48, mlp_dim=64))


def test_torchvision_agrees_with_the_weights_its_module_can_return():
    module, weights = torchvision_vit(), []
    handles = []
    for layer in module.encoder.layers:
        ask = lambda _, args, kwargs: (args, {**kwargs, "need_weights": True, "average_attn_weights": False})  # noqa: E731
        handles.append(layer.self_attention.register_forward_pre_hook(ask, with_kwargs=True))
        handles.append(layer.self_attention.register_forward_hook(lambda _, __, output: weights.append(output[1])))
    with torch.no_grad():
        module(pictures(64))
    for handle in handles:
        handle.remove()
    found = attention_maps(as_encoder(module, image_size=64), pictures(64))
    assert (found.n_blocks, found.n_heads, found.n_prefix) == (3, 2, 1)
    torch.testing.assert_close(torch.from_numpy(found.maps), of_class_token(weights, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "beit_base_patch16_224", "cait_xxs24_224"])
def test_the_output_of_the_network_stays_the_same_to_the_last_bit(name):
    kwargs = {"depth": 2} if name.startswith("cait") else SMALL
    module = timm.create_model(name, img_size=64, **kwargs).eval()
    calls = []
    with torch.no_grad():
        plain = module(pictures(64))
        with AttentionTap(lambda call: calls.append(call.rows(slice(0, 1)))):
            tapped = module(pictures(64))
        after = module(pictures(64))
    assert calls and torch.equal(plain, tapped) and torch.equal(plain, after)


def test_the_output_of_torchvision_stays_the_same_but_for_its_other_kernel():
    module = torchvision_vit()
    with torch.no_grad():
        plain = module(pictures(64))
        with AttentionTap(lambda call: None):
            tapped = module(pictures(64))
    torch.testing.assert_close(tapped, plain, rtol=1e-4, atol=1e-5)


def rows_of(compute: Any) -> AttentionCall:
    found: list[AttentionCall] = []
    with AttentionTap(found.append):
        compute()
    assert len(found) == 1
    return found[0]


Q, K = (torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(seed)) for seed in (3, 4))
FLOAT_MASK = torch.randn(4, 5, 5, generator=torch.Generator().manual_seed(5))
BOOL_MASK = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(6)) > 0.3
BOOL_MASK[..., 0] = True


@pytest.mark.parametrize(
    "options",
    [{}, {"scale": 0.7}, {"is_causal": True}, {"attn_mask": FLOAT_MASK}, {"attn_mask": BOOL_MASK}, {"attn_mask": FLOAT_MASK[:, :1]}],
    ids=["plain", "scale", "causal", "float mask", "bool mask", "mask of keys"],
)
def test_weights_are_those_the_kernel_applied(options):
    """With the identity as values the output of attention is its weights."""
    values = torch.eye(5).expand(2, 4, 5, 5)
    expected = functional.scaled_dot_product_attention(Q, K, values, **options)
    call = rows_of(lambda: functional.scaled_dot_product_attention(Q, K, values, **options))
    assert call.shape == (2, 4, 5, 5) and call.fused
    for chosen in (slice(0, 1), slice(2, 5), slice(None)):
        torch.testing.assert_close(call.rows(chosen), expected[:, :, chosen])


def test_grouped_keys_serve_several_heads():
    values = torch.eye(5).expand(2, 2, 5, 5)
    expected = functional.scaled_dot_product_attention(Q, K[:, :2], values, enable_gqa=True)
    call = rows_of(lambda: functional.scaled_dot_product_attention(Q, K[:, :2], values, enable_gqa=True))
    torch.testing.assert_close(call.rows(slice(None)), expected)


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"add_bias_kv": True}, {"kdim": 6, "vdim": 6}], ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_torch_attention_modules_of_every_kind(options, masked):
    module = nn.MultiheadAttention(12, 3, batch_first=True, **options).eval()
    query = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(7))
    key = query[..., :6] if "kdim" in options else query
    mask = torch.randn(6, 5, 5, generator=torch.Generator().manual_seed(8)) if masked else None
    with torch.no_grad():
        expected = module(query, key, key, need_weights=True, average_attn_weights=False, attn_mask=mask)[1]
        call = rows_of(lambda: module(query, key, key, need_weights=False, attn_mask=mask))
        torch.testing.assert_close(call.rows(slice(1, 3)), expected[:, :, 1:3])


@pytest.mark.parametrize("softmax", [torch.softmax, functional.softmax, torch.Tensor.softmax, torch.special.softmax, lambda x, dim: nn.Softmax(dim)(x)])
def test_every_softmax_of_torch_is_seen(softmax):
    scores = Q @ K.transpose(2, 3)
    call = rows_of(lambda: softmax(scores, dim=-1))
    assert call.shape == (2, 4, 5, 5) and not call.fused
    torch.testing.assert_close(call.rows(slice(0, 2)), scores.softmax(-1)[:, :, :2])


def test_a_softmax_over_channels_or_of_other_shapes_is_none():
    found: list[AttentionCall] = []
    with AttentionTap(found.append):
        torch.randn(2, 4, 5, 5).softmax(1)
        torch.randn(2, 4, 5, 6).softmax(-1)
        torch.randn(4, 5).softmax(-1)
    assert found == []
