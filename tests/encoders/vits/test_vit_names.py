"""Files of each program, by networks of that program: the features are the ones it computes itself."""

from __future__ import annotations

import re
import tempfile
from functools import partial
from typing import Any

import pytest
import torch
from vit_reference import (
    HF_SMALL,
    IMAGES,
    SMALL,
    THREE_HEADS,
    assert_same,
    assumed,
    our_features,
    read,
    shaken,
    timm_features,
    timm_vit,
)  # fmt: skip

from repr_probe.encoders.reading import Clue

Tensors = dict[str, torch.Tensor]
TIMM_VITS: dict[str, dict[str, Any]] = {
    "plain": {},
    "layer scale": {"init_values": 0.1},
    "no bias of attention": {"qkv_bias": False},
    "registers": {"reg_tokens": 4, "no_embed_class": True, "init_values": 0.1},
    "registers with positions": {"reg_tokens": 2},
    "positions of patches": {"no_embed_class": True, "init_values": 0.1},
    "mean, normalised after": {"global_pool": "avg"},
    "no class token": {"class_token": False, "global_pool": "avg", "fc_norm": False},
    "no class token, registers": {"class_token": False, "global_pool": "avg", "reg_tokens": 1, "no_embed_class": True},
    "wide MLP": {"mlp_ratio": 3.3},
    "one patch": {"patch_size": 32},
}


@pytest.mark.parametrize("options", TIMM_VITS.values(), ids=TIMM_VITS)
def test_timm(options: dict[str, Any]) -> None:
    module = timm_vit(**options)
    assert_same(our_features(module.state_dict()), timm_features(module))


def test_timm_with_a_norm_before_the_blocks_is_clip_s() -> None:
    from timm.layers import LayerNorm

    module = timm_vit(pre_norm=True, norm_layer=partial(LayerNorm, eps=1e-5))
    assert_same(our_features(module.state_dict()), timm_features(module))
    assert read(module.state_dict()).also == ("repr_probe:vit(activation=quick_gelu, depth=2, eps=1e-05, heads=3, patch=8, "
                                              "patch_bias=False, pre_norm=True, width=48)",)  # fmt: skip


def test_timm_distilled_gives_the_mean_of_both_tokens_and_the_class_token_if_asked() -> None:
    from timm.models.deit import VisionTransformerDistilled

    module = shaken(VisionTransformerDistilled(**SMALL))
    tensors = module.state_dict()
    assert_same(our_features(tensors), timm_features(module))
    tokens = module.forward_features(IMAGES)
    assert_same(our_features(tensors, {**THREE_HEADS, "pool": Clue("cls", "--pool")}), tokens[:, 0])
    assert_same(our_features(tensors, {**THREE_HEADS, "pool": Clue("mean", "--pool")}), tokens[:, 2:].mean(1))


def test_a_grey_stem_and_oblong_images_and_patches() -> None:
    module = timm_vit(in_chans=1)
    assert_same(our_features(module.state_dict(), images=IMAGES[:, :1]), timm_features(module, IMAGES[:, :1]))
    oblong = timm_vit(img_size=(16, 48), patch_size=(8, 4))
    images = torch.randn(2, 3, 16, 48)
    clues = {**THREE_HEADS, "image_size": Clue((16, 48), "--image-size")}
    assert_same(our_features(oblong.state_dict(), clues, images), timm_features(oblong, images))
    assert read(oblong.state_dict(), clues).image_size == (16, 48)
    grid = {**THREE_HEADS, "grid": Clue((2, 12), "args in the file")}
    assert read(oblong.state_dict(), grid).image_size == (16, 48)


def test_the_own_network_reads_its_own_files() -> None:
    module = timm_vit(init_values=0.1)
    reading = read(module.state_dict())
    assert str(reading.architecture) == "repr_probe:vit(depth=2, heads=3, layer_scale=True, patch=8, width=48)"


def dinov2(chunked: bool = False, registers: int = 4) -> tuple[Any, Tensors]:
    """timm's network and the tensors as DINOv2 writes them: a row of positions for the class token, SwiGLU as w12 and w3."""
    from timm.layers import SwiGLUPacked

    module = timm_vit(
        reg_tokens=registers, no_embed_class=registers > 0, init_values=0.1, mlp_layer=SwiGLUPacked, act_layer="silu", mlp_ratio=16 / 3
    )
    row = torch.randn(1, 1, 48)
    tensors: Tensors = {"mask_token": torch.zeros(1, 48)}
    for name, tensor in module.state_dict().items():
        name = name.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3").replace("reg_token", "register_tokens")
        name = re.sub(r"^blocks\.(\d+)", r"blocks.0.\1", name) if chunked else name
        if registers:
            tensor = {"cls_token": tensor - row, "pos_embed": torch.cat([row, tensor], 1)}.get(name, tensor) if name in (
                "cls_token", "pos_embed") else tensor  # fmt: skip
        tensors[name] = tensor
    return module, tensors


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("registers", [0, 4])
def test_dinov2(chunked: bool, registers: int) -> None:
    module, tensors = dinov2(chunked, registers)
    assert_same(our_features(tensors), timm_features(module))
    assert read(tensors).input.interpolation == "bicubic"


def dinov3(gated: bool) -> tuple[Any, Tensors]:
    """timm's network and the tensors as DINOv3 writes them: masked bias of the keys, stored periods, SwiGLU as w1, w2, w3."""
    from timm.layers import LayerNorm
    from timm.models.eva import Eva

    module = shaken(Eva(
        img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=0, global_pool="token", num_reg_tokens=4, init_values=0.1,
        use_abs_pos_emb=False, use_rot_pos_emb=True, rope_type="dinov3", rope_temperature=100, rope_rotate_half=True, use_fc_norm=False,
        norm_layer=partial(LayerNorm, eps=1e-5), swiglu_mlp=gated, swiglu_align_to=8, dynamic_img_size=True,
    ))  # fmt: skip
    swaps = {"gamma_1": "ls1.gamma", "gamma_2": "ls2.gamma", "reg_token": "storage_tokens", "fc1_g": "w1", "fc1_x": "w2"}
    tensors: Tensors = {"mask_token": torch.zeros(1, 48), "rope_embed.periods": module.rope.periods}
    for name, tensor in module.state_dict().items():
        for old, new in (swaps | ({"fc2": "w3"} if gated else {})).items():
            name = name.replace(old, new)
        if name.endswith("q_bias"):
            start = name.removesuffix("q_bias")
            tensors[f"{start}qkv.bias"] = torch.cat([tensor, torch.ones(48), module.state_dict()[f"{start}v_bias"]])
            tensors[f"{start}qkv.bias_mask"] = torch.cat([torch.ones(48), torch.zeros(48), torch.ones(48)])
        elif not name.endswith("v_bias"):
            tensors[name] = tensor
    return module, tensors


@pytest.mark.parametrize("gated", [False, True])
def test_dinov3_says_its_heads_by_the_periods_of_its_rotation(gated: bool) -> None:
    module, tensors = dinov3(gated)
    assert_same(our_features(tensors, {}), timm_features(module))
    reading = read(tensors, {})
    assert assumed(reading)["heads"] == "3" and assumed(reading)["eps"] == "1e-05" and reading.input.size == (256, 256)
    images = torch.randn(2, 3, 48, 24)
    assert_same(our_features(tensors, {}, images), timm_features(module, images))


def test_dinov3_takes_the_periods_of_the_file() -> None:
    module, tensors = dinov3(False)
    tensors["rope_embed.periods"] = tensors["rope_embed.periods"] * 1.1
    module.rope.periods.mul_(1.1)
    assert_same(our_features(tensors, {}), timm_features(module))


def test_mae_before_and_after_fine_tuning() -> None:
    module = timm_vit()
    decoder = {"mask_token": torch.zeros(1, 1, 24), "decoder_pos_embed": torch.zeros(1, 17, 24), "decoder_embed.weight": torch.zeros(24, 48),
               "decoder_blocks.0.norm1.weight": torch.zeros(24), "decoder_norm.weight": torch.zeros(24)}  # fmt: skip
    tensors = module.state_dict() | decoder
    assert_same(our_features(tensors), timm_features(module))
    reading = read(tensors)
    assert "MAE" in reading.input.sources["mean"]
    assert all(any(re.fullmatch(spare, name) for spare in reading.spare) for name in decoder)


def test_the_small_network_of_moco_v3_has_twelve_heads() -> None:
    module = timm_vit(embed_dim=384, num_heads=12, patch_size=16, depth=1)
    tensors = module.state_dict() | {"head.0.weight": torch.zeros(8, 384), "head.1.running_mean": torch.zeros(8)}
    del tensors["head.weight"], tensors["head.bias"]
    assert_same(our_features(tensors, {}), timm_features(module))
    assert assumed(read(module.state_dict(), {}))["heads"] == "6"


def test_torchvision() -> None:
    from torchvision.models.vision_transformer import VisionTransformer

    module = shaken(VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=3, hidden_dim=48, mlp_dim=96))
    tensors = module.state_dict()
    module.heads = torch.nn.Identity()
    assert_same(our_features(tensors), module(IMAGES).detach())
    older = {name.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): tensor for name, tensor in tensors.items()}
    assert_same(our_features(older), module(IMAGES).detach())


def test_mmpretrain() -> None:
    module = timm_vit(init_values=0.1)
    swaps = {
        r"^blocks\.": "layers.", r"\.norm([12])\.": r".ln\1.", r"^norm\.": "ln1.", r"patch_embed\.proj": "patch_embed.projection",
        r"mlp\.fc1": "ffn.layers.0.0", r"mlp\.fc2": "ffn.layers.1", r"ls1\.gamma": "attn.gamma1.weight", r"ls2\.gamma": "ffn.gamma2.weight",
    }  # fmt: skip
    tensors: Tensors = {}
    for name, tensor in module.state_dict().items():
        for old, new in swaps.items():
            name = re.sub(old, new, name)
        tensors[name] = tensor
    assert_same(our_features(tensors), timm_features(module))


def test_open_clip() -> None:
    open_clip = pytest.importorskip("open_clip.transformer")
    module = shaken(open_clip.VisionTransformer(32, 8, 48, 2, 3, 4.0, output_dim=24))
    tensors = module.state_dict()
    assert assumed(read(tensors))["activation"] == "gelu" and "before the projection" in str(read(tensors).assumptions[3])
    ours = our_features(tensors)
    module.proj = None
    assert_same(ours, module(IMAGES).detach())
    quick = shaken(open_clip.VisionTransformer(32, 8, 48, 2, 3, 4.0, output_dim=24, act_layer=open_clip.QuickGELU))
    quick.proj = None
    clues = {**THREE_HEADS, "activation": Clue("quick_gelu", "open_clip_config.json")}
    assert_same(our_features(quick.state_dict(), clues), quick(IMAGES).detach())


def test_clipa_takes_the_mean_and_normalises_it() -> None:
    open_clip = pytest.importorskip("open_clip.transformer")
    module = shaken(
        open_clip.VisionTransformer(32, 8, 48, 2, 3, 4.0, output_dim=24, no_ln_pre=True, pool_type="avg", final_ln_after_pool=True)
    )
    ours = our_features(module.state_dict())
    module.proj = None
    assert_same(ours, module(IMAGES).detach())


def hf(kind: str, **options: Any) -> Any:
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{kind}Config")(**HF_SMALL | options)
    return shaken(getattr(transformers, f"{kind}Model")(config))


HF_NETWORKS: dict[str, tuple[str, dict[str, Any], dict[str, Clue]]] = {
    "ViT": ("ViT", {}, {}),
    "DeiT": ("DeiT", {}, {}),
    "MSN": ("ViTMSN", {}, {"model_type": Clue("vit_msn", "config.json")}),
    "DINOv2": ("Dinov2", {"mlp_ratio": 2}, {}),
    "DINOv2, SwiGLU": ("Dinov2", {"mlp_ratio": 2, "use_swiglu_ffn": True}, {}),
    "DINOv2, registers": ("Dinov2WithRegisters", {"mlp_ratio": 2, "num_register_tokens": 4}, {}),
    "DINOv3": ("DINOv3ViT", {"num_register_tokens": 4}, {}),
    "DINOv3, gated": ("DINOv3ViT", {"num_register_tokens": 4, "use_gated_mlp": True, "hidden_act": "silu"}, {}),
    "CLIP": ("CLIPVision", {}, {}),
    "eps of config.json": ("ViT", {"layer_norm_eps": 0.01}, {"eps": Clue(0.01, "config.json")}),
    "activation of config.json": ("ViT", {"hidden_act": "quick_gelu"}, {"activation": Clue("quick_gelu", "config.json")}),
}


@pytest.mark.parametrize(("kind", "options", "clues"), HF_NETWORKS.values(), ids=HF_NETWORKS)
def test_hugging_face_in_memory_and_on_disk(kind: str, options: dict[str, Any], clues: dict[str, Clue]) -> None:
    from safetensors.torch import load_file

    module = hf(kind, **options)
    with torch.inference_mode():
        output = module(pixel_values=IMAGES)
    theirs = output.pooler_output if kind == "CLIPVision" else output.last_hidden_state[:, 0]
    assert_same(our_features(module.state_dict(), THREE_HEADS | clues), theirs)
    with tempfile.TemporaryDirectory() as folder:
        module.save_pretrained(folder)
        assert_same(our_features(load_file(f"{folder}/model.safetensors"), THREE_HEADS | clues), theirs)


def test_hugging_face_i_jepa_is_the_mean_over_the_patches() -> None:
    module = hf("IJepa")
    with torch.inference_mode():
        theirs = module(pixel_values=IMAGES).last_hidden_state.mean(1)
    assert_same(our_features(module.state_dict(), {**THREE_HEADS, "model_type": Clue("ijepa", "config.json")}), theirs)


def test_hugging_face_mae() -> None:
    module = hf("ViTMAE", mask_ratio=0.0)
    with torch.inference_mode():
        theirs = module(pixel_values=IMAGES, noise=torch.arange(16.0).expand(3, 16)).last_hidden_state[:, 0]
    assert_same(our_features(module.state_dict(), {**THREE_HEADS, "model_type": Clue("vit_mae", "config.json")}), theirs)


def test_the_masked_transformer_of_lightly_is_timm_s_under_a_prefix() -> None:
    modules = pytest.importorskip("lightly.models.modules")
    module = timm_vit()
    tensors = modules.MaskedVisionTransformerTIMM(module).state_dict()
    below = {name.removeprefix("vit."): tensor for name, tensor in tensors.items() if name.startswith("vit.")}
    assert_same(our_features(below), timm_features(module))
