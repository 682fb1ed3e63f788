from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from repr_probe.published.table4 import published_alignment
from repr_probe.reports.semantic_definitions import DEFINITIONS

_LINE = re.compile(r"^([A-Za-z][A-Za-z ]+?) (0\.\d\d) (0\.\d\d) (0\.\d\d) (0\.\d\d)$", re.MULTILINE)


def test_nine_rows_for_imagenet_only():
    assert len(published_alignment("imagenet")) == 9
    assert published_alignment("imagenet100") == ()
    assert published_alignment("cifar10") == ()


@pytest.mark.parametrize(
    ("method", "key", "printed"),
    [
        ("Supervised", "cophenetic_rep_tree", "0.47"),
        ("SimCLR", "spearman_lch", "0.38"),
        ("BYOL", "spearman_text", "0.02"),
        ("ReSA", "spearman_wup", "0.30"),
        ("HyDeS", "cophenetic_rep_tree", "0.65"),
    ],
)
def test_spot_values_keep_the_printed_digits(method, key, printed):
    (row,) = [row for row in published_alignment("imagenet") if row.method == method]
    assert row.printed[key] == printed
    assert row.values[key] == float(printed)


def test_columns_are_defined_measures_and_rows_name_their_source():
    for row in published_alignment("imagenet"):
        assert set(row.printed) <= set(DEFINITIONS)
        assert "Table IV" in row.source
        assert row.protocol


def test_every_digit_equals_the_text_of_the_paper():
    folder = os.environ.get("REPR_PROBE_TEST_DATA")
    if not folder or not (Path(folder).parent / "paper.txt").is_file():
        pytest.skip("set REPR_PROBE_TEST_DATA to a folder beside paper.txt")
    paper = (Path(folder).parent / "paper.txt").read_text(encoding="utf-8")
    table = paper[paper.index("TABLE IV") : paper.index("VII. IMPACT OF HYPERPARAMETERS")]
    found = _LINE.findall(table)
    assert len(found) == 9
    # The paper's order: WuP, LCH, cophenetic, MiniLM.
    keys = ("spearman_wup", "spearman_lch", "cophenetic_rep_tree", "spearman_text")
    assert found == [(row.method, *(row.printed[key] for key in keys)) for row in published_alignment("imagenet")]
