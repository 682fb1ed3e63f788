from __future__ import annotations

import copy
import pickle

import pytest

from repr_probe.metrics.measurement import Measurement
from repr_probe.reports.geometry_report import GeometryReport
from repr_probe.reports.semantic_report import SemanticReport

MEASURES = {"d_prime": Measurement(1.5, variant=""), "spearman_wup": Measurement(0.25, variant="")}


@pytest.fixture(params=[GeometryReport, SemanticReport], ids=["geometry", "semantic"])
def report(request):
    return request.param(measures=MEASURES, name="x", n_samples=5, n_features=3, n_classes=0)


def test_a_measure_is_an_attribute(report):
    assert report.d_prime is report.measures["d_prime"]
    assert {"spearman_wup", "to_json", "n_samples"} <= set(dir(report))


def test_a_wrong_name_is_answered_with_the_nearest(report):
    kind = type(report).__name__
    with pytest.raises(AttributeError, match=f"^{kind} has no attribute or measure 'sperman_wup'; nearest: spearman_wup$"):
        _ = report.sperman_wup
    with pytest.raises(AttributeError, match=f"^{kind} has no attribute or measure '_d_prime'$"):
        _ = report._d_prime
    assert not hasattr(report, "_repr_nothing_")


def test_copies_are_of_the_same_kind_with_the_same_fields(report):
    for again in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        assert type(again) is type(report) and again.to_dict() == report.to_dict()
        with pytest.raises(TypeError):
            again.measures["d_prime"] = MEASURES["d_prime"]
