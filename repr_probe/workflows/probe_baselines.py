"""What an accuracy is worth: the same network with random weights, and no network at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repr_probe.encoders.adapters.protocol import ImageEncoder

PIXEL_SIDE = 32


def random_encoder(origin: Mapping[str, Any], device: str, *, allow_code: bool = False) -> ImageEncoder:
    """The architecture of an encoder with random weights (seed 0) and the same input.

    origin: its architecture, pool and input, as the provenance of a store has them.  allow_code: for architectures of module:callable.
    """
    from repr_probe.encoders.adapters.as_encoder import as_encoder
    from repr_probe.encoders.architectures import resolve_architecture
    from repr_probe.encoders.devices import resolve_device
    from repr_probe.encoders.load import load_encoder
    from repr_probe.encoders.networks import build_network

    seen, architecture = origin["input"], origin["architecture"]
    given = {"image_size": tuple(seen["size"]), "mean": seen["mean"], "std": seen["std"], "interp": seen["interpolation"],
             "crop_pct": seen["crop_pct"], **({"channels": seen["order"]} if "order" in seen else {})}  # fmt: skip
    if not architecture.startswith("repr_probe:"):
        return load_encoder(architecture, pool=origin["pool"], device=device, allow_code=allow_code, **given)
    grey = len(seen["mean"]) == 1
    network = build_network(resolve_architecture(architecture), channels=1 if grey else 3, image_size=tuple(seen["size"]))
    module = network.module.to(resolve_device(device))
    return as_encoder(module, grey=grey, pool=origin["pool"], name=architecture, **given)


def pixel_encoder(origin: Mapping[str, Any], device: str) -> ImageEncoder:
    """The pixels themselves, in 0..1, of the image as the encoder sees it but at most 32 x 32."""
    from repr_probe.encoders.adapters.as_encoder import as_encoder

    seen = origin["input"]
    height, width = (min(PIXEL_SIDE, side) for side in seen["size"])
    return as_encoder(
        _flattened, image_size=(height, width), mean=0.0, std=1.0, interp=seen["interpolation"], crop_pct=seen["crop_pct"],
        grey=len(seen["mean"]) == 1, name=f"raw pixels, {height} x {width}")  # fmt: skip


def _flattened(images: Any) -> Any:
    """(n, channels, height, width) -> (n, channels * height * width)."""
    return images.reshape(len(images), -1)
