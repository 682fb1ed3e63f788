"""From a data set to batches of tensors: worker processes, views, and errors that arrive as one line."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from repr_probe.errors import ReprProbeError, UsageError
from repr_probe.ranks import processes_here

if TYPE_CHECKING:
    from PIL.Image import Image

    from repr_probe.datasets.image_dataset import ImageDataset

ViewTransform = Callable[["Image", int, int], torch.Tensor]

# Below these sizes starting worker processes takes longer than they save.
_FEW_IMAGES = 512
_SMALL_SIDE = 64
_MOST_WORKERS = 8


def choose_workers(workers: int | None, dataset: ImageDataset, *, n_views: int = 0) -> int:
    """`workers` if given, else one process per core up to 8 (cores shared with the job's other ranks), none for few or tiny images."""
    if workers is not None:
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
            raise UsageError(f"workers must be an integer of 0 or more; got {workers!r}")
        return workers
    if len(dataset) * (1 + n_views) < _FEW_IMAGES or max(dataset.input.size) <= _SMALL_SIDE:
        return 0
    return max(1, min(available_cores() // processes_here(), _MOST_WORKERS))


def available_cores() -> int:
    """Cores this process may use (a container or `taskset` may leave fewer than the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def image_batches(
    dataset: ImageDataset,
    *,
    start: int,
    stop: int | None = None,
    batch_size: int,
    workers: int,
    pin_memory: bool = False,
    view_transform: ViewTransform | None = None,
    n_views: int = 0,
) -> Generator[torch.Tensor, None, None]:
    """The images from row `start` on (before row `stop`), in order: (batch, channels, height, width), or (batch, 1 + n_views, channels, height, width)
    with the plain image first when `n_views` > 0.

    The caller's random state is not touched; close the generator to end the workers at once.
    Raises the data set's own error when an image cannot be decoded, ReprProbeError when a worker is killed.
    """
    items = _Items(dataset, view_transform, n_views)
    with warnings.catch_warnings():
        # More workers than cores is the user's choice. Forking beside threads is safe here: the workers only decode images.
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
        loader: DataLoader[Any] = DataLoader(
            items,
            batch_size=batch_size,
            sampler=range(start, len(dataset) if stop is None else stop),
            num_workers=workers,
            collate_fn=_collate,
            pin_memory=pin_memory,
            generator=torch.Generator(),  # otherwise the loader draws its seed from the caller's
            # Spawned workers would run a user's script again from its first line.
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        )
        batches = iter(loader)
    try:
        while (batch := _next(batches)) is not None:
            if isinstance(batch, ReprProbeError):
                raise batch
            yield batch
    finally:
        # Left to the garbage collector after an error, each worker is waited for in vain for five seconds.
        getattr(batches, "_shutdown_workers", lambda: None)()


def _next(batches: Iterator[Any]) -> torch.Tensor | ReprProbeError | None:
    try:
        return next(batches, None)
    except (RuntimeError, EOFError, ConnectionError) as failure:
        # A worker that is killed while it hands over a batch shows as a broken connection.
        if isinstance(failure, RuntimeError) and "DataLoader worker" not in str(failure):
            raise
        what = str(failure).splitlines()[0] if str(failure) else "a worker that ended in the middle of a batch"
        raise ReprProbeError(f"workers must stay alive; got {what!r}; use --workers 0, or give more (shared) memory") from failure


class _Items(Dataset):
    """The data set as its workers see it. An error travels as a value: raised in a worker it would arrive wrapped in the worker's trace."""

    def __init__(self, dataset: ImageDataset, view_transform: ViewTransform | None, n_views: int) -> None:
        self.dataset = dataset
        self.view_transform = view_transform
        self.n_views = n_views

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: int) -> torch.Tensor | ReprProbeError:
        try:
            if self.view_transform is None:
                return self.dataset[row]
            image = self.dataset.image(row)
            views = [self.view_transform(image, row, view) for view in range(self.n_views)]
            return torch.stack([self.dataset.transform(image), *views])
        except ReprProbeError as failure:
            return failure


def _collate(items: list[torch.Tensor | ReprProbeError]) -> torch.Tensor | ReprProbeError:
    for item in items:
        if isinstance(item, ReprProbeError):
            return item
    return default_collate(items)
