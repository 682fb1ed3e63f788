from __future__ import annotations

import re

from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.published.table3 import published_rows
from repr_probe.reports.markdown import to_markdown


def tables(text: str) -> list[list[list[str]]]:
    """Every table as rows of cells, split at bars that are not escaped."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("|"):
            if not inside:
                found.append([])
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        inside = line.startswith("|")
    return found


def test_one_report_is_one_list(make_report):
    (table,) = tables(to_markdown([make_report()]))
    assert table[0] == ["measure", "", "value", "95 % interval", "over", "definition"]
    assert table[2] == ["ANISO", "↓", "0.213", "[0.192, 0.235]", "images", DEFINITIONS["anisotropy"].variant]
    assert len(table) == 2 + 23
    assert {len(row) for row in table} == {6}


def test_with_published_rows_table_three_comes_first_and_the_list_holds_the_rest(make_report):
    text = to_markdown([make_report()], published_rows("food101"))
    paper, rest = tables(text)
    assert paper[0][:4] == ["METHOD", "ANISO.", "CORR.", "CVN"]
    assert {len(row) for row in paper} == {9}
    assert paper[2][:2] == ["**resnet50.pth**", "0.213<br>[0.192, 0.235]"]
    assert paper[3][0] == "Supervised *(published)*"
    assert len(paper) == 2 + 1 + 7
    assert [row[0] for row in rest[2:4]] == ["MEAN COS", "CVN\\*"]
    assert "95 % intervals of ANISO, CORR, CVN, EMBED. RANK, ALL ANGLE, ALL ANGLE SD: over images" in text
    assert "published: HyDeS Table III" in text


def test_several_reports_become_rows_of_table_three_and_columns_of_the_rest(make_report):
    paper, rest = tables(to_markdown([make_report(name="a"), make_report(name="b", scale=2)]))
    assert [row[0] for row in paper[2:]] == ["**a**", "**b**"]
    assert rest[0] == ["measure", "", "a", "b", "over", "definition"]
    assert rest[2][2:5] == ["0.250<br>[0.225, 0.275]", "0.500<br>[0.450, 0.550]", "images"]


def test_names_stay_text(make_report):
    hostile = "a|b`c*d_e<script>\n# head"
    text = to_markdown([make_report(name=hostile, notes=(hostile,)), make_report()], published_rows("imagenet"))
    assert "<script>" not in text
    assert "\n# head" not in text
    for table in tables(text):
        assert len({len(row) for row in table}) == 1


def test_reasons_notes_and_broken_identities(make_report):
    text = to_markdown([make_report(labelled=False, identity_failures=("I1: broken",))])
    assert "> **Broken identity: do not trust these numbers.**\n> - I1: broken" in text
    assert "Undefined:\n\n- CENTROID RANK, d′" in text
    assert "labels are needed" in text
    assert "Notes:\n\n- ranks are limited by n" in text
