"""docs/definitions.md is what its module makes of the definition table, and every number of a report is on a page."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from repr_probe.errors import FileFormatError
from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.definitions_page import PAGE, page_with_tables, write_page
from repr_probe.reports.geometry_report import GeometryReport

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
PYTHON_PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_table_says():
    assert page_with_tables(TEXT) == TEXT, "run python -m repr_probe.reports.definitions_page"


def test_every_key_has_one_place():
    keys = re.findall(r"^### `(\w+)`$", TEXT, re.MULTILINE) + re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert sorted(key for key in keys if key in DEFINITIONS) == sorted(DEFINITIONS)


def test_a_changed_page_is_made_anew(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(TEXT.replace("share of the largest eigenvalue", "something else"), encoding="utf-8")
    assert write_page(path).read_text(encoding="utf-8") == TEXT


def test_tables_survive_bars_in_definitions():
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert any("\\|" in row for row in rows)
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows if row.split("`")[1] in DEFINITIONS} == {9}


def test_pages_that_cannot_be_filled(tmp_path):
    with pytest.raises(FileFormatError, match=r"the page must have one marked part for each of paper, default, views, full; got none"):
        page_with_tables("nothing marked")
    with pytest.raises(FileFormatError, match=r"the page must exist; got .*gone\.md; run this in the root of a checkout"):
        write_page(tmp_path / "gone.md")


def test_every_field_of_a_report_is_described():
    fields = [field.name for kind in (GeometryReport, Measurement) for field in dataclasses.fields(kind)]
    assert [name for name in fields if not re.search(rf"`{name}`|\.{name}\b", PYTHON_PAGE)] == []


def test_every_count_and_flag_is_described():
    from repr_probe import geometry_report

    report = geometry_report([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], preset="paper")
    assert [name for name in (*report.counts, *report.flags) if f"`{name}`" not in PYTHON_PAGE or f"`{name}`" not in TEXT] == []


def test_every_public_name_is_described():
    import repr_probe

    missing = [name for name in repr_probe.__all__ if not name.startswith("_") and not re.search(rf"\b{name}\b", PYTHON_PAGE)]
    assert missing == []
