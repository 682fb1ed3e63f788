"""LocaliseReport: the findings of one or several networks on the same pictures, as text, markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repr_probe.errors import UsageError
from repr_probe.files.atomic import atomic_write
from repr_probe.reports.latex import latex_escape
from repr_probe.reports.markdown import markdown_escape
from repr_probe.reports.safe_text import pad, printable
from repr_probe.visual.localise.finding import Finding

SCHEMA = 1
DASH = "—"
_HEADS = ("check", "map", "target", "measure", "n", "chance")
READING = (
    "grid, composite, masks: energy is the share of the map inside, pointing whether its highest place is; high is right",
    "lift: energy over area; insertion-deletion: above the centre prior is right; randomisation: Spearman with random weights, low is right",
    "pca: share of the colours' variance that the region explains; high is right",
)


@dataclass(frozen=True)
class Examined:
    """One network: name, architecture, what its maps were made with, and its findings."""

    name: str
    architecture: str
    layers: tuple[str, ...]
    identity: Mapping[str, Any]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class LocaliseReport:
    """Made by `repr_probe.workflows.localise`. networks: all on the same pictures.  settings: how the maps were made."""

    networks: tuple[Examined, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str | None] = field(default_factory=dict)
    created: str = ""

    def __str__(self) -> str:
        return to_text(self)

    def save(self, path: str | Path) -> Path:
        """Write by suffix: .txt, .md, .tex, .csv or .json."""
        write_localise(self, path)
        return Path(path)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        networks = [{**vars(one), "layers": list(one.layers), "identity": dict(one.identity),
                     "findings": [finding.to_dict() for finding in one.findings]} for one in self.networks]  # fmt: skip
        return {"kind": "localise", "schema": SCHEMA, "networks": networks, "settings": dict(self.settings), "notes": list(self.notes),
                "versions": dict(self.versions), "created": self.created}  # fmt: skip


def table_of(report: LocaliseReport) -> list[list[str]]:
    """Heads, then one row a finding: what it is, chance, and value with interval of every network."""
    found = [{_key(finding): finding for finding in network.findings} for network in report.networks]
    keys = list(dict.fromkeys(key for one in found for key in one))
    rows = [[*_HEADS, *(printable(network.name) for network in report.networks)]]
    for key in keys:
        have = [one[key] for one in found if key in one]
        counts = "/".join(dict.fromkeys(f"{finding.n}" for finding in have)) + f" {have[0].unit}"
        chances = "/".join(dict.fromkeys(DASH if finding.chance is None else f"{finding.chance:.2f}" for finding in have))
        rows.append([*key, counts, chances, *(_cell(one.get(key)) for one in found)])
    return rows


def to_text(report: LocaliseReport) -> str:
    """The table for a terminal; a check, map or target that is the one above is not repeated."""
    heads, *rows = table_of(report)
    widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
    lines: list[str] = []
    above = [""] * 3
    for row in (heads, *rows):
        same = [cell == old and row[0] == above[0] for cell, old in zip(row[:3], above)]
        shown = ["" if all(same[: place + 1]) else cell for place, cell in enumerate(row[:3])] + row[3:]
        if lines and row[0] != above[0]:
            lines.append("")
        lines.append("  ".join(pad(cell, width, right=place > 3) for place, (cell, width) in enumerate(zip(shown, widths))).rstrip())
        above = row[:3]
    facts = [f"{printable(one.name)} ({one.architecture}), layers {', '.join(one.layers)}" for one in report.networks]
    return "\n".join([*facts, _made_with(report), "", *lines, "", *READING, *_footnotes(report)])


def to_markdown(report: LocaliseReport) -> str:
    heads, *rows = [[markdown_escape(cell) for cell in row] for row in table_of(report)]
    ruler = ["---"] * 4 + ["---:"] * (len(heads) - 4)
    grid = "\n".join(f"| {' | '.join(row)} |" for row in (heads, ruler, *rows))
    notes = "\n".join(f"- {markdown_escape(text)}" for text in (_made_with(report), *READING, *_footnotes(report)))
    return f"{grid}\n\n{notes}\n"


def to_latex(report: LocaliseReport) -> str:
    """One booktabs table."""
    heads, *rows = [" & ".join(latex_escape(cell) for cell in row) + r" \\" for row in table_of(report)]
    columns = "llll" + "r" * (2 + len(report.networks))
    return "\n".join([
        r"% needs \usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\caption{{{latex_escape(_made_with(report))}}}",
        rf"\begin{{tabular}}{{{columns}}}", r"\toprule", heads, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
    ])  # fmt: skip


def to_csv(report: LocaliseReport) -> str:
    """One line a finding and network, full precision."""
    out = io.StringIO()
    names = [*Finding.__dataclass_fields__]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["network", *(part for name in names for part in (("ci_low", "ci_high") if name == "ci" else (name,)))])
    for network in report.networks:
        for finding in network.findings:
            facts = finding.to_dict()
            cells = [part for name in names for part in ((facts["ci"] or ("", "")) if name == "ci" else (facts[name],))]
            writer.writerow([network.name, *("" if cell is None else cell for cell in cells)])
    return out.getvalue()


def to_json(report: LocaliseReport) -> str:
    return json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


RENDERERS: Mapping[str, Callable[[LocaliseReport], str]] = {
    ".txt": to_text, ".md": to_markdown, ".tex": to_latex, ".csv": to_csv, ".json": to_json,
}  # fmt: skip


def check_localise_suffix(path: str | Path) -> str:
    """The suffix of a result file; UsageError for one that is not written, so that a long run can refuse before it starts."""
    suffix = Path(path).suffix.lower()
    if suffix not in RENDERERS:
        raise UsageError(f"the result file must end in {', '.join(RENDERERS)}; got {str(path)!r}")
    return suffix


def write_localise(report: LocaliseReport, path: str | Path) -> None:
    """Write a report in the format of the suffix, whole or absent."""
    atomic_write(Path(path).expanduser(), RENDERERS[check_localise_suffix(path)](report))


def _key(finding: Finding) -> tuple[str, str, str, str]:
    return finding.check, finding.maps, finding.target, finding.measure


def _cell(finding: Finding | None) -> str:
    if finding is None or finding.value is None:
        return DASH
    return f"{finding.value:.3f}" + ("" if finding.ci is None else f" [{finding.ci[0]:.3f}, {finding.ci[1]:.3f}]")


def _made_with(report: LocaliseReport) -> str:
    made = report.settings
    noise = f"sigma {made['sigma']:g}, {made['samples']} samples" if made["sigma"] else "no noise"
    return f"{made['method']} of {made['pictures']} pictures from {made['folder']}, {noise}, seed {made['seed']}; in brackets 95 % intervals"


def _footnotes(report: LocaliseReport) -> list[str]:
    """How intervals were made, dead maps, missing values, notes."""
    found = [(network.name, finding) for network in report.networks for finding in network.findings]
    methods: dict[str, list[str]] = {}
    for _, finding in found:
        if finding.ci_method:
            methods.setdefault(finding.ci_method.split(" over ")[0], []).append(f"{finding.check} {finding.measure}")
    lines = [f"intervals: {'; '.join(f'{method} for {_listed(which)}' for method, which in methods.items())}"] if methods else []
    for name, finding in found:
        what = f"{printable(name)}, {finding.check} {finding.maps} {finding.measure}"
        if finding.value is None:
            lines.append(f"note: {what}: {finding.reason}")
        elif finding.n_dead:
            lines.append(f"note: {what}: {finding.n_dead} dead maps left out")
    return [*lines, *(f"note: {printable(note)}" for note in report.notes)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))
