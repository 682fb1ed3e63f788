"""`as_encoder`: whatever a researcher holds in Python that turns images into features, as an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from torch import nn

from repr_probe.encoders.adapters.callable_encoder import callable_encoder
from repr_probe.encoders.adapters.declared_input import declared_input
from repr_probe.encoders.adapters.module_encoder import encoder_from_module, takes_grey
from repr_probe.encoders.adapters.protocol import ImageEncoder
from repr_probe.encoders.input_spec import timm_config_input
from repr_probe.errors import UsageError
from repr_probe.preprocessing import InputSpec


def as_encoder(
    source: ImageEncoder | nn.Module | Callable[[Any], Any],
    *,
    image_size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    interp: str | None = None,
    crop_pct: float | None = None,
    channels: str | None = None,
    grey: bool = False,
    layout: str = "NCHW",
    range: str = "normalised",
    arrays: str = "numpy",
    batch: int | None = None,
    pool: str | None = None,
    name: str = "",
) -> ImageEncoder:
    """A torch module or any function from images to features, ready for `extract_features` and `geometry`.

    source: a torch module (its layers can all be read; modes and gradient flags are left as they are; the classifier of timm and
        torchvision networks is left out), or a function: (n, channels, height, width) float32 -> (n, n_features), in NumPy, torch,
        JAX or any framework whose arrays have `__dlpack__` or `__array__`. An encoder is given back as it is.
    image_size, mean, std, interp, crop_pct, channels ("rgb", "bgr"): the preprocessing; what is left out is ImageNet's usual (224, its
        mean and deviation, bilinear, crop 0.875) and noted, or what a timm module states of itself.
    grey: images of one channel; taken for granted where the first layer of a module takes one, and for a function whose `mean` is a
        list of one value (a plain number is for every channel).
    layout, range, arrays, batch: how a function gets its images; see `callable_encoder`.  pool: of a module, as in `load_encoder`.

    Raises UsageError for an option, CheckpointError when no finite vector an image comes out.
    """
    given: dict[str, Any] = {"image_size": image_size, "mean": mean, "std": std, "interp": interp, "crop_pct": crop_pct, "channels": channels}
    handing: dict[str, Any] = {"layout": layout, "range": range, "arrays": arrays, "batch": batch}
    if all(hasattr(source, name) for name in ("features", "layers", "input", "identity")):
        said = [name for name, value in {**given, "pool": pool}.items() if value is not None]
        if said:
            raise UsageError(f"{said[0]} must be said where the encoder is made; got it beside an encoder")
        return cast(ImageEncoder, source)
    if not callable(source):
        raise UsageError(f"encoder must be a torch module or a function from images to features; got a {type(source).__name__}")
    if not isinstance(source, nn.Module):
        if pool is not None:
            raise UsageError(f"pool must be left out for a function, whose output is taken as it is; got {pool!r}")
        grey = grey or (isinstance(mean, Sequence) and len(mean) == 1)
        return callable_encoder(source, input=declared_input(grey=grey, range=range, **given), name=name, **handing)
    if handing != {"layout": "NCHW", "range": "normalised", "arrays": "numpy", "batch": None}:
        raise UsageError("layout, range, arrays and batch must be left out for a torch module; pass a function that calls it")
    config = getattr(source, "pretrained_cfg", None)
    stated: InputSpec | None = None
    if isinstance(config, dict) and config:
        stated = timm_config_input(config, f"timm configuration of {type(source).__name__}")
    grey = grey or takes_grey(source, declared_input(start=stated, image_size=image_size).size)
    return encoder_from_module(source, input=declared_input(start=stated, grey=grey, **given), name=name, pool=pool)
