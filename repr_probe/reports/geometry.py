"""geometry_report: every number of a preset from one matrix of features, with intervals, notes and the identities between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from numbers import Integral
from typing import Any

from repr_probe import progress
from repr_probe.errors import InputError
from repr_probe.features.door import as_features
from repr_probe.features.feature_set import Features
from repr_probe.files.home import home
from repr_probe.metrics.definitions import DEFINITIONS, PRESETS, keys_of
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.products import MATMULS
from repr_probe.metrics.states import POPULATIONS, GeometryStates, Options
from repr_probe.ranks import ALONE, Ranks
from repr_probe.reports.class_table import centroid_cosines, class_rows
from repr_probe.reports.geometry_report import GeometryReport
from repr_probe.reports.identities import identity_failures
from repr_probe.reports.notes import counts_of, notes_of
from repr_probe.reports.together import built_together
from repr_probe.reports.versions import library_versions

_SLOW_SECONDS = 30.0
_FLOPS = 1e11  # of two cores, for the announcement of long work only
_SEARCHES = 4.0  # the searches of nearest rows of preset "full", in passes over all pairs


def geometry_report(
    features: Any,
    labels: Any = None,
    *,
    preset: str = "default",
    class_names: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    pairs: str | int = "exact",
    population: str = "classes",
    intervals: bool = True,
    seed: int = 0,
    nan_policy: str = "raise",
    device: str = "auto",
    matmul: str = "exact",
    block_size: int | None = None,
    features_key: str | None = None,
    labels_key: str | None = None,
    name: str | None = None,
    ranks: Ranks = ALONE,
) -> GeometryReport:
    """The geometry of a representation: Table III of HyDeS (arXiv 2604.24498) and what a reader needs beside it.

    features: (n_samples, n_features) in any form that `as_features` takes; labels: one per row, or None.
    preset: "paper" (Table III's columns), "default" (adds the corrections a reader needs) or "full" (every defined measure).
    pairs: "exact" (all pairs, by tiles, no N x N matrix) or a number of pairs to draw (the report then says so).
    population: what class-labelled intervals speak of: "classes" (delete-one-class jackknife) or "images".
    device: where the pair pass and, on a CUDA GPU, moments, cosine sums and spectra run ("auto": a GPU if there is one).
    matmul: products of the pair pass: "exact" (as good as float32), or "fast" (bfloat16 or TF32 where the processor has them and where
    they move the mean and the SD of angles by at most 1e-3 degree, measured and noted; else exact).
    ranks: the processes of a job that share the work (`repr_probe.ranks.joined`); call it in each of them with the same arguments.
    Nothing is sampled, dropped or repaired silently; an undefined number is None with its reason.

    Raises InputError for features or labels outside the contract of `as_features`.

    >>> import numpy as np
    >>> report = geometry_report(np.eye(6), [0, 0, 0, 1, 1, 1], preset="paper")
    >>> round(report.anisotropy.value, 6), round(report.effective_rank.value, 6), round(report.angle_all_mean.value, 3)
    (0.166667, 6.0, 90.0)
    >>> report.d_prime.value
    0.0
    """
    _check_options(preset, population, seed, block_size, matmul)
    n_pairs = _pairs(pairs)
    checked = as_features(features, labels, class_names=class_names, ids=ids, nan_policy=nan_policy,
                          features_key=features_key, labels_key=labels_key)  # fmt: skip
    options = Options(seed=seed, device=resolve_device(ranks.device_name(device)), population=population, pairs=n_pairs, intervals=intervals,
                      block=block_size, kernel=preset != "paper", matmul=matmul, ranks=ranks,
                      keep=home() / "passes")  # fmt: skip
    return measured(checked, options, preset=preset, nan_policy=nan_policy, name=name)[0]


def measured(
    features: Features, options: Options, *, preset: str = "default", nan_policy: str = "raise", name: str | None = None
) -> tuple[GeometryReport, GeometryStates]:
    """The report on features that `as_features` has checked, and the states it was made from: spectra and paired differences need them again."""
    states = GeometryStates(features, options)
    _announce(states, preset)
    said = {"preset": preset, "pairs": "exact" if options.pairs is None else options.pairs, "population": options.population,
            "intervals": options.intervals, "seed": options.seed, "nan_policy": nan_policy, "device": options.device,
            "matmul": options.matmul}  # fmt: skip
    keys = report_keys(preset, features)
    return built_together(states, keys, lambda: build_report(states, measure_all(states, keys), said, name)), states


def report_keys(preset: str, features: Features) -> tuple[str, ...]:
    """Keys of a preset; those of views only where there are views."""
    return tuple(key for key in keys_of(preset) if DEFINITIONS[key].needs != "views" or features.views is not None)


def measure_all(states: GeometryStates, keys: Sequence[str]) -> dict[str, Measurement]:
    """Measurements of `keys` in their order, each family computed together."""
    from repr_probe.metrics.angle_measures import angle_measures
    from repr_probe.metrics.class_measures import class_measures
    from repr_probe.metrics.cloud_measures import cloud_measures
    from repr_probe.metrics.collapse_measures import collapse_measures
    from repr_probe.metrics.neighbour_measures import neighbour_measures
    from repr_probe.metrics.spectral_measures import spectral_measures
    from repr_probe.metrics.view_measures import view_measures

    found: dict[str, Measurement] = {}
    families = (spectral_measures, cloud_measures, class_measures, angle_measures, collapse_measures, neighbour_measures, view_measures)
    with progress.task("geometry", len(families)) as advance:
        for family in families:
            found |= family(states, keys)
            advance(1)
    return {key: found[key] for key in keys}


def build_report(states: GeometryStates, measures: Mapping[str, Measurement], said: Mapping[str, Any], name: str | None) -> GeometryReport:
    features = states.features
    cosines = centroid_cosines(states)
    exact = states.options.pairs is None and "angles" in states.__dict__
    histograms = _histograms(states) if exact else {}
    limited = states.effective_n < 10.0 * features.n_features
    return GeometryReport(
        measures=measures,
        name=name or str(features.provenance.get("name") or f"features {features.n_samples} x {features.n_features}"),
        n_samples=features.n_samples,
        n_features=features.n_features,
        n_classes=states.n_classes,
        counts=counts_of(states),
        flags={"rank_limited_by_n": bool(limited)},
        notes=notes_of(states),
        identity_failures=identity_failures(states),
        options=dict(said),
        versions=library_versions(),
        provenance=dict(features.provenance),
        class_names=features.class_names,
        histograms=histograms,
        classes=class_rows(states, cosines, exact),
        centroid_cosine=cosines,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _histograms(states: GeometryStates) -> dict[str, Any]:
    found = states.angles.histograms
    result = {"all": found["all"]}
    if states.n_labelled and found["positive"].any():
        result["positive"] = found["positive"]
    if states.n_classes > 1:
        result["negative"] = found["labelled"] - found["positive"]
    return result


def _check_options(preset: str, population: str, seed: int, block_size: int | None, matmul: str) -> None:
    if matmul not in MATMULS:
        raise InputError(f"matmul must be 'exact' or 'fast'; got {matmul!r}")
    if preset not in PRESETS:
        raise InputError(f"preset must be 'paper', 'default' or 'full'; got {preset!r}")
    if population not in POPULATIONS:
        raise InputError(f"population must be 'classes' or 'images'; got {population!r}")
    if not _is_count(seed, 0):
        raise InputError(f"seed must be an integer, 0 or more; got {seed!r}")
    if block_size is not None and not _is_count(block_size, 1):
        raise InputError(f"block_size must be a number of rows, 1 or more; got {block_size!r}")


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _pairs(pairs: str | int) -> int | None:
    if pairs == "exact":
        return None
    if not _is_count(pairs, 1000):
        raise InputError(f"pairs must be 'exact' or a number of pairs, 1000 or more; got {pairs!r}")
    return int(pairs)


def resolve_device(device: str) -> str:
    """ "auto" is a GPU if there is one; the rest is checked by torch."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device must be one torch can use here; got {device!r} ({str(error).splitlines()[0]})") from None
    return device


def _announce(states: GeometryStates, preset: str) -> None:
    """Say what moments, spectra and nearest rows cost before paying it, when it is long; the pair pass says it of itself (`announce_pass`)."""
    n, width = states.features.n_samples, min(states.features.n_features, states.features.n_samples)
    seconds = (n * n * width * _SEARCHES * (preset == "full") / states.options.ranks.world_size + 12.0 * n * width * width) / _FLOPS
    if seconds > _SLOW_SECONDS and states.options.device == "cpu":
        size = f"{n} x {states.features.n_features}"
        ways = ["preset='default' does without nearest rows"] * (preset == "full")
        progress.note("; ".join([f"geometry of {size} takes about {seconds / 60:.0f} min or more on two cores, beside its pairs", *ways]))
