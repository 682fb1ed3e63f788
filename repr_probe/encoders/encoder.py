"""Encoder: a network with its weights, the input it wants, where it came from, and one way to get features out of any of its layers."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from repr_probe.encoders.adapters.protocol import module_capabilities
from repr_probe.encoders.forward import run_network, watched
from repr_probe.encoders.pooling import Tokens, check_pool, own_pooling, pool_output
from repr_probe.encoders.stages import stages_of
from repr_probe.errors import InputError, UsageError
from repr_probe.preprocessing import InputSpec

if TYPE_CHECKING:
    from repr_probe.encoders.projector import Projector

POOLED, PROJECTOR = "pooled", "projector"


@dataclass(frozen=True, eq=False)
class Encoder:
    """An image encoder, made by `load_encoder`.

    name: what the user wrote, short.  architecture: "torchvision:resnet50".  module: in eval mode, float32, on its device.
    input: the preprocessing it wants.  default_layer: the pooled output of the backbone, before any classifier.
    identity: everything that makes its numbers (hash of the file or seed of the random weights, overrides); part of the store key.
    facts: for people: what matched, how, what was left aside, versions.  notes: what a reader of the numbers has to know.
    pool: the pooling asked for in place of the network's own, or None.
    projector: builds what the checkpoint carries behind the encoder (layer "projector"), or None where it carries nothing.
    own_pool: which of "avg", "cls", "max" the network's own pooling is, measured; None where more than pooling lies before the output.
    """

    name: str
    architecture: str
    module: nn.Module
    input: InputSpec
    default_layer: str = POOLED
    identity: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pool: str | None = None
    own_pool: str | None = None
    projector: Callable[[], Projector] | None = None

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do: features, maps, grad, and attention where a module of it is one."""
        return module_capabilities(self.module)

    def layers(self) -> list[str]:
        """Every name `features` accepts: "pooled", "projector" where the checkpoint has one, stage1, ..., and the names of its modules."""
        modules = [name for name, _ in self.module.named_modules() if name]
        return list(dict.fromkeys([POOLED, *([PROJECTOR] if self.projector else []), *stages_of(self.module), *modules]))

    def features(self, images: torch.Tensor, layers: Sequence[str] = (POOLED,), pool: str | None = None) -> dict[str, torch.Tensor]:
        """(batch, channels, height, width) -> {layer: (batch, n_features)} on the device of the network, in one forward pass.

        A layer that gives maps is averaged over the places; of tokens the class token is taken where the network has one, else the mean;
        `pool` ("avg", "cls", "max") says otherwise. Nothing of the network is changed, also when something raises.
        Raises UsageError for a layer or a pooling that does not exist (with the nearest names), InputError for images that do not fit.
        """
        modules = self._modules_of(layers)
        pool = check_pool(pool if pool is not None else self.pool)
        self._check(images)
        found: dict[str, torch.Tensor] = {}
        tokens, channels_last = Tokens.of(self.module), maps_channels_last(self.module)

        def look(layer: str, output: object) -> None:
            # Pooled at once: a following in-place activation would change the output, and maps of many layers would fill the memory.
            if layer in found:
                raise UsageError(f"layer must run once in a pass; {layer!r} runs several times; name the module around it")
            found[layer] = pool_output(
                output, layer=layer, batch=len(images), tokens=tokens, channels_last=channels_last, pool=pool
            )  # fmt: skip

        with torch.inference_mode(), watched(modules, look):
            maps, pooled = self._run(images)
            if POOLED in layers:
                found[POOLED] = self._pooled(maps, pooled, tokens, channels_last, pool)
            if self.projector is not None and PROJECTOR in layers:
                found[PROJECTOR] = self.projector().module.to(pooled.device)(pooled)
        silent = [layer for layer in layers if layer not in found]
        if silent:
            raise UsageError(f"layer must take part in the forward pass; {silent[0]!r} does not run")
        return {layer: found[layer] for layer in layers}

    def _run(self, images: torch.Tensor) -> tuple[object, torch.Tensor]:
        try:
            return run_network(self.module, images.to(self.device))
        except (RuntimeError, AssertionError) as failure:
            if tuple(images.shape[2:]) == self.input.size or isinstance(failure, torch.OutOfMemoryError):
                raise
            wanted, got = (" x ".join(map(str, size)) for size in (self.input.size, images.shape[2:]))
            raise InputError(f"images must be {wanted}, as {self.architecture} was loaded for; got {got}") from failure

    def _pooled(
        self, maps: object, pooled: torch.Tensor, tokens: Tokens, channels_last: bool | None, pool: str | None
    ) -> torch.Tensor:  # fmt: skip
        if pool is None or pool == self.own_pool:
            return pooled
        if self.own_pool is None:
            raise UsageError(
                f"pool must be left out for the pooled output of {self.architecture}: more than pooling lies before its output; "
                f"got {pool!r}; name a layer and pool that one"
            )
        return pool_output(maps, layer=POOLED, batch=len(pooled), tokens=tokens, channels_last=channels_last, pool=pool)

    def _modules_of(self, layers: Sequence[str]) -> dict[str, nn.Module]:
        stages, modules = stages_of(self.module), dict(self.module.named_modules())
        if isinstance(layers, str) or not layers:
            raise UsageError(f"layers must be a list of one or more names; got {layers!r}")
        for layer in layers:
            known = layer in stages or layer in modules or layer == POOLED or (layer == PROJECTOR and self.projector is not None)
            if not layer or not known:
                raise UsageError(f"layer must be a layer of {self.architecture}; got {layer!r}; {self._nearest(layer)}")
        return {layer: modules[stages.get(layer, layer)] for layer in layers if layer not in (POOLED, PROJECTOR)}

    def _nearest(self, layer: str) -> str:
        near = difflib.get_close_matches(layer, self.layers(), n=4, cutoff=0.4)
        return f"nearest: {', '.join(near)}" if near else f"there are: {', '.join(self.layers()[:6])}, ..."

    def _check(self, images: torch.Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != self.input.channels or not images.is_floating_point() or len(images) == 0:
            wanted = f"(batch, {self.input.channels}, height, width)"
            raise InputError(f"images must be a float tensor {wanted}; got {images.dtype} of shape {tuple(images.shape)}")


def maps_channels_last(module: nn.Module) -> bool | None:
    """Whether maps are (batch, H, W, C) where their shape does not tell: timm states it, torchvision's Swin is known."""
    stated = getattr(module, "output_fmt", None)
    if stated is not None:
        return str(getattr(stated, "value", stated)).upper() == "NHWC"
    return type(module).__name__ == "SwinTransformer"


def probe_pooling(module: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, str | None]:
    """The pooled outputs of trial images, and which pooling the network's own is; one image at a time, to hold little memory."""
    outputs, found = [], set()
    tokens, channels_last = Tokens.of(module), maps_channels_last(module)
    with torch.inference_mode():
        for image in images.split(1):
            maps, pooled = run_network(module, image)
            if not isinstance(pooled, torch.Tensor) or pooled.ndim != 2:
                return pooled, None
            outputs.append(pooled)
            found.add(own_pooling(maps, pooled, tokens=tokens, channels_last=channels_last))
    return torch.cat(outputs), found.pop() if len(found) == 1 else None
