"""What a network wants to see: from the configuration its library ships with it, and from what the user said instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from repr_probe.encoders.architectures import Architecture
from repr_probe.encoders.pixel_numbers import DIGITS, IMAGENET
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.files.printable import printable
from repr_probe.preprocessing import INTERPOLATIONS, ORDERS, SMALLEST_CROP, InputSpec

LARGEST_STATED = 4096  # pixels of a side that a file may state; --image-size goes further
FIELDS = ("size", "mean", "std", "interpolation", "crop_pct")


def input_of(architecture: Architecture, *, pretrained: bool = False) -> InputSpec:
    """The evaluation preprocessing the library states for its own weights of this network.

    torchvision: the transform of its first published weights (V1: shorter side to 256, centre 224, ImageNet mean and deviation), which is
    what files from elsewhere follow; with `pretrained` the transform of the weights that are downloaded.
    """
    if architecture.library == "timm":
        return _timm_input(architecture.name)
    if architecture.library == "torchvision":
        return _torchvision_input(architecture.name, pretrained)
    if architecture == Architecture("repr_probe", "digits_net"):
        return InputSpec((8, 8), *DIGITS, interpolation="bilinear", crop_pct=1.0, sources=dict.fromkeys(FIELDS, "the data set digits"))
    return imagenet_input(f"ImageNet's usual, for want of a statement by {architecture}")


def imagenet_input(source: str) -> InputSpec:
    """224 of 256 pixels, bilinear, ImageNet's mean and deviation."""
    return InputSpec((224, 224), *IMAGENET, interpolation="bilinear", crop_pct=0.875, sources=dict.fromkeys(FIELDS, source))


def _timm_input(name: str) -> InputSpec:
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    return timm_config_input(config.to_dict() if config else {}, f"timm configuration of {name}")


def timm_config_input(config: Mapping[str, Any], source: str) -> InputSpec:
    """The specification inside a timm `pretrained_cfg`; what it does not say is timm's default."""
    from timm.data import constants

    default = {"input_size": (3, 224, 224), "mean": constants.IMAGENET_DEFAULT_MEAN, "std": constants.IMAGENET_DEFAULT_STD,
               "interpolation": "bicubic", "crop_pct": constants.DEFAULT_CROP_PCT}  # fmt: skip
    said = {**default, **{name: config[name] for name in default if config.get(name) is not None}}
    size = said.pop("input_size")
    if not isinstance(size, list | tuple) or len(size) != 3:
        raise CheckpointError(f"{source} must have input_size as channels, height and width; got {printable(size)}; correct it there")
    return spec_from_file(source, size=list(size[1:]), **said)


def _torchvision_input(name: str, pretrained: bool) -> InputSpec:
    from torchvision.models import get_model_weights

    published = get_model_weights(name)
    weights = published.DEFAULT if pretrained else next(iter(published))
    transform = weights.transforms()
    crop, resize = transform.crop_size[0], transform.resize_size[0]
    return InputSpec(
        size=(crop, crop), mean=tuple(transform.mean), std=tuple(transform.std), interpolation=transform.interpolation.value,
        crop_pct=crop / resize, sources=dict.fromkeys(FIELDS, f"torchvision transforms of {weights}"),
    )  # fmt: skip


def stated_input(block: Mapping[str, Any], source: str) -> InputSpec:
    """The specification a file states about itself; raises CheckpointError where a value is missing."""
    missing = [name for name in FIELDS if name not in block]
    if missing:
        raise CheckpointError(f"{source} must state its whole input; got none for {', '.join(missing)}")
    return spec_from_file(source, **{name: block[name] for name in FIELDS}, order=block.get("order", "rgb"))


def spec_from_file(source: str, *, size: Any, mean: Any, std: Any, interpolation: Any, crop_pct: Any, order: Any = "rgb") -> InputSpec:
    """The specification of values that stand in a file, of any type; CheckpointError names the file and what is wrong in it."""
    try:
        numbers = {name: tuple(value) if isinstance(value, list | tuple) else value for name, value in (("mean", mean), ("std", std))}
        sources = dict.fromkeys(FIELDS if order == "rgb" else (*FIELDS, "order"), source)
        spec = InputSpec(size=stated_size(size, source, "size"), interpolation=interpolation, crop_pct=crop_pct, order=order, sources=sources,
                         **numbers)  # fmt: skip
    except UsageError as failure:
        raise CheckpointError(f"{source} must state what images can have; {failure}; correct it there") from None
    return replace(spec, mean=tuple(map(float, spec.mean)), std=tuple(map(float, spec.std)), crop_pct=float(spec.crop_pct))


def stated_size(value: Any, source: str, field: str) -> tuple[int, int]:
    """(height, width) out of the number or the two that a file states."""
    sides = (value, value) if isinstance(value, int) else value
    if isinstance(sides, list | tuple) and len(sides) == 2 and all(type(side) is int and 1 <= side <= LARGEST_STATED for side in sides):
        return sides[0], sides[1]
    raise CheckpointError(f"{source} must have {field} as whole numbers of pixels up to {LARGEST_STATED}; got {printable(value)}; correct it there")


def averaged_over_colours(spec: InputSpec) -> InputSpec:
    """The specification for the same network with a grey stem: one mean and one deviation, the means of the colours'."""
    averaged = {name: (sum(getattr(spec, name)) / spec.channels,) for name in ("mean", "std")}
    return spec.override("mean over the colours, for a grey stem", **averaged)


def overridden(
    spec: InputSpec, *, image_size: int | tuple[int, int] | None, mean: Sequence[float] | float | None, std: Sequence[float] | float | None,
    interp: str | None = None, crop_pct: float | None = None, channels: str | None = None,
) -> InputSpec:  # fmt: skip
    """`spec` with what the user said; raises UsageError for values no image can have."""
    if image_size is not None:
        size = _pair(image_size)
        if min(size) < 1:
            raise UsageError(f"image_size must be positive; got {image_size}")
        spec = spec.override("--image-size", size=size)
    if mean is not None:
        spec = spec.override("--mean", mean=_per_channel("mean", mean, spec.channels))
    if std is not None:
        values = _per_channel("std", std, spec.channels)
        if min(values) <= 0:
            raise UsageError(f"std must be positive; got {std}")
        spec = spec.override("--std", std=values)
    if interp is not None:
        if interp not in INTERPOLATIONS:
            raise UsageError(f"interp must be one of {', '.join(INTERPOLATIONS)}; got {interp!r}")
        spec = spec.override("--interp", interpolation=interp)
    if crop_pct is not None:
        if not SMALLEST_CROP <= crop_pct <= 2:
            raise UsageError(f"crop_pct must be above 0 and at most 2 (0.875: 256 px cut to 224); got {crop_pct}")
        spec = spec.override("--crop-pct", crop_pct=float(crop_pct))
    if channels is not None:
        if channels not in ORDERS or spec.channels != 3:
            raise UsageError(f"channels must be one of {', '.join(ORDERS)}, for a network of three channels; got {channels!r} for {spec.channels}")
        spec = spec.override("--channels", order=channels)
    return spec


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    numbers = [int(number) for number in size]
    if len(numbers) != 2:
        raise UsageError(f"image_size must be one number or height and width; got {size}")
    return numbers[0], numbers[1]


def _per_channel(name: str, values: Sequence[float] | float, channels: int) -> tuple[float, ...]:
    numbers = [float(values)] if isinstance(values, int | float) else [float(value) for value in values]
    if len(numbers) == 1:
        numbers *= channels
    if len(numbers) != channels:
        raise UsageError(f"{name} must have one value or one for each of {channels} channels; got {len(numbers)} values")
    if not all(abs(number) < 20 for number in numbers):
        raise UsageError(f"{name} must be finite and speak of pixels scaled to [0, 1]; got {numbers}; divide values for 0..255 by 255")
    return tuple(numbers)
