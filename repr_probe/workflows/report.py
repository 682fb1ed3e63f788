"""report: checkpoints and a data set to one HTML page that opens offline (the command `repro-probe report`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from repr_probe import progress
from repr_probe.errors import InputError, UsageError
from repr_probe.files.home import home, using_home
from repr_probe.monitor.series import FILE, Curve, Series, read_series
from repr_probe.workflows.compare_sources import Entry, open_source
from repr_probe.workflows.encoder_options import EncoderOptions, checked_options
from repr_probe.workflows.told_once import each_note_once

if TYPE_CHECKING:
    import numpy as np

    from repr_probe.metrics.states import GeometryStates
    from repr_probe.pages.contents import Measured
    from repr_probe.pages.gallery import Gallery
    from repr_probe.reports.geometry_report import GeometryReport

MOST_RUNS = 8  # lines that can be told apart
_RESULT = "a result file holds no features; give the checkpoint, its store or its features"


def report(
    checkpoints: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    dataset: str | Path | None = None,
    split: str | None = None,
    data_root: str | Path | None = None,
    layer: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int = 64,
    workers: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    fresh: bool = False,
    verify_data: bool = False,
    preset: str = "default",
    semantic: bool = True,
    probe: bool = False,
    train_split: str = "train",
    runs: Sequence[str | Path] = (),
    galleries: Sequence[str | Path | Gallery] = (),
    published: bool = True,
    features_key: str | None = None,
    labels_key: str | None = None,
    store: str | Path | None = None,
    **encoder: Unpack[EncoderOptions],
) -> Path:
    """Measure every checkpoint on the same images and write one self-contained page; returns its path.

    checkpoints: one or several (at most 8), each as in `geometry`; result files (.json) give the numbers without spectrum and semantics.
    out: the page, .html.  semantic: compare the classes with WordNet where they have names that it knows (else the page says why not).
    probe: add kNN and linear accuracy, learnt on `train_split`.  Two or more checkpoints get the paired differences of all this, and CKA.
    runs: folders of training runs, or their metrics.jsonl, for learning curves; that of a checkpoint's own folder is taken by itself.
    galleries: picture files, folders of them, `Gallery` objects, or "saliency", "attention", "hypercolumns", drawn of a few images of the
        data set for all checkpoints side by side.  published: the paper's rows beside the numbers.
    The other options are those of `geometry`.

    Raises UsageError (also for checkpoints of different images), CheckpointError, DatasetError, FileFormatError, InputError or StoreError,
    each with one line that says what to do; no half-written page is left.
    """
    from repr_probe.pages.contents import PageContents, check_count
    from repr_probe.pages.document import check_target, write_page
    from repr_probe.pages.gallery import check_size
    from repr_probe.workflows.report_comparison import compared
    from repr_probe.workflows.report_galleries import draw_galleries, split_galleries

    paths = [checkpoints] if isinstance(checkpoints, str | Path) else list(checkpoints)
    target = check_target(out)
    check_count(len(paths))
    kinds, pictures = split_galleries(galleries)
    check_size(pictures)
    series = read_runs(runs, paths)
    images: dict[str, Any] = {"dataset": dataset, "split": split, "data_root": data_root, "layer": layer, "limit": limit}
    running = {"device": device, "dtype": dtype, "batch_size": batch_size, "workers": workers, "fresh": fresh, "verify_data": verify_data}
    keys = {"features_key": features_key, "labels_key": labels_key}
    if probe and dataset is None:
        raise UsageError("--with probe must go with --dataset and checkpoints; got features or result files")
    if not probe and train_split != "train":
        raise UsageError(f"--train-split must go with --with probe; got {train_split!r} without it")
    measuring = {"seed": seed, "device": device}
    with using_home(store), each_note_once():
        drawing: dict[str, Any] = {"images": {**images, "seed": seed}, "encoder": checked_options(encoder), "device": device}
        pictures = (*draw_galleries(kinds, paths, **drawing), *pictures)
        asked = {**images, **checked_options(encoder), "seed": seed, **running}
        if dataset is not None:
            found = [_of_images(path, asked, preset=preset, semantic=semantic) for path in paths]
        else:
            given = {**images, **checked_options(encoder), **keys, "preset": preset, **measuring}
            found = [one for path in paths for one in _of_features(path, given, semantic=semantic)]
        measured, entries = zip(*found, strict=True)
        comparison = compared(measured, entries, asked, train_split=train_split if probe else None)
    rows = _published(measured[0].geometry) if published else ()
    curves, labels, over = learning_curves(series)
    notes = tuple(f"{one.name}: {note}" for one in series for note in one.notes)
    return write_page(PageContents(measured, rows, curves, pictures, notes, comparison), target, labels=labels, over=over)


def _of_images(path: str | Path, images: Mapping[str, Any], *, preset: str, semantic: bool) -> tuple[Measured, Entry]:
    from repr_probe.metrics.states import Options
    from repr_probe.reports.geometry import measured as geometry_of
    from repr_probe.reports.geometry import resolve_device
    from repr_probe.workflows.extract import extract

    name = Path(path).name if Path(path).exists() else str(path)
    (found,) = extract(path, **images)
    features = found.features()
    options = Options(seed=images["seed"], device=resolve_device(images["device"]), kernel=preset != "paper", keep=home() / "passes")
    geometry, states = geometry_of(features, options, preset=preset, name=name)
    one = _measured(geometry, found, _spectra(states), semantic=semantic)
    return one, Entry(name, features=features, source=path, is_checkpoint=True, states=states, semantic=one.semantic)


def _of_features(path: str | Path, given: Mapping[str, Any], *, semantic: bool) -> list[tuple[Measured, Entry]]:
    """The rows of a feature file or a store, or of every report of a result file."""
    from repr_probe.pages.contents import Measured
    from repr_probe.reports.geometry_report import GeometryReport
    from repr_probe.workflows.geometry import geometry

    found = geometry(path, **given)
    if not isinstance(found, GeometryReport) or Path(path).suffix.lower() == ".json":
        reports = [found] if isinstance(found, GeometryReport) else found
        return [(Measured(one, semantic_reason=_RESULT), open_source(one, dataset=None, features_key=None, labels_key=None)[0]) for one in reports]
    from repr_probe.features.door import as_features

    features = as_features(Path(path), **{name: given[name] for name in ("features_key", "labels_key")})
    one = _measured(found, features, spectra_of(features), semantic=semantic)
    return [(one, Entry(found.name, features=features, source=path, semantic=one.semantic))]


def _measured(geometry: GeometryReport, source: Any, spectra: Mapping[str, np.ndarray], *, semantic: bool) -> Measured:
    from repr_probe.pages.contents import Measured

    if not semantic:
        return Measured(geometry, spectra, semantic_reason="left out (--no-semantic)")
    from repr_probe.reports.semantic import semantic_report

    try:
        return Measured(geometry, spectra, semantic_report(source, name=geometry.name, seed=int(geometry.options["seed"])))
    except InputError as failure:
        # Classes without names that WordNet knows are no fault of the page; it says what was missing.
        progress.note(f"{geometry.name}: no semantic part: {failure}")
        return Measured(geometry, spectra, semantic_reason=str(failure))


def spectra_of(source: Any) -> dict[str, np.ndarray]:
    """"raw" and "centred" -> eigenvalues of the second moments, falling; without one that does not exist (rows all alike)."""
    from repr_probe.features.door import as_features
    from repr_probe.metrics.states import GeometryStates, Options

    return _spectra(GeometryStates(as_features(source), Options(intervals=False)))


def _spectra(states: GeometryStates) -> dict[str, np.ndarray]:
    from repr_probe.errors import UndefinedMeasure

    try:
        return {"raw": states.spectrum().values, "centred": states.spectrum(center=True).values}
    except UndefinedMeasure:
        return {}


def read_runs(runs: Sequence[str | Path], checkpoints: Sequence[str | Path]) -> list[Series]:
    """The series of the named runs, then those that lie beside the checkpoints; each once, with names that tell them apart.

    Raises UsageError for more than can be told apart, FileFormatError for a file that cannot be read.
    """
    named = [Path(run) for run in runs]
    beside = [Path(path).parent for path in checkpoints if Path(path).is_file() and (Path(path).parent / FILE).is_file()]
    files = list(dict.fromkeys((path / FILE if path.is_dir() else path).absolute() for path in [*named, *beside]))
    if len(files) > MOST_RUNS:
        raise UsageError(f"runs must be at most {MOST_RUNS} on one page; got {len(files)}; make several pages, or see repro-probe dynamics")
    names = [file.parent.name if file.name == FILE else file.stem for file in files]
    longer = ["/".join(file.parts[-3:-1]) if names.count(name) > 1 else name for file, name in zip(files, names, strict=True)]
    return [read_series(file, name=name) for file, name in zip(files, longer, strict=True)]


def learning_curves(series: Sequence[Series]) -> tuple[dict[str, dict[str, Curve]], dict[str, str], str]:
    """(measure -> run -> curve, measure -> words, "step" or "epoch"): the loss and the well-known numbers that the runs hold."""
    from repr_probe.workflows.dynamics import PANELS, label_of

    over = "step" if all(any("step" in row for row in one.rows) for one in series) else "epoch"
    held = dict.fromkeys(key for one in series for key in one.names())
    chosen = [key for key in ("loss", *PANELS) if key in held] or list(held)[:6]
    curves: dict[str, dict[str, Curve]] = {}
    for key in chosen:
        for one in series:
            if key in one.names():
                curves.setdefault(key, {})[one.name] = one.curve(key, over)
    return curves, {key: label_of(key) for key in chosen}, over


def _published(found: GeometryReport) -> tuple[Any, ...]:
    from repr_probe.published.table3 import published_rows

    return published_rows(str(found.provenance.get("dataset", "")))
