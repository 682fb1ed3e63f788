"""What a SemanticReport says, in which order, as titles, tables and sentences; formats only draw it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repr_probe.reports.facts import input_text, weights_text
from repr_probe.reports.safe_text import printable
from repr_probe.reports.semantic_definitions import DEFINITIONS, PAPER_COLUMNS
from repr_probe.reports.sources import PublishedValues
from repr_probe.reports.table import DASH, cell_of, footnote_marks, published_footnotes

if TYPE_CHECKING:
    from repr_probe.reports.semantic_comparison import SemanticComparison
    from repr_probe.reports.semantic_report import SemanticReport

SHOWN_CLASSES = 5


@dataclass(frozen=True)
class Section:
    """A titled table (heads, rows; `words` counts its leading columns of words, the others hold numbers), a list of sentences, or both.

    The last column is wrapped where `wraps`.
    """

    title: str
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    items: tuple[str, ...] = ()
    words: int = 1
    wraps: bool = False


def facts(report: SemanticReport) -> dict[str, str]:
    """Label -> text for the head; only what the report knows."""
    origin, options = report.provenance, report.options
    found = {
        "checkpoint": _unless(origin.get("checkpoint") or origin.get("encoder"), report.name),
        "architecture": str(origin.get("architecture") or ""),
        "weights": weights_text(origin),
        "layer": "" if options.get("source") == "classifier" else str(origin.get("layer") or ""),
        "data": ", split ".join(str(origin[name]) for name in ("dataset", "split") if origin.get(name)),
        "input": input_text(origin.get("input")),
        "classes": _classes(report),
        "prototypes": str(options.get("prototypes") or ""),
        "WordNet": str(options.get("wordnet") or ""),
        "text": _text_model(options),
        "cophenetic": f"{options['linkage']} linkage on 1 - cosine, against WuP distances" if _has(report, "cophenetic_rep_tree") else "",
        "p": f"Mantel test, {options.get('permutations')} permutations, seed {options.get('seed')}",
        "store": str(origin.get("store") or "")[:12],
    }
    return {label: printable(text) for label, text in found.items() if text}


def sections(report: SemanticReport, published: Sequence[PublishedValues] = ()) -> tuple[Section, ...]:
    """In order: measures, the other checkpoint, Table IV, groups, control, classes, pairs, then what a reader has to know."""
    parts = [_measures(report), *([comparison_section(report.comparison)] if report.comparison is not None else [])]
    parts += [*([_table4(report, published)] if published else []), _groups(report), _control(report)]
    parts += [*_classes_by_row(report), _pairs(report), _reading(report)]
    return tuple(part for part in parts if part.rows or part.items)


def comparison_section(comparison: SemanticComparison) -> Section:
    """One line a measure: of the report, of the other, and their difference with interval and p."""
    rows = []
    for key, one in comparison.differences.items():
        interval = "" if one.ci is None else f"[{number(one.ci[0])}, {number(one.ci[1])}]"
        rows.append((DEFINITIONS[key].symbol, number(one.a), number(one.b), number(one.difference), interval, p_text(one.p)))
    reasons = dict.fromkeys(one.reason for one in comparison.differences.values() if one.reason)
    items = (f"{comparison.n_classes:,} classes of both; interval and p: delete-one-class jackknife of the difference", *reasons,
             *map(printable, comparison.notes))  # fmt: skip
    heads = ("measure", "value", "other's", "difference", "95 % interval", "p")
    return Section(f"against {printable(comparison.names[1])}", heads, tuple(rows), items)


def p_text(p: float | None) -> str:
    """A p-value with three digits: it is a count of permutations.

    >>> p_text(0.001), p_text(None)
    ('0.001', '—')
    """
    return DASH if p is None else f"{p:.3f}" if p >= 0.001 else f"{p:.2g}"


def number(value: Any, digits: int = 3) -> str:
    return DASH if value is None else f"{float(value):.{digits}f}"


def _measures(report: SemanticReport) -> Section:
    rows = []
    for key, measurement in report.measures.items():
        definition = DEFINITIONS[key]
        cell = cell_of(measurement, definition)
        rows.append((definition.symbol, cell.value, cell.interval, p_text(report.p_values.get(key)), definition.variant))
    return Section("alignment", ("measure", "value", "95 % interval", "Mantel p", "definition"), tuple(rows), wraps=True)


def _table4(report: SemanticReport, published: Sequence[PublishedValues]) -> Section:
    def ours(key: str) -> str:
        return cell_of(report.measures.get(key), DEFINITIONS[key]).value

    marks = footnote_marks(published)
    rows = [(printable(report.name), *(ours(key) for _, key in PAPER_COLUMNS))]
    for row in published:
        name = f"{row.method} (published)" + (f" ({marks[row.note]})" if row.note else "")
        rows.append((name, *(row.printed.get(key, DASH) for _, key in PAPER_COLUMNS)))
    heads = ("METHOD", *(head for head, _ in PAPER_COLUMNS))
    return Section("Table IV, measured and published", heads, tuple(rows), published_footnotes(published))


def _groups(report: SemanticReport) -> Section:
    rows = tuple(
        (printable(group["name"]), str(group["n_classes"]), number(group["spearman"]), p_text(group["p"]), number(group["spearman_strict"]))
        for group in report.groups
    )
    return Section("within one WordNet group", ("group", "classes", "Spearman WuP", "Mantel p", "Spearman strict WuP"), rows)


def _control(report: SemanticReport) -> Section:
    known = report.control
    if not known:
        return Section("control")
    title = "control: the one split animal / artifact"
    if known.get("reason"):
        return Section(title, items=(f"not measured: {known['reason']}",))
    return Section(title, items=(
        f"{known['n_animals']:,} animals, {known['n_artifacts']:,} artifacts, {known['n_others']:,} others",
        f"Spearman of the representation with the split alone: {number(known['split'])}",
        f"Spearman WuP where the split is held fixed (partial): {number(known['partial'])}",
        f"Spearman WuP over pairs on one side only: {number(known['within'])} (Mantel p {p_text(known['within_p'])}, {known['n_pairs']:,} pairs)",
    ))  # fmt: skip


def _classes_by_row(report: SemanticReport) -> Iterator[Section]:
    reference = row_reference(report)
    ranked = [row for row in report.classes if row.get("row", {}).get(reference) is not None]
    ranked.sort(key=lambda row: -row["row"][reference])
    if len(ranked) < 2:
        return
    count = min(SHOWN_CLASSES, len(ranked) // 2)
    counted = any(row.get("n") is not None for row in ranked)
    heads = ("class", "synset", *(["images"] if counted else []), "Spearman of its row")
    for title, part in (("best aligned classes", ranked[:count]), ("worst aligned classes", ranked[::-1][:count])):
        rows = tuple(
            (printable(row["name"]), printable(row.get("synset") or DASH), *([f"{row['n']:,}"] if counted else []), number(row["row"][reference]))
            for row in part
        )
        yield Section(f"{title} (against {reference})", heads, rows, words=2)


def row_reference(report: SemanticReport) -> str:
    """The reference by which classes and pairs are ranked: WuP where it tells classes apart, else the text."""
    return "wup" if any("wup" in row.get("row", {}) for row in report.classes) else "text"


def _pairs(report: SemanticReport) -> Section:
    rows = tuple(
        (printable(pair["a"]), printable(pair["b"]), pair["kind"], number(pair["cosine"]), number(pair["reference"])) for pair in report.pairs
    )
    title = f"most surprising pairs (against {row_reference(report)})"
    return Section(title, ("class", "class", "the representation has them", "cosine", "reference distance"), rows, words=3)


def _reading(report: SemanticReport) -> Section:
    items = [*_undefined(report), *_intervals(report)]
    if report.ceiling:
        items.append(_ceiling(report.ceiling))
    items += [f"left out: {', '.join(one['classes'])}: {one['reason']}" for one in report.left_out]
    return Section("notes", items=tuple(printable(text) for text in dict.fromkeys([*items, *report.notes])))


def _undefined(report: SemanticReport) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for key, one in report.measures.items():
        if one.value is None:
            reasons.setdefault(one.reason or "undefined", []).append(DEFINITIONS[key].symbol)
    yield from (f"undefined: {', '.join(symbols)}: {reason}" for reason, symbols in reasons.items())


def _intervals(report: SemanticReport) -> Iterator[str]:
    methods = dict.fromkeys(str(one.ci_method) for one in report.measures.values() if one.ci is not None)
    if methods:
        yield f"95 % intervals over classes = other classes ({'; '.join(methods)})"
    reasons: dict[str, list[str]] = {}
    for key, one in report.measures.items():
        if one.value is not None and one.ci is None and one.ci_reason:
            reasons.setdefault(one.ci_reason, []).append(DEFINITIONS[key].symbol)
    yield from (f"no interval for {', '.join(symbols)}: {reason}" for reason, symbols in reasons.items())


def _ceiling(ceiling: Mapping[str, Any]) -> str:
    if ceiling.get("reason"):
        return f"noise ceiling: none ({ceiling['reason']})"
    return (f"noise ceiling: the distances of two random halves of the images correlate {number(ceiling['halves'])} "
            f"(Spearman), {number(ceiling['reliability'])} for all images by Spearman-Brown; no reference could be expected to reach more than "
            f"{number(ceiling['ceiling'])}")  # fmt: skip


def _classes(report: SemanticReport) -> str:
    given = int(report.options.get("n_classes_given", report.n_classes))
    text = f"{report.n_classes:,}" if given == report.n_classes else f"{report.n_classes:,} of {given:,}"
    sizes = [row["n"] for row in report.classes if row.get("n") is not None]
    if not sizes:
        return text
    low, high = min(sizes), max(sizes)
    return f"{text}, {low:,} images each" if low == high else f"{text}, {low:,} to {high:,} images each"


def _text_model(options: Mapping[str, Any]) -> str:
    return f"{options['text_model']}, template \"{options['template']}\"" if options.get("text_model") else ""


def _has(report: SemanticReport, key: str) -> bool:
    return key in report.measures and "linkage" in report.options


def _unless(value: Any, same: str) -> str:
    return "" if value is None or str(value) == same else str(value)
