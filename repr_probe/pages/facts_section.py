"""Provenance and caveats: what was measured, how it can be repeated, and what stands between the numbers and a conclusion."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from repr_probe.pages.contents import PageContents
from repr_probe.reports.facts import facts as facts_of
from repr_probe.reports.facts import interval_notes, notes_of, paper_interval_notes, warnings_of
from repr_probe.reports.html import items, table
from repr_probe.reports.safe_text import printable
from repr_probe.reports.table import DASH, published_footnotes, undefined_reasons


def warnings(page: PageContents) -> str:
    """Broken identities, loudly, above everything else; "" where there is none."""
    found = warnings_of(page.reports)
    return f'<div class="broken" role="alert"><b>Broken identity: do not trust these numbers.</b>{items("", found)}</div>' if found else ""


def caveats_section(page: PageContents) -> str:
    keys = list(dict.fromkeys(key for report in page.reports for key in report.measures))
    parts = [
        items("", [*page.notes, *_of_comparison(page), *_unlike(page), *notes_of(page.reports)]),
        items("Undefined", [f"{symbols}: {reason}" for symbols, reason in undefined_reasons(page.reports)]),
        items("Intervals", interval_notes(page.reports, keys) or paper_interval_notes(page.reports)),
        items("Rows of the paper", published_footnotes(page.published)),
        items("Reading", [_UNTESTED] * (len(page.reports) > 1 and page.comparison is None) + [_ALWAYS]),
    ]
    return "\n".join(part for part in parts if part)


def _unlike(page: PageContents) -> list[str]:
    """What the checkpoints do not share though a comparison asks for it; nothing where it is not known of each."""
    inputs = [facts_of(report).get("input", "") for report in page.reports]
    widths = [f"{report.n_features:,}" for report in page.reports]
    told = (("preprocessing differs", inputs), ("the number of features differs, and ranks and the SD of angles depend on it", widths))
    return [
        f"{what} ({'; '.join(f'{printable(name)}: {text}' for name, text in zip(page.names, known, strict=True))})"
        for what, known in told
        if all(known) and len(set(known)) > 1
    ]


def _of_comparison(page: PageContents) -> list[str]:
    """What its differences and accuracies need to be read; unlike preprocessing is told for the page."""
    told = page.comparison.notes if page.comparison is not None else ()
    return [note for note in told if not note.startswith("preprocessing differs")]


_UNTESTED = "There is no test of a difference on this page; repro-probe compare makes one."
_ALWAYS = (
    "Two checkpoints compare at equal images, equal preprocessing and equal feature width. "
    "The paper's rows were measured on its own images and with its own networks: they say what such numbers look like, not what they should be. "
    "Ranks depend on the number of features and of images."
)


def provenance_section(page: PageContents) -> str:
    """What each checkpoint is, side by side, and the whole record, folded."""
    every = [facts_of(report) for report in page.reports]
    labels = list(dict.fromkeys(label for known in every for label in known))
    heads = ['<th scope="col"></th>', *(f'<th scope="col">{escape(name)}</th>' for name in page.names)]
    rows = [_row(label, [known.get(label, DASH) for known in every]) for label in labels]
    rows.append(_row("measured", [report.created or DASH for report in page.reports]))
    rows.append(_row("options", [_pairs(report.options) for report in page.reports]))
    rows.append(_row("versions", [_pairs(report.versions) for report in page.reports]))
    parts = [f'<div class="wide" tabindex="0" role="region" aria-label="Provenance">{table(heads, rows)}</div>']
    for name, report in zip(page.names, page.reports, strict=True):
        whole = escape(json.dumps(dict(report.provenance), ensure_ascii=False, indent=1, default=str))
        parts.append(f"<details><summary>{escape(name)}: whole record</summary><pre>{whole}</pre></details>")
    return "\n".join(parts)


def _row(label: str, texts: Sequence[str]) -> str:
    cells = "".join(f"<td>{escape(printable(text))}</td>" for text in texts)
    return f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>'


def _pairs(known: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in dict(known).items()) or DASH
