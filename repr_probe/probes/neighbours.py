"""The nearest rows of a bank by cosine: exact, tiled in both directions within a memory budget, ties to the lower bank index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from repr_probe import progress
from repr_probe.errors import InputError
from repr_probe.metrics.products import matmul_precision
from repr_probe.metrics.rows import Rows

if TYPE_CHECKING:
    import torch

MEMORY = 1 << 28  # bytes of working memory
ROUNDING = 2e-6  # two float32 cosines closer than this may lie the other way round
_BANK_BLOCK, _QUERY_TILE = 16384, 512
_LOW = (1 << 32) - 1
_SIGN = 0x7FFFFFFF
_GRID = 2.0**30


@dataclass(frozen=True, eq=False)
class Neighbours:
    """cosines (n_queries, k) float32 in descending order; index (n_queries, k) int64 rows of the bank, equal cosines by index."""

    cosines: np.ndarray
    index: np.ndarray


def nearest(
    bank: Rows, queries: Rows, k: int, *, own: np.ndarray | None = None, precise: bool = False, device: str = "cpu", memory: int = MEMORY
) -> Neighbours:
    """The k rows of `bank` with the largest cosine to each row of `queries`; both of unit length (`Rows(unit=True)`).

    own: (n_queries,) the bank row that each query is, and that is therefore no neighbour of it (leave-one-out).
    precise: cosines are float64 products rounded to multiples of 2⁻³⁰ and to float32, so neither tiles nor device show in them; else
    float32 products.
    memory: bytes for blocks and tiles; a bank of any length is streamed from disk once for every block of queries that fits.
    """
    import torch

    tiles = _Tiles(bank, queries, k, own, precise, torch.device(device), memory)
    try:
        with matmul_precision("highest"):
            keys = tiles.search()
    except torch.OutOfMemoryError:
        wanted = f"device must have room for tiles of {memory >> 20} MiB; got {device} without it"
        raise InputError(f"{wanted}; pass a smaller memory or device='cpu'") from None
    return Neighbours(*_read_keys(keys))


class _Tiles:
    """One search: sizes of blocks, and the best keys so far."""

    def __init__(self, bank: Rows, queries: Rows, k: int, own: np.ndarray | None, precise: bool, device: torch.device, memory: int) -> None:
        import torch

        self.bank, self.queries, self.k, self.device = bank, queries, k, device
        self.own, self.precise = own, precise
        self.dtype = torch.float64 if precise else torch.float32
        size, width = (24 if precise else 8), bank.n_features  # bytes of a tile's entry with its copies; of a row's numbers with theirs
        self.bank_block = int(np.clip(memory // (4 * 16 * width), 64, _BANK_BLOCK))
        self.tile = int(np.clip(memory // (4 * size * self.bank_block), 1, _QUERY_TILE))
        self.query_block = max(self.tile, memory // (2 * (16 * width + 16 * k)))

    def search(self) -> torch.Tensor:
        """(n_queries, k) int64 keys, best first."""
        import torch

        n_bank, n_queries = len(self.bank), len(self.queries)
        steps = -(-n_queries // self.query_block) * -(-n_bank // self.bank_block)
        found = []
        with progress.task("nearest neighbours", steps) as advance:
            for first in range(0, n_queries, self.query_block):
                block = self.load(self.queries, first, min(first + self.query_block, n_queries))
                best: list[torch.Tensor | None] = [None] * -(-len(block) // self.tile)
                for start in range(0, n_bank, self.bank_block):
                    columns = self.load(self.bank, start, min(start + self.bank_block, n_bank)).T
                    for number, part in enumerate(block.split(self.tile)):
                        best[number] = self.merge(best[number], part, columns, first + number * self.tile, start)
                    advance(1)
                found += [keys.sort(dim=1, descending=True).values.cpu() for keys in best if keys is not None]
        return torch.cat(found)

    def load(self, rows: Rows, start: int, stop: int) -> torch.Tensor:
        import torch

        return torch.from_numpy(rows.block(start, stop)).to(self.device).to(self.dtype)

    def merge(self, best: torch.Tensor | None, part: torch.Tensor, columns: torch.Tensor, first: int, start: int) -> torch.Tensor:
        """The best keys of these queries after one more block of the bank."""
        import torch

        cosines = part @ columns
        if self.precise:
            cosines = cosines.mul_(_GRID).round_().div_(_GRID).float()  # float32 alone would keep the noise of a cosine of 0
        if self.own is not None:
            own = torch.from_numpy(self.own[first : first + len(part)] - start).to(self.device)
            row = torch.arange(len(part), device=self.device)
            inside = (own >= 0) & (own < columns.shape[1])
            cosines[row[inside], own[inside]] = -torch.inf
        if self.precise:
            place = torch.arange(columns.shape[1], device=self.device).expand_as(cosines)
            keys = _largest(_keys(cosines, place + start), self.k)[0]
        else:
            keys = _keys(*_largest(cosines, self.k, start))
        return keys if best is None else torch.cat([best, keys], 1).topk(min(self.k, best.shape[1] + keys.shape[1]), dim=1).values


def _largest(values: torch.Tensor, k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """(values, columns + start) of the k largest in each row, unordered.

    The k largest lie in the k groups of columns with the largest maxima, so most columns are only compared with their group's maximum.
    """
    import torch

    n = values.shape[1]
    size = int(np.sqrt(n / k)) if n > k else 1
    if size < 3:
        best = values.topk(min(k, n), dim=1)
        return best.values, best.indices + start
    n_groups = n // size
    peaks = values[:, : n_groups * size].unflatten(1, (size, n_groups)).amax(1)  # group g: columns g, g + n_groups, ...
    groups = peaks.topk(min(k, n_groups), dim=1, sorted=False).indices
    offsets = n_groups * torch.arange(size, device=values.device)
    columns = (groups[:, None, :] + offsets[:, None]).flatten(1)
    rest = torch.arange(n_groups * size, n, device=values.device).expand(len(values), -1)
    columns = torch.cat([columns, rest], 1)
    best = values.gather(1, columns).topk(k, dim=1, sorted=False)
    return best.values, columns.gather(1, best.indices) + start


def _keys(cosines: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """int64 keys whose order is (cosine descending, index ascending) from the top: the float's bits made monotone, then ~index."""
    import torch

    bits = (cosines + 0.0).view(torch.int32).long()  # + 0.0: no negative zero
    bits = torch.where(bits < 0, bits ^ _SIGN, bits)
    return (bits << 32) + (_LOW - index)


def _read_keys(keys: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    import torch

    bits = keys >> 32
    bits = torch.where(bits < 0, bits ^ _SIGN, bits).to(torch.int32)
    return bits.view(torch.float32).numpy(), (_LOW - (keys & _LOW)).numpy()
