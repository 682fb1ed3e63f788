"""Any Python function from images to features as an encoder, whatever framework it is written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from repr_probe.encoders.adapters.arrays_out import as_features_of
from repr_probe.encoders.adapters.declared_input import assumed_note
from repr_probe.encoders.adapters.trial import fingerprint, try_out
from repr_probe.errors import CheckpointError, InputError, ReprProbeError, UsageError
from repr_probe.preprocessing import InputSpec

POOLED = "pooled"
CHOICES = {"layout": ("NCHW", "NHWC"), "range": ("normalised", "uint8"), "arrays": ("numpy", "torch")}


@dataclass(frozen=True, eq=False)
class CallableEncoder:
    """An ImageEncoder around a function; made by `callable_encoder`, `onnx_encoder` and `exported_encoder`.

    layout, range, arrays: how images are handed to `function`.  batch: the only number of images it takes at once, or None;
    missing ones are filled up with copies of the last, whose features are dropped.
    module: the torch module inside, moved between devices by extraction; one without tensors where there is none.
    """

    function: Callable[[Any], Any] = field(repr=False)
    name: str
    architecture: str
    input: InputSpec
    layout: str = "NCHW"
    range: str = "normalised"
    arrays: str = "numpy"
    batch: int | None = None
    module: nn.Module = field(default_factory=nn.Identity, repr=False)
    identity: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    default_layer: str = POOLED
    pool: str | None = None
    capabilities: frozenset[str] = frozenset({"features"})

    @property
    def device(self) -> torch.device:
        first = next((tensor for tensors in (self.module.parameters(), self.module.buffers()) for tensor in tensors), None)
        return torch.device("cpu") if first is None else first.device

    def layers(self) -> list[str]:
        """Only what the function returns."""
        return [POOLED]

    def features(self, images: torch.Tensor, layers: Sequence[str] = (POOLED,), pool: str | None = None) -> dict[str, torch.Tensor]:
        """(batch, channels, height, width) -> {"pooled": (batch, n_features) float32}, checked at every call.

        Raises CheckpointError E_CAPABILITY for another layer or a pooling, E_OUTPUT when anything but a finite vector an image comes out.
        """
        if pool is not None or any(layer != POOLED for layer in layers):
            wanted = f"pool {pool!r}" if pool is not None else f"layer {next(layer for layer in layers if layer != POOLED)!r}"
            message = f"layer must be {POOLED!r} for {self.architecture}, whose inside cannot be read; got {wanted}"
            raise CheckpointError(f"{message}; a checkpoint or torch module gives layers and maps", code="E_CAPABILITY")
        if images.ndim != 4 or images.shape[1] != self.input.channels or not images.is_floating_point() or len(images) == 0:
            wanted = f"(batch, {self.input.channels}, height, width)"
            raise InputError(f"images must be a float tensor {wanted}; got {images.dtype} of shape {tuple(images.shape)}")
        with torch.inference_mode():
            size = self.batch or len(images)
            return {POOLED: torch.cat([self._run(part, size) for part in images.split(size)])}

    def _run(self, images: torch.Tensor, size: int) -> torch.Tensor:
        """Features of at most `size` images, filled up to `size`."""
        missing = size - len(images)
        full = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)]) if missing else images
        handed = as_handed(full, layout=self.layout, range=self.range)
        try:
            output = self.function(handed.cpu().numpy() if self.arrays == "numpy" else handed.to(self.device))
        except (ReprProbeError, torch.OutOfMemoryError):
            raise
        except Exception as failure:  # foreign code can fail in any way
            got = " ".join(f"{type(failure).__name__}: {failure}".split())[:200]
            wanted = f"{self.arrays} arrays {tuple(handed.shape)} of {str(handed.dtype).removeprefix('torch.')}"
            tensors = "arrays='torch' hands over tensors; " if self.arrays == "numpy" else ""
            remedy = f"{tensors}layout, range and grey (one channel) say how images look"
            raise CheckpointError(f"{self.name} must take images as {wanted}; got {got}; {remedy}", code="E_OUTPUT") from failure
        return as_features_of(output, size, self.name)[: len(images)]


def as_handed(images: torch.Tensor, *, layout: str, range: str) -> torch.Tensor:
    """Preprocessed images as the function wants them: `range` "uint8" gives the 8-bit pixels back exactly."""
    if range == "uint8":
        images = (images * 255).round().clamp(0, 255).to(torch.uint8)
    return images.permute(0, 2, 3, 1).contiguous() if layout == "NHWC" else images.contiguous()


def callable_encoder(
    function: Callable[[Any], Any],
    *,
    input: InputSpec,
    name: str = "",
    architecture: str = "",
    layout: str = "NCHW",
    range: str = "normalised",
    arrays: str = "numpy",
    batch: int | None = None,
    module: nn.Module | None = None,
    identity: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    notes: tuple[str, ...] = (),
) -> CallableEncoder:
    """`function` as an encoder, after a trial on four images.

    function: images -> (n, n_features), as an array of NumPy, torch, JAX or anything with `__dlpack__` or `__array__`.
    layout: "NCHW" or "NHWC".  range: "normalised" (by mean and std of `input`) or "uint8" (pixels 0 to 255).
    arrays: "numpy" or "torch", what the function is given.  batch: the only number of images it takes at once, if there is one.
    Its features on the trial images are part of its identity: another function never gets this one's stored features.

    Raises UsageError for an option, CheckpointError (E_OUTPUT, E_DEGENERATE) for a function that gives no features of single images.
    """
    for option, got in (("layout", layout), ("range", range), ("arrays", arrays)):
        if got not in CHOICES[option]:
            raise UsageError(f"{option} must be {' or '.join(CHOICES[option])}; got {got!r}")
    if batch is not None and (isinstance(batch, bool) or batch < 1):
        raise UsageError(f"batch must be a positive number of images; got {batch}")
    name = name or getattr(function, "__name__", type(function).__name__)
    encoder = CallableEncoder(
        function, name, architecture or f"callable:{name}", input, layout, range, arrays, batch, module or nn.Identity()
    )  # fmt: skip
    trial = try_out(lambda images: encoder.features(images)[POOLED], input, name)
    handing = {"layout": layout, "range": range, "batch": batch}
    return replace(
        encoder,
        identity={"architecture": encoder.architecture, **(identity or {}), **handing, "trial": fingerprint(trial)},
        facts={**(facts or {}), **handing, "n_features": trial.shape[1]},
        notes=(*notes, *assumed_note(input)),
    )
