"""A DenseReport as text, markdown, LaTeX, CSV and JSON: one grid, drawn four ways."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repr_probe.errors import UsageError
from repr_probe.files.atomic import atomic_write
from repr_probe.reports.dense_row import HYPERCOLUMN, LAYER, MEASURES, DenseRow
from repr_probe.reports.latex import latex_escape
from repr_probe.reports.markdown import markdown_escape
from repr_probe.reports.safe_text import pad, printable

if TYPE_CHECKING:
    from repr_probe.published.printed import PublishedRow
    from repr_probe.reports.dense_report import DenseReport

DASH = "—"
_HEADS = ("", "features", *(f"{head} (%)" for head in MEASURES.values()))


def to_text(report: DenseReport, published: Sequence[PublishedRow] = ()) -> str:
    """The table, the classes and the facts for a terminal."""
    tables = [(title, heads, rows) for title, heads, rows in _tables(report, published) if rows]
    parts = [f"{printable(report.name)} ({report.architecture}), dense probe on {printable(report.dataset)} {report.split}", *_facts(report)]
    for title, heads, rows in tables:
        widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
        lines = ["  ".join(pad(cell, width, right=place > 0) for place, (cell, width) in enumerate(zip(row, widths))) for row in (heads, *rows)]
        parts += ["", title, *(line.rstrip() for line in lines)]
    notes = [f"note: {printable(note)}" for note in report.notes]
    return "\n".join([*parts, *([""] if notes else []), *notes])


def to_markdown(report: DenseReport, published: Sequence[PublishedRow] = ()) -> str:
    parts = [f"## {markdown_escape(f'{report.name}: dense probe on {report.dataset} {report.split}')}"]
    parts.append("\n".join(f"- {markdown_escape(fact)}" for fact in (*_facts(report), *report.notes)))
    for title, heads, rows in _tables(report, published):
        if rows:
            ruler = ["---", *["---:"] * (len(heads) - 1)]
            grid = [[markdown_escape(cell) for cell in heads], ruler, *([markdown_escape(cell) for cell in row] for row in rows)]
            parts.append(f"**{markdown_escape(title)}**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in grid))
    return "\n\n".join(parts) + "\n"


def to_latex(report: DenseReport, published: Sequence[PublishedRow] = ()) -> str:
    """One booktabs table: measured rows, then the published ones under their own rule."""
    (_, heads, measured), (title, _, printed), _ = _tables(report, published)
    row = lambda cells: " & ".join(latex_escape(cell) for cell in cells) + r" \\"  # noqa: E731
    beside = [r"\midrule", rf"\multicolumn{{{len(heads)}}}{{l}}{{{latex_escape(title)}}} \\", *map(row, printed)] if printed else []
    caption = f"{printable(report.name)}: dense probe on {report.dataset} {report.split}. {'; '.join(_facts(report))}."
    columns = "l" + "r" * (len(heads) - 1)
    return "\n".join([
        r"% needs \usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\caption{{{latex_escape(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}", r"\toprule", row(heads), r"\midrule", *map(row, measured), *beside, r"\bottomrule",
        r"\end{tabular}", r"\end{table}", "",
    ])  # fmt: skip


def to_csv(report: DenseReport, published: Sequence[PublishedRow] = ()) -> str:
    """A line per row, shares in [0, 1]; published lines say so in `kind`, and their protocol is their own."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(["name", "row", "kind", "dataset", "split", "protocol", "n_features", *MEASURES, *(f"iou {name}" for name in report.class_names)])
    for row in report.rows:
        iou = ["" if math.isnan(value) else repr(float(value)) for value in row.iou]
        values = [repr(float(row.measures[key])) for key in MEASURES]
        table.writerow([printable(report.name), row.name, row.kind, report.dataset, report.split, report.protocol, row.n_features, *values, *iou])
    for line in published:
        values = [repr(round(float(line.printed[key]) / 100, 6)) if key in line.printed else "" for key in MEASURES]
        table.writerow([line.method, "", "published", report.dataset, "", line.protocol, "", *values, *[""] * len(report.class_names)])
    return written.getvalue()


Renderer = Callable[["DenseReport", "Sequence[PublishedRow]"], str]
DENSE_RENDERERS: Mapping[str, Renderer] = {
    ".json": lambda report, published: report.to_json() + "\n",
    ".csv": to_csv,
    ".md": to_markdown,
    ".tex": to_latex,
    ".txt": lambda report, published: to_text(report, published) + "\n",
}


def check_dense_suffix(path: str | Path) -> str:
    """The suffix of a result file; UsageError when no format goes by it, so that a long run can refuse before it starts."""
    suffix = Path(path).suffix.lower()
    if suffix not in DENSE_RENDERERS:
        raise UsageError(f"the result file must end in {', '.join(DENSE_RENDERERS)}; got {str(path)!r}")
    return suffix


def write_dense(report: DenseReport, path: str | Path, published: Sequence[PublishedRow] = ()) -> None:
    """Write the report in the format of the path's suffix."""
    atomic_write(path, DENSE_RENDERERS[check_dense_suffix(path)](report, published))


def _tables(
    report: DenseReport, published: Sequence[PublishedRow]
) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:  # fmt: skip
    measured = [(row.name, str(row.n_features) if row.n_features else DASH, *(_percent(row.measures[key]) for key in MEASURES)) for row in report.rows]
    printed = [(line.method, DASH, *(line.printed.get(key, DASH) for key in MEASURES)) for line in published]
    shown = [row for row in report.rows if row.kind != LAYER or row is _best_layer(report)]
    classes = [(printable(name), *(_percent(row.iou[place]) for row in shown)) for place, name in enumerate(report.class_names)]
    beside = f"published, another protocol: {published[0].source}; {published[0].protocol}" if published else ""
    return [
        (f"measured on {report.n_test:,} images", _HEADS, measured),
        (beside, _HEADS, printed),
        ("IoU per class (%)", ("", *(row.name for row in shown)), classes),
    ]


def _best_layer(report: DenseReport) -> DenseRow:
    return report.row(LAYER) if any(row.kind == LAYER for row in report.rows) else report.row(HYPERCOLUMN)


def _percent(share: float) -> str:
    return DASH if math.isnan(share) else f"{100 * share:.2f}"


def _facts(report: DenseReport) -> list[str]:
    return [
        f"protocol: {report.protocol}",
        f"{report.n_train:,} images to train on, {report.n_test:,} to test on, {len(report.class_names)} classes; "
        "one confusion matrix over all pixels at the size of the masks, void dropped, means over the classes present",
    ]
