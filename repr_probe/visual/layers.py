"""Which layers a saliency map is made of: stage ends, all blocks, or names, each of them one on which the output depends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from repr_probe.encoders.adapters.protocol import ImageEncoder, require
from repr_probe.encoders.maps import default_map_layers, maps_and_output, prefix_tokens
from repr_probe.encoders.stages import stages_of
from repr_probe.errors import UsageError

ROWS = (nn.Sequential, nn.ModuleList)


def chosen_layers(encoder: ImageEncoder, layers: str | Sequence[str], *, gradients: bool = True) -> tuple[list[str], list[str]]:
    """(names of the layers, notes on those that were replaced).

    layers: "stages" (their last layers; four blocks at even depths of a network without stages), "all" (every block), or names; the two words
    may stand among names.  gradients: the output must depend on the maps of every layer. In the last block of a transformer whose class token
    is its output it does not depend on the patches: where a word chose that block, its first normalisation stands in, from which the
    class token still reads; where a name did, the reason is the error.
    Raises CheckpointError for an encoder without maps or gradients, UsageError for layers that are not there or give no maps.
    """
    require(encoder, "maps")
    words = [layers] if isinstance(layers, str) else list(layers)
    named = {word for word in words if word not in ("stages", "all")}
    wanted = [layer for word in words for layer in _spelt_out(encoder, word)]
    chosen = list(dict.fromkeys(wanted))
    if not gradients:
        return chosen, []
    require(encoder, "grad")
    found, notes = [], []
    for layer, reaches in zip(chosen, _reaching(encoder, chosen)):
        stand_in = None if reaches else _first_norm(encoder.module, layer)
        if not reaches and (layer in named or stand_in is None):
            instead = f"name {stand_in}" if stand_in else "name an earlier layer"
            raise UsageError(
                f"layer must reach the output; got {layer!r}, whose maps have gradient 0 for every image: {_reason(stand_in)}; {instead}"
            )
        if not reaches:
            notes.append(f"{stand_in} stands in for {layer}, on whose patches the class token no longer depends")
        found.append(layer if reaches else str(stand_in))
    silent = [layer for layer, reaches in zip(found, _reaching(encoder, found)) if not reaches] if notes else []
    if silent:
        raise UsageError(f"layer must reach the output; got {silent[0]!r}, whose maps have gradient 0 for every image; name an earlier layer")
    return list(dict.fromkeys(found)), notes


def blocks_of(module: nn.Module) -> list[str]:
    """Names of the blocks of a network in order: the innermost modules with parts of their own that stand in a row of such modules.

    Bottlenecks of a ResNet, inverted residuals of an EfficientNet, blocks of a transformer; stages that are one block each; [] for networks
    without blocks (VGG).
    """
    return list(_blocks(module, "")) or [stage for stage, path in stages_of(module).items() if _has_parts(module.get_submodule(path))]


def _blocks(module: nn.Module, path: str) -> Iterator[str]:
    children = {f"{path}.{name}" if path else name: child for name, child in module.named_children()}
    several = [name for name, child in children.items() if _has_parts(child)]
    in_a_row = 2 * len(several) >= len(children) if isinstance(module, ROWS) else _is_stage(module) and len(several) == len(children)
    for name, child in children.items():
        inner = list(_blocks(child, name))
        yield from inner or ([name] if in_a_row and name in several else [])


def _is_stage(module: nn.Module) -> bool:
    """RegNets of timm register their blocks on a module of their own class, called a stage, instead of a Sequential."""
    return "stage" in type(module).__name__.lower()


def _has_parts(module: nn.Module) -> bool:
    """Whether it is made of modules with weight matrices, and more than a mere row of them."""
    made_of_parts = next(iter(module.children()), None) is not None and not isinstance(module, ROWS)
    return made_of_parts and any(weight.ndim > 1 for weight in module.parameters())


def _spelt_out(encoder: ImageEncoder, word: str) -> list[str]:
    if word == "stages":
        return default_map_layers(encoder)
    if word != "all":
        return [word]
    blocks = blocks_of(encoder.module)
    if not blocks:
        raise UsageError(f"layers must be named for {encoder.architecture}: it has no row of blocks")
    return blocks


def _reaching(encoder: ImageEncoder, layers: Sequence[str]) -> list[bool]:
    """Whether the output depends on the maps of each layer, tried on one image of noise and a random direction of the output.

    Without class or register tokens a gradient of zeros is a matter of this image (a ReLU that is off), so only a missing one counts.
    """
    in_front = prefix_tokens(encoder.module) > 0
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, encoder.input.channels, *encoder.input.size, generator=generator).to(encoder.device).requires_grad_()
    maps, output = maps_and_output(encoder, image, layers, grad=True)
    direction = torch.randn(output.shape, generator=generator).to(output)
    gradients = torch.autograd.grad((output * direction).sum(), list(maps.values()), allow_unused=True)
    return [gradient is not None and (not in_front or bool(gradient.abs().max() > 0)) for gradient in gradients]


def _first_norm(module: nn.Module, layer: str) -> str | None:
    """The first normalisation directly inside a block, from which its attention reads: norm1, ln_1, layernorm_before."""
    place = stages_of(module).get(layer, layer)
    children = dict(module.named_modules())[place].named_children()
    return next((f"{place}.{name}" for name, child in children if "norm" in type(child).__name__.lower()), None)


def _reason(stand_in: str | None) -> str:
    return "only the class token of it is used" if stand_in else "nothing that follows uses them"
