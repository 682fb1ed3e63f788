r"""A ProbeReport as text, GitHub-flavoured markdown, LaTeX (needs \usepackage{booktabs}) and CSV."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from repr_probe.probes.probe_result import ProbeResult
from repr_probe.reports.latex import latex_escape
from repr_probe.reports.markdown import markdown_escape
from repr_probe.reports.probe_layout import ProbeTable, closing_notes, heading, tables
from repr_probe.reports.safe_text import cells, pad, printable, shorten
from repr_probe.reports.sources import PublishedValues
from repr_probe.reports.text import NARROWEST, WIDTH

if TYPE_CHECKING:
    from repr_probe.reports.probe_report import ProbeReport

_WIDEST_NAME = 44
_CSV = ("name", "role", "protocol", "top1", "top1_low", "top1_high", "top5", "top5_low", "top5_high",
        "n_train", "n_test", "n_features", "n_classes", "n_absent")  # fmt: skip


def to_text(report: ProbeReport, published: Sequence[PublishedValues] = (), width: int | None = None) -> str:
    """Lines of about `width` cells (default 120, at least 80), without a trailing line break."""
    width = max(NARROWEST, width or WIDTH)
    title = shorten(printable(heading(report)), width)
    blocks = [f"{title}\n{'═' * cells(title)}"]
    blocks += ["\n".join(_text_table(table, width)) for table in tables(report, published)]
    if notes := closing_notes(report):
        blocks.append("\n".join(line for note in notes for line in _wrapped(note, width)))
    return "\n\n".join(blocks)


def _text_table(table: ProbeTable, width: int) -> Iterator[str]:
    yield printable(table.title)
    grid = [(shorten(printable(row[0]), _WIDEST_NAME), *map(printable, row[1:])) for row in (table.heads, *table.rows)]
    widths = [max(cells(row[place]) for row in grid) for place in range(len(table.heads))]
    for number, row in enumerate(grid):
        yield "  ".join(pad(cell, size, right=place > 0) for place, (cell, size) in enumerate(zip(row, widths, strict=True))).rstrip()
        if number == 0:
            yield "─" * (sum(widths) + 2 * len(widths) - 2)
    for note in table.notes:
        yield from _wrapped(note, width)


def _wrapped(note: str, width: int) -> list[str]:
    return textwrap.wrap(printable(note), width, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)


def to_markdown(report: ProbeReport, published: Sequence[PublishedValues] = ()) -> str:
    parts = [f"### {_md(heading(report))}"]
    for table in tables(report, published):
        parts.append(f"**{_md(table.title)}**")
        grid = [list(table.heads), ["---", *["---:"] * (len(table.heads) - 1)], *map(list, table.rows)]
        parts.append("\n".join(f"| {' | '.join(row if number == 1 else map(_md, row))} |" for number, row in enumerate(grid)))
        if table.notes:
            parts.append("\n".join(f"- {_md(note)}" for note in table.notes))
    if notes := closing_notes(report):
        parts.append("\n".join(f"- {_md(note)}" for note in notes))
    return "\n\n".join(parts) + "\n"


def _md(text: str) -> str:
    return markdown_escape(printable(text))


def to_latex(report: ProbeReport, published: Sequence[PublishedValues] = ()) -> str:
    """A floating table for every protocol."""
    parts = ["% needs \\usepackage{booktabs}"]
    for table in tables(report, published):
        parts.append("\n".join([
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(heading(report))}. {_tex(table.title)}.}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.heads) - 1)}}}",
            r"\toprule",
            " & ".join(map(_tex, table.heads)) + r" \\",
            r"\midrule",
            *(" & ".join(map(_tex, row)) + r" \\" for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par {_tex(note)}" for note in table.notes),
            r"\end{table}",
        ]))  # fmt: skip
    parts += [rf"\par {_tex(note)}" for note in closing_notes(report)]
    return "\n".join(parts) + "\n"


def _tex(text: str) -> str:
    return latex_escape(printable(text))


def to_csv(report: ProbeReport, published: Sequence[PublishedValues] = ()) -> str:
    """A line for every row and protocol, shares in full precision; published lines hold the printed percentages, divided by 100."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV, restval="", lineterminator="\n")
    writer.writeheader()
    for row in report.rows:
        for result in row.results:
            writer.writerow({"name": printable(row.name), "role": row.role, "protocol": result.protocol, **_numbers(result)})
    for line in published:
        for probe in ("linear", "knn"):
            shares = {place: f"{float(line.printed[f'{probe}_{place}']) / 100:.4f}" for place in ("top1", "top5")}
            writer.writerow({"name": line.method, "role": "published", "protocol": f"{probe}, {line.source}", **shares})
    return text.getvalue()


def _numbers(result: ProbeResult) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(result, name) for name in _CSV[9:]}
    for place, value, bounds in (("top1", result.top1, result.ci), ("top5", result.top5, result.top5_ci)):
        if value is not None and bounds is not None:
            fields |= {place: repr(value), f"{place}_low": repr(bounds[0]), f"{place}_high": repr(bounds[1])}
    return fields
