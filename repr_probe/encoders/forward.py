"""One forward pass of a network: its last maps or tokens and its pooled output, and modules watched on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

# Where the last maps of networks without `forward_features` + `forward_head` are: a module and which side of it.
MAP_PLACES = (("avgpool", "input"), *((name, "output") for name in ("encoder", "features", "layers", "conv5", "stage3")))


def run_network(module: Any, images: torch.Tensor) -> tuple[object, torch.Tensor]:
    """(last maps or tokens, or None where they cannot be had; pooled output)."""
    if hasattr(module, "forward_features") and hasattr(module, "forward_head"):
        maps = module.forward_features(images)
        return maps, module.forward_head(maps, pre_logits=True)
    children = dict(module.named_children())
    place = next(((children[name], side) for name, side in MAP_PLACES if name in children), None)
    if place is None:
        return None, module(images)
    seen: list[Any] = []
    layer, side = place
    handle = layer.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0] if side == "input" else output))
    try:
        pooled = module(images)
    finally:
        handle.remove()
    return seen[-1] if seen else None, pooled


@contextmanager
def watched(modules: Mapping[str, nn.Module], look: Callable[[str, object], None]) -> Iterator[None]:
    """Call `look(name, output)` whenever one of `modules` runs inside the block; no hook is left behind, whatever happens."""
    handles = []
    try:
        for name, module in modules.items():
            handles.append(module.register_forward_hook(lambda _, __, output, name=name: look(name, output)))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def fed(modules: Mapping[str, nn.Module], look: Callable[[str, torch.Tensor], None]) -> Iterator[None]:
    """As `watched`, with the first tensor each module is given, before it runs."""
    handles = []
    try:
        for name, module in modules.items():
            handles.append(module.register_forward_pre_hook(
                lambda _, given, name=name: look(name, given[0]) if given and isinstance(given[0], torch.Tensor) else None
            ))  # fmt: skip
        yield
    finally:
        for handle in handles:
            handle.remove()
