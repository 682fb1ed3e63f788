"""Extraction: an encoder and a data set go in, one feature store a layer comes out; what is stored already is not computed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from repr_probe import progress
from repr_probe.errors import InputError, ReprProbeError, StoreError, UsageError
from repr_probe.exact_pass import exact_pass, module_device
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_key import SCHEMA, rows_hash, store_key
from repr_probe.features.store_listing import sweep_leftovers
from repr_probe.features.store_writer import StoreWriter
from repr_probe.files.home import features_folder
from repr_probe.loading import choose_workers, image_batches
from repr_probe.run_facts import run_facts

if TYPE_CHECKING:
    from repr_probe.datasets.image_dataset import ImageDataset
    from repr_probe.encoders.adapters.protocol import ImageEncoder

DTYPES = ("float32", "float16", "float64")


def extract_features(
    encoder: ImageEncoder,
    dataset: ImageDataset,
    *,
    layers: Sequence[str] | None = None,
    pool: str | None = None,
    batch_size: int = 64,
    workers: int | None = None,
    device: str = "auto",
    dtype: str = "float32",
    limit: int | None = None,
    seed: int = 0,
    views: int = 0,
    fresh: bool = False,
    store: str | Path | None = None,
) -> list[FeatureStore]:
    """Features of every image of `dataset` at each of `layers`, from the store or by one pass of the network over the images.

    The network computes in float32 (no autocast, no TF32) and is left as it was; `dtype` says how the result is stored. Killed or
    interrupted at any point, the next call goes on where the last safe batch ended and gives the same bytes.

    layers: names from `encoder.layers()`; default the encoder's own.  pool: how a map becomes a vector; default the encoder's own.
    device: "auto" is where the encoder is.  workers: processes that decode; default by number of cores and images.
    limit: the draw that `dataset` was opened with, for the record.  seed: of that draw and of the views.
    views: augmented views stored beside every plain image.  fresh: compute even what is stored.  store: the home folder.

    Returns one FeatureStore per layer, in the order of `layers`. Raises UsageError for an option, InputError when the network gives
    NaN or infinity (nothing is stored then), DatasetError for a damaged image, StoreError when the disk refuses.
    """
    wanted = _checked_layers(encoder, layers)
    _check_options(dataset, batch_size=batch_size, dtype=dtype, views=views)
    fields = {layer: key_fields(encoder, dataset, layer, pool=pool, dtype=dtype, limit=limit, seed=seed, views=views) for layer in wanted}
    folder = features_folder(store)
    stores = {} if fresh else stored(folder, fields)
    missing = [layer for layer in fields if layer not in stores]
    if missing:
        workers = choose_workers(workers, dataset, n_views=views)
        where = module_device(encoder.module, device)
        facts = run_facts(where, batch_size=batch_size, workers=workers)
        with ExitStack() as locks:
            # Always locked in the same order, so that two commands with overlapping layers cannot each hold what the other needs.
            by_key = sorted(missing, key=lambda layer: store_key(fields[layer]))
            shape: dict[str, Any] = {"n_samples": len(dataset), "n_views": views, "dtype": dtype}
            writers = {
                layer: locks.enter_context(StoreWriter(folder, store_key(fields[layer]), **shape, run=facts, fresh=fresh))
                for layer in by_key
            }
            if not fresh:  # another process may have finished one while we waited for nothing but our turn
                stores.update(stored(folder, {layer: fields[layer] for layer in missing}, remark=False))
            work = _Pass(encoder, dataset, {layer: writers[layer] for layer in missing if layer not in stores}, pool, views, seed)
            work.run(where)
            stores.update({layer: work.finish(layer, fields[layer]) for layer in work.writers})
    return [stores[layer] for layer in wanted]


def key_fields(
    encoder: ImageEncoder, dataset: ImageDataset, layer: str, *, pool: str | None, dtype: str, limit: int | None, seed: int, views: int
) -> dict[str, Any]:
    """Everything that changes the numbers of one store; its hash is the store's key."""
    return {
        "schema": SCHEMA,
        "architecture": encoder.architecture,
        "identity": encoder.identity,
        "layer": layer,
        "pool": pool if pool is not None else encoder.pool,
        "input": dataset.input.to_dict(),  # what the images went through: the encoder's, with which the data set was opened
        "dataset": dataset.name,
        "split": dataset.split,
        "fingerprint": dataset.fingerprint,
        "rows": rows_hash(dataset.ids, dataset.labels, dataset.class_names),
        "limit": limit,
        # Without a draw and without views nothing is random: then the seed of some later step must not ask for a second extraction.
        "seed": seed if limit is not None or views else None,
        "dtype": dtype,
        "views": views,
    }


def stored(folder: Path, fields: Mapping[str, Mapping[str, Any]], *, remark: bool = True) -> dict[str, FeatureStore]:
    """The layers among `fields` whose store is there and whole; a damaged one counts as absent (and is noted, with `remark`)."""
    found = {}
    for layer, content in fields.items():
        path = folder / store_key(content)
        if path.exists():
            try:
                found[layer] = FeatureStore.open(path)
            except StoreError as damage:
                if remark:
                    progress.note(f"the stored features of layer {layer} cannot be used ({damage}); extracting them again")
            else:
                sweep_leftovers(folder, path.name)
    return found


class _Pass:
    """One run of the network over the images, for all layers that are missing."""

    def __init__(
        self, encoder: ImageEncoder, dataset: ImageDataset, writers: dict[str, StoreWriter], pool: str | None, n_views: int, seed: int
    ) -> None:
        self.encoder = encoder
        self.dataset = dataset
        self.writers = writers
        self.pool = pool
        self.n_views = n_views
        self.seed = seed

    def run(self, device: torch.device) -> None:
        start = common_start(list(self.writers.values()))
        total = len(self.dataset)
        if not self.writers or start == total:
            return
        writer = next(iter(self.writers.values()))
        view_transform = None
        if self.n_views:
            from repr_probe.views.per_image import make_view_transform

            view_transform = make_view_transform(self.dataset.input, seed=self.seed)
        batches = image_batches(
            self.dataset,
            start=start,
            batch_size=writer.run["batch_size"],
            workers=writer.asked_run["workers"],
            pin_memory=device.type == "cuda",
            view_transform=view_transform,
            n_views=self.n_views,
        )
        with progress.task(f"extracting {self.encoder.name}", total) as advance, closing(batches), exact_pass(self.encoder.module, device):
            advance(start)
            for batch in batches:
                self._write(start, self._forward(batch, device))
                start += len(batch)
                advance(len(batch))

    def _forward(self, batch: torch.Tensor, device: torch.device) -> dict[str, np.ndarray]:
        """{layer: (batch, 1 + n_views, n_features)}; each view is a forward of its own, so that memory stays that of one batch."""
        parts = [batch] if not self.n_views else batch.unbind(1)
        try:
            outputs = [self.encoder.features(part.to(device, non_blocking=True), list(self.writers), self.pool) for part in parts]
            return {layer: torch.stack([output[layer].float() for output in outputs], 1).cpu().numpy() for layer in self.writers}
        except torch.OutOfMemoryError as failure:
            self._forget()  # or the next run, with a smaller batch, would have to go on with this one
            size = f"{len(batch)} images of {batch.shape[-2]} x {batch.shape[-1]}"
            raise ReprProbeError(f"batch_size must suit the memory of {device}; got {size}; use a smaller --batch-size") from failure

    def _write(self, start: int, values: Mapping[str, np.ndarray]) -> None:
        try:
            chunks = {layer: self._as_stored(start, layer, chunk) for layer, chunk in values.items()}
        except InputError:
            self._forget()  # no later run can make use of what this network gives
            raise
        for layer, chunk in chunks.items():
            self.writers[layer].write(start, chunk[:, 0], chunk[:, 1:] if self.n_views else None)

    def _as_stored(self, start: int, layer: str, chunk: np.ndarray) -> np.ndarray:
        _check_finite(chunk, self.dataset.ids[start:], f"features must be finite; layer {layer} gives NaN or infinity", "check the weights")
        dtype = self.writers[layer].dtype
        with np.errstate(over="ignore"):
            cast = chunk.astype(dtype)
        _check_finite(cast, self.dataset.ids[start:], f"dtype must hold the features; {dtype} overflows at layer {layer}", "use float32")
        return cast

    def _forget(self) -> None:
        for writer in self.writers.values():
            writer.restart()

    def finish(self, layer: str, fields: Mapping[str, Any]) -> FeatureStore:
        writer, dataset, encoder = self.writers[layer], self.dataset, self.encoder
        origin = {
            "encoder": encoder.name,
            "facts": encoder.facts,
            "input_sources": dataset.input.sources,
            "n_samples": len(dataset),
            "run": writer.run,
            "store": writer.key,
        }
        meta = {
            "layer": layer,
            "class_names": dataset.class_names,
            "wnids": dataset.wnids,
            "key_fields": fields,
            "provenance": {**origin, **{name: value for name, value in fields.items() if name not in ("rows", "schema")}},
            "notes": [*encoder.notes, *dataset.notes],
        }
        return writer.finish(meta, ids=dataset.ids, labels=dataset.labels)


def common_start(writers: Sequence[StoreWriter]) -> int:
    """The row from which all `writers` go on with the same batches and the same equipment; whoever cannot starts over.

    Rounding depends on which images share a batch and on the device: only an extraction continued as it began ends in the same bytes.
    """
    begun = [writer for writer in writers if writer.rows_done]
    reason = None
    if any(_equipment(writer.run) != _equipment(writer.asked_run) for writer in begun):
        reason = "ran on another device or with other library versions"
    elif len({writer.run["batch_size"] for writer in begun}) > 1:
        reason = "used different batch sizes"
    elif begun and len(begun) < len(writers):
        reason = "covers only some of the layers"
    if reason is not None or not begun:
        if reason is not None:
            progress.note(f"an interrupted extraction {reason}; starting over")
        for writer in writers:
            writer.restart()
        return 0
    start = min(writer.rows_done for writer in writers)
    size, asked = begun[0].run["batch_size"], begun[0].asked_run["batch_size"]
    changed = "" if size == asked else f" with its batch size {size}, not {asked} (--fresh starts over)"
    progress.note(f"continuing an interrupted extraction at image {start}{changed}")
    for writer in writers:
        writer.rewind(start)
    return start


def _equipment(run: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name not in ("batch_size", "workers")}


def _check_finite(chunk: np.ndarray, ids: Sequence[str], what: str, remedy: str) -> None:
    if not np.isfinite(chunk).all():
        bad = np.flatnonzero(~np.isfinite(chunk).all(axis=tuple(range(1, chunk.ndim))))
        raise InputError(f"{what} for image {ids[bad[0]]!r} ({bad.size} of the {len(chunk)} in its batch); {remedy}")


def _checked_layers(encoder: ImageEncoder, layers: Sequence[str] | None) -> list[str]:
    if layers is None:
        return [encoder.default_layer]
    if isinstance(layers, str) or not layers or not all(isinstance(layer, str) for layer in layers):
        raise UsageError(f"layers must be a list of layer names; got {layers!r}")
    return list(layers)


def _check_options(dataset: ImageDataset, *, batch_size: int, dtype: str, views: int) -> None:
    if len(dataset) == 0:
        raise InputError(f"dataset must hold at least one image; {dataset.name} ({dataset.split}) holds none")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise UsageError(f"batch_size must be a positive integer; got {batch_size!r}")
    if isinstance(views, bool) or not isinstance(views, int) or views < 0:
        raise UsageError(f"views must be an integer of 0 or more; got {views!r}")
    if dtype not in DTYPES:
        raise UsageError(f"dtype must be one of {', '.join(DTYPES)}; got {dtype!r}")
