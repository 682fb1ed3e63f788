"""Subject: what the checks need of a network: its input, its embeddings, and the maps to be examined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from repr_probe.datasets.transform import convert, normalise
from repr_probe.preprocessing import InputSpec
from repr_probe.visual.targets import OwnTarget, Target

if TYPE_CHECKING:
    from repr_probe.encoders.adapters.protocol import ImageEncoder

LAST, FUSED = "last layer", "fused"

Explain = Callable[[torch.Tensor, Target | OwnTarget], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Subject:
    """A network under examination.

    embed: (n, C, H, W) -> (n, n_features).  explain: ((n, C, H, W), target) -> {name of the map: (n, h, w) >= 0}; any way of making maps
    can be examined, `subject_of` gives SmoothGrad-CAM.
    """

    input: InputSpec
    embed: Callable[[torch.Tensor], torch.Tensor]
    explain: Explain

    def normalised(self, pixels: np.ndarray) -> torch.Tensor:
        """(n, H, W, 3) uint8 -> (n, C, H, W) as the network wants it; no resizing."""
        return torch.stack([normalise(convert(Image.fromarray(one), self.input.channels), self.input) for one in pixels])


def subject_of(
    encoder: ImageEncoder,
    *,
    layers: str | Sequence[str] = "stages",
    method: str = "layercam",
    sigma: float = 0.0,
    samples: int = 1,
    batch_size: int = 8,
    seed: int = 0,
) -> Subject:
    """An encoder with its SmoothGrad-CAM: the maps of its last layer, and the fused ones where there are several layers.

    Methods without a target give the same maps for any.
    """
    from repr_probe.visual.cam import WITHOUT_TARGET
    from repr_probe.visual.smoothgrad_cam import smoothgrad_cam

    def embed(images: torch.Tensor) -> torch.Tensor:
        parts = [encoder.features(part, ("pooled",))["pooled"] for part in images.split(batch_size)]
        return torch.cat(parts).detach().to("cpu", torch.float32)

    def explain(images: torch.Tensor, target: Target | OwnTarget) -> dict[str, np.ndarray]:
        found = smoothgrad_cam(
            encoder, images, target="self" if method in WITHOUT_TARGET else target, layers=layers, method=method, sigma=sigma,
            samples=samples, batch_size=batch_size, seed=seed,
        )  # fmt: skip
        maps = {LAST: found.per_layer[-1]}
        return maps if len(found.layers) == 1 else {**maps, FUSED: found.fused}

    return Subject(encoder.input, embed, explain)
