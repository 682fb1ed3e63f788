"""Who trained a vision transformer, where its tensors show it, and what such files are evaluated with."""

from __future__ import annotations

from dataclasses import dataclass

from repr_probe.encoders.pixel_numbers import CLIP, HALVES, IMAGENET, Numbers
from repr_probe.encoders.reading import Clue, Clues, Shapes
from repr_probe.encoders.vits.names import NamedTensors
from repr_probe.encoders.vits.schemes import HF_DINOV2, HF_DINOV3, TIMM, TORCHVISION
from repr_probe.encoders.vits.sizes import Sizes
from repr_probe.preprocessing import InputSpec

ANY = Clue("", "")
FLAGS = {"size": "--image-size", "mean": "--mean", "std": "--std", "interpolation": "--interp", "crop_pct": "--crop-pct"}


@dataclass(frozen=True)
class Family:
    """mean_std, interpolation, crop: the evaluation preprocessing that is usual for these files.  crop: of the image resized to it, a share.

    resolution: pixels where no position table says.  doubt: where files with the same tensors have another mean and deviation: why this one.
    """

    name: str
    mean_std: Numbers = IMAGENET
    interpolation: str = "bicubic"
    crop: float = 224 / 256
    resolution: int = 224
    doubt: str = ""


PLAIN = Family("timm, DINO or DeiT", doubt="usual for DINO, DeiT and MoCo; timm's augreg uses 0.5")
FAMILIES = {
    family.name: family
    for family in (
        PLAIN,
        Family("torchvision", interpolation="bilinear"),
        Family("Hugging Face ViT", mean_std=HALVES, interpolation="bilinear", crop=1.0,
               doubt="Hugging Face's default; DeiT, MAE and DINO use ImageNet's"),
        Family("CLIP", mean_std=CLIP, crop=1.0),
        Family("DINOv2", crop=1.0),
        Family("DINOv3", crop=1.0, resolution=256, doubt="usual for weights of LVD-1689M; SAT-493M's differ"),
        Family("I-JEPA"),
        Family("I-JEPA or SigLIP", doubt="usual for I-JEPA; SigLIP uses 0.5"),
        Family("MAE"),
        Family("iBOT"),
        Family("MoCo v3", interpolation="bilinear"),
        Family("DeiT III", crop=1.0),
        Family("DeiT, distilled", crop=0.9),
    )
}


def family_of(sizes: Sizes, named: NamedTensors, shapes: Shapes, clues: Clues) -> Family:
    """By what only this family's files have; `PLAIN` where several share everything."""
    return FAMILIES[_name(sizes, named, shapes, clues)]


def _name(sizes: Sizes, named: NamedTensors, shapes: Shapes, clues: Clues) -> str:
    if sizes.position == "rope" or named.scheme is HF_DINOV3:
        return "DINOv3"
    if named.scheme is TORCHVISION:
        return "torchvision"
    if sizes.pre_norm or "CLIP" in named.scheme.name:
        return "CLIP"
    if not sizes.class_token and (sizes.registers or sizes.layer_scale or sizes.norm == "after"):
        return PLAIN.name
    if not sizes.class_token:
        return "I-JEPA" if sizes.width >= 1280 or clues.get("model_type", ANY).value == "ijepa" else "I-JEPA or SigLIP"
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
    sources = {field: f"usual for {family.name} files; {flag}" for field, flag in FLAGS.items()}
    if family.doubt:
        sources |= {field: f"{family.doubt}; {FLAGS[field]}" for field in ("mean", "std")}
    if sizes.image_size is not None:
        sources["size"] = "the position table"
    return InputSpec(
        size=pixels, mean=mean, std=std, interpolation=family.interpolation, crop_pct=family.crop if min(pixels) >= 96 else 1.0, sources=sources
    )
