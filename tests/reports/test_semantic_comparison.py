from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.reports.semantic import semantic_report
from repr_probe.reports.semantic_comparison import SemanticComparison, compare_semantic
from repr_probe.reports.semantic_report import SemanticReport

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ANIMAL = np.isin(np.arange(10), [2, 3, 4, 5, 6, 7])


def report_of(weight: float, seed: int, names=NAMES, name="a") -> SemanticReport:
    rng = np.random.default_rng(seed)
    features = np.hstack([weight * ANIMAL[:, None], weight * ~ANIMAL[:, None], rng.standard_normal((10, 12))])[: len(names)]
    return semantic_report(features, range(len(names)), class_names=names, references="wordnet", permutations=0, name=name)


def test_the_difference_is_that_of_the_two_reports():
    a, b = report_of(4.0, 0), report_of(0.5, 1, name="b")
    found = compare_semantic(a, b)
    for key, one in found.differences.items():
        assert one.difference == pytest.approx(a.measures[key].value - b.measures[key].value, abs=1e-12)
    assert found.differences["spearman_wup"].difference > 0.2
    assert found.n_classes == 10
    assert str(found).startswith("a against b\nmeasure ")
    assert "10 classes of both" in str(found)
    again = SemanticComparison.from_dict(json.loads(json.dumps(found.to_dict())))
    assert (again.names, again.n_classes, again.differences) == (("a", "b"), 10, found.differences)
    assert str(pickle.loads(pickle.dumps(found))) == str(found)
    assert found.to_dict()["differences"]["spearman_wup"]["p"] == found.differences["spearman_wup"].p


def test_a_report_does_not_differ_from_itself():
    a = report_of(4.0, 0)
    one = compare_semantic(a, a).differences["spearman_wup"]
    assert (one.difference, one.p) == (0.0, 1.0)


def test_only_classes_of_both_count():
    assert compare_semantic(report_of(4.0, 0), report_of(1.0, 1, NAMES[:8])).n_classes == 8


def test_reports_that_cannot_be_compared_are_refused():
    a = report_of(4.0, 0)
    with pytest.raises(InputError, match="reports to compare must hold their matrices; got 'a' read from a file"):
        compare_semantic(a, SemanticReport.from_dict(a.to_dict()))
    other = report_of(1.0, 1, ("dog.n.01", "cat.n.01", "car.n.01", "ship.n.01"))
    with pytest.raises(InputError, match="reports to compare must share 3 classes; got 0 of bird, frog, dog") as failure:
        compare_semantic(a, other)
    assert failure.value.code == "E_CLASSES"
