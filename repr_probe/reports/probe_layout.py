"""What a ProbeReport shows, as tables of text: one table a protocol, since numbers of two protocols never share a column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from repr_probe.metrics.inference import Interval
from repr_probe.probes.knn import KnnResult
from repr_probe.probes.linear import LinearResult
from repr_probe.probes.probe_result import ProbeResult
from repr_probe.reports.sources import PublishedValues

if TYPE_CHECKING:
    from repr_probe.reports.probe_report import ProbeReport

NONE = "–"
_PUBLISHED = ("linear_top1", "linear_top5", "knn_top1", "knn_top5")


@dataclass(frozen=True)
class ProbeTable:
    """title; heads, the first of the row names; rows; notes below."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def heading(report: ProbeReport) -> str:
    """The data set and its splits, with the counts of the first row."""
    counts = ""
    if report.rows and report.rows[0].results:
        one = report.rows[0].results[0]
        counts = f": {one.n_train:,} to learn from, {one.n_test:,} tested, {one.n_classes} classes"
    return f"{report.dataset} ({report.train_split} → {report.split}){counts}"


def tables(report: ProbeReport, published: Sequence[PublishedValues] = ()) -> list[ProbeTable]:
    """A table for every protocol, one for the comparisons, one for the paper's rows; `closing_notes` go below them all."""
    shared = set(_shared_notes(report))
    found = []
    for protocol in report.protocols:
        table = _protocol_table(report, protocol)
        found.append(replace(table, notes=tuple(note for note in table.notes if note not in shared)))
    if report.comparisons:
        found.append(_comparison_table(report))
    if published:
        found.append(_published_table(published))
    return found


def closing_notes(report: ProbeReport) -> tuple[str, ...]:
    """What holds for several tables (how the encoder was read, rows left out), said once; then the report's own."""
    return tuple(dict.fromkeys([*_shared_notes(report), *report.notes]))


def _shared_notes(report: ProbeReport) -> list[str]:
    counts = Counter(note for protocol in report.protocols for note in _protocol_table(report, protocol).notes)
    return [note for note, count in counts.items() if count > 1]


def _protocol_table(report: ProbeReport, protocol: str) -> ProbeTable:
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for row, result in report.of(protocol):
        rows.append((row.name, percent(result.top1), interval(result.ci), percent(result.top5), interval(result.top5_ci), _chosen(result)))
        notes += [f"{row.name}: {note}" for note in result.notes]
        if result.top5_reason:
            notes.append(result.top5_reason)
        if isinstance(result, LinearResult) and result.converged is False:
            notes.append(f"{row.name}: the fit did not converge")
    heads: tuple[str, ...] = ("", "top-1 %", "95 % interval", "top-5 %", "95 % interval", "detail")
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return ProbeTable(protocol, heads, tuple(rows), tuple(dict.fromkeys(notes)))


def _chosen(result: ProbeResult) -> str:
    if isinstance(result, KnnResult):
        return "" if result.top5 is None or result.top5_voted_share == 1 else f"5 classes voted: {percent(result.top5_voted_share)} %"
    if "l2_tried" in result.settings:
        return f"l2 {result.settings['l2']:.3g}"
    return f"lr {result.settings['learning_rate']:g}" if "learning_rates_tried" in result.settings else ""


def _comparison_table(report: ProbeReport) -> ProbeTable:
    heads = ("protocol", "difference", "95 % interval", "first alone right", "second alone right", "p (McNemar, exact)")
    rows = tuple(
        (one.protocol, f"{100 * one.test.difference:+.2f}", interval(one.test.ci),
         f"{one.test.only_first:,}", f"{one.test.only_second:,}", _p(one.test.p))
        for one in report.comparisons
    )  # fmt: skip
    one = report.comparisons[0]
    return ProbeTable(f"{one.first} - {one.second}, top-1 in points, the same {one.test.n_queries:,} images", heads, rows)


def _published_table(published: Sequence[PublishedValues]) -> ProbeTable:
    heads = ("as published", "linear top-1", "linear top-5", "k-NN top-1", "k-NN top-5")
    rows = tuple((row.method, *(row.printed.get(key, NONE) for key in _PUBLISHED)) for row in published)
    notes = dict.fromkeys([published[0].protocol, *(f"{row.method}: {row.note}" for row in published if row.note)])
    return ProbeTable(f"published: {published[0].source} (another protocol than any above)", heads, rows, tuple(notes))


def percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.2f}"


def interval(bounds: Interval | None) -> str:
    return NONE if bounds is None else f"[{100 * bounds[0]:.2f}, {100 * bounds[1]:.2f}]"


def _p(p: float) -> str:
    return f"{p:.1e}" if p < 0.001 else f"{p:.3f}"
