"""The first layer of a module that takes images: what it takes of them, and what to say where that is not what it is given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from repr_probe.encoders.forward import fed
from repr_probe.files.printable import printable
from repr_probe.preprocessing import InputSpec


@dataclass(frozen=True)
class FirstLayer:
    """name: of the convolution or linear layer that runs first.  takes, given: channels of the images, or values of a whole image."""

    name: str
    is_linear: bool
    takes: int
    given: int

    @property
    def wants_grey(self) -> bool:
        """It takes a third of what colour images give it."""
        return self.given == 3 * self.takes


class _Reached(Exception):
    """Ends a forward pass where it has told enough."""


def first_layer(module: nn.Module, images: torch.Tensor) -> FirstLayer | None:
    """The first Conv2d or Linear of `module` that runs on `images`, (batch, channels, height, width); None where none is reached.

    The pass ends before that layer computes, so it may be one that these images do not fit.
    """
    layers: dict[str, nn.Module] = {
        name or type(part).__name__: part for name, part in module.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)
    }
    found: list[FirstLayer] = []

    def look(name: str, value: torch.Tensor) -> None:
        layer = layers[name]
        takes = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
        given = value.shape[-1] if isinstance(layer, nn.Linear) else value.shape[1] if value.ndim == 4 else 0
        found.append(FirstLayer(name, isinstance(layer, nn.Linear), int(takes), int(given)))  # type: ignore[arg-type]
        raise _Reached

    try:
        with torch.inference_mode(), fed(layers, look):
            module(images)
    except Exception:  # _Reached, or a module that does not get as far with these images: then there is nothing to tell
        pass
    return found[0] if found else None


def what_to_say(layer: FirstLayer | None, spec: InputSpec) -> str:
    """What to pass for a module that could not take images of `spec`, by what its first layer takes."""
    if layer is None or layer.takes == layer.given:
        return "say image_size, or pass a function"
    name = printable(layer.name)
    if layer.wants_grey:
        return f"its first layer {name} takes grey images: pass grey=True"
    if layer.takes == 3 * layer.given:
        return f"its first layer {name} takes colour images: leave grey out"
    if layer.is_linear:
        return f"its first layer {name} takes {layer.takes} values and is given {layer.given}: say image_size, or pass a function"
    return f"its first convolution {name} takes {layer.takes} channels, images have 1 or 3: pass a function that makes them"
