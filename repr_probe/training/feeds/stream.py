"""The stream feed: worker processes decode images and make uint8 crops, the device does the colours.

For photographs too large or too many to keep on the device. The crops come from the full resolution, as torchvision's RandomResizedCrop makes
them. What is drawn depends on (seed, epoch, row), so neither the number of workers nor their order changes a batch.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from repr_probe.datasets.image_dataset import ImageDataset
from repr_probe.errors import ReprProbeError, UsageError
from repr_probe.training.feeds.batch import Batch, in_channel_order, normalisation
from repr_probe.training.feeds.order import BatchPlan
from repr_probe.training.feeds.pixels import pixels_of
from repr_probe.views.batched import colour_views, crop_views
from repr_probe.views.recipe import MultiCrop

Crops = list[torch.Tensor]  # for each size in recipe.sizes uint8: of one image (k, C, size, size), of a batch (k, n, C, size, size)


class StreamFeed:
    """Batches of views from images read as they are needed by `workers` processes (0: by this one).

    The workers stay from epoch to epoch and end with the feed, with an epoch that is left before its end, or at `close()`.
    Raises DatasetError naming a damaged or too small image, ReprProbeError when a worker is killed.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        recipe: MultiCrop,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str = "cpu",
        workers: int = 0,
    ) -> None:
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
            raise UsageError(f"workers must be an integer of 0 or more; got {workers!r}")
        self.plan = BatchPlan(len(dataset), batch_size, seed, rank, world_size)
        self.n_steps = self.plan.n_steps
        self.input, self.labels, self.recipe = dataset.input, dataset.labels, recipe
        self.device, self.workers = torch.device(device), workers
        self._steps = _Steps(self.plan)
        self._items = _Items(dataset, recipe, seed)
        self._loader: DataLoader[Any] | None = None

    def epoch(self, epoch: int, *, start_step: int = 0) -> Iterator[Batch]:
        self._steps.epoch, self._steps.left = epoch, self.plan.steps(start_step)
        finished = False
        try:
            asked = time.perf_counter()
            batches = self._start()
            for step in self._steps.left:
                crops = _next(batches)
                if isinstance(crops, ReprProbeError):
                    raise crops
                yield self._finish(crops, epoch, self.plan.rows(epoch, step), asked)
                asked = time.perf_counter()
            next(batches, None)  # lets the loader see the end
            finished = True
        finally:
            if not finished:
                self.close()

    def close(self) -> None:
        """End the workers at once; the next epoch starts new ones."""
        iterator = getattr(self._loader, "_iterator", None)
        self._loader = None
        # Left to the garbage collector after an error, each worker is waited for in vain for five seconds.
        getattr(iterator, "_shutdown_workers", lambda: None)()

    def _finish(self, crops: Crops, epoch: int, rows: np.ndarray, asked: float) -> Batch:
        on_device = [group.to(self.device, non_blocking=True) for group in crops]
        mean, std = normalisation(self.input)
        views = colour_views(on_device, self.recipe, mean=mean, std=std, seed=(self.plan.seed, epoch), rows=rows)
        labels = None if self.labels is None else torch.from_numpy(self.labels[rows]).to(self.device, non_blocking=True)
        return Batch(in_channel_order(views, self.input), labels, torch.from_numpy(rows), time.perf_counter() - asked)

    def _open(self) -> DataLoader[Any]:
        return DataLoader(
            self._items,
            batch_sampler=self._steps,
            num_workers=self.workers,
            collate_fn=_collate,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # otherwise the loader draws its seed from the caller's
            # Spawned workers would run a user's script again from its first line.
            multiprocessing_context="fork" if self.workers and sys.platform == "linux" else None,
            persistent_workers=self.workers > 0,
        )

    def _start(self) -> Iterator[Any]:
        with warnings.catch_warnings():
            # More workers than cores is the user's choice. Forking beside threads is safe here: the workers only decode and crop images.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
            if self._loader is None:
                self._loader = self._open()
            return iter(self._loader)


class _Steps:
    """The (epoch, row) keys of the steps that are left: what the loader asks its workers for."""

    def __init__(self, plan: BatchPlan) -> None:
        self.plan = plan
        self.epoch = 0
        self.left = range(0)

    def __len__(self) -> int:
        return len(self.left)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, left = self.epoch, self.left
        for step in left:
            yield [(epoch, int(row)) for row in self.plan.rows(epoch, step)]


class _Items(Dataset):
    """The data set as its workers see it. An error travels as a value: raised in a worker it would arrive wrapped in the worker's trace."""

    def __init__(self, dataset: ImageDataset, recipe: MultiCrop, seed: int) -> None:
        self.dataset = dataset
        self.recipe = recipe
        self.seed = seed

    def __getitem__(self, key: tuple[int, int]) -> Crops | ReprProbeError:
        epoch, row = key
        try:
            return crop_views(pixels_of(self.dataset, row), self.recipe, seed=(self.seed, epoch), row=row)
        except ReprProbeError as failure:
            return failure


def _collate(items: list[Crops | ReprProbeError]) -> Crops | ReprProbeError:
    crops = []
    for item in items:
        if isinstance(item, ReprProbeError):
            return item
        crops.append(item)
    return [torch.stack(group, dim=1) for group in zip(*crops, strict=True)]


def _next(batches: Iterator[Any]) -> Crops | ReprProbeError:
    try:
        return next(batches)
    except (RuntimeError, EOFError, ConnectionError) as failure:
        # A worker that is killed while it hands over a batch shows as a broken connection.
        if isinstance(failure, RuntimeError) and "DataLoader worker" not in str(failure):
            raise
        what = str(failure).splitlines()[0] if str(failure) else "a worker that ended in the middle of a batch"
        raise ReprProbeError(f"workers must stay alive; got {what!r}; use --workers 0, or give more (shared) memory") from failure
