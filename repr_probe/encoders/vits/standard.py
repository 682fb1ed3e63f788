"""The name a vision transformer has in timm or torchvision, where the named network has exactly these parts and numbers."""

from __future__ import annotations

from repr_probe.encoders.architectures import Architecture, Option
from repr_probe.encoders.vits.network import USUAL

# (width, depth, heads, hidden or 0 for four times the width)
SIZE_NAMES = {
    (192, 12, 3, 0): "tiny", (384, 12, 6, 0): "small", (768, 12, 12, 0): "base", (1024, 24, 16, 0): "large", (1280, 32, 16, 0): "huge",
    (1408, 40, 16, 6144): "giant", (1664, 48, 16, 8192): "gigantic",
}  # fmt: skip
SIZE_FIELDS = ("width", "depth", "heads", "hidden")
# What a kind of network has beside its size and patch, where that is not the usual; and how timm calls it.
KINDS: dict[str, dict[str, Option]] = {
    "vit_{size}_patch{patch}_{pixels}": {},
    "vit_{size}_patch{patch}_gap_{pixels}": {"class_token": False, "pool": "mean"},
    "vit_{size}_patch{patch}_dinov2": {"layer_scale": True},
    "vit_{size}_patch{patch}_reg4_dinov2": {"layer_scale": True, "position": "patches", "registers": 4},
    "deit3_{size}_patch{patch}_{pixels}": {"layer_scale": True, "position": "patches"},
    "deit_{size}_distilled_patch{patch}_{pixels}": {"distilled": True, "pool": "both"},
    "vit_{size}_patch{patch}_clip_{pixels}": {"eps": 1e-5, "patch_bias": False, "pre_norm": True},
    "vit_{size}_patch{patch}_clip_quickgelu_{pixels}": {"activation": "quick_gelu", "eps": 1e-5, "patch_bias": False, "pre_norm": True},
}
# Every name the kinds lead to; a test builds each and compares it with the sizes that lead there.
_NAMES = """
    vit_tiny_patch16_224 vit_tiny_patch16_384 vit_small_patch8_224 vit_small_patch16_224 vit_small_patch16_384 vit_small_patch32_224
    vit_small_patch32_384 vit_base_patch8_224 vit_base_patch16_224 vit_base_patch16_384 vit_base_patch32_224 vit_base_patch32_384
    vit_large_patch14_224 vit_large_patch16_224 vit_large_patch16_384 vit_large_patch32_224 vit_large_patch32_384 vit_huge_patch14_224
    vit_giant_patch14_224 vit_gigantic_patch14_224 vit_huge_patch14_gap_224 vit_huge_patch16_gap_448 vit_giant_patch16_gap_224
    vit_small_patch14_dinov2 vit_base_patch14_dinov2 vit_large_patch14_dinov2 vit_small_patch14_reg4_dinov2 vit_base_patch14_reg4_dinov2
    vit_large_patch14_reg4_dinov2 deit3_small_patch16_224 deit3_small_patch16_384 deit3_base_patch16_224 deit3_base_patch16_384
    deit3_large_patch16_224 deit3_large_patch16_384 deit3_huge_patch14_224 deit_tiny_distilled_patch16_224
    deit_small_distilled_patch16_224 deit_base_distilled_patch16_224 deit_base_distilled_patch16_384 vit_base_patch32_clip_224
    vit_base_patch32_clip_256 vit_base_patch32_clip_384 vit_base_patch32_clip_448 vit_base_patch16_clip_224 vit_base_patch16_clip_384
    vit_large_patch14_clip_224 vit_large_patch14_clip_336 vit_huge_patch14_clip_224 vit_huge_patch14_clip_336 vit_huge_patch14_clip_378
    vit_giant_patch14_clip_224 vit_gigantic_patch14_clip_224 vit_gigantic_patch14_clip_378 vit_base_patch32_clip_quickgelu_224
    vit_base_patch16_clip_quickgelu_224 vit_large_patch14_clip_quickgelu_224 vit_large_patch14_clip_quickgelu_336
    vit_huge_patch14_clip_quickgelu_224 vit_huge_patch14_clip_quickgelu_378 vit_gigantic_patch14_clip_quickgelu_224
    """
TIMM_NAMES = frozenset(_NAMES.split())
# DINOv2's giant has another MLP, so its name does not follow from a kind.
GIANTS: dict[str, dict[str, Option]] = {
    "vit_giant_patch14_dinov2": {"layer_scale": True},
    "vit_giant_patch14_reg4_dinov2": {"layer_scale": True, "position": "patches", "registers": 4},
}
GIANT: dict[str, Option] = {"width": 1536, "depth": 40, "heads": 24, "hidden": 4096, "mlp": "swiglu", "patch": 14}
TORCHVISION_VITS = {
    (768, 12, 12, 0, 16): "vit_b_16",
    (768, 12, 12, 0, 32): "vit_b_32",
    (1024, 24, 16, 0, 16): "vit_l_16",
    (1024, 24, 16, 0, 32): "vit_l_32",
    (1280, 32, 16, 0, 14): "vit_h_14",
}


def own_architecture(options: dict[str, Option]) -> Architecture:
    """The parametric network, with the options that are not the usual ones."""
    return Architecture("repr_probe", "vit").changed(**{name: value for name, value in options.items() if value != USUAL[name]})


def timm_name(options: dict[str, Option], pixels: int) -> str | None:
    """The timm network with these options (all of them, as in network.USUAL), by the name for `pixels` where there is one.

    >>> timm_name({**USUAL, "width": 384, "heads": 6}, 224)
    'vit_small_patch16_224'
    """
    size = SIZE_NAMES.get(tuple(options[name] for name in SIZE_FIELDS))  # type: ignore[arg-type]
    changes = {name: value for name, value in options.items() if value != USUAL[name]}
    for name, special in GIANTS.items():
        if changes == GIANT | special:
            return name
    traits = {name: value for name, value in changes.items() if name not in (*SIZE_FIELDS, "patch")}
    for pattern, kind in KINDS.items():
        if size and traits == kind:
            candidates = [pattern.format(size=size, patch=options["patch"], pixels=each) for each in (pixels, 224, 378, 448)]
            return next((name for name in candidates if name in TIMM_NAMES), None)
    return None


def torchvision_name(options: dict[str, Option], image_size: tuple[int, int] | None) -> str | None:
    """Only at 224 pixels: torchvision's position tables cannot be resized."""
    name = TORCHVISION_VITS.get(tuple(options[field] for field in (*SIZE_FIELDS, "patch")))  # type: ignore[arg-type]
    changes = {field for field, value in options.items() if value != USUAL[field]}
    return name if image_size == (224, 224) and changes <= {*SIZE_FIELDS, "patch"} else None
