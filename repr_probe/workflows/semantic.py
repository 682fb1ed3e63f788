"""semantic: a checkpoint and a data set, or features that exist already, to a SemanticReport (the command `repro-probe semantic`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from repr_probe import progress
from repr_probe.errors import UsageError
from repr_probe.files.home import using_home
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options

if TYPE_CHECKING:
    from repr_probe.encoders.adapters.protocol import ImageEncoder
    from repr_probe.features.store import FeatureStore
    from repr_probe.reports.semantic_report import SemanticReport

SOURCES = ("centroids", "classifier")
_ROWS_OPTIONS = ("key",)  # the options of a checkpoint that also say where its classifier is


def semantic(
    checkpoint: str | Path | ImageEncoder | None = None,
    *,
    dataset: str | Path | None = None,
    split: str | None = None,
    data_root: str | Path | None = None,
    layer: str | None = None,
    device: str = "auto",
    batch_size: int = 64,
    workers: int | None = None,
    limit: int | None = None,
    fresh: bool = False,
    verify_data: bool = False,
    source: str = "centroids",
    wordnet: bool = False,
    minilm: bool = False,
    wordnet_dir: str | Path | None = None,
    exact_only: bool = False,
    shared_synsets: bool = False,
    allow_first_sense: bool = False,
    synsets: str | Path | None = None,
    text_model: str | None = None,
    template: str | None = None,
    allow_download: bool = False,
    linkage: str = "average",
    permutations: int = 999,
    seed: int = 0,
    against: str | Path | ImageEncoder | None = None,
    features_key: str | None = None,
    labels_key: str | None = None,
    store: str | Path | None = None,
    **encoder: Unpack[EncoderOptions],
) -> SemanticReport:
    """Alignment of class prototypes with WordNet and a text model: Table IV of HyDeS (arXiv 2604.24498).

    checkpoint: as in `geometry`: weights with a `dataset`, or features that exist already (a file or a store); None: the newest store whose
    classes have names, and without one the class centroids that come with the package.
    source: "classifier" takes the rows of the checkpoint's classifier as prototypes, without images.
    wordnet, minilm: which references; neither: both, the text only where its model is local. allow_download: fetch a text model that is not.
    against: a second checkpoint (or features), taken with the same options; `report.comparison` then holds the paired differences over the
    classes of both. The other options are those of `extract` and of `semantic_report`.

    Raises UsageError, CheckpointError, DatasetError, FileFormatError, InputError or StoreError, each with one line that says what to do.
    """
    if source not in SOURCES:
        raise UsageError(f"--source must be centroids or classifier; got {source!r}")
    measuring: dict[str, Any] = {
        "references": _references(wordnet, minilm, text_model), "wordnet_dir": wordnet_dir, "exact_only": exact_only,
        "shared_synsets": shared_synsets, "allow_first_sense": allow_first_sense, "synsets": synsets, "linkage": linkage,
        "permutations": permutations, "seed": seed, "allow_download": allow_download, **_given(text_model=text_model, template=template),
    }  # fmt: skip
    images: dict[str, Any] = {"split": split, "data_root": data_root, "limit": limit, "layer": layer}
    running: dict[str, Any] = {"device": device, "batch_size": batch_size, "workers": workers, "fresh": fresh, "verify_data": verify_data}
    keys = {"features_key": features_key, "labels_key": labels_key}

    def measured(source_of: str | Path | ImageEncoder | None, how: Mapping[str, Any]) -> SemanticReport:
        if source == "classifier":
            return _of_classifier(source_of, dataset, {**images, **checked_options(encoder)}, how)
        if source_of is None:
            return _of_newest({"dataset": dataset, **images, **checked_options(encoder)}, how)
        if dataset is None:
            return _of_features(source_of, {**images, **checked_options(encoder)}, {**how, **keys})
        from repr_probe.reports.semantic import semantic_report
        from repr_probe.workflows.extract import extract

        (found,) = extract(source_of, dataset=dataset, seed=seed, **images, **running, **encoder)
        return semantic_report(found, name=_row_name(source_of), **how)

    with using_home(store):
        _check_references(measuring)
        if against is None:
            return measured(checkpoint, measuring)
        other = measured(against, {**measuring, "permutations": 0, "intervals": False})  # first: it is quick, and may be refused
        return _beside(measured(checkpoint, measuring), other)


def _check_references(measuring: Mapping[str, Any]) -> None:
    """Refuse what cannot be read before any image is: another WordNet, a table of synsets, a text model that is asked for and not here."""
    wanted = measuring["references"]
    if wanted is None or "wordnet" in wanted:
        from repr_probe.classes.synset_table import read_synset_table
        from repr_probe.semantics.wordnet_graph import load_nouns

        load_nouns(measuring["wordnet_dir"])
        if measuring["synsets"] is not None:
            read_synset_table(measuring["synsets"])
    if wanted is not None and "text" in wanted:
        from repr_probe.semantics.text_models import DEFAULT_MODEL, text_model

        text_model(measuring.get("text_model", DEFAULT_MODEL), allow_download=measuring["allow_download"])


def _beside(report: SemanticReport, other: SemanticReport) -> SemanticReport:
    """The report with its comparison with the other, and what only the other's notes say."""
    from repr_probe.reports.semantic_comparison import compare_semantic

    told = [f"{other.name}: {note}" for note in other.notes if note not in report.notes]
    return replace(report, comparison=compare_semantic(report, other), notes=(*report.notes, *told))


def newest_named_store() -> FeatureStore | None:
    """The store written last whose classes have names (not numbers alone); None when there is none."""
    from repr_probe.features.store import FeatureStore
    from repr_probe.features.store_listing import list_stores

    for entry in list_stores():
        names = entry.meta.get("class_names") or ()
        if entry.state == "complete" and len(names) >= 3 and not all(str(name).isdigit() for name in names):
            return FeatureStore.open(entry.path)
    return None


def _of_newest(given: Mapping[str, Any], measuring: Mapping[str, Any]) -> SemanticReport:
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise UsageError(f"--{named[0].replace('_', '-')} must go with a checkpoint; got it without one")
    found = newest_named_store()
    from repr_probe.reports.semantic import semantic_report

    if found is None:
        from repr_probe.semantics.build_centroids import EMBEDDED, NAME

        shown = f"{NAME}, the centroids that come with the package"
        progress.note(f"no checkpoint given and no stored features with named classes: {shown}")
        return semantic_report(EMBEDDED, source="prototypes", dataset="cifar10", name=NAME, **measuring)
    origin = found.meta["provenance"]
    progress.note(f"no checkpoint given: the newest store with named classes, {origin.get('encoder')} on {origin.get('dataset')} ({found.key[:12]})")
    return semantic_report(found, **measuring)


def _of_features(source: str | Path | ImageEncoder, images: Mapping[str, Any], measuring: Mapping[str, Any]) -> SemanticReport:
    if not isinstance(source, str | Path):
        raise UsageError(f"dataset must name the images for an encoder; got none beside {source.name}")
    path = Path(source)
    if not path.exists() and path.suffix:
        raise UsageError(f"the checkpoint must be a file, a store or a known name; got {str(source)!r}, which is not there")
    if not path.exists():
        raise UsageError(f"--dataset must name a data set or a folder of images for {str(source)!r}; got none; see repro-probe datasets")
    given = [name for name, value in images.items() if value is not None]
    if given:
        raise UsageError(f"--{given[0].replace('_', '-')} must go with --dataset; got it beside {path.name}, taken as precomputed features")
    from repr_probe.errors import FileFormatError
    from repr_probe.reports.semantic import semantic_report

    name = None if (path / "meta.json").is_file() else path.name
    try:
        return semantic_report(path, name=name, **measuring)
    except FileFormatError as error:
        told = f"{path.name} must come with --dataset NAME|FOLDER or --source classifier if it is a checkpoint, else hold features"
        raise FileFormatError(f"{told}; got {error}", code=error.code) from None


def _of_classifier(
    checkpoint: str | Path | ImageEncoder | None, dataset: str | Path | None, given: Mapping[str, Any], measuring: Mapping[str, Any]
) -> SemanticReport:
    if not isinstance(checkpoint, str | Path):
        raise UsageError("--source classifier must have a file or folder of weights; got no path")
    unfit = [name for name, value in given.items() if value is not None and name not in _ROWS_OPTIONS]
    if unfit:
        raise UsageError(f"--{unfit[0].replace('_', '-')} must go with --source centroids; got it beside --source classifier, which reads no image")
    import numpy as np

    from repr_probe.features.feature_set import Features
    from repr_probe.reports.semantic import semantic_report
    from repr_probe.workflows.classifier_rows import read_classifier_rows

    found = read_classifier_rows(checkpoint, dataset=None if dataset is None else str(dataset), key=given.get("key"))
    origin = {"checkpoint": str(checkpoint), "encoder": Path(checkpoint).name, "dataset": found.dataset, "classifier": found.tensor}
    features = Features(found.rows, np.arange(len(found.rows)), found.names, provenance=origin, notes=found.notes)
    return semantic_report(features, wnids=found.wnids, source="classifier", name=f"{Path(checkpoint).name} classifier", **measuring)


def _references(wordnet: bool, minilm: bool, text_model: str | None) -> Sequence[str] | None:
    """None: both, the text only where its model is local. A model that is named is wanted, beside WordNet."""
    if text_model is not None and not minilm:
        return ["wordnet", "text"]
    return [name for name, on in (("wordnet", wordnet), ("text", minilm)) if on] or None


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _row_name(checkpoint: str | Path | ImageEncoder) -> str:
    if not isinstance(checkpoint, str | Path):
        return checkpoint.name
    return Path(checkpoint).name if Path(checkpoint).exists() else str(checkpoint)
