from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from repr_probe.metrics.definitions import keys_of
from repr_probe.published.table3 import published_rows

# One line of the table in the text of the paper: method, six numbers, two angles "73.62◦ ± 3.72◦".
_LINE = re.compile(r"^([A-Z][A-Z ]+?) ((?:[\d.]+ ){6})([\d.]+)◦ ± ([\d.]+)◦ ([\d.]+)◦ ± ([\d.]+)◦$", re.MULTILINE)


def test_row_counts_and_other_data_sets():
    assert len(published_rows("imagenet")) == 9
    assert len(published_rows("food101")) == 7
    assert published_rows("imagenet100") == ()
    assert published_rows("digits") == ()


@pytest.mark.parametrize(
    ("dataset", "method", "key", "printed"),
    [
        ("imagenet", "Supervised", "effective_rank", "1662"),
        ("imagenet", "BYOL", "anisotropy", "0.35"),
        ("imagenet", "HyDeS", "angle_positive_std", "18.24"),
        ("imagenet", "DINO", "d_prime", "2.03"),
        ("food101", "Supervised", "feature_correlation", "0.075"),
        ("food101", "BYOL", "center_vector_norm", "0.84"),
        ("food101", "HyDeS", "centroid_rank", "37"),
        ("food101", "Barlow Twins", "angle_all_mean", "76.45"),
    ],
)
def test_spot_values_keep_the_printed_digits(dataset, method, key, printed):
    (row,) = [row for row in published_rows(dataset) if row.method == method]
    assert row.printed[key] == printed
    assert row.values[key] == float(printed)


def test_columns_are_those_of_the_paper_preset():
    for dataset in ("imagenet", "food101"):
        for row in published_rows(dataset):
            assert tuple(row.printed) == keys_of("paper")
            assert "2604.24498" in row.source
            assert row.protocol


def test_printed_angles_agree_with_the_printed_cvn():
    """CVN is the root of the mean cosine, which mean and SD of the angle give to second order: no digit was mistyped."""
    import numpy as np

    for dataset in ("imagenet", "food101"):
        for row in published_rows(dataset):
            mean, std = np.radians(row.values["angle_all_mean"]), np.radians(row.values["angle_all_std"])
            assert np.sqrt(np.cos(mean) * np.exp(-(std**2) / 2)) == pytest.approx(row.values["center_vector_norm"], abs=0.011), row.method


def test_the_caveat_stands_at_imagenet_byol_only():
    noted = [(row.dataset, row.method) for name in ("imagenet", "food101") for row in published_rows(name) if row.note]
    assert noted == [("imagenet", "BYOL")]


def test_every_digit_equals_the_text_of_the_paper():
    folder = os.environ.get("REPR_PROBE_TEST_DATA")
    if not folder or not (Path(folder).parent / "paper.txt").is_file():
        pytest.skip("set REPR_PROBE_TEST_DATA to a folder beside paper.txt")
    paper = (Path(folder).parent / "paper.txt").read_text(encoding="utf-8")
    table = paper[paper.index("TABLE III") : paper.index("Fig. 5. Pairwise")]
    found = [(method, *six.split(), *angles) for method, six, *angles in _LINE.findall(table)]
    ours = [(row.method.upper(), *row.printed.values()) for name in ("imagenet", "food101") for row in published_rows(name)]
    assert len(found) == 16
    assert ours == found
