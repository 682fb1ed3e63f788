"""What of the attention of one batch is kept: one row a block, the class token's, or the product of all blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from repr_probe.encoders.maps import token_grid
from repr_probe.visual.attention_tap import AttentionCall

CLASS_TOKEN, SINGLE_QUERY, ALL_PATCHES = "class token", "single query", "mean over patches"
_ROWS_AT_ONCE = 256  # queries whose weights are held at a time


@dataclass(frozen=True, eq=False)
class BlockRow:
    """The attention of one block, as one distribution over the tokens of every image and head.

    query: whose it is.  weights: (n, heads, tokens), or (n, 1, tokens) of a rollout.  n_heads: of the block.
    grid: (rows, columns) of the patches, which are the last tokens.
    """

    query: str
    weights: torch.Tensor
    grid: tuple[int, int]
    n_heads: int

    @property
    def n_prefix(self) -> int:
        return self.weights.shape[2] - self.grid[0] * self.grid[1]


@dataclass(eq=False)
class BlockRows:
    """Takes the calls of one forward pass (see AttentionTap).

    image: (n, height, width) of the batch.  n_prefix: tokens in front of the patches, the first of them a class token if `has_class`.
    rollout: also multiply the blocks.  rows: what was read, in the order of the blocks.
    windowed, reduced: shape of a call that attends within windows, or to fewer keys than there are queries; None where there was none.
    rolled: (n, tokens, tokens), the product over all blocks of (identity + mean over heads) / 2; None where they do not multiply.
    """

    image: tuple[int, int, int]
    n_prefix: int
    has_class: bool
    rollout: bool = False
    rows: list[BlockRow] = field(default_factory=list)
    windowed: tuple[int, ...] | None = None
    reduced: tuple[int, ...] | None = None
    rolled: torch.Tensor | None = None
    multiplies: bool = True

    def __call__(self, call: AttentionCall) -> None:
        batch, heads, queries, keys = call.shape
        grid, n_prefix = self._grid(keys)
        if batch != self.image[0]:
            self.windowed = call.shape
        elif grid is None or queries not in (1, keys):
            self.reduced = call.shape if call.fused else self.reduced  # a softmax that is not attention over patches is none of ours
        elif queries == 1:
            self.rows.append(BlockRow(SINGLE_QUERY, call.rows(slice(0, 1))[:, :, 0], grid, heads))
        elif self.rollout:
            self._multiply(_by_rows(call, lambda weights: weights.mean(1)), grid, heads)
        elif self.has_class and n_prefix:
            self.rows.append(BlockRow(CLASS_TOKEN, call.rows(slice(0, 1))[:, :, 0], grid, heads))
        else:
            sums = [call.rows(slice(start, start + _ROWS_AT_ONCE))[:, :, max(0, n_prefix - start) :].sum(2) for start in _starts(queries)]
            self.rows.append(BlockRow(ALL_PATCHES, torch.stack(sums).sum(0) / (queries - n_prefix), grid, heads))

    def _grid(self, keys: int) -> tuple[tuple[int, int] | None, int]:
        """The grid of the patches and the number of tokens in front of them; some blocks have the patches alone."""
        _, height, width = self.image
        for n_prefix in dict.fromkeys((self.n_prefix, 0)):
            grid = token_grid(keys - n_prefix, height, width)
            if grid is not None:
                return grid, n_prefix
        return None, 0

    def _multiply(self, weights: torch.Tensor, grid: tuple[int, int], heads: int) -> None:
        """weights: (n, tokens, tokens), mean over the heads. Only one product is held, whatever the number of blocks."""
        mixed = (weights + torch.eye(weights.shape[1], dtype=weights.dtype, device=weights.device)) / 2
        if self.rolled is not None and self.rolled.shape != mixed.shape:
            self.multiplies = False
            return
        self.rolled = mixed if self.rolled is None else mixed @ self.rolled
        n_prefix = weights.shape[1] - grid[0] * grid[1]
        by_class = self.has_class and n_prefix > 0
        row = self.rolled[:, 0] if by_class else self.rolled[:, n_prefix:].mean(1)
        self.rows.append(BlockRow(CLASS_TOKEN if by_class else ALL_PATCHES, row[:, None], grid, heads))


def _starts(queries: int) -> range:
    return range(0, queries, _ROWS_AT_ONCE)


def _by_rows(call: AttentionCall, reduced: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """`reduced` of all rows, with the weights of some queries at a time in memory."""
    return torch.cat([reduced(call.rows(slice(start, start + _ROWS_AT_ONCE))) for start in _starts(call.shape[2])], 1)
