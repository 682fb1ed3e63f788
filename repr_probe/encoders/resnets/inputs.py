"""What files with certain names were evaluated on, for networks that no library states an input for."""

from __future__ import annotations

from collections.abc import Mapping

from repr_probe.encoders.architectures import Architecture, Option
from repr_probe.encoders.input_spec import FIELDS, averaged_over_colours
from repr_probe.encoders.pixel_numbers import CIFAR10, CIFAR100_WEI, CLIP, IMAGENET, UNSCALED, Numbers
from repr_probe.preprocessing import InputSpec


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
        return CIFAR100_WEI, f"usual for {scheme} (CIFAR-100)"
    if "kuangliu" in scheme:
        return CIFAR10, f"usual for {scheme} (CIFAR-10)"
    if options.get("shortcut") == "A":
        return IMAGENET, "usual for CIFAR ResNets with shortcuts A (akamaster's)"
    if str(options.get("layers", "")).count("-") == 2:
        return CIFAR10, "usual for CIFAR ResNets of three stages (chenyaofo's)"
    return IMAGENET, "usual for ResNets with a stem for small images"
