from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.pages.reference_ranges import MEASURED_NETWORK, MEASURED_VALUES, closed_forms, references_of, uniform_angle_sd
from repr_probe.published.table3 import published_rows
from repr_probe.reports.geometry import geometry_report

RESULTS = Path(__file__).parents[2] / "docs" / "results.md"


def test_the_measured_network_is_that_of_the_docs():
    text = RESULTS.read_text(encoding="utf-8")
    block = text.split(f"## {MEASURED_NETWORK}\n")[1].split("\n## ")[0]
    for key, printed in MEASURED_VALUES.items():
        symbol = re.escape(DEFINITIONS[key].symbol)
        found = re.search(rf"^{symbol} +[↑↓]? +(-?[\d.]+)", block, re.MULTILINE)
        assert found is not None and found[1] == printed, key


def test_uniform_directions_read_as_the_closed_forms_say():
    n, d, k = 3000, 12, 5
    values = np.random.default_rng(0).standard_normal((n, d))
    report = geometry_report(values / np.linalg.norm(values, axis=1, keepdims=True), np.arange(n) % k, intervals=False)
    forms = closed_forms(n, d, k)
    for key in ("angle_all_mean", "angle_all_std", "uniformity", "angle_positive_mean", "angle_positive_std", "angle_negative_std", "alignment_class"):
        assert report.measures[key].value == pytest.approx(forms[key][1], rel=0.01), key
    for key in ("anisotropy_mean_cosine", "d_prime", "norm_alignment", "center_vector_norm_debiased"):
        assert abs((report.measures[key].value or 0.0) - forms[key][1]) < 0.03, key
    assert report.participation_ratio_debiased.value == pytest.approx(d, rel=0.02)
    assert report.feature_correlation.value == pytest.approx(forms["feature_correlation"][1], rel=0.25)
    assert report.center_vector_norm.value == pytest.approx(forms["center_vector_norm"][1], rel=0.5)


def test_limits_are_reached_by_orthonormal_rows():
    forms = closed_forms(8, 8, 8)
    report = geometry_report(np.eye(8), np.arange(8), preset="default", intervals=False)
    for key in ("anisotropy", "effective_rank", "effective_rank_centered", "centroid_rank", "centroid_rank_centered"):
        assert report.measures[key].value == pytest.approx(forms[key][1]), key


@pytest.mark.parametrize("n_features", [2, 3, 30, 2048])
def test_spread_of_uniform_angles(n_features):
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((40_000, n_features)) if n_features <= 30 else rng.standard_normal((4000, n_features))
    first = rows[:, 0] / np.linalg.norm(rows, axis=1)  # the cosine with a fixed direction
    assert uniform_angle_sd(n_features) == pytest.approx(np.degrees(np.arccos(first)).std(), rel=0.03)


@pytest.mark.parametrize(("dataset", "sets"), [("imagenet", ["ImageNet"]), ("food101", ["Food-101"]), ("digits", ["ImageNet", "Food-101"])])
def test_rows_of_the_paper_are_those_of_the_data_set(dataset, sets):
    report = geometry_report(np.eye(4), preset="paper")
    object.__setattr__(report, "provenance", {"dataset": dataset})
    found = [one for one in references_of([report], ["one"])["d_prime"] if one.kind == "paper"]
    assert [one.words.split(" on ")[1] for one in found] == sets
    known = [row.values["d_prime"] for row in published_rows("imagenet" if dataset == "digits" else dataset)]
    assert found[0].values == tuple(sorted(known)) and f"paper, {len(known)} encoders" in found[0].words


def test_without_labels_there_is_no_closed_form_of_classes():
    assert {"d_prime", "centroid_rank", "angle_positive_mean"} & set(closed_forms(10, 4, 0)) == set()


def test_closed_forms_of_features_of_other_width_say_whose_they_are():
    reports = [geometry_report(np.random.default_rng(0).standard_normal((20, d)), preset="paper", intervals=False) for d in (3, 4, 4)]
    found = [one for one in references_of(reports, ["a", "b", "c"])["effective_rank"] if one.kind == "closed"]
    assert [(one.words, one.values) for one in found] == [("highest possible (a)", (3.0,)), ("highest possible (b, c)", (4.0,))]
    (alike,) = [one for one in references_of(reports, ["a", "b", "c"])["angle_all_mean"] if one.kind == "closed"]
    assert alike.words == "uniform"
