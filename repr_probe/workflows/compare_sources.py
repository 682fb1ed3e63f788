"""What a user compares, opened: a result file, a store, a feature file or a checkpoint becomes one or several entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe.errors import FileFormatError, StoreError, UsageError
from repr_probe.reports.comparison import MeasuredRow
from repr_probe.reports.read import READERS, read_report

if TYPE_CHECKING:
    from repr_probe.features.feature_set import Features
    from repr_probe.features.store import FeatureStore
    from repr_probe.metrics.states import GeometryStates
    from repr_probe.reports.geometry_report import GeometryReport
    from repr_probe.reports.probe_report import ProbeRow
    from repr_probe.reports.semantic_report import SemanticReport

_COMPARED = ("geometry", "geometry-list", "semantic", "probe")  # the kinds of result files that become rows


@dataclass
class Entry:
    """One encoder: what is known of it already, and where the rest comes from.

    rows: part -> its numbers.  features: of the images, where they are at hand.  semantic, probe: what the paired differences need.
    source: a checkpoint or a feature file that can still be measured; None for a result file.  extracted: the store of a checkpoint's features,
    once there is one.  states: what its geometry was made from, for the paired differences.
    """

    name: str
    rows: dict[str, MeasuredRow] = field(default_factory=dict)
    features: Features | None = None
    semantic: SemanticReport | None = None
    probe: ProbeRow | None = None
    source: Any = None
    is_checkpoint: bool = False
    extracted: FeatureStore | None = None
    states: GeometryStates | None = None


def open_source(source: Any, *, dataset: str | Path | None, features_key: str | None, labels_key: str | None) -> list[Entry]:
    """The entries of one argument: several for a result file that holds several reports.

    With a data set, whatever is neither a result file nor a store is a checkpoint.
    Raises UsageError and FileFormatError, each with one line that says what to do.
    """
    if hasattr(source, "to_dict"):
        return _of_report(source)
    if not isinstance(source, str | Path):
        return [_given(source, dataset)]
    path = Path(source)
    if path.suffix.lower() == ".json" and path.is_file():
        return [entry for report in read_report(path, {kind: READERS[kind] for kind in _COMPARED}) for entry in _of_report(report)]
    name = path.name if path.exists() else str(source)
    if dataset is not None and not is_store(path):
        return [Entry(name, source=source, is_checkpoint=True)]
    if not path.exists():
        raise UsageError(f"--dataset must name the images for {str(source)!r}, which is no file; got none; see repro-probe datasets")
    return [Entry(name, features=_features(path, features_key, labels_key), source=source)]


def is_store(source: Any) -> bool:
    """Whether it is a store, open or by its folder."""
    return (Path(source) / "meta.json").is_file() if isinstance(source, str | Path) else hasattr(source, "meta")


def _given(source: Any, dataset: str | Path | None) -> Entry:
    """From Python: an encoder that is open, or features in any form that `as_features` takes."""
    from repr_probe.features.door import as_features

    if dataset is not None and not hasattr(source, "values") and not is_store(source):
        return Entry(str(getattr(source, "name", type(source).__name__)), source=source, is_checkpoint=True)
    features = as_features(source)
    origin = features.provenance
    return Entry(str(origin.get("encoder") or f"features {features.n_samples} x {features.n_features}"), features=features, source=source)


def _features(path: Path, features_key: str | None, labels_key: str | None) -> Features:
    from repr_probe.features.door import as_features

    try:
        return as_features(path, features_key=features_key, labels_key=labels_key)
    except FileFormatError as error:
        wanted = f"{path.name} must come with --dataset NAME|FOLDER if it is a checkpoint, else hold features or results"
        raise FileFormatError(f"{wanted}; got {error}", code=error.code) from None


def _of_report(report: Any) -> list[Entry]:
    document = report.to_dict()
    if document["kind"] not in _COMPARED:
        raise UsageError(f"sources must be results of geometry, semantic or probe; got a {type(report).__name__}")
    if document["kind"] == "probe":
        return [Entry(str(row["name"]), {"probe": probe_row(document, row)}) for row in document["rows"]]
    if document["kind"] == "geometry":
        return [_of_geometry(report)]
    return [Entry(report.name, {"semantic": row_of(report)}, semantic=report)]


def probe_row(document: Mapping[str, Any], row: Mapping[str, Any]) -> MeasuredRow:
    """A row of a probe report (`ProbeReport.to_dict`) as numbers under flat keys."""
    from repr_probe.reports.probe_measures import probe_measures

    results: Sequence[Mapping[str, Any]] = row["results"]
    origin = dict(row.get("provenance", {}))
    told = {name: document.get(name) for name in ("dataset", "split", "train_split")}
    images = {"fingerprint": origin["images"]} if "images" in origin else {}
    return MeasuredRow(
        name=str(row["name"]),
        measures=probe_measures(results),
        n_samples=int(results[0]["n_test"]),
        n_classes=int(results[0]["n_classes"]),
        provenance={**origin, **images, **told},
        options=dict(document.get("options", {})),
    )


def row_of(report: GeometryReport | SemanticReport) -> MeasuredRow:
    """The numbers of a geometry or semantic report with what is known of their making."""
    return MeasuredRow(
        report.name, dict(report.measures), report.n_samples, report.n_classes, tuple(report.class_names), dict(report.provenance),
        dict(report.options), tuple(report.notes),
    )  # fmt: skip


def _of_geometry(report: GeometryReport) -> Entry:
    """A result with the features it was measured on, where their store is still in the home: without the rows that it dropped."""
    from repr_probe.features.door import as_features
    from repr_probe.features.store import FeatureStore
    from repr_probe.files.home import features_folder

    entry = Entry(report.name, {"geometry": row_of(report)})
    key = report.provenance.get("store")
    if isinstance(key, str) and key and (features_folder() / key / "meta.json").is_file():
        try:
            policy = str(report.options.get("nan_policy", "raise"))
            entry.features = as_features(FeatureStore.open(features_folder() / key), nan_policy=policy)
        except StoreError:
            return entry  # a damaged store takes nothing from the numbers that the file holds
    return entry
