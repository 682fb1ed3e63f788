"""Attention maps (Fig. 3 of HyDeS): how much of the class token's attention goes to each patch, of any vision transformer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from repr_probe import progress
from repr_probe.encoders.adapters.module_encoder import evaluating
from repr_probe.encoders.adapters.protocol import CAPABILITIES, ImageEncoder, require
from repr_probe.encoders.encoder import Encoder
from repr_probe.encoders.maps import prefix_tokens
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.files.atomic import atomic_file
from repr_probe.visual.attention_blocks import ALL_PATCHES, CLASS_TOKEN, SINGLE_QUERY, BlockRow, BlockRows
from repr_probe.visual.attention_tap import AttentionTap

REDUCTIONS = ("mean", "last", "rollout")
CLASS_PARAMETERS = ("cls_token", "class_token", "class_embedding")


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """Made by `attention_maps`.

    maps: float32 (n, rows, columns), or (n, heads, rows, columns): share of the attention that goes to each patch, in reading order.
    on_patches: float32 (n,) or (n, heads): the share that goes to patches at all; the rest goes to class and register tokens.
    query: whose attention it is: "class token", "class attention" (CaiT, XCiT), "attention pooling", or "mean over patches".
    n_blocks, n_heads: blocks of the network whose attention was read, and heads of each.  n_prefix: tokens in front of the patches.
    settings: everything that makes the numbers.
    """

    maps: np.ndarray
    on_patches: np.ndarray
    query: str
    n_blocks: int
    n_heads: int
    n_prefix: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path) -> Path:
        """Write maps and on_patches as an .npz, the rest as JSON in its `settings`; UsageError for another suffix."""
        path = Path(path)
        if path.suffix.lower() != ".npz":
            raise UsageError(f"the file of the maps must end in .npz; got {str(path)!r}")
        facts = {**self.settings, "query": self.query, "n_blocks": self.n_blocks, "n_heads": self.n_heads, "n_prefix": self.n_prefix}
        with atomic_file(path) as temporary:
            np.savez_compressed(temporary, maps=self.maps, on_patches=self.on_patches, settings=np.array(json.dumps(facts, default=str)))
        return path


def attention_maps(
    encoder: ImageEncoder,
    images: torch.Tensor,
    *,
    reduce: str = "mean",
    heads: bool = False,
    blocks: Sequence[int] | None = None,
    renormalise: bool = False,
    batch_size: int = 8,
) -> AttentionMaps:
    """Attention from the class token to the patches, for images (n, channels, height, width) preprocessed as the encoder wants them.

    reduce: "mean" over all blocks and heads, as the paper's Fig. 3; "last" block, as DINO's figures; "rollout" (Abnar and Zuidema, ACL 2020):
        the row of the product of (identity + mean over heads) / 2 of all blocks.
    heads: one map a head in place of their mean; head 3 of one block has nothing to do with head 3 of another, so best with "last".
    blocks: numbers of the blocks that "mean" takes, from 0, negative from the end.  renormalise: let each map sum to 1.
    A network without a class token is read by its attention pooling where it has one, else by the mean over its patches; `query` says which.

    Only one row a block is computed, so that fused attention stays on and the pass costs little more than a plain one; rollout needs whole
    matrices and holds one of them. An attention map shows where values are gathered from, not what the output depends on.
    Raises CheckpointError (E_CAPABILITY) for networks without attention, or whose attention looks at windows or at fewer keys than
    patches; UsageError for options that cannot be.
    """
    _check_options(reduce, heads, blocks, batch_size)
    require(encoder, "maps")
    if not isinstance(encoder, Encoder):
        raise UsageError(f"encoder must be made by load_encoder or as_encoder; got a {type(encoder).__name__}")
    encoder._check(images)
    parts: list[tuple[np.ndarray, BlockRow, list[BlockRow]]] = []
    with progress.task("attention", len(images)) as advance:
        for batch in images.split(batch_size):
            rows = _chosen(encoder, _watched(encoder, batch, rollout=reduce == "rollout"))
            parts.append((_reduced(rows, reduce, heads, blocks), rows[-1], rows))
            advance(len(batch))
    _, last, rows = parts[-1]
    weights = np.concatenate([part[0] for part in parts])  # (n, tokens) or (n, heads, tokens)
    maps = weights[..., last.n_prefix :]
    on_patches = maps.sum(-1)
    if renormalise:
        maps = maps / on_patches[..., None]
    query = _query_name(encoder, last.query)
    n_heads = last.n_heads
    settings = {
        "reduce": reduce, "heads": heads, "blocks": None if blocks is None else list(blocks), "renormalise": renormalise, "encoder": encoder.name,
        "architecture": encoder.architecture, "identity": dict(encoder.identity), "input": encoder.input.to_dict(),
    }  # fmt: skip
    return AttentionMaps(maps.reshape(*maps.shape[:-1], *last.grid), on_patches, query, len(rows), n_heads, last.n_prefix, settings)


def _check_options(reduce: str, heads: bool, blocks: Sequence[int] | None, batch_size: int) -> None:
    if reduce not in REDUCTIONS:
        raise UsageError(f"reduce must be one of {', '.join(REDUCTIONS)}; got {reduce!r}")
    if heads and reduce == "rollout":
        raise UsageError("heads must be left out for rollout, which multiplies the means over heads; use reduce='mean' or 'last'")
    if blocks is not None and (reduce != "mean" or len(blocks) == 0):
        raise UsageError(f"blocks must be one or more numbers and go with reduce='mean'; got {list(blocks)} with {reduce!r}")
    if batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more; got {batch_size}")


def _watched(encoder: Encoder, batch: torch.Tensor, *, rollout: bool) -> BlockRows:
    module = encoder.module
    n, _, height, width = batch.shape
    seen = BlockRows((n, height, width), n_prefix=prefix_tokens(module), has_class=has_class_token(module), rollout=rollout)
    with evaluating(module), torch.no_grad(), AttentionTap(seen):
        encoder._run(batch)
    return seen


def has_class_token(module: torch.nn.Module) -> bool:
    """Whether one of the tokens in front of the patches is a class token; register tokens are not."""
    return any(name.rpartition(".")[2] in CLASS_PARAMETERS for name, _ in module.named_parameters())


def _chosen(encoder: Encoder, seen: BlockRows) -> list[BlockRow]:
    """The rows of one kind: those of the class token, else of a single query, else means over the patches."""
    refuse = f"encoder must attend from every place to every patch; {encoder.name} ({encoder.architecture})"
    advice = "use a plain vision transformer, or repro-probe saliency"
    if seen.windowed is not None:
        batch, _, _, keys = seen.windowed
        raise CheckpointError(
            f"{refuse} attends within {batch // seen.image[0]} windows of {keys} tokens; {advice}", code="E_CAPABILITY"
        )  # fmt: skip
    rows = next((kept for kind in (CLASS_TOKEN, SINGLE_QUERY, ALL_PATCHES) if (kept := [row for row in seen.rows if row.query == kind])), [])
    if seen.reduced is not None and not (rows and rows[0].query == SINGLE_QUERY):
        raise CheckpointError(f"{refuse} has {seen.reduced[2]} queries for {seen.reduced[3]} keys in a block; {advice}", code="E_CAPABILITY")
    if not rows:
        raise CheckpointError(
            f"encoder must offer attention; {encoder.name} ({encoder.architecture}) computes none that torch can see; use {CAPABILITIES['attention']}",
            code="E_CAPABILITY",
        )
    grids = list(dict.fromkeys(row.grid for row in rows))
    if len(grids) > 1:
        sizes = ", ".join(f"{height} x {width}" for height, width in grids)
        raise CheckpointError(f"{refuse} has blocks of different grids ({sizes}); {advice}", code="E_CAPABILITY")
    if seen.rollout and (not seen.multiplies or rows[0].query == SINGLE_QUERY or any(row.query == SINGLE_QUERY for row in seen.rows)):
        raise UsageError(f"reduce must be mean or last for {encoder.name}, whose blocks do not share their tokens; got 'rollout'")
    return rows


def _reduced(rows: list[BlockRow], reduce: str, heads: bool, blocks: Sequence[int] | None) -> np.ndarray:
    """(n, tokens), or (n, heads, tokens), float32."""
    if reduce == "mean":
        outside = next((number for number in blocks or () if not -len(rows) <= number < len(rows)), None)
        if outside is not None:
            raise UsageError(f"blocks must be numbers from 0 to {len(rows) - 1}, or negative from the end; got {outside}")
        taken = [rows[number] for number in blocks] if blocks is not None else rows
    else:
        taken = rows[-1:]
    if heads and len({row.n_heads for row in taken}) > 1:
        raise UsageError(f"heads must be left out where blocks differ in their number of heads; got {sorted({row.n_heads for row in taken})}")
    each = [row.weights.double() if heads else row.weights.double().mean(1) for row in taken]
    return torch.stack(each).mean(0).float().cpu().numpy()


def _query_name(encoder: Encoder, kind: str) -> str:
    if kind == SINGLE_QUERY:
        return "class attention" if has_class_token(encoder.module) else "attention pooling"
    return kind
