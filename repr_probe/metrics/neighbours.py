"""The nearest rows of a bank by cosine: exact, tiled in both directions within a memory budget, ties to the lower bank index."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from repr_probe import progress
from repr_probe.errors import InputError
from repr_probe.metrics.products import matmul_precision
from repr_probe.metrics.rows import Rows

if TYPE_CHECKING:
    import torch

MEMORY = 1 << 25  # bytes of working memory
ROUNDING = 2e-6  # two float32 cosines closer than this may lie the other way round
_BANK_BLOCK, _QUERY_TILE = 4096, 512
_LOADED = 512  # rows that are in float64 at a time
_GROUP = 8  # columns of a tile that are compared with the best so far by their maximum
_LEAST = -(1 << 63)
_LOW = (1 << 32) - 1
_SIGN = 0x7FFFFFFF


@dataclass(frozen=True, eq=False)
class Neighbours:
    """cosines (n_queries, k) in descending order; index (n_queries, k) int64 rows of the bank, equal cosines by index."""

    cosines: np.ndarray
    index: np.ndarray


def nearest(bank: Rows, queries: Rows, k: int, *, own: np.ndarray | None = None, device: str = "cpu", memory: int = MEMORY) -> Neighbours:
    """The k rows of `bank` with the largest cosine to each row of `queries`, by float32 products; both of unit length (`Rows(unit=True)`).

    Rows of other lengths are ranked by their products, which `cosines` then holds (`row_neighbours` ranks distances so, and settles what
    the rounding of these products leaves open).

    own: (n_queries,) the bank row that each query is, and that is therefore no neighbour of it (leave-one-out).
    memory: bytes for blocks and tiles; a bank of any length is streamed from disk once for every block of queries that fits.
    """
    import torch

    if not len(queries):
        return Neighbours(np.empty((0, k), np.float32), np.empty((0, k), np.int64))
    tiles = _Tiles(bank, queries, k, own, torch.device(device), memory)
    try:
        with matmul_precision("highest"):
            keys = tiles.search()
    except torch.OutOfMemoryError:
        wanted = f"device must have room for tiles of {memory >> 20} MiB; got {device} without it"
        raise InputError(f"{wanted}; pass a smaller memory or device='cpu'") from None
    return Neighbours(*_read_keys(keys))


class _Tiles:
    """One search: sizes of blocks, and the best keys so far.

    On a CPU every thread has its own tile of queries and runs torch on one core: threads that share a product wait for each other at its
    every step, which on a busy machine costs more than the product.
    """

    def __init__(self, bank: Rows, queries: Rows, k: int, own: np.ndarray | None, device: torch.device, memory: int) -> None:
        import torch

        self.bank, self.queries, self.k, self.device = bank, queries, k, device
        self.own = own
        self.threads = torch.get_num_threads() if device.type == "cpu" else 1
        width = bank.n_features
        self.bank_block = int(np.clip(memory // (32 * width), 64, _BANK_BLOCK)) // 64 * 64  # products of odd widths are a third slower
        self.tile = int(np.clip(memory // (16 * self.bank_block * self.threads), 1, _QUERY_TILE))
        self.query_block = max(self.tile, memory // (2 * (4 * width + 16 * k)))  # half of it: a row's numbers, its keys and their order
        self.columns = torch.empty(min(self.bank_block, len(bank)) * width, device=device)
        self.rooms: SimpleQueue[torch.Tensor] = SimpleQueue()  # of cosines, one a thread: freed ones would pile up in the allocator's arenas
        largest = min(self.tile, len(queries)) * min(self.bank_block, len(bank))
        for _ in range(self.threads):
            self.rooms.put(torch.empty(largest, device=device))

    def search(self) -> torch.Tensor:
        """(n_queries, k) int64 keys, best first."""
        import torch

        n_bank, n_queries = len(self.bank), len(self.queries)
        steps = -(-n_queries // self.query_block) * -(-n_bank // self.bank_block)
        found = []
        with progress.task("nearest neighbours", steps) as advance, _workers(self.threads) as each:
            for first in range(0, n_queries, self.query_block):
                last = min(first + self.query_block, n_queries)
                block = self.load(self.queries, first, last, torch.empty((last - first) * self.queries.n_features, device=self.device))
                tiles = [_Tile(first + place, part) for place, part in zip(range(0, len(block), self.tile), block.split(self.tile), strict=True)]
                for start in range(0, n_bank, self.bank_block):
                    columns = self.load(self.bank, start, min(start + self.bank_block, n_bank), self.columns).T
                    deque(each(partial(self.merge, columns=columns, start=start), tiles), maxlen=0)
                    advance(1)
                found += [tile.best.sort(dim=1, descending=True).values.cpu() for tile in tiles]
        return torch.cat(found)

    def load(self, rows: Rows, start: int, stop: int, room: torch.Tensor) -> torch.Tensor:
        """Rows start..stop in float32, written into `room`, without all of them in float64 at a time."""
        import torch

        loaded = room[: (stop - start) * rows.n_features].view(stop - start, -1)
        for place in range(start, stop, _LOADED):
            part = rows.block(place, min(place + _LOADED, stop))
            loaded[place - start : place - start + len(part)] = torch.from_numpy(part)
        return loaded

    def merge(self, tile: _Tile, columns: torch.Tensor, start: int) -> None:
        """Put one more block of the bank into the best keys of these queries."""
        room = self.rooms.get()
        try:
            cosines = self.cosines(tile, columns, start, room)
            keys = None if tile.best.shape[1] < self.k else _above(cosines, tile.worst, start)
            if keys is None:
                keys = _keys(*_largest(cosines, self.k, start))
            tile.add(keys, self.k)
        finally:
            self.rooms.put(room)  # or the other threads would wait for it for ever

    def cosines(self, tile: _Tile, columns: torch.Tensor, start: int, room: torch.Tensor) -> torch.Tensor:
        """(queries of the tile, columns), -inf where a query is the column itself; written into `room`."""
        import torch

        shape = len(tile.rows), columns.shape[1]
        cosines = torch.mm(tile.rows, columns, out=room[: shape[0] * shape[1]].view(shape))
        if self.own is not None:
            own = torch.from_numpy(self.own[tile.first : tile.first + len(tile.rows)] - start).to(self.device)
            row = torch.arange(len(own), device=self.device)
            inside = (own >= 0) & (own < columns.shape[1])
            cosines[row[inside], own[inside]] = -torch.inf
        return cosines


class _Tile:
    """Some queries: rows (n, n_features), the first at place `first` of all; best (n, at most k) keys, in no order."""

    def __init__(self, first: int, rows: torch.Tensor) -> None:
        import torch

        self.first, self.rows = first, rows
        self.best = torch.empty(len(rows), 0, dtype=torch.int64, device=rows.device)

    @property
    def worst(self) -> torch.Tensor:
        """(n, 1) cosine of the last of the best."""
        return _cosines(self.best.amin(1, keepdim=True))

    def add(self, keys: torch.Tensor, k: int) -> None:
        import torch

        keys = torch.cat([self.best, keys], 1)
        self.best = keys.topk(k, dim=1, sorted=False).values if keys.shape[1] > k else keys


@contextmanager
def _workers(count: int) -> Iterator[Callable[..., Iterable[None]]]:
    """Yield a `map` by `count` threads, each with torch on one core; torch's own number of threads is put back after."""
    import torch

    if count == 1:
        yield map
        return
    with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield pool.map
        finally:
            torch.set_num_threads(count)  # a new thread would start with the workers' number


def _above(cosines: torch.Tensor, worst: torch.Tensor, start: int) -> torch.Tensor | None:
    """Keys of all entries above `worst` (n, 1), padded with keys below any; None where there are too many for that to be quick.

    Equal cosines stay out: blocks come in the order of the bank, so what is there already has the lower index.
    """
    import torch

    n_rows, n = cosines.shape
    n_groups = -(-n // _GROUP)
    if n % _GROUP:
        cosines = torch.nn.functional.pad(cosines, (0, n_groups * _GROUP - n), value=-torch.inf)
    groups = cosines.unflatten(1, (_GROUP, n_groups))  # group g: columns g, g + n_groups, ...
    row, group = (groups.amax(1) > worst).nonzero(as_tuple=True)
    if len(row) * _GROUP > n_rows * n // 4:
        return None
    values = groups[row, :, group]
    found, place = (values > worst[row]).nonzero(as_tuple=True)
    row = row[found]
    keys = _keys(values[found, place], start + group[found] + n_groups * place)
    counts = torch.bincount(row, minlength=n_rows)
    column = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    padded = torch.full((n_rows, int(counts.max())), _LEAST, device=row.device)
    padded[row, column] = keys
    return padded


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


def _cosines(keys: torch.Tensor) -> torch.Tensor:
    import torch

    bits = keys >> 32
    return torch.where(bits < 0, bits ^ _SIGN, bits).to(torch.int32).view(torch.float32)


def _read_keys(keys: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    return _cosines(keys).numpy(), (_LOW - (keys & _LOW)).numpy()
