"""probe: a checkpoint and a data set to kNN and linear accuracy (the command `repro-probe probe`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from repr_probe import progress
from repr_probe.errors import ReprProbeError, UsageError
from repr_probe.files.home import using_home
from repr_probe.ranks import ALONE, LostProcess, Ranks
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options
from repr_probe.workflows.probe_baselines import pixel_encoder, random_encoder

if TYPE_CHECKING:
    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.features.store import FeatureStore
    from repr_probe.probes.probe_result import ProbeResult
    from repr_probe.reports.probe_report import ProbeReport, ProbeRow


def probe(
    checkpoint: str | Path | ImageEncoder,
    *,
    dataset: str | Path,
    train_split: str = "train",
    split: str | None = None,
    data_root: str | Path | None = None,
    layer: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 64,
    workers: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    knn: bool = True,
    linear: bool = True,
    knn_preset: str = "lightly",
    k: int | Sequence[int] | None = None,
    temperature: float | Sequence[float] | None = None,
    linear_preset: str = "lbfgs",
    l2: float | None = None,
    epochs: int | None = None,
    baselines: bool = False,
    against: str | Path | ImageEncoder | None = None,
    fresh: bool = False,
    verify_data: bool = False,
    store: str | Path | None = None,
    ranks: Ranks = ALONE,
    **encoder: Unpack[EncoderOptions],
) -> ProbeReport:
    """kNN and linear accuracy of an encoder's frozen features on a data set: Table I of HyDeS (arXiv 2604.24498).

    Features of `train_split` are the bank and what the linear probe learns from, those of `split` (default: test, else val) are tested; both
    come from the store where they are there. limit: so many images of each. The two splits may be one: then kNN leaves each image out of its
    own bank, and there is no linear probe.
    knn_preset, k, temperature: of `knn`; several k or temperatures are a sweep from one search.  linear_preset, l2, epochs: of `linear`.
    baselines: adds the same architecture with random weights, and raw pixels.  against: a second checkpoint, with McNemar's test on the
    same images (options of loading are for the first alone).  The other options are those of `extract`.
    ranks: the processes of a job that share the work, each calling this; all get the report.

    Raises UsageError, CheckpointError, DatasetError, FileFormatError, InputError or StoreError, each with one line that says what to do.
    """
    if not (knn or linear):
        raise UsageError("knn or linear must be on; got neither")
    asked = _Asked(knn, linear, knn_preset, _several(k), _several(temperature), linear_preset, l2, epochs, seed)
    images: dict[str, Any] = {"dataset": dataset, "data_root": data_root, "limit": limit, "seed": seed, "verify_data": verify_data}
    running: dict[str, Any] = {"device": device, "dtype": dtype, "batch_size": batch_size, "workers": workers, "fresh": fresh, "ranks": ranks}
    with using_home(store):
        from repr_probe.reports.versions import library_versions

        ranks.require_alike(versions=" ".join(f"{name} {version}" for name, version in sorted(library_versions().items())))
        work = _Work(asked, (train_split, split), {**images, **running})
        rows = [work.row(checkpoint, "checkpoint", _name_of(checkpoint), layer=layer, **checked_options(encoder))]
        if against is not None:
            rows.append(work.row(against, "against", _name_of(against), layer=layer))
        if baselines:
            rows += work.baselines(layer)
        return work.report(rows)


class _Asked:
    """Which probes with which settings; refused here, before any feature is computed."""

    def __init__(
        self, knn: bool, linear: bool, knn_preset: str, k: list[Any], temperature: list[Any], linear_preset: str, l2: float | None,
        epochs: int | None, seed: int,
    ) -> None:  # fmt: skip
        from repr_probe.probes.knn import chosen_setting
        from repr_probe.probes.linear import chosen_recipe

        self.knn, self.linear, self.seed = knn, linear, seed
        self.settings = [chosen_setting(knn_preset, one, heat) for one in k or [None] for heat in temperature or [None]]
        self.knn_preset = knn_preset
        self.linear_options: dict[str, Any] = {"preset": linear_preset, "l2": l2, "epochs": epochs}
        chosen_recipe(linear_preset, l2, epochs, None)
        if not knn and (k or temperature or knn_preset != "lightly"):
            raise UsageError("knn_preset, k and temperature must go with kNN; got them without it")
        if not linear and (l2 is not None or epochs is not None or linear_preset != "lbfgs"):
            raise UsageError("linear_preset, l2 and epochs must go with the linear probe; got them without it")

    def results(self, train: FeatureStore, test: FeatureStore | None, device: str, ranks: Ranks) -> tuple[ProbeResult, ...]:
        """Every probe on the features of two stores; test None: the training rows, each left out of its own bank."""
        from repr_probe.probes.knn import knn_settings
        from repr_probe.probes.linear import linear

        found: list[ProbeResult] = []
        if self.knn:
            found += knn_settings(train, None, test, None, self.settings, preset=self.knn_preset, device=device, ranks=ranks)
        if self.linear:
            found.append(linear(train, None, test, None, seed=self.seed, device=device, ranks=ranks, **self.linear_options))
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        return {"knn": self.knn, "linear": self.linear, "knn_preset": self.knn_preset, "settings": [list(one) for one in self.settings],
                "linear_options": self.linear_options, "seed": self.seed}  # fmt: skip


class _Work:
    """Rows of one report, all on the same images."""

    def __init__(self, asked: _Asked, splits: tuple[str, str | None], extraction: Mapping[str, Any]) -> None:
        self.asked, self.splits, self.extraction = asked, splits, extraction
        self.device, self.ranks = extraction["device"], extraction["ranks"]
        self.first: FeatureStore | None = None
        self.notes: list[str] = []

    def row(self, encoder: str | Path | ImageEncoder, role: str, name: str, **options: Any) -> ProbeRow:
        from repr_probe.reports.probe_report import ProbeRow
        from repr_probe.workflows.extract import extract

        (test,) = extract(encoder, split=self.splits[1], **self.extraction, **options)
        self.first = self.first or test
        origin = test.meta["provenance"]
        alone = origin["split"] == self.splits[0]
        if alone and self.asked.linear:
            raise UsageError(f"train_split must differ from split for a linear probe; got {self.splits[0]!r} twice; leave the linear probe out")
        train = test
        if not alone:
            (train,) = extract(encoder, split=self.splits[0], **self.extraction, **options)
        kept = {key: origin[key] for key in ("encoder", "architecture", "layer", "pool", "input", "identity", "limit", "seed")}
        stores = {"train_store": train.key, "test_store": test.key, "images": origin["fingerprint"]}
        results = self.asked.results(train, None if alone else test, self.device, self.ranks)
        return ProbeRow(name, role, results, {**kept, **stores})

    def baselines(self, layer: str | None) -> list[ProbeRow]:
        """The same architecture with random weights, and raw pixels; one that cannot be built is noted."""
        found: list[ProbeRow] = []
        origin = self.first.meta["provenance"] if self.first is not None else {}
        for name, build, where in (("random weights", random_encoder, layer), ("raw pixels", pixel_encoder, None)):
            try:
                encoder = build(origin, self.ranks.device_name(self.device))
                found.append(self.row(encoder, "baseline", name if build is random_encoder else encoder.name, layer=where))
            except LostProcess:
                raise
            except ReprProbeError as error:
                self.notes.append(f"no row of {name}: {error}")
                progress.note(self.notes[-1])
        return found

    def report(self, rows: Sequence[ProbeRow]) -> ProbeReport:
        from repr_probe.reports.probe_report import ProbeReport, compare_rows
        from repr_probe.reports.versions import library_versions

        origin = self.first.meta["provenance"] if self.first is not None else {}
        compared = [comparison for row in rows if row.role == "against" for comparison in compare_rows(rows[0], row)]
        return ProbeReport(
            rows=tuple(rows),
            dataset=str(origin.get("dataset", "")),
            train_split=self.splits[0],
            split=str(origin.get("split", "")),
            comparisons=tuple(compared),
            notes=tuple(self.notes),
            options={**self.asked.to_dict(), "limit": self.extraction["limit"]},
            versions=library_versions(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _name_of(checkpoint: str | Path | ImageEncoder) -> str:
    if not isinstance(checkpoint, str | Path):
        return checkpoint.name
    return Path(checkpoint).name if Path(checkpoint).exists() else str(checkpoint)
