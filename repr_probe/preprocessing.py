"""InputSpec: what an encoder wants to see; said by the encoder, obeyed by the data set, printed and recorded with every result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any

from repr_probe.errors import UsageError
from repr_probe.files.printable import printable

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box")
ORDERS = ("rgb", "bgr")
LARGEST_SIDE = 16384
SMALLEST_CROP, LARGEST_CROP = 0.01, 2.0


@dataclass(frozen=True)
class InputSpec:
    """Preprocessing of one image.

    size: (height, width) fed to the network.  mean, std: per channel, for pixels scaled to [0, 1]; their length is the number of channels
    (1: grey, 3: RGB).  interpolation: "bilinear", "bicubic", "nearest", "lanczos" or "box".
    crop_pct: the shorter side is resized to floor(size / crop_pct), then the centre is cropped (timm's evaluation transform).
    order: "rgb", or "bgr" where the first channel is blue (mean and std are in the same order).
    sources: for each of these names, where the value came from ("timm config of resnet50", "--mean", "default"); for the reader only.
    Raises UsageError for values no image can have: sides outside 1 ... 16384, numbers that are not finite, std not above 0, crop_pct
    outside 0.01 ... 2, and unknown words.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"
    crop_pct: float = 1.0
    order: str = "rgb"
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sides = self.size if isinstance(self.size, tuple | list) else ()
        if len(sides) != 2 or not all(isinstance(side, Integral) and not isinstance(side, bool) and 1 <= side <= LARGEST_SIDE for side in sides):
            raise UsageError(f"size must be positive: height and width as whole numbers up to {LARGEST_SIDE}; got {printable(self.size)}")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if not isinstance(values, tuple | list) or not values or not all(_is_finite(value) for value in values):
                raise UsageError(f"{name} must be finite numbers, one for each channel; got {printable(values)}")
        if len(self.std) != len(self.mean):
            raise UsageError(f"std must have as many values as mean; got {len(self.std)} for {len(self.mean)}")
        if min(self.std) <= 0:
            raise UsageError(f"std must be positive; got {printable(self.std)}")
        if self.interpolation not in INTERPOLATIONS:
            raise UsageError(f"interpolation must be one of {', '.join(INTERPOLATIONS)}; got {printable(self.interpolation)!r}")
        if not _is_finite(self.crop_pct) or not SMALLEST_CROP <= self.crop_pct <= LARGEST_CROP:
            raise UsageError(f"crop_pct must be between {SMALLEST_CROP} and {LARGEST_CROP:g}; got {printable(self.crop_pct)}")
        if self.order not in ORDERS:
            raise UsageError(f"order must be one of {', '.join(ORDERS)}; got {printable(self.order)!r}")

    @property
    def channels(self) -> int:
        return len(self.mean)

    def override(self, source: str, **changes: Any) -> InputSpec:
        """The same specification with some values replaced, each noted as coming from `source`."""
        return replace(self, **changes, sources={**self.sources, **dict.fromkeys(changes, source)})

    def to_dict(self) -> dict[str, Any]:
        """Everything that changes the numbers; part of the store key."""
        return {
            "size": list(self.size),
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "crop_pct": self.crop_pct,
            **({} if self.order == "rgb" else {"order": self.order}),
        }

    def __str__(self) -> str:
        numbers = lambda values: " ".join(f"{value:g}" for value in values)  # noqa: E731
        return (
            f"{self.size[0]} x {self.size[1]}, {self.interpolation}, crop {self.crop_pct:g}, "
            f"mean {numbers(self.mean)}, std {numbers(self.std)}{'' if self.order == 'rgb' else f', {self.order}'}"
        )


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and bool(abs(value) < 1e30)  # type: ignore[operator]
