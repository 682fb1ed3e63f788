"""A vision transformer built from its sizes, on timm's blocks: `repr_probe:vit(depth=2, heads=3, width=48)`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from repr_probe.encoders.architectures import Option
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import printable

# The usual network: ViT-B/16. hidden=0: four times the width. patch: a number, or "16x8" (height x width).
# position: "all" a learned table for every token; "patches" one for the patches alone; "rope" DINOv3's rotation and no table.
# norm: the last normalisation "before" or "after" the pooling. periods: the rotation's periods are in the file, as DINOv3 writes them.
# distilled: DeiT's second token; pool "both": the mean of it and the class token.
USUAL: dict[str, Option] = {
    "activation": "gelu", "class_token": True, "depth": 12, "distilled": False, "eps": 1e-6, "heads": 12, "hidden": 0, "layer_scale": False,
    "mlp": "gelu", "norm": "before", "patch": 16, "patch_bias": True, "periods": False, "pool": "cls", "position": "all", "pre_norm": False,
    "qkv_bias": True, "registers": 0, "width": 768,
}  # fmt: skip
WORDS = {
    "activation": ("gelu", "quick_gelu", "gelu_tanh", "relu", "silu"),
    "mlp": ("gelu", "swiglu"),
    "norm": ("before", "after"),
    "pool": ("cls", "mean", "both"),
    "position": ("all", "patches", "rope"),
}
# (smallest, largest): far beyond any network, and small enough to be built, for a file may name any.
LIMITS = {"depth": (1, 200), "heads": (1, 512), "width": (1, 16384), "hidden": (0, 65536), "registers": (0, 1024), "eps": (1e-15, 0.1)}
LARGEST_PATCH = 1024
IMAGE_SIZE = 224


def build_vit(options: Mapping[str, Option], *, channels: int = 3, image_size: tuple[int, int] | None = None) -> nn.Module:
    """The network without a classifier; options that are left out are ViT-B/16's.

    image_size: (height, width) the position table is for; networks without a table take any size that patches fill.
    Raises CheckpointError for an option that does not exist (with the nearest), has an impossible value, or contradicts another.
    """
    chosen = checked(options)
    patch = patch_of(chosen["patch"])
    size = image_size or tuple(max(IMAGE_SIZE // side, 1) * side for side in patch)
    if any(pixels % side for pixels, side in zip(size, patch)):
        raise CheckpointError(f"image_size must be a multiple of the patch {patch[0]} x {patch[1]}; got {size[0]} x {size[1]}")
    shared: dict[str, Any] = {
        "img_size": size, "patch_size": patch, "in_chans": channels, "num_classes": 0, "embed_dim": chosen["width"], "depth": chosen["depth"],
        "num_heads": chosen["heads"], "mlp_ratio": _ratio(chosen), "qkv_bias": chosen["qkv_bias"], "class_token": chosen["class_token"],
        "init_values": 1.0 if chosen["layer_scale"] else None, "global_pool": {"cls": "token", "mean": "avg"}.get(chosen["pool"], "token"),
    }  # fmt: skip
    module = _with_rotation(shared, chosen) if chosen["position"] == "rope" else _with_table(shared, chosen)
    conv = module.patch_embed.proj
    if chosen["patch_bias"] != (conv.bias is not None):  # timm leaves the bias out exactly where there is a norm before the blocks
        module.patch_embed.proj = nn.Conv2d(channels, chosen["width"], patch, patch, bias=chosen["patch_bias"])
    return module


def checked(options: Mapping[str, Option]) -> dict[str, Any]:
    """Every option with its value, the usual one where it is not given; raises CheckpointError for what cannot be built."""
    for name, value in options.items():
        if name not in USUAL:
            near = difflib.get_close_matches(name[:50], USUAL, n=2, cutoff=0.5) or sorted(USUAL)
            raise CheckpointError(f"arch must have options of repr_probe:vit; got {printable(name)!r}; nearest: {', '.join(near)}")
        wanted = type(USUAL[name])
        if name == "patch":
            patch_of(value)
        elif type(value) is not wanted and not (wanted is float and type(value) is int):
            raise CheckpointError(f"arch must have {name} as in {name}={USUAL[name]}; got {name}={printable(value)}")
        if name in WORDS and value not in WORDS[name]:
            raise CheckpointError(f"arch must have {name} one of {', '.join(WORDS[name])}; got {name}={printable(value)}")
        if name in LIMITS and not LIMITS[name][0] <= value <= LIMITS[name][1]:  # type: ignore[operator]
            raise CheckpointError(f"arch must have {name} of {LIMITS[name][0]} to {LIMITS[name][1]}; got {name}={printable(value)}")
    chosen = {**USUAL, **options}
    _check_together(chosen)
    return chosen


def _check_together(chosen: Mapping[str, Any]) -> None:
    if chosen["width"] % chosen["heads"]:
        raise CheckpointError(f"heads must divide the width {chosen['width']}; got {chosen['heads']}; give --heads")
    if chosen["pool"] != "mean" and not chosen["class_token"]:
        raise CheckpointError(f"pool must be mean for a network without class token; got {chosen['pool']}")
    if chosen["pool"] == "both" and not chosen["distilled"]:
        raise CheckpointError("pool must be cls or mean for a network without distillation token; got both")
    if chosen["distilled"] and (chosen["registers"] or not chosen["class_token"] or chosen["position"] != "all"):
        raise CheckpointError("distilled must go with a class token, a position table for all tokens and no registers")
    if chosen["position"] != "rope" and chosen["periods"]:
        raise CheckpointError("periods must go with position=rope; got a position table")
    if chosen["position"] == "rope" and (chosen["activation"] != "gelu" or chosen["width"] // chosen["heads"] % 4):
        raise CheckpointError("position=rope must go with activation=gelu and heads whose width is a multiple of 4")


def patch_of(value: Option) -> tuple[int, int]:
    """(height, width) of a patch.

    >>> patch_of(16), patch_of("16x8")
    ((16, 16), (16, 8))
    """
    text = printable(value)
    parts = [int(part) for part in text.split("x") if part.isascii() and part.isdigit() and len(part) <= 4]
    if isinstance(value, bool) or not 1 <= len(parts) <= 2 or not 1 <= min(parts) <= max(parts) <= LARGEST_PATCH or "x".join(map(str, parts)) != text:
        raise CheckpointError(f"arch must have patch as in patch=16 or patch=16x8, up to {LARGEST_PATCH}; got patch={text}")
    return parts[0], parts[-1]


def _ratio(chosen: Mapping[str, Any]) -> float:
    """What timm multiplies the width with and cuts to a whole number; its packed SwiGLU counts gate and values together."""
    hidden = chosen["hidden"] or 4 * chosen["width"]
    packed = chosen["mlp"] == "swiglu" and chosen["position"] != "rope"
    return ((2 * hidden if packed else hidden) + 0.5) / chosen["width"]


def _with_table(shared: dict[str, Any], chosen: Mapping[str, Any]) -> Any:
    from timm.layers import LayerNorm, SwiGLUPacked
    from timm.models.vision_transformer import VisionTransformer

    options = shared | {
        "reg_tokens": chosen["registers"], "no_embed_class": chosen["position"] == "patches", "pre_norm": chosen["pre_norm"],
        "fc_norm": chosen["norm"] == "after", "norm_layer": partial(LayerNorm, eps=chosen["eps"]),
        "act_layer": nn.GELU if chosen["activation"] == "gelu" else chosen["activation"],
    }  # fmt: skip
    if chosen["mlp"] == "swiglu":
        options |= {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU}
    if not chosen["distilled"]:
        return VisionTransformer(**options)
    from repr_probe.encoders.vits.distilled import DistilledViT

    return DistilledViT(**options | {"global_pool": "token"}, pooling=chosen["pool"])


def _with_rotation(shared: dict[str, Any], chosen: Mapping[str, Any]) -> Any:
    """timm's network for DINOv3: positions rotate queries and keys; any image size that patches fill."""
    from timm.layers import LayerNorm
    from timm.models.eva import Eva

    after = chosen["norm"] == "after"
    module = Eva(
        **shared, num_reg_tokens=chosen["registers"], use_abs_pos_emb=False, use_rot_pos_emb=True, rope_type="dinov3", rope_temperature=100.0,
        rope_rotate_half=True, attn_type="rope", dynamic_img_size=True, swiglu_mlp=chosen["mlp"] == "swiglu", use_fc_norm=after,
        use_post_transformer_norm=not after, use_pre_transformer_norm=chosen["pre_norm"], norm_layer=partial(LayerNorm, eps=chosen["eps"]),
    )  # fmt: skip
    rotation: Any = module.rope
    if chosen["periods"]:
        rotation.register_buffer("periods", rotation.periods, persistent=True)
    return module
