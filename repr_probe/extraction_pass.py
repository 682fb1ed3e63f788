"""One pass of a network over images: batches in, rows of features into the writers of all layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from repr_probe import progress
from repr_probe.errors import InputError, ReprProbeError
from repr_probe.exact_pass import exact_pass
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_key import store_key
from repr_probe.features.store_writer import StoreWriter
from repr_probe.loading import image_batches

if TYPE_CHECKING:
    from repr_probe.datasets.image_dataset import ImageDataset
    from repr_probe.encoders.adapters.protocol import ImageEncoder


@dataclass(frozen=True, eq=False)
class ExtractionPass:
    """One run of the network over the images, for all layers of `fields` (layer -> key fields of its store).

    facts: with what it is run (`run_facts`).  rows: (first, last) of the images, all by default.
    """

    encoder: ImageEncoder
    dataset: ImageDataset
    fields: Mapping[str, Mapping[str, Any]]
    folder: Path
    facts: Mapping[str, Any]
    device: torch.device
    pool: str | None
    dtype: str
    n_views: int
    seed: int
    fresh: bool
    rows: tuple[int, int] | None = None

    @property
    def span(self) -> tuple[int, int]:
        return self.rows or (0, len(self.dataset))

    @contextmanager
    def writing(self, suffix: str = "") -> Iterator[dict[str, StoreWriter]]:
        """A locked writer a layer, of the store `<key><suffix>`."""
        first, last = self.span
        shape: dict[str, Any] = {"n_samples": last - first, "n_views": self.n_views, "dtype": self.dtype}
        keys = {layer: store_key(content) for layer, content in self.fields.items()}
        with ExitStack() as locks:
            # Always locked in the same order, so that two commands with overlapping layers cannot each hold what the other needs.
            yield {
                layer: locks.enter_context(StoreWriter(self.folder, keys[layer] + suffix, **shape, run=self.facts, fresh=self.fresh))
                for layer in sorted(keys, key=keys.__getitem__)
            }

    def run(self, writers: dict[str, StoreWriter]) -> None:
        """Write the features of the rows that `writers` lack."""
        first, last = self.span
        start = first + common_start(list(writers.values()))
        if not writers or start == last:
            return
        writer = next(iter(writers.values()))
        view_transform = None
        if self.n_views:
            from repr_probe.views.per_image import make_view_transform

            view_transform = make_view_transform(self.dataset.input, seed=self.seed)
        batches = image_batches(
            self.dataset,
            start=start,
            stop=last,
            batch_size=writer.run["batch_size"],
            workers=writer.asked_run["workers"],
            pin_memory=self.device.type == "cuda",
            view_transform=view_transform,
            n_views=self.n_views,
        )
        module, total = self.encoder.module, last - first
        with progress.task(f"extracting {self.encoder.name}", total) as advance, closing(batches), exact_pass(module, self.device):
            advance(start - first)
            forecast = progress.Forecast(last - start, self._forecast)
            for batch in batches:
                self._write(writers, start, self._forward(writers, batch))
                start += len(batch)
                advance(len(batch))
                forecast.advance(len(batch))

    def _forecast(self, seconds: float, rate: float) -> str:
        return (
            f"extracting {rate * seconds:,.0f} images takes about {progress.duration(seconds)} ({rate:.3g} a second here); "
            "stopped, it goes on where it was; --limit N draws N images instead"
        )

    def _forward(self, writers: dict[str, StoreWriter], batch: torch.Tensor) -> dict[str, np.ndarray]:
        """{layer: (batch, 1 + n_views, n_features)}; each view is a forward of its own, so that memory stays that of one batch."""
        parts = [batch] if not self.n_views else batch.unbind(1)
        try:
            outputs = [self.encoder.features(part.to(self.device, non_blocking=True), list(writers), self.pool) for part in parts]
            return {layer: torch.stack([output[layer].float() for output in outputs], 1).cpu().numpy() for layer in writers}
        except torch.OutOfMemoryError as failure:
            _forget(writers)  # or the next run, with a smaller batch, would have to go on with this one
            size = f"{len(batch)} images of {batch.shape[-2]} x {batch.shape[-1]}"
            raise ReprProbeError(f"batch_size must suit the memory of {self.device}; got {size}; use a smaller --batch-size") from failure

    def _write(self, writers: dict[str, StoreWriter], start: int, values: Mapping[str, np.ndarray]) -> None:
        try:
            chunks = {layer: self._as_stored(start, layer, chunk) for layer, chunk in values.items()}
        except InputError:
            _forget(writers)  # no later run can make use of what this network gives
            raise
        for layer, chunk in chunks.items():
            writers[layer].write(start - self.span[0], chunk[:, 0], chunk[:, 1:] if self.n_views else None)

    def _as_stored(self, start: int, layer: str, chunk: np.ndarray) -> np.ndarray:
        _check_finite(chunk, self.dataset.ids[start:], f"features must be finite; layer {layer} gives NaN or infinity", "check the weights")
        with np.errstate(over="ignore"):
            cast = chunk.astype(self.dtype)
        _check_finite(cast, self.dataset.ids[start:], f"dtype must hold the features; {self.dtype} overflows at layer {layer}", "use float32")
        return cast

    def finish(self, layer: str, writer: StoreWriter) -> FeatureStore:
        dataset, encoder, fields = self.dataset, self.encoder, self.fields[layer]
        first, last = self.span
        origin = {
            "encoder": encoder.name,
            "facts": encoder.facts,
            "input_sources": dataset.input.sources,
            "n_samples": last - first,
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
        labels = None if dataset.labels is None else dataset.labels[first:last]
        return writer.finish(meta, ids=dataset.ids[first:last], labels=labels)


def _forget(writers: Mapping[str, StoreWriter]) -> None:
    for writer in writers.values():
        writer.restart()


def common_start(writers: Sequence[StoreWriter]) -> int:
    """The row from which all `writers` go on with the same batches and the same equipment; whoever cannot starts over.

    Rounding depends on which images share a batch and on the device: only an extraction continued as it began ends in the same bytes.
    """
    begun = [writer for writer in writers if writer.rows_done]
    reason = None
    if any(equipment(writer.run) != equipment(writer.asked_run) for writer in begun):
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


def equipment(run: Mapping[str, Any]) -> dict[str, Any]:
    """Of the facts of a run those that must be equal for equal bytes."""
    return {name: value for name, value in run.items() if name not in ("batch_size", "workers")}


def _check_finite(chunk: np.ndarray, ids: Sequence[str], what: str, remedy: str) -> None:
    if not np.isfinite(chunk).all():
        bad = np.flatnonzero(~np.isfinite(chunk).all(axis=tuple(range(1, chunk.ndim))))
        raise InputError(f"{what} for image {ids[bad[0]]!r} ({bad.size} of the {len(chunk)} in its batch); {remedy}")
