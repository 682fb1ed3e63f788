"""Who trained a vision transformer, where its tensors show it, and what such files are evaluated with."""

from __future__ import annotations

from dataclasses import dataclass

from repr_probe.encoders.reading import Shapes
from repr_probe.encoders.vits.names import NamedTensors
from repr_probe.encoders.vits.schemes import HF_DINOV2, HF_DINOV3, TIMM, TORCHVISION
from repr_probe.encoders.vits.sizes import Sizes
from repr_probe.preprocessing import InputSpec

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
FLAGS = {"size": "--image-size", "mean": "--mean", "std": "--std", "interpolation": "--interp", "crop_pct": "--crop-pct"}


@dataclass(frozen=True)
class Family:
    """mean_std, interpolation, crop: the evaluation preprocessing that is usual for these files.  crop: of the image resized to it, a share.

    resolution: pixels where no position table says.  sure: whether the tensors show the family; if not, the numbers are a guess among several.
    """

    name: str
    mean_std: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    interpolation: str = "bicubic"
    crop: float = 224 / 256
    resolution: int = 224
    sure: bool = True


PLAIN = Family("timm, DINO or DeiT", sure=False)
FAMILIES = {
    family.name: family
    for family in (
        PLAIN,
        Family("torchvision", interpolation="bilinear"),
        Family("Hugging Face ViT", mean_std=((0.5,) * 3, (0.5,) * 3), interpolation="bilinear", crop=1.0, sure=False),
        Family("CLIP", mean_std=CLIP, crop=1.0),
        Family("DINOv2", crop=1.0),
        Family("DINOv3", crop=1.0, resolution=256),
        Family("I-JEPA"),
        Family("MAE"),
        Family("iBOT"),
        Family("MoCo v3", interpolation="bilinear"),
        Family("DeiT III", crop=1.0),
        Family("DeiT, distilled", crop=0.9),
    )
}


def family_of(sizes: Sizes, named: NamedTensors, shapes: Shapes) -> Family:
    """By what only this family's files have; `PLAIN` where several share everything."""
    return FAMILIES[_name(sizes, named, shapes)]


def _name(sizes: Sizes, named: NamedTensors, shapes: Shapes) -> str:
    if sizes.position == "rope" or named.scheme is HF_DINOV3:
        return "DINOv3"
    if named.scheme is TORCHVISION:
        return "torchvision"
    if sizes.pre_norm or "CLIP" in named.scheme.name:
        return "CLIP"
    if not sizes.class_token:
        return "I-JEPA"
    if named.scheme is HF_DINOV2 or sizes.dinov2_registers or (sizes.layer_scale and sizes.position == "all" and sizes.patch == (14, 14)):
        return "DINOv2"
    if sizes.layer_scale and sizes.position == "patches":
        return "DINOv2" if sizes.registers else "DeiT III"
    if sizes.distilled:
        return "DeiT, distilled"
    if "decoder_embed.weight" in shapes or (sizes.norm == "after" and sizes.patch[0] != 14):
        return "MAE"
    if "masked_embed" in shapes:
        return "iBOT"
    if any(name.startswith("head.") and name.endswith("running_mean") for name in shapes):
        return "MoCo v3"
    return PLAIN.name if named.scheme is TIMM or "mmpretrain" in named.scheme.name else "Hugging Face ViT"


def input_of_family(family: Family, sizes: Sizes) -> InputSpec:
    """What files of the family are evaluated with, at the size of the position table; for grey or other stems means over the colours."""
    pixels = sizes.image_size or (family.resolution // sizes.patch[0] * sizes.patch[0], family.resolution // sizes.patch[1] * sizes.patch[1])
    mean, std = family.mean_std
    if sizes.channels != len(mean):
        mean, std = ((sum(values) / len(values),) * sizes.channels for values in (mean, std))
    usual = f"usual for {family.name} files" if family.sure else f"{family.name} files differ here; the most common was taken"
    sources = {field: f"{usual}; {flag}" for field, flag in FLAGS.items()}
    if sizes.image_size is not None:
        sources["size"] = "the position table"
    return InputSpec(
        size=pixels, mean=mean, std=std, interpolation=family.interpolation, crop_pct=family.crop if min(pixels) >= 96 else 1.0, sources=sources
    )
