"""InputSpec: what an encoder wants to see; said by the encoder, obeyed by the data set, printed and recorded with every result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class InputSpec:
    """Preprocessing of one image.

    size: (height, width) fed to the network.  mean, std: per channel, for pixels scaled to [0, 1]; their length is the number of channels
    (1: grey, 3: RGB).  interpolation: "bilinear", "bicubic", "nearest", "lanczos" or "box".
    crop_pct: the shorter side is resized to floor(size / crop_pct), then the centre is cropped (timm's evaluation transform).
    order: "rgb", or "bgr" where the first channel is blue (mean and std are in the same order).
    sources: for each of these names, where the value came from ("timm config of resnet50", "--mean", "default"); for the reader only.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"
    crop_pct: float = 1.0
    order: str = "rgb"
    sources: Mapping[str, str] = field(default_factory=dict)

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
