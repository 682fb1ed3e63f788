"""The page as one HTML file: style, script, pictures and data inside; nothing is fetched, and nothing but its own script may run."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from repr_probe.errors import UsageError
from repr_probe.files.atomic import atomic_write, readable_bytes
from repr_probe.pages.centroid_map import map_data, map_section
from repr_probe.pages.charts import angle_panels, curve_panels, spectrum_panels
from repr_probe.pages.comparison_section import accuracy_section, differences_section
from repr_probe.pages.contents import PageContents
from repr_probe.pages.facts_section import caveats_section, provenance_section, warnings
from repr_probe.pages.gallery import check_size, gallery_section
from repr_probe.pages.geometry_section import geometry_section
from repr_probe.pages.semantic_section import semantic_section
from repr_probe.published.table4 import published_alignment
from repr_probe.reports.facts import common_facts

SUFFIXES = (".html", ".htm")
MOST_BYTES = 24_000_000
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def to_page(page: PageContents, *, labels: Mapping[str, str] | None = None, over: str = "step") -> str:
    """The whole file. labels: measure of a learning curve -> its words.  over: what the curves run over, "step" or "epoch"."""
    check_size(page.galleries)
    title = ", ".join(page.names)
    dataset = str(page.reports[0].provenance.get("dataset") or "")
    sections = {
        "Geometry": geometry_section(page),
        "Accuracy": accuracy_section(page),
        "Differences": differences_section(page),
        "Angles": angle_panels(page.measured, page.names),
        "Spectrum": spectrum_panels(page.measured, page.names),
        "Classes": map_section(page),
        "Semantics": semantic_section(page, published_alignment(dataset)),
        "Learning": curve_panels(page.curves, labels or {}, over) if page.curves else "",
        "Galleries": gallery_section(page.galleries),
        "Caveats": caveats_section(page),
        "Provenance": provenance_section(page),
    }
    shown = {name: inner for name, inner in sections.items() if inner}
    links = "".join(f'<li><a href="#{name.lower()}">{name}</a></li>' for name in shown)
    drawn = "\n".join(
        f'<section id="{name.lower()}" aria-labelledby="h-{name.lower()}"><h2 id="h-{name.lower()}">{name}</h2>\n{inner}\n</section>'
        for name, inner in shown.items()
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_policy()}">
<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>
<style>
{_asset("page.css")}</style></head>
<body><a class="skip" href="#geometry">Skip to the numbers</a>
<header><h1>{escape(title)}</h1>{_facts(page)}</header>
<nav aria-label="Sections"><ul>{links}</ul>{_BUTTONS}</nav>
<main>{warnings(page)}
{drawn}</main>
<script type="application/json" id="report">{as_script(page.to_dict())}</script>
<script type="application/json" id="map-data">{as_script(map_data(page))}</script>
<script>{_asset("page.js")}</script>
</body></html>
"""


_BUTTONS = (
    '<span class="buttons needs-script"><button type="button" id="theme">light or dark</button>'
    '<button type="button" id="save">save the numbers (JSON)</button></span>'
)


def write_page(page: PageContents, path: str | Path, *, labels: Mapping[str, str] | None = None, over: str = "step") -> Path:
    """Write `to_page` whole or not at all; returns the path.

    Raises UsageError for another suffix than .html and a page too large, StoreError when the place cannot be written.
    """
    path = check_target(path)
    content = to_page(page, labels=labels, over=over).encode()
    if len(content) > MOST_BYTES:
        raise UsageError(f"page must stay below {readable_bytes(MOST_BYTES)}; got {readable_bytes(len(content))}; take fewer checkpoints or pictures")
    atomic_write(path, content)
    return path


def check_target(path: str | Path) -> Path:
    """The path of a page, `~` replaced; UsageError where no page could be written, so that a long run can refuse before it starts."""
    path = Path(path).expanduser()
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"the page must end in {' or '.join(SUFFIXES)}; got {str(path)!r}")
    if path.is_dir():
        raise UsageError(f"the page must be a file; got the folder {str(path)!r}")
    above = path.absolute().parent
    while not above.exists():
        above = above.parent
    if not above.is_dir():
        raise UsageError(f"the page must lie in a folder; got {str(path)!r}, and {above.name} is a file")
    return path


def as_script(value: Any) -> str:
    """JSON that no text inside can end: `<`, `>` and `&` are written as escapes.

    >>> as_script({"name": "</script>"})
    '{"name":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign, safe in _UNSAFE.items():
        text = text.replace(sign, safe)
    return text


def _facts(page: PageContents) -> str:
    shared, own = common_facts(page.reports)
    lines = [f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in shared.items()]
    keys = ""
    if len(page.reports) > 1:
        rows = [
            f'<li><span class="key s{place}"></span><b>{escape(name)}</b> {escape(_in_one_line(known))}</li>'
            for place, (name, known) in enumerate(zip(page.names, own, strict=True))
        ]
        keys = f'<ul class="checkpoints">{"".join(rows)}</ul>'
    return f"<dl>{''.join(lines)}</dl>{keys}"


def _in_one_line(known: Mapping[str, str]) -> str:
    return "; ".join(f"{label} {text}" for label, text in known.items())


def _policy() -> str:
    """Nothing is loaded from anywhere; of scripts only the page's own, told by its hash."""
    digest = b64encode(sha256(_asset("page.js").encode()).digest()).decode()
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@cache
def _asset(name: str) -> str:
    return resources.files("repr_probe.pages").joinpath(name).read_text(encoding="utf-8")
