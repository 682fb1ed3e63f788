"""segment: a checkpoint and masks, by name or path, to what a linear head reads from its frozen maps (`repro-probe segment`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from repr_probe import progress
from repr_probe.errors import ReprProbeError, UsageError
from repr_probe.files.home import home, using_home
from repr_probe.workflows.beside import random_twin
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options
from repr_probe.workflows.short_form import short_form

if TYPE_CHECKING:
    from repr_probe.datasets.masked_images import MaskedImages
    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.preprocessing import InputSpec
    from repr_probe.probes.confusion import Confusion
    from repr_probe.probes.dense_head import DenseHead
    from repr_probe.probes.dense_presets import DensePreset
    from repr_probe.reports.dense_report import DenseReport
    from repr_probe.reports.dense_row import DenseRow
    from repr_probe.workflows.map_cache import MapCache

GIGABYTE = 10**9


def segment(
    checkpoint: str | Path | ImageEncoder,
    *,
    dataset: str | Path,
    split: str | None = None,
    data_root: str | Path | None = None,
    classes: int | Sequence[str] | None = None,
    ignore_index: int | None = None,
    limit: int | None = None,
    layer: str | Sequence[str] | None = None,
    each_layer: bool = False,
    preset: str = "paper",
    learning_rate: float | None = None,
    probe_batch_size: int | None = None,
    epochs: int | None = None,
    device: str = "auto",
    batch_size: int = 16,
    memory: float = 4.0,
    seed: int = 0,
    fresh: bool = False,
    store: str | Path | None = None,
    **encoder: Unpack[EncoderOptions],
) -> DenseReport:
    """Dense probe of a frozen encoder (section V-B of HyDeS): one linear classifier of its hypercolumns, trained on masks.

    checkpoint: as for `extract`.  dataset: "voc", or a folder with SPLIT/images and SPLIT/masks for train and test or val.
    split: the held-out split.  classes, ignore_index, limit, data_root: see `open_masked_images`.
    layer: what the hypercolumn is made of; default the stages, or four blocks at even depths.  each_layer: also every layer alone.
    preset: "paper", "small" or "ridge"; learning_rate, probe_batch_size, epochs replace its numbers, and the protocol says so.
    batch_size: images per forward pass.  memory: gigabytes of feature maps held in memory; more are read from disk.
    store: the home folder, where an interrupted run leaves what it has and the next one goes on; fresh: from the start.

    The report always has the line of the majority class and that of the same architecture with random weights.
    Raises UsageError, CheckpointError, DatasetError, FileFormatError, InputError or StoreError, each with one line that says what to do.
    """
    from repr_probe.datasets.open_masked import open_masked_images
    from repr_probe.encoders.maps import default_map_layers
    from repr_probe.probes.dense import hypercolumn_and_layers
    from repr_probe.probes.dense_presets import dense_preset

    if not 0 < memory < float("inf") or batch_size < 1:
        raise UsageError(f"memory and batch_size must be positive; got {memory:g} and {batch_size}")
    chosen = dense_preset(preset, learning_rate=learning_rate, batch_size=probe_batch_size, epochs=epochs)
    options = checked_options(encoder)
    with using_home(store):
        train, test = open_masked_images(
            dataset, split=split, data_root=data_root, ignore_index=ignore_index, classes=classes, limit=limit, seed=seed
        )
        network = _opened(checkpoint, {**options, "device": device})
        layers = default_map_layers(network) if layer is None else [layer] if isinstance(layer, str) else list(layer)
        run = _Run(train, test, network.input, chosen, batch_size=batch_size, memory=int(memory * GIGABYTE), seed=seed, fresh=fresh)
        heads = hypercolumn_and_layers(layers) if each_layer else {"hypercolumn": tuple(layers)}
        rows = run.rows(network, layers, heads)
        random_rows, random_notes = _random_rows(run, network, layers, options)
    notes = (*network.notes, *train.notes, *test.notes, *random_notes)
    return _report(network, run, layers, (*rows, *random_rows, run.majority()), notes)


@dataclass(frozen=True)
class _Run:
    """What all lines of one report share: images, input, protocol."""

    train: MaskedImages
    test: MaskedImages
    input: InputSpec
    preset: DensePreset
    batch_size: int
    memory: int
    seed: int
    fresh: bool

    def rows(self, encoder: ImageEncoder, layers: list[str], heads: Mapping[str, Sequence[str]], kind: str = "") -> list[DenseRow]:
        """Maps, training, evaluation; what is on disk is removed when all of it went well."""
        from repr_probe.probes.dense import HYPERCOLUMN
        from repr_probe.workflows.map_cache import MapCache, alone_in, cache_folder

        with alone_in(cache_folder(home(), self._key(encoder, layers))) as folder:
            cache = MapCache(folder, layers)
            if self.fresh:
                cache.remove()
            trained = self._trained(cache, encoder, heads)
            confusions = self._evaluated(encoder, layers, trained)
            cache.remove()
        widths = {name: sum(weight.shape[1] for weight in head.weights.values()) for name, head in trained.items()}
        kinds = {name: kind or ("hypercolumn" if name == HYPERCOLUMN else "layer") for name in trained}
        return [_row("random-initialised" if kind else name, kinds[name], widths[name], confusions[name]) for name in trained]

    def _trained(self, cache: MapCache, encoder: ImageEncoder, heads: Mapping[str, Sequence[str]]) -> dict[str, DenseHead]:
        from repr_probe.exact_pass import module_device
        from repr_probe.probes.dense import fit_dense
        from repr_probe.workflows.map_cache import EpochState

        cache.fill(encoder, self.train, self.input, batch_size=self.batch_size)
        masks = np.stack([self.train.mask_at(row, self.input.size) for row in range(len(self.train))]).astype(np.int32)
        return fit_dense(
            cache.arrays(self.memory), masks, n_classes=self.train.n_classes, ignore_index=self.train.ignore_index, heads=heads,
            preset=self.preset, seed=self.seed, device=str(module_device(encoder.module, "auto")),
            state=EpochState(cache.folder / self._state_name(heads)),
        )  # fmt: skip

    def majority(self) -> DenseRow:
        """The class with most pixels of the training masks, everywhere."""
        counts = np.zeros(self.train.n_classes, np.int64)
        for row in range(len(self.train)):
            ids = self.train.mask(row)
            counts += np.bincount(ids[ids != self.train.ignore_index], minlength=self.train.n_classes)
        largest = int(counts.argmax())
        confusion = self._confusion()
        for row in range(len(self.test)):
            truth = self.test.mask(row)
            confusion.update(np.full_like(truth, largest), truth)
        return _row(f"majority class ({self.train.class_names[largest]})", "majority", 0, confusion)

    def _evaluated(self, encoder: ImageEncoder, layers: list[str], heads: Mapping[str, DenseHead]) -> dict[str, Confusion]:
        """Every test mask at its own size; the maps of a batch serve all heads and are then forgotten."""
        import torch

        from repr_probe.workflows.map_cache import batches_of_maps

        confusions = {name: self._confusion() for name in heads}
        place = next(iter(next(iter(heads.values())).weights.values())).device
        with progress.task(f"evaluating on {self.test.split}", len(self.test)) as advance:
            for rows, maps in batches_of_maps(encoder, self.test, self.input, layers, batch_size=self.batch_size):
                tensors = {layer: torch.from_numpy(array).to(place).float() for layer, array in maps.items()}
                for number, row in enumerate(rows):
                    truth = self.test.mask(row)
                    one = {layer: tensor[number : number + 1] for layer, tensor in tensors.items()}
                    for name, head in heads.items():
                        confusions[name].update(head.predict(one, (truth.shape[0], truth.shape[1]))[0].cpu().numpy(), truth)
                advance(len(rows))
        return confusions

    def _confusion(self) -> Confusion:
        from repr_probe.probes.confusion import Confusion

        return Confusion(self.test.n_classes, ignore_index=self.test.ignore_index)

    def _key(self, encoder: ImageEncoder, layers: list[str]) -> str:
        """Everything that changes the maps of the training images."""
        from repr_probe.features.store_key import rows_hash, store_key

        return store_key({
            "architecture": encoder.architecture, "identity": dict(encoder.identity), "layers": layers, "input": self.input.to_dict(),
            "dataset": self.train.name, "fingerprint": self.train.fingerprint, "rows": rows_hash(self.train.ids, None, self.train.class_names),
            "ignore_index": self.train.ignore_index, "batch_size": self.batch_size,
        })  # fmt: skip

    def _state_name(self, heads: Mapping[str, Sequence[str]]) -> str:
        """A training goes on only under its own protocol."""
        from repr_probe.features.store_key import store_key

        return f"training-{store_key({'protocol': self.preset.protocol, 'seed': self.seed, 'heads': dict(heads)})[:16]}.pt"


def _random_rows(
    run: _Run, encoder: ImageEncoder, layers: list[str], options: Mapping[str, Any]
) -> tuple[list[DenseRow], tuple[str, ...]]:  # fmt: skip
    """The hypercolumn of the same architecture with random weights, seen through the same preprocessing; a note where it cannot be built."""
    try:
        twin = random_twin(encoder, allow_code=bool(options.get("allow_code")))
        if set(layers) - set(twin.layers()):
            raise UsageError(f"layers must be those of {encoder.architecture}; got {layers}")
    except ReprProbeError as failure:
        return [], (f"no random-initialised line: {failure}",)
    return run.rows(twin, layers, {"hypercolumn": tuple(layers)}, kind="random"), ()


def _opened(checkpoint: str | Path | ImageEncoder, loading: dict[str, Any]) -> ImageEncoder:
    from repr_probe.encoders.load import load_encoder

    if not isinstance(checkpoint, str | Path):
        given = [name for name in loading if name != "device"]
        if given:
            raise UsageError(f"{given[0]} must go with a checkpoint; got it beside an encoder that is open already; give it to load_encoder")
        return checkpoint
    encoder = load_encoder(checkpoint, **loading)
    for line in short_form(encoder.name, encoder.architecture, encoder.facts, encoder.input.sources):
        progress.note(line)
    return encoder


def _row(name: str, kind: str, n_features: int, confusion: Confusion) -> DenseRow:
    from repr_probe.reports.dense_row import MEASURES, DenseRow

    measures = {key: getattr(confusion, key)() for key in MEASURES}
    return DenseRow(name=name, kind=kind, n_features=n_features, measures=measures, iou=confusion.iou(), counts=confusion.counts)


def _report(encoder: ImageEncoder, run: _Run, layers: list[str], rows: tuple[DenseRow, ...], notes: tuple[str, ...]) -> DenseReport:
    from repr_probe.reports.dense_report import DenseReport
    from repr_probe.run_facts import package_versions

    height, width = run.input.size
    return DenseReport(
        name=encoder.name, architecture=encoder.architecture, dataset=run.test.name, split=run.test.split,
        protocol=f"{run.preset.protocol}; input {height} x {width}, whole image; hypercolumn of {', '.join(layers)}",
        rows=rows, class_names=run.test.class_names, n_train=len(run.train), n_test=len(run.test),
        settings={
            "preset": run.preset.name, **{key: value for key, value in vars(run.preset).items() if key not in ("name", "source")},
            "layers": layers, "input": run.input.to_dict(), "ignore_index": run.test.ignore_index, "seed": run.seed,
            "map_batch_size": run.batch_size, "identity": dict(encoder.identity),
            "images": {part.split: part.fingerprint for part in (run.train, run.test)},
        },
        versions=package_versions(), notes=tuple(dict.fromkeys(notes)), created=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
