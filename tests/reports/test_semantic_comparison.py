from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.metrics.matrix_alignment import compare
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


def test_only_classes_of_both_count_and_the_others_are_named():
    found = compare_semantic(report_of(4.0, 0), report_of(1.0, 1, NAMES[:8], name="b"))
    assert found.n_classes == 8
    assert found.notes == ("left out, classes of a alone: ship, truck",)  # in the order of their synsets
    assert "left out, classes of a alone: ship, truck" in str(found)
    assert SemanticComparison.from_dict(found.to_dict()).notes == found.notes
    assert compare_semantic(report_of(4.0, 0), report_of(1.0, 1, name="b")).notes == ()


def with_text(report: SemanticReport, words: dict[str, str] | None = None) -> SemanticReport:
    """A text model of our own: a vector for each text, whatever the others are."""
    texts = [(words or {}).get(name, name) for name in report.class_names]
    vectors = np.array([np.random.default_rng(list(text.encode())).standard_normal(6) for text in texts])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return replace(report, references={**report.references, "text": 1.0 - unit @ unit.T})


def test_a_class_that_a_namesake_makes_the_text_read_otherwise_counts_for_wordnet_alone():
    a, b = report_of(4.0, 0), report_of(1.0, 1, NAMES[:9], name="b")
    found = compare_semantic(with_text(a), with_text(b, {"dog": "dog (canine)", "bird": "bird (animal)"}))
    assert found.notes == (
        "left out, classes of a alone: truck",
        "left out for the text, classes that a namesake makes it read otherwise: bird, dog",
    )
    fewer = [name for name in NAMES[:9] if name not in ("dog", "bird")]
    parts = [report_of(weight, seed, NAMES[:size], name=name) for weight, seed, size, name in ((4.0, 0, 10, "a"), (1.0, 1, 9, "b"))]
    alone = compare(*(distance_of(part, fewer) for part in parts), with_text(a).references["text"][np.ix_(*2 * [places_of(a, fewer)])])
    assert found.differences["spearman_text"] == alone.spearman
    assert found.differences["spearman_wup"] == compare_semantic(a, b).differences["spearman_wup"]


def places_of(report: SemanticReport, names: list[str]) -> list[int]:
    return [place for place, name in enumerate(report.class_names) if name in names]


def distance_of(report: SemanticReport, names: list[str]) -> np.ndarray:
    places = places_of(report, names)
    return 1.0 - report.centroid_cosine[np.ix_(places, places)]


def test_references_that_differ_in_more_than_words_are_refused():
    a, b = report_of(4.0, 0), report_of(1.0, 1, name="b")
    with pytest.raises(InputError, match="must have the same references; got two that differ in text; measure both with one WordNet and one text"):
        compare_semantic(with_text(a), with_text(b, {name: f"the {name}" for name in NAMES}))
    other = replace(b, references={name: matrix * (1.0 + (name == "wup")) for name, matrix in b.references.items()})
    with pytest.raises(InputError, match="must have the same references; got two that differ in wup; measure both with one WordNet"):
        compare_semantic(a, other)


def test_reports_that_cannot_be_compared_are_refused():
    a = report_of(4.0, 0)
    with pytest.raises(InputError, match="reports to compare must hold their matrices; got 'a' read from a file"):
        compare_semantic(a, SemanticReport.from_dict(a.to_dict()))
    other = report_of(1.0, 1, ("dog.n.01", "cat.n.01", "car.n.01", "ship.n.01"))
    with pytest.raises(InputError, match="reports to compare must share 3 classes; got 0 of bird, frog, dog") as failure:
        compare_semantic(a, other)
    assert failure.value.code == "E_CLASSES"
