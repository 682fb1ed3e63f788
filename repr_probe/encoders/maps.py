"""Feature maps of inner layers, one convention for all networks: (n, channels, height, width), whatever the network's own layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from repr_probe.encoders.adapters.module_encoder import evaluating
from repr_probe.encoders.adapters.protocol import ImageEncoder, require
from repr_probe.encoders.encoder import POOLED, PROJECTOR, Encoder, maps_channels_last
from repr_probe.encoders.stages import stages_of
from repr_probe.errors import UsageError

# Parameters that stand in front of the patches of a vision transformer: timm, torchvision, Hugging Face, DINOv2 and v3, CLIP.
PREFIX_PARAMETERS = (
    "cls_token", "class_token", "class_embedding", "dist_token", "distillation_token", "reg_token", "register_tokens", "storage_tokens",
)  # fmt: skip


def feature_maps(encoder: ImageEncoder, images: torch.Tensor, layers: Sequence[str], *, grad: bool = False) -> dict[str, torch.Tensor]:
    """(n, C, H, W) images -> {layer: (n, channels, height, width) maps} in one forward pass, each at the layer's own resolution.

    Channels-last maps (Swin) are turned; tokens become a grid in reading order, with class, distillation and register tokens dropped.
    layers: stage1, stage2, ... or names of modules.  grad: see `maps_and_output`.
    The network is as it was afterwards, hooks and modes, also when something raises.
    Raises CheckpointError for encoders whose layers cannot be read, UsageError for a layer that does not exist, does not run or gives no
    maps, InputError for images the network does not take.
    """
    return maps_and_output(encoder, images, layers, grad=grad)[0]


def maps_and_output(
    encoder: ImageEncoder, images: torch.Tensor, layers: Sequence[str], *, grad: bool = False
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """(`feature_maps`, pooled output of the network (n, n_features)) of one and the same forward pass.

    grad: the output depends on the very maps that are returned, so that `torch.autograd.grad(score(output), list(maps.values()))` works;
    of a network with frozen weights when the images require gradients. Without it nothing is recorded.
    """
    opened = _readable(encoder, layers)
    modules = opened._modules_of(layers)
    opened._check(images)
    found: dict[str, torch.Tensor] = {}
    turn = _Turning(opened.module, images)

    def hook_for(layer: str) -> Callable[[nn.Module, Any, Any], Any]:
        def look(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            if layer in found:
                raise UsageError(f"layer must run once in a pass; {layer!r} runs several times; name the module around it")
            maps, put_back = turn(first_tensor(output, layer), layer)
            # Cloned, because an in-place activation may follow; with gradients it is the clone that goes on.
            found[layer] = maps if grad else maps.clone(memory_format=torch.contiguous_format)
            return _replace_first(output, put_back(maps).clone()) if grad else None

        return look

    with ExitStack() as stack:
        stack.enter_context(evaluating(opened.module))
        # Tensors of inference mode could not enter a probe's graph, so gradients are switched off only.
        stack.enter_context(torch.set_grad_enabled(grad))
        for layer, module in modules.items():
            stack.callback(module.register_forward_hook(hook_for(layer)).remove)
        _, pooled = opened._run(images)
    silent = next((layer for layer in layers if layer not in found), None)
    if silent is not None:
        raise UsageError(f"layer must take part in the forward pass; {silent!r} does not run")
    if grad and not pooled.requires_grad:
        raise UsageError("images must require gradients for a network whose weights do not; call images.requires_grad_()")
    return {layer: found[layer] for layer in layers}, pooled


def default_map_layers(encoder: ImageEncoder) -> list[str]:
    """The layers a hypercolumn is made of when none are named: the stages, or four blocks at even depths of a network without stages.

    Raises CheckpointError for an encoder without maps, UsageError when neither is there.
    """
    require(encoder, "maps")
    stages = list(stages_of(encoder.module))
    if stages:
        return stages
    rows = [
        [f"{name}.{child}" for child, _ in part.named_children()]
        for name, part in encoder.module.named_modules()
        if name and isinstance(part, nn.ModuleList | nn.Sequential) and len(part) >= 4 and len({type(child) for child in part}) == 1
    ]
    if not rows:
        raise UsageError(f"layers must be named for {encoder.architecture}: it has neither stages nor a row of blocks")
    blocks = max(rows, key=len)
    return [blocks[len(blocks) * quarter // 4 - 1] for quarter in (1, 2, 3, 4)]


def _readable(encoder: ImageEncoder, layers: Sequence[str]) -> Encoder:
    require(encoder, "maps")
    if not isinstance(encoder, Encoder):
        raise UsageError(f"encoder must be made by load_encoder or as_encoder; got a {type(encoder).__name__}")
    flat = next((layer for layer in layers if layer in (POOLED, PROJECTOR)), None) if not isinstance(layers, str) else None
    if flat is not None:
        raise UsageError(f"layer must give maps; {flat!r} is one vector an image; name a stage or a module")
    return encoder


def first_tensor(output: Any, layer: str) -> torch.Tensor:
    """The output of a layer, or the first of several (blocks of Hugging Face return tuples)."""
    if isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise UsageError(f"layer must give maps; {layer!r} returns a {type(output).__name__}")
    return output


def _replace_first(output: Any, tensor: torch.Tensor) -> Any:
    return (tensor, *output[1:]) if isinstance(output, tuple | list) else tensor


class _Turning:
    """Turns outputs of one network, for one batch, into (n, channels, height, width), and says how to turn them back."""

    def __init__(self, module: nn.Module, images: torch.Tensor) -> None:
        self.batch, _, self.height, self.width = images.shape
        self.channels_last = bool(maps_channels_last(module))
        self.n_prefix = prefix_tokens(module)

    def __call__(self, output: torch.Tensor, layer: str) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
        if output.shape[:1] == (self.batch,) and output.is_floating_point():
            if output.ndim == 4:
                return self._turned_maps(output)
            if output.ndim == 3:
                return self._turned_tokens(output, layer)
        raise UsageError(f"layer must give maps or tokens of {self.batch} images; {layer!r} gives shape {tuple(output.shape)}")

    def _turned_maps(self, output: torch.Tensor) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
        _, second, third, fourth = output.shape
        first, last = self._like_the_image(third, fourth), self._like_the_image(second, third)
        if self.channels_last if first == last else last:
            return output.permute(0, 3, 1, 2), lambda maps: maps.permute(0, 2, 3, 1)
        return output, lambda maps: maps

    def _like_the_image(self, height: int, width: int) -> bool:
        """Whether a map of this size has the image's proportions, but for the rounding of a side."""
        return abs(height * self.width - width * self.height) <= max(self.height, self.width)

    def _turned_tokens(self, output: torch.Tensor, layer: str) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
        n_tokens = output.shape[1]
        for n_prefix in dict.fromkeys((self.n_prefix, 0)):  # some networks add their class token in the last blocks only
            grid = token_grid(n_tokens - n_prefix, self.height, self.width)
            if grid is not None:
                prefix, patches = output[:, :n_prefix], output[:, n_prefix:]
                maps = patches.transpose(1, 2).unflatten(2, grid)  # (n, D, height, width)
                return maps, lambda maps, prefix=prefix: torch.cat([prefix, maps.flatten(2).transpose(1, 2)], 1)  # type: ignore[misc]
        raise UsageError(
            f"layer must give one token a patch; {layer!r} gives {n_tokens}, of them {self.n_prefix} in front, "
            f"for images of {self.height} x {self.width}"
        )


def token_grid(n_patches: int, height: int, width: int) -> tuple[int, int] | None:
    """(rows, columns) of so many patches over an image of this height and width; None where they make no such grid.

    >>> token_grid(196, 224, 224), token_grid(12 * 16, 192, 256), token_grid(197, 224, 224)
    ((14, 14), (12, 16), None)
    """
    if n_patches < 1:
        return None
    rows = max(1, round((n_patches * height / width) ** 0.5))
    columns = n_patches // rows
    fits = rows * columns == n_patches and abs(rows * width - columns * height) <= max(height, width)
    return (rows, columns) if fits else None


def prefix_tokens(module: nn.Module) -> int:
    """How many tokens stand in front of the patches: the network's own statement (timm), else the parameters that become such tokens."""
    for part in module.modules():
        stated = getattr(part, "num_prefix_tokens", None)
        if isinstance(stated, int):
            return stated
    count = 0
    for name, parameter in module.named_parameters():
        if name.rpartition(".")[2] in PREFIX_PARAMETERS:
            count += parameter.shape[-2] if parameter.ndim > 1 else 1
    return count
