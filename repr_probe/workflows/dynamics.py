"""dynamics: how the geometry of an encoder changed while it learned, from its checkpoints or its log (`repro-probe dynamics`)."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from repr_probe import progress
from repr_probe.errors import UsageError
from repr_probe.monitor.series import FILE, Series, read_series
from repr_probe.workflows.checkpoint_order import in_order
from repr_probe.workflows.encoder_options import EncoderOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from repr_probe.features.store import FeatureStore
    from repr_probe.monitor.probe_accuracy import Labelled

# What a figure shows when nobody says, of what there is.
PANELS = ("knn_top1", "linear_top1", "effective_rank", "anisotropy", "center_vector_norm", "d_prime")
_LABELS = {"knn_top1": "kNN, top-1", "linear_top1": "linear probe, top-1", "mutual_information": "mutual information estimate (nats)"}
_SEED = re.compile(r"[-_,. ]?seed[-_=]?\d+")
_ENOUGH = 8  # points of a curve whose last fifth is worth enlarging


def dynamics(
    runs: str | Path | Sequence[str | Path],
    *,
    dataset: str | Path | None = None,
    split: str | None = None,
    data_root: str | Path | None = None,
    limit: int | None = None,
    bank: str | None = None,
    bank_limit: int | None = None,
    layer: str | None = None,
    device: str = "auto",
    batch_size: int = 64,
    workers: int | None = None,
    seed: int = 0,
    preset: str = "default",
    knn: bool = True,
    linear: bool = True,
    fresh: bool = False,
    store: str | Path | None = None,
    **encoder: Unpack[EncoderOptions],
) -> list[Series]:
    """One series a run, in the order of `runs`.

    Without a `dataset`, runs are folders with a metrics.jsonl, or such files: what a training run wrote is read. With one, they are
    checkpoints of any kind that `load_encoder` opens, or folders of runs: for each checkpoint the features are extracted (or taken from
    the store) and every measure of `preset` and the probes' accuracy are computed anew; the numbers are those of `geometry`. Checkpoints in
    one folder are one run, ordered by the step or epoch in their names or files.

    split, data_root, limit, layer, device, batch_size, workers, seed, fresh, store, encoder: as in `geometry`.
    bank: the split from which kNN and the linear probe learn ("train"), bank_limit images of it; without one kNN leaves each image
        out in turn and the linear probe learns on every second image of each class.

    Raises UsageError, CheckpointError, DatasetError, FileFormatError or StoreError, each with one line that says what to do.
    """
    paths = [Path(run) for run in ([runs] if isinstance(runs, str | Path) else runs)]
    if not paths:
        raise UsageError("runs must name at least one run or checkpoint; got none")
    if dataset is None:
        return [_read(path) for path in paths]
    if bank_limit is not None and bank is None:
        raise UsageError(f"bank_limit must go with a bank; got {bank_limit} without one")
    images: dict[str, Any] = {"dataset": dataset, "data_root": data_root, "layer": layer, "device": device, "batch_size": batch_size,
                              "workers": workers, "seed": seed, "fresh": fresh, "store": store, **encoder}  # fmt: skip
    wanted = [{"split": split, "limit": limit}, *([{"split": bank, "limit": bank_limit}] if bank is not None and (knn or linear) else [])]
    measuring = {"preset": preset, "seed": seed, "device": device, "knn": knn, "linear": linear}
    found: list[Series] = []
    for name, checkpoints in _by_run(paths).items():
        rows = []
        for path, place in in_order(checkpoints):
            start = time.perf_counter()
            measured = _measured(path, images, wanted, measuring)
            seconds = time.perf_counter() - start
            rows.append({place.axis: place.number, "checkpoint": path.name, **measured, "monitor_seconds": seconds})
            progress.note(f"{path.name}: {place.axis} {place.number}, in {seconds:.1f} s")
        found.append(Series(name, tuple(rows)))
    return found


def draw_dynamics(series: Sequence[Series], keys: Sequence[str] | None = None, *, over: str = "step") -> Figure:
    """A panel a number: `keys`, by default the well-known ones that the series hold. Runs that differ by seed alone are one line, their mean
    with a band of one SD; the last fifth of long accuracy curves is enlarged. Raises InputError for a number that no series has."""
    from repr_probe.errors import InputError
    from repr_probe.plots.learning_curves import curve_panels

    held = {key for one in series for key in one.names()}
    chosen = list(keys) if keys else [key for key in PANELS if key in held] or sorted(held)[:6]
    panels: dict[str, dict[str, list[Any]]] = {}
    for key in chosen:
        lines: dict[str, list[Any]] = {}
        for one in series:
            if key in one.names():
                lines.setdefault(setting_of(one.name), []).append(one.curve(key, over))
        if not lines:
            series[0].curve(key, over)  # says what there is
            raise InputError(f"measure must be a number that a series holds; got {key!r}")
        panels[label_of(key)] = lines
    return curve_panels(panels, over=over, zooms={label_of(key): _last_fifth(panels[label_of(key)]) for key in chosen if key.endswith("_top1")})


def label_of(key: str) -> str:
    """What an axis says of a number.

    >>> label_of("knn_top1"), label_of("effective_rank"), label_of("h_global")
    ('kNN, top-1', 'effective rank', 'h_global')
    """
    from repr_probe.metrics.definitions import DEFINITIONS

    return _LABELS.get(key) or (DEFINITIONS[key].label if key in DEFINITIONS else key)


def setting_of(name: str) -> str:
    """The name of a run without its seed.

    >>> setting_of("kappa=10_seed=3"), setting_of("run-seed2"), setting_of("seed=1")
    ('kappa=10', 'run', 'all seeds')
    """
    return _SEED.sub("", name).strip("-_,. ") or "all seeds"


def _last_fifth(lines: Mapping[str, Sequence[Any]]) -> tuple[float, float] | None:
    """The end of the curves, where it is worth enlarging: they are long, and lie close together there."""
    curves = [curve for several in lines.values() for curve in several]
    if len(lines) < 2 or min(len(curve.x) for curve in curves) < _ENOUGH:
        return None
    start, end = min(float(curve.x[0]) for curve in curves), max(float(curve.x[-1]) for curve in curves)
    span = (end - 0.2 * (end - start), end)
    values = [curve.y[(curve.x >= span[0]) & (curve.x <= span[1])] for curve in curves]
    if any(len(part) == 0 for part in values):
        return None
    whole = max(float(curve.y.max()) for curve in curves) - min(float(curve.y.min()) for curve in curves)
    close = max(float(part.max()) for part in values) - min(float(part.min()) for part in values)
    return span if close < 0.4 * whole else None


def _read(path: Path) -> Series:
    if path.is_file() and path.suffix != ".jsonl":
        raise UsageError(f"--dataset must name the images for {path.name}; got none; without it give the folder of a run, or its {FILE}")
    series = read_series(path)
    for note in series.notes:
        progress.note(f"{series.name}: {note}")
    return series


def _by_run(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Name of a run -> its checkpoints; the name is that of the folder, with more of the path where two would be alike."""
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        own = sorted(path.glob("ckpt_*.pt")) if path.is_dir() else []
        for checkpoint in own or [path]:
            folders.setdefault(checkpoint.absolute().parent, []).append(checkpoint)
    names = [folder.name for folder in folders]
    return {folder.name if names.count(folder.name) == 1 else "/".join(folder.parts[-2:]): several for folder, several in folders.items()}


def _measured(path: Path, images: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]], measuring: Mapping[str, Any]) -> dict[str, float]:
    from repr_probe.reports.geometry import geometry_report
    from repr_probe.workflows.extract import extract

    stores = [extract(path, **images, **which)[0] for which in wanted]
    said = {name: measuring[name] for name in ("preset", "seed", "device")}
    report = geometry_report(stores[0], intervals=False, **said)
    values = {key: float(measured.value) for key, measured in report.measures.items() if measured.value is not None}
    return values | _accuracies(stores, measuring)


def _accuracies(stores: Sequence[FeatureStore], measuring: Mapping[str, Any]) -> dict[str, float]:
    """kNN and linear accuracy of the first store by the second, if there is one."""
    from repr_probe.monitor.probe_accuracy import probe_accuracies

    probe, *banks = [_labelled(store, by_name=len(stores) > 1) for store in stores]
    if probe is None or None in banks:
        return {}
    asked = {name: measuring[name] for name in ("knn", "linear", "seed", "device")}
    found, reasons = probe_accuracies(probe, banks[0] if banks else None, **asked)
    for name, reason in reasons.items():
        progress.note(f"{name} is left out: {reason}")
    return {name: accuracy.top1 for name, accuracy in found.items()}


def _labelled(store: FeatureStore, *, by_name: bool) -> Labelled | None:
    """Features and labels, as names where two splits may number their classes differently; None for an unlabelled split."""
    features = store.features()
    if features.labels is None or not by_name:
        return None if features.labels is None else (features.values, features.labels)
    names = np.array([*features.class_names, None], dtype=object)  # code -1 takes the last: no label
    return features.values, names[features.labels]
