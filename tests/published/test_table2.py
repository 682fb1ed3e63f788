"""The stored Table II against the paper's text."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from repr_probe.published.table2 import published_segmentation


def test_nine_methods_with_both_numbers():
    rows = published_segmentation("voc")
    assert len(rows) == 9 and all(set(row.printed) == {"pixel_accuracy", "mean_iou"} for row in rows)
    assert all("Table II" in row.source and "20 epochs" in row.protocol for row in rows)
    by_iou = sorted(rows, key=lambda row: -float(row.printed["mean_iou"]))
    assert [row.method for row in by_iou[:3]] == ["DINO", "SwAV", "HyDeS"]  # "the third highest mIoU", section V-B


def test_every_row_is_as_the_paper_prints_it():
    folder = os.environ.get("REPR_PROBE_TEST_DATA")
    paper = next((place / "paper.txt" for place in (Path(folder), Path(folder).parent) if (place / "paper.txt").is_file()), None) if folder else None
    if paper is None:
        pytest.skip("set REPR_PROBE_TEST_DATA to a folder beside paper.txt")
    text = paper.read_text(encoding="utf-8")
    for row in published_segmentation("voc"):
        assert re.search(rf"^{row.method} {row.printed['pixel_accuracy']} {row.printed['mean_iou']}$", text, re.MULTILINE)
