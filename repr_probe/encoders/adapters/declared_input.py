"""The preprocessing of an encoder that brings none: what the user declares, and ImageNet's usual values for the rest."""

from __future__ import annotations

from typing import Any

from repr_probe.encoders.input_spec import FIELDS, averaged_over_colours, imagenet_input, overridden
from repr_probe.errors import UsageError
from repr_probe.preprocessing import InputSpec

USUAL = "usual for ImageNet; nothing was declared"
RAW = "raw pixels 0 to 255"


def declared_input(*, start: InputSpec | None = None, grey: bool = False, range: str = "normalised", **given: Any) -> InputSpec:
    """`start` (or 224 x 224, ImageNet mean and deviation, bilinear, crop 0.875) with what was declared; `sources` tells the two apart.

    given: image_size, mean, std, interp, crop_pct, channels ("rgb", "bgr"), each None where nothing was said.  grey: one channel.
    range "uint8": whole pixel values 0 to 255, so mean and std must be left out.  Raises UsageError for values no image can have.
    """
    if range not in ("normalised", "uint8"):
        raise UsageError(f"range must be normalised or uint8; got {range!r}")
    spec = start or imagenet_input(USUAL)
    if grey and spec.channels != 1:
        spec = averaged_over_colours(spec)
    if range == "uint8":
        if given.get("mean") is not None or given.get("std") is not None:
            raise UsageError("mean and std must be left out with range uint8: the pixels are handed on as they are")
        spec = spec.override(RAW, mean=(0.0,) * spec.channels, std=(1.0,) * spec.channels)
    return overridden(spec, **{"image_size": None, "mean": None, "std": None, **given})


def assumed_note(spec: InputSpec) -> tuple[str, ...]:
    """A note naming every part of the preprocessing that nobody declared."""
    assumed = [name for name in FIELDS if spec.sources.get(name) == USUAL]
    return (f"preprocessing was not declared for {', '.join(assumed)}: ImageNet's usual values are taken",) if assumed else ()
