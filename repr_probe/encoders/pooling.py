"""From the output of a layer to one vector an image: maps are averaged, of tokens the class token is taken where the network has one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from repr_probe.errors import UsageError

POOLS = ("avg", "mean", "cls", "max")


@dataclass(frozen=True)
class Tokens:
    """How a network arranges its tokens: `n_prefix` in front of the patches, the first of them a class token if `has_class`.

    n_patches: number of patches of one image where the network says so.
    """

    n_prefix: int
    has_class: bool
    n_patches: int | None

    @classmethod
    def of(cls, module: nn.Module) -> Tokens:
        has_class = any(isinstance(getattr(module, name, None), nn.Parameter) for name in ("cls_token", "class_token"))
        n_prefix = getattr(module, "num_prefix_tokens", None)
        patches = getattr(getattr(module, "patch_embed", None), "num_patches", None)
        return cls(
            n_prefix=n_prefix if isinstance(n_prefix, int) else int(has_class),
            has_class=has_class,
            n_patches=patches if isinstance(patches, int) else None,
        )

    def prefix_in(self, n_tokens: int) -> int:
        """How many of `n_tokens` are prefix tokens: some networks add them only in their last blocks."""
        return 0 if self.n_patches == n_tokens else min(self.n_prefix, n_tokens - 1)


def check_pool(pool: str | None) -> str | None:
    """`avg` and `mean` are one thing; raises UsageError for a word that is none of POOLS.

    >>> check_pool("mean")
    'avg'
    """
    if pool is not None and pool not in POOLS:
        raise UsageError(f"pool must be one of {', '.join(POOLS)}; got {pool!r}")
    return "avg" if pool == "mean" else pool


def pool_output(output: object, *, layer: str, batch: int, tokens: Tokens, channels_last: bool | None, pool: str | None) -> torch.Tensor:
    """Output of a layer -> (batch, n_features).

    (batch, C, H, W) or (batch, H, W, C) maps: mean over the places, or the maximum with pool="max".
    (batch, T, D) tokens: class token where there is one, else the mean over the patches; pool="cls" | "avg" | "max" says which.
    (batch, D): as it is.  channels_last: what the network says of its maps; None: told from the shape.
    Raises UsageError for outputs and combinations that have no such reading.
    """
    if not isinstance(output, torch.Tensor):
        raise UsageError(f"layer must name a module that returns one tensor; {layer!r} returns a {type(output).__name__}")
    if output.ndim not in (2, 3, 4) or output.shape[0] != batch or not output.is_floating_point():
        raise UsageError(f"layer must give maps, tokens or features of {batch} images; {layer!r} gives shape {tuple(output.shape)}")
    if output.ndim == 2:
        if pool is not None:
            raise UsageError(f"pool must be left out for {layer!r}: its output is one vector an image already; got {pool!r}")
        return output.clone()
    if output.ndim == 4:
        if pool == "cls":
            raise UsageError(f"pool must be avg or max for {layer!r}: its output are maps without a class token; got 'cls'")
        places = places_of(output, layer=layer, channels_last=channels_last)
        return output.amax(places) if pool == "max" else output.mean(places)
    return _pool_tokens(output, layer, tokens, pool)


def _pool_tokens(output: torch.Tensor, layer: str, tokens: Tokens, pool: str | None) -> torch.Tensor:
    n_prefix = tokens.prefix_in(output.shape[1])
    has_class = tokens.has_class and n_prefix > 0
    if pool == "cls" and not has_class:
        raise UsageError(f"pool must be avg or max for {layer!r}: its tokens have no class token; got 'cls'")
    if pool == "cls" or (pool is None and has_class):
        return output[:, 0].clone()
    patches = output[:, n_prefix:]
    return patches.amax(1) if pool == "max" else patches.mean(1)


def places_of(maps: torch.Tensor, *, layer: str, channels_last: bool | None) -> tuple[int, int]:
    """Which two of the four dimensions are height and width.

    Images are square nearly always, so the two equal dimensions tell; the network's own statement decides where they cannot.
    """
    _, second, third, fourth = maps.shape
    first_possible, last_possible = third == fourth, second == third
    if first_possible != last_possible:
        return (2, 3) if first_possible else (1, 2)
    if channels_last is None:
        shape = tuple(maps.shape)
        raise UsageError(f"layer must give maps whose channels can be told; {layer!r} gives shape {shape}; use square images")
    return (1, 2) if channels_last else (2, 3)


def own_pooling(maps: object, pooled: torch.Tensor, *, tokens: Tokens, channels_last: bool | None) -> str | None:
    """Which of avg, cls, max turns the last maps into the network's own pooled output; None where more than pooling lies between."""
    for pool in ("avg", "cls", "max"):
        try:
            ours = pool_output(maps, layer="pooled", batch=pooled.shape[0], tokens=tokens, channels_last=channels_last, pool=pool)
        except UsageError:
            continue
        if ours.shape == pooled.shape and torch.allclose(ours, pooled, rtol=1e-4, atol=1e-6):
            return pool
    return None
