from __future__ import annotations

import csv
import io
import math

from repr_probe.metrics.measurement import Measurement
from repr_probe.published.table3 import published_rows
from repr_probe.reports.csv_table import to_csv


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_one_row_a_report_with_full_precision_and_bounds(make_report):
    third = 1 / 3
    measures = {"anisotropy": Measurement(third, (third / 2, third * 2)), "d_prime": Measurement(2.0)}
    (row,) = rows_of(to_csv([make_report(measures=measures)]))
    assert float(row["anisotropy"]) == third
    assert float(row["anisotropy_low"]) == third / 2
    assert float(row["anisotropy_high"]) == third * 2
    assert (row["d_prime"], row["d_prime_low"]) == ("2.0", "")
    assert (row["n_samples"], row["n_features"], row["n_classes"]) == ("50000", "2048", "1000")
    assert (row["checkpoint"], row["layer"], row["dataset"], row["split"]) == ("runs/resnet50.pth", "pooled", "imagenet", "val")
    assert row["source"] == "measured"


def test_undefined_is_empty_and_limits_are_infinite(make_report):
    measures = {"d_prime": Measurement(None, degenerate="+inf", reason="r"), "centroid_rank": Measurement(None, reason="r")}
    (row,) = rows_of(to_csv([make_report(measures=measures)]))
    assert float(row["d_prime"]) == math.inf
    assert row["centroid_rank"] == ""


def test_reports_with_different_measures_share_the_columns(make_report):
    first, second = rows_of(to_csv([make_report("paper"), make_report("default", name="b")]))
    assert first["uniformity"] == ""
    assert second["uniformity"] == "0.25"


def test_published_rows_are_marked_as_such(make_report):
    rows = rows_of(to_csv([make_report("paper")], published_rows("food101")))
    assert [row["source"] for row in rows[:2]] == ["measured", "published: HyDeS Table III, arXiv 2604.24498"]
    assert rows[1]["feature_correlation"] == "0.075"
    assert rows[1]["feature_correlation_low"] == ""


def test_hostile_names_stay_in_their_field(make_report):
    (row,) = rows_of(to_csv([make_report(name='a,"b"\nc\x1b[2J')]))
    assert row["name"] == 'a,"b"\\nc\\x1b[2J'
