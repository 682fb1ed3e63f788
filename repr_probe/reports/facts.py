"""What a reader must know beside the numbers: where they come from, what was left aside, what the intervals mean, what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.safe_text import listed, printable
from repr_probe.reports.sources import MeasuredReport
from repr_probe.reports.table import PAPER_COLUMNS, row_names

_COUNTS = {
    "n_zero": "rows of zeros",
    "n_dropped": "rows dropped",
    "n_unlabelled": "rows without a label",
    "n_singleton": "classes of one row",
    "n_constant": "constant features",
    "n_duplicate_pairs": "pairs of identical rows",
}


def _numbers(value: Any) -> str:
    values = value if isinstance(value, (list, tuple)) else [value]
    return " ".join(f"{one:g}" if isinstance(one, (int, float)) else str(one) for one in values)


_INPUT_TEXTS: Mapping[str, Callable[[Any], str]] = {
    "size": lambda sides: " x ".join(_numbers(sides).split()),
    "interpolation": str,
    "crop_pct": lambda share: f"crop {_numbers(share)}",
    "mean": lambda values: f"mean {_numbers(values)}",
    "std": lambda values: f"std {_numbers(values)}",
}
_POPULATIONS = {"images": "other images of the same classes", "classes": "other classes"}


def facts(report: MeasuredReport) -> dict[str, str]:
    """Label -> text, in the order to print; only what the report knows."""
    origin = report.provenance
    checkpoint = _text(origin.get("checkpoint") or origin.get("encoder"))
    found = {
        "checkpoint": "" if checkpoint == report.name else checkpoint,
        "architecture": _text(origin.get("architecture")),
        "weights": weights_text(origin),
        "layer": _joined(origin.get("layer"), origin.get("pool"), ", pool "),
        "data": _data_text(origin),
        "input": input_text(origin.get("input")),
        "features": _shape(report),
        "set aside": _set_aside(report),
        "flags": ", ".join(key for key, raised in report.flags.items() if raised),
        "store": _text(origin.get("store"))[:12],
    }
    return {label: printable(text) for label, text in found.items() if text}


def common_facts(reports: Sequence[MeasuredReport]) -> tuple[dict[str, str], tuple[dict[str, str], ...]]:
    """The facts that all reports share, and for each report those it does not."""
    every = [facts(report) for report in reports]
    shared = {label: text for label, text in every[0].items() if all(one.get(label) == text for one in every)}
    return shared, tuple({label: text for label, text in one.items() if label not in shared} for one in every)


def weights_text(origin: Mapping[str, Any]) -> str:
    """Where the weights came from and how much of the network they filled, as the loader recorded it.

    >>> weights_text({"facts": {"tensors_matched": 245, "tensors_needed": 245, "matched": "by order"}})
    '245 of 245 tensors matched by order'
    """
    known = origin.get("facts")
    known = known if isinstance(known, Mapping) else {}
    if "tensors_matched" in known:
        matched, needed = known["tensors_matched"], known.get("tensors_needed", known["tensors_matched"])
        missing = f", {needed - matched} allowed to be missing" if matched < needed else ""
        return f"{matched} of {needed} tensors matched {known.get('matched', '')}{missing}"
    return _text(origin.get("matched") or known.get("weights"))


def input_text(specification: object) -> str:
    """The preprocessing in one line, from the mapping that `InputSpec.to_dict` makes (or any mapping, or text).

    >>> input_text({"size": [224, 224], "mean": [0.5], "std": [0.25], "interpolation": "bicubic", "crop_pct": 0.875})
    '224 x 224, bicubic, crop 0.875, mean 0.5, std 0.25'
    """
    if not isinstance(specification, Mapping):
        return _text(specification)
    parts = [_INPUT_TEXTS[name](specification[name]) for name in _INPUT_TEXTS if specification.get(name) is not None]
    return ", ".join([*parts, *(f"{name} {value}" for name, value in specification.items() if name not in (*_INPUT_TEXTS, "sources"))])


def interval_notes(reports: Sequence[MeasuredReport], keys: Sequence[str]) -> tuple[str, ...]:
    """What the intervals of these measures speak of and how they were made; then the measures that have none, and why."""
    methods: dict[str, dict[str, None]] = {}
    for _, measurement in _with_interval(reports, keys):
        population = printable(measurement.population or "an unstated population")
        methods.setdefault(population, {})[printable(measurement.ci_method or "unstated method")] = None
    notes = [f"95 % intervals over {population}{_meaning(population, reports)} ({'; '.join(made)})" for population, made in methods.items()]
    return (*notes, *_without_interval(reports, keys))


def paper_interval_notes(reports: Sequence[MeasuredReport]) -> tuple[str, ...]:
    """For the columns of Table III, which have no room for it: the population and method of each interval."""
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for key, measurement in _with_interval(reports, [key for _, keys in PAPER_COLUMNS for key in keys]):
        made = (printable(measurement.population or "an unstated population"), printable(measurement.ci_method or "unstated method"))
        groups.setdefault(made, {})[DEFINITIONS[key].symbol] = None
    return tuple(
        f"95 % intervals of {listed(symbols)}: over {population}{_meaning(population, reports)} ({method})"
        for (population, method), symbols in groups.items()
    )


def _meaning(population: str, reports: Sequence[MeasuredReport]) -> str:
    if population == "images" and not any(report.n_classes for report in reports):
        return " = other images"
    return f" = {_POPULATIONS[population]}" if population in _POPULATIONS else ""


def _with_interval(reports: Sequence[MeasuredReport], keys: Sequence[str]) -> Iterator[tuple[str, Measurement]]:
    for report in reports:
        for key in keys:
            measurement = report.measures.get(key)
            if measurement is not None and measurement.value is not None and measurement.ci is not None:
                yield key, measurement


def warnings_of(reports: Sequence[MeasuredReport]) -> tuple[str, ...]:
    """Broken identities, to be shown loudly; the report is named where there are several."""
    return _gathered(reports, [report.identity_failures for report in reports])


def notes_of(reports: Sequence[MeasuredReport]) -> tuple[str, ...]:
    """The notes of all reports; one that all share appears once."""
    return _gathered(reports, [report.notes for report in reports])


def _gathered(reports: Sequence[MeasuredReport], groups: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    names = row_names(reports)
    holders: dict[str, list[str]] = {}
    for name, texts in zip(names, groups, strict=True):
        for text in dict.fromkeys(texts):
            holders.setdefault(printable(text), []).append(name)
    return tuple(text if len(held) == len(reports) else f"{', '.join(held)}: {text}" for text, held in holders.items())


def _without_interval(reports: Sequence[MeasuredReport], keys: Sequence[str]) -> tuple[str, ...]:
    texts = []
    for report in reports:
        groups: dict[str, dict[str, None]] = {}
        for key in keys:
            measurement = report.measures.get(key)
            if measurement is not None and measurement.value is not None and measurement.ci is None and measurement.ci_reason:
                groups.setdefault(printable(measurement.ci_reason), {})[DEFINITIONS[key].symbol] = None
        texts.append(tuple(f"no interval for {listed(symbols)}: {reason}" for reason, symbols in groups.items()))
    return _gathered(reports, texts)


def _data_text(origin: Mapping[str, Any]) -> str:
    text = _joined(origin.get("dataset"), origin.get("split"), ", split ")
    drawn = f", {origin['limit']:,} drawn (seed {origin.get('seed')})" if isinstance(origin.get("limit"), int) else ""
    views = f", {origin['views']} augmented views" if isinstance(origin.get("views"), int) and origin["views"] else ""
    return f"{text}{drawn}{views}" if text else ""


def _set_aside(report: MeasuredReport) -> str:
    # Without any labels "rows without a label" would only repeat "no labels".
    known = {key: count for key, count in report.counts.items() if count and not (key == "n_unlabelled" and report.n_classes == 0)}
    return "; ".join(f"{count:,} {_COUNTS.get(key, key)}" for key, count in known.items())


def _shape(report: MeasuredReport) -> str:
    classes = {0: "no labels", 1: "1 class"}.get(report.n_classes, f"{report.n_classes:,} classes")
    rows = "images" if report.provenance.get("dataset") else "rows"
    return f"{report.n_samples:,} {rows} x {report.n_features:,} features, {classes}"


def _joined(first: Any, second: Any, between: str) -> str:
    return between.join(text for text in (_text(first), _text(second)) if text)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
