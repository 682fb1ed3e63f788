r"""Reports as LaTeX tables in the paper's layout; they need \usepackage{booktabs} and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from repr_probe.reports.facts import common_facts, interval_notes, notes_of, paper_interval_notes, warnings_of
from repr_probe.reports.safe_text import NO_BREAK
from repr_probe.reports.sources import MeasuredReport, PublishedValues
from repr_probe.reports.table import (
    PAPER_COLUMNS,
    Cell,
    Line,
    Row,
    measure_lines,
    paper_rows,
    published_footnotes,
    row_names,
    undefined_reasons,
)

_ASCII = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}", "]": "{]}", '"': "''",
}  # fmt: skip
_MATHS = {
    "±": r"\pm", "↑": r"\uparrow", "↓": r"\downarrow", "∞": r"\infty", "′": "'", "°": r"^\circ", "√": r"\surd", "Σ": r"\Sigma",
    "σ": r"\sigma", "λ": r"\lambda", "α": r"\alpha", "θ": r"\theta", "π": r"\pi", "μ": r"\mu", "Φ": r"\Phi", "‖": r"\|", "·": r"\cdot",
    "²": "^2", "⁻": "^-", "¹": "^1", "ᵀ": r"^\top", "₀": "_0", "₁": "_1", "₊": "_+", "₋": "_-", "ᵢ": "_i", "ⱼ": "_j", "≥": r"\ge",
    "≤": r"\le", "×": r"\times",
}  # fmt: skip
_OTHER = {NO_BREAK: "~", "—": "---", "…": r"\ldots{}"}
_ESCAPES = str.maketrans({**_ASCII, **{sign: f"${code}$" for sign, code in _MATHS.items()}, **_OTHER})


def to_latex(reports: Sequence[MeasuredReport], published: Sequence[PublishedValues] = ()) -> str:
    """Table III with intervals in a second line, then a table of the other measures, each a floating table."""
    beyond = measure_lines(reports, beyond_paper=True)
    names = row_names(reports)
    parts = ["% needs \\usepackage{booktabs}", _paper_table(reports, published)]
    if beyond:
        parts.append(_lines_table(beyond, names, reports))
    return "\n".join(parts) + "\n"


def latex_escape(text: str) -> str:
    r"""Make text stand for itself; the signs of the definition table become maths.

    >>> print(latex_escape("d′ of 50% & a_b"))
    d$'$ of 50\% \& a\_b
    """
    return text.translate(_ESCAPES)


def _paper_table(reports: Sequence[MeasuredReport], published: Sequence[PublishedValues]) -> str:
    rows = paper_rows(reports, published)
    heads = ["METHOD", *(_head(head) for head, _ in PAPER_COLUMNS)]
    body: list[str] = []
    for place, row in enumerate(rows):
        if row.published and not rows[place - 1].published:
            body.append(r"\midrule")
        body += _paper_row(row)
    notes = [*(f"BROKEN IDENTITY: {text}" for text in warnings_of(reports)), *paper_interval_notes(reports)]
    notes += [f"{symbols}: {reason}" for symbols, reason in undefined_reasons(reports)]
    notes += [*notes_of(reports), *published_footnotes(published)]
    return floating_table("Geometry of representations. " + _facts_text(reports), "l" + "r" * len(PAPER_COLUMNS), heads, body, notes)


def _paper_row(row: Row) -> list[str]:
    name = latex_escape(row.name) + (f" ({row.mark})" if row.mark else "")
    lines = [" & ".join([f"{name} (published)" if row.published else name, *(latex_escape(cell.value) for cell in row.cells)]) + r" \\"]
    if any(cell.interval for cell in row.cells):
        lines.append(" & ".join(["", *(_small(cell) for cell in row.cells)]) + r" \\")
    return lines


def _lines_table(lines: Sequence[Line], names: Sequence[str], reports: Sequence[MeasuredReport]) -> str:
    heads = ["measure", *(latex_escape(name) for name in names), "over"]
    body, section = [], lines[0].section
    for line in lines:
        if line.section != section:
            body.append(r"\midrule")
            section = line.section
        values = [f"{latex_escape(cell.value)} {_small(cell)}".rstrip() for cell in line.cells]
        body.append(" & ".join([f"{latex_escape(f'{line.definition.symbol} {line.arrow}'.rstrip())}", *values, line.population]) + r" \\")
    notes = interval_notes(reports, [line.definition.key for line in lines])
    return floating_table("Further measures, with 95 % intervals.", "l" + "r" * len(names) + "l", heads, body, notes)


def floating_table(caption: str, columns: str, heads: Sequence[str], body: Sequence[str], notes: Sequence[str]) -> str:
    """caption and notes: plain text; heads and the lines of body: ready LaTeX."""
    return "\n".join([
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{latex_escape(caption)}}}",
        r"\footnotesize",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par {latex_escape(note)}" for note in notes),
        r"\end{table*}",
    ])  # fmt: skip


def _head(text: str) -> str:
    """A long head over two lines, so that eight columns fit a page."""
    words = text.split(" ")
    if len(words) < 2:
        return latex_escape(text)
    lines = [words[0], " ".join(words[1:])] if len(words) == 2 else [" ".join(words[:2]), " ".join(words[2:])]
    stacked = r" \\ ".join(latex_escape(line) for line in lines)
    return rf"\begin{{tabular}}{{@{{}}r@{{}}}}{stacked}\end{{tabular}}"


def _small(cell: Cell) -> str:
    return rf"{{\scriptsize {latex_escape(cell.interval)}}}" if cell.interval else ""


def _facts_text(reports: Sequence[MeasuredReport]) -> str:
    shared, _ = common_facts(reports)
    return "; ".join(f"{label}: {text}" for label, text in shared.items()) + "."
