"""What files with certain names were evaluated on, for networks that no library states an input for."""

from __future__ import annotations

from collections.abc import Mapping

from repr_probe.encoders.architectures import Architecture, Option
from repr_probe.encoders.input_spec import FIELDS, averaged_over_colours
from repr_probe.preprocessing import InputSpec

Numbers = tuple[tuple[float, ...], tuple[float, ...]]  # mean and deviation of each channel
IMAGENET: Numbers = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR10: Numbers = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
CIFAR100: Numbers = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
CLIP: Numbers = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
UNSCALED: Numbers = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def usual_input(scheme: str, network: Architecture, channels: int) -> InputSpec:
    """The preprocessing that is usual for this network under these names; every field says that it was assumed, and why."""
    options = dict(network.options)
    if options.get("stem") in ("cifar", "solo"):
        numbers, why = _small(scheme, options)
        spec = _spec(32, numbers, "bilinear", 1.0, why)
    elif "SimCLR v2" in scheme:
        spec = _spec(224, UNSCALED, "bicubic", 0.875, "usual for Google's SimCLR v2")
    else:
        spec = _spec(224, IMAGENET, "bilinear", 224 / 256, "usual for ResNets with a stem for large images")
    return averaged_over_colours(spec) if channels == 1 else spec


def clip_input(grid: int) -> InputSpec:
    return _spec(32 * grid, CLIP, "bicubic", 1.0, "usual for CLIP")


def _spec(size: int, numbers: Numbers, interpolation: str, crop_pct: float, why: str) -> InputSpec:
    mean, std = numbers
    return InputSpec(
        size=(size, size), mean=mean, std=std, interpolation=interpolation, crop_pct=crop_pct, sources=dict.fromkeys(FIELDS, why)
    )  # fmt: skip


def _small(scheme: str, options: Mapping[str, Option]) -> tuple[Numbers, str]:
    if "SimCLR v2" in scheme:
        return UNSCALED, "usual for Google's SimCLR v2"
    if "weiaicunzai" in scheme:
        return CIFAR100, f"usual for {scheme} (CIFAR-100)"
    if "kuangliu" in scheme:
        return CIFAR10, f"usual for {scheme} (CIFAR-10)"
    if options.get("shortcut") == "A":
        return IMAGENET, "usual for CIFAR ResNets with shortcuts A (akamaster's)"
    if str(options.get("layers", "")).count("-") == 2:
        return CIFAR10, "usual for CIFAR ResNets of three stages (chenyaofo's)"
    return IMAGENET, "usual for ResNets with a stem for small images"
