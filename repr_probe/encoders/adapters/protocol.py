"""What everything that turns images into features must offer, whatever framework it is written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from repr_probe.errors import CheckpointError
from repr_probe.preprocessing import InputSpec

if TYPE_CHECKING:
    import torch

# What an encoder may be able to do, and what gives it to somebody whose encoder cannot.
CAPABILITIES: Mapping[str, str] = {
    "features": "any encoder",
    "maps": "a checkpoint or torch module, whose inner layers can be read",
    "grad": "a checkpoint or torch module, whose gradients can be taken",
    "attention": "a checkpoint or torch module of a vision transformer",
}


class ImageEncoder(Protocol):
    """Images in, features out: exactly what extraction asks of an encoder.

    input: the preprocessing it declares; data sets obey it.  device: where it computes.  pool: the pooling asked for, or None.
    module: the torch module to move to a device; one without tensors where the network is not written in torch.
    identity: everything that makes its numbers; part of the store key.  facts, notes: for people.
    capabilities: a subset of CAPABILITIES.
    """

    @property
    def name(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def module(self) -> torch.nn.Module: ...
    @property
    def input(self) -> InputSpec: ...
    @property
    def default_layer(self) -> str: ...
    @property
    def identity(self) -> Mapping[str, Any]: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def pool(self) -> str | None: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def capabilities(self) -> frozenset[str]: ...

    def layers(self) -> list[str]:
        """Every name `features` accepts."""
        ...

    def features(self, images: torch.Tensor, layers: Sequence[str], pool: str | None = None) -> dict[str, torch.Tensor]:
        """(batch, channels, height, width), preprocessed as `input` says -> {layer: (batch, n_features)}."""
        ...


def module_capabilities(module: torch.nn.Module) -> frozenset[str]:
    """What a torch module offers: everything, attention only where a module of it is one."""
    words = {type(part).__name__.lower() for part in module.modules()}
    attention = {"attention"} if any("attention" in word for word in words) else set()
    return frozenset({"features", "maps", "grad"} | attention)


def require(encoder: ImageEncoder, capability: str) -> None:
    """Raises CheckpointError (E_CAPABILITY) when `encoder` cannot do `capability`, saying what can."""
    if capability not in encoder.capabilities:
        able = ", ".join(sorted(encoder.capabilities)) or "nothing"
        raise CheckpointError(
            f"encoder must offer {capability}; {encoder.name} ({encoder.architecture}) offers {able}; use {CAPABILITIES[capability]}",
            code="E_CAPABILITY",
        )
