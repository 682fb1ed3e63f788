"""Which feed suits a data set and a device."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from repr_probe import progress
from repr_probe.datasets.image_dataset import ImageDataset
from repr_probe.errors import UsageError
from repr_probe.loading import available_cores
from repr_probe.training.feeds.batch import Feed
from repr_probe.training.feeds.order import BatchPlan
from repr_probe.training.feeds.pixels import UnequalSizes, pixels_of
from repr_probe.training.feeds.resident import ResidentFeed
from repr_probe.training.feeds.stream import StreamFeed
from repr_probe.views.recipe import MultiCrop

KINDS = ("auto", "resident", "stream")
SHARE_OF_MEMORY = 0.4
_FEW_IMAGES = 512  # below, starting worker processes takes longer than they save


def open_feed(
    dataset: ImageDataset,
    recipe: MultiCrop,
    *,
    kind: str = "auto",
    batch_size: int,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    device: torch.device | str = "cpu",
    workers: int | None = None,
    size: tuple[int, int] | None = None,
) -> Feed:
    """The feed of one rank; batch_size is its own share of a step.

    kind: "resident" keeps the data set on the device, "stream" reads it anew in every epoch, "auto" is resident when the images take less
    than 40 % of the free memory there and all have one size (or `size` (height, width) states one), else stream. The choice is noted.
    workers: processes of the stream feed, default one for each core of this rank.
    Raises UsageError for an unknown kind, or a batch larger than the data set.
    """
    if kind not in KINDS:
        raise UsageError(f"feed must be one of {', '.join(KINDS)}; got {kind!r}")
    where = torch.device(device)
    BatchPlan(len(dataset), batch_size, seed, rank, world_size)  # before anything is read
    share = {"batch_size": batch_size, "seed": seed, "rank": rank, "world_size": world_size, "device": where}
    if kind == "resident" or (kind == "auto" and _fits(dataset, size, where, world_size)):
        try:
            return ResidentFeed(dataset, recipe, size=size, **share)  # type: ignore[arg-type]
        except UnequalSizes:
            if kind == "resident":
                raise
            progress.note("the images differ in size, so they are read anew in every epoch")
    count = choose_workers(workers, len(dataset), world_size)
    return StreamFeed(dataset, recipe, workers=count, **share)  # type: ignore[arg-type]


def choose_workers(workers: int | None, n_images: int, world_size: int) -> int:
    """`workers` if given, else the cores of this machine shared out among its ranks; none for few images."""
    if workers is not None:
        return workers
    ranks_here = int(os.environ.get("LOCAL_WORLD_SIZE", world_size))  # set by torchrun
    return 0 if n_images < _FEW_IMAGES else max(1, available_cores() // ranks_here)


def free_memory(device: torch.device) -> float:
    """Bytes that may still be used on the device; of the machine, for one that has no memory of its own."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min(_free_on_machine(), _free_in_container())


def _fits(dataset: ImageDataset, size: tuple[int, int] | None, device: torch.device, world_size: int) -> bool:
    needed = len(dataset) * pixels_of(dataset, 0, size).numel()
    copies = 1 if device.type == "cuda" else world_size  # ranks on CPUs share one memory, and each holds the whole set
    if needed * copies < SHARE_OF_MEMORY * free_memory(device):
        return True
    progress.note(f"the images take {needed * copies / 1e9:.1f} GB, over 40 % of the free memory, so they are read anew in every epoch")
    return False


def _free_on_machine() -> int:
    information = Path("/proc/meminfo")
    if information.exists():
        lines = dict(line.split(":", 1) for line in information.read_text().splitlines())
        if "MemAvailable" in lines:
            return int(lines["MemAvailable"].split()[0]) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 2**31


def _free_in_container() -> float:
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    if not limit.exists() or not used.exists() or limit.read_text().strip() == "max":
        return float("inf")
    return max(0, int(limit.read_text()) - int(used.read_text()))
