"""Feature maps of a data set, computed once: on disk at native resolution while a probe needs them, in memory where they fit."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from repr_probe import progress
from repr_probe.encoders.maps import feature_maps
from repr_probe.errors import FileFormatError, InputError, ReprProbeError, StoreError
from repr_probe.exact_pass import exact_pass, module_device
from repr_probe.features.store_lock import StoreLock
from repr_probe.files.atomic import atomic_write, explained, need_space, readable_bytes
from repr_probe.files.safe_torch import read_torch

if TYPE_CHECKING:
    from repr_probe.datasets.masked_images import MaskedImages
    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.preprocessing import InputSpec

DTYPE = np.float16  # half the memory; its rounding is far below what a probe can tell


class MapCache:
    """A folder with one `.npy` a layer, filled batch by batch; killed at any point, the next run goes on behind the last whole batch."""

    def __init__(self, folder: Path, layers: Sequence[str]) -> None:
        self.folder, self.layers = folder, list(layers)

    def fill(self, encoder: ImageEncoder, images: MaskedImages, input: InputSpec, *, batch_size: int) -> None:
        """Compute what is missing; raises InputError for maps that are not finite or too large for float16, StoreError for a full disk."""
        start = self._rows_done(len(images))
        if start == len(images):
            progress.note(f"the feature maps of {encoder.name} are there already; going on")
            return
        with progress.task(f"feature maps of {encoder.name}", len(images)) as advance:
            advance(start)
            for rows, maps in batches_of_maps(encoder, images, input, self.layers, start=start, batch_size=batch_size):
                with explained(self.folder):
                    self._write(rows, maps, len(images))
                    atomic_write(self.folder / "rows_done", str(rows[-1] + 1))
                advance(len(rows))

    def arrays(self, memory: int) -> dict[str, np.ndarray]:
        """{layer: (n, channels, height, width) float16}: read into memory where all of them take at most `memory` bytes, else mapped."""
        mapped = {layer: np.load(self._path(layer), mmap_mode="r") for layer in self.layers}
        size = sum(array.nbytes for array in mapped.values())
        if size > memory:
            progress.note(f"feature maps of {readable_bytes(size)} stay on disk: the memory budget is {readable_bytes(memory)}")
            return mapped
        return {layer: np.array(array) for layer, array in mapped.items()}

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, layer: str) -> Path:
        return self.folder / f"{self.layers.index(layer)}.npy"

    def _rows_done(self, n_images: int) -> int:
        try:
            done = int((self.folder / "rows_done").read_text())
            whole = all(np.load(self._path(layer), mmap_mode="r").shape[0] == n_images for layer in self.layers)
        except (OSError, ValueError):
            return 0
        return done if whole else 0

    def _write(self, rows: range, maps: dict[str, np.ndarray], n_images: int) -> None:
        if rows[0] == 0:
            self.remove()
            self.folder.mkdir(parents=True)
            need_space(self.folder, sum(array[0].nbytes for array in maps.values()) * n_images)
        for layer, array in maps.items():
            path = self._path(layer)
            mode: Any = "w+" if rows[0] == 0 else "r+"
            shape = (n_images, *array.shape[1:])
            kept = np.lib.format.open_memmap(path, mode=mode, dtype=DTYPE if mode == "w+" else None, shape=shape if mode == "w+" else None)
            kept[rows[0] : rows[-1] + 1] = array
            kept.flush()


class EpochState:
    """The state of a training between its epochs, in one file; a file that cannot be read counts as none, and that is said."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        try:
            state = read_torch(self.path)
        except (FileFormatError, OSError) as damage:
            progress.note(f"the training's state cannot be used ({damage}); training anew")
            return None
        progress.note(f"going on behind epoch {state['epoch']}")
        return state

    def write(self, state: dict[str, Any]) -> None:
        content = io.BytesIO()
        torch.save(state, content)
        atomic_write(self.path, content.getvalue())


def batches_of_maps(
    encoder: ImageEncoder, images: MaskedImages, input: InputSpec, layers: Sequence[str], *, start: int = 0, batch_size: int
) -> Iterator[tuple[range, dict[str, np.ndarray]]]:
    """(rows, {layer: (batch, channels, height, width) float16}) for all images from row `start` on, in order."""
    device = module_device(encoder.module, "auto")
    with exact_pass(encoder.module, device):
        for first in range(start, len(images), batch_size):
            rows = range(first, min(first + batch_size, len(images)))
            batch = torch.stack([images.image(row, input) for row in rows])
            try:
                maps = feature_maps(encoder, batch.to(device), layers)
            except torch.OutOfMemoryError as failure:
                size = f"{len(batch)} images of {batch.shape[-2]} x {batch.shape[-1]}"
                raise ReprProbeError(f"batch_size must suit the memory of {device}; got {size}; use a smaller --batch-size") from failure
            yield rows, {layer: _stored(array.cpu().numpy(), layer) for layer, array in maps.items()}


def _stored(maps: np.ndarray, layer: str) -> np.ndarray:
    if not np.isfinite(maps).all():
        raise InputError(f"maps must be finite; layer {layer} gives NaN or infinity; check the weights")
    with np.errstate(over="ignore"):
        halved = maps.astype(DTYPE)
    if not np.isfinite(halved).all():
        raise InputError(f"maps must stay below 65,504, the range of float16; layer {layer} gives {np.abs(maps).max():.3g}; choose other layers")
    return halved


def cache_folder(home: Path, key: str) -> Path:
    """Where the maps of one request lie while it runs; raises StoreError where that cannot be a folder."""
    folder = home / "maps" / key
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} must be a folder; got a file; remove it")
    return folder


@contextmanager
def alone_in(folder: Path) -> Iterator[Path]:
    """The folder, or one of this process alone while another process is at work in it: two checkpoints of one architecture share their random twin."""
    lock = StoreLock(folder.with_name(f"{folder.name}.lock"), folder.name)
    try:
        lock.acquire()
    except StoreError as busy:
        progress.note(f"maps are computed again: {busy}")
        own = folder.with_name(f"{folder.name}-{os.getpid()}")
        try:
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)
    else:
        try:
            yield folder
        finally:
            lock.release()
