from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from repr_probe.errors import InputError
from repr_probe.metrics.definitions import DEFINITIONS, keys_of
from repr_probe.reports.accumulator import ONE_PASS, GeometryAccumulator
from repr_probe.reports.geometry import geometry_report


def cloud(n=150, width=7, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 6, n)
    x = np.maximum(rng.normal(size=(n, width)) + rng.normal(size=(7, width))[labels] + 0.3, -0.5)
    x[[4, 77]] = 0
    return x, [None if label < 0 else "abcdef"[label] for label in labels]


@pytest.fixture(scope="module")
def reference():
    return geometry_report(*cloud(), preset="full", intervals=False)


def fed(*parts):
    accumulator = GeometryAccumulator()
    for x, labels in parts:
        accumulator.update(x, labels)
    return accumulator


def assert_same(report, reference, tolerance=1e-10):
    assert list(report.measures) == list(reference.measures)
    for key, one in report.measures.items():
        if key not in ONE_PASS:
            assert one.value is None
            assert one.reason == "needs stored features: geometry_report(features) or a second pass"
            continue
        expected = reference.measures[key]
        if expected.value is None:
            assert one.reason == expected.reason, key
        else:
            assert one.value == pytest.approx(expected.value, rel=tolerance, abs=1e-13), key
            assert one.n == expected.n, key
            assert one.ci is None
            assert one.ci_reason == "needs stored features: geometry_report(features) or a second pass"
    assert (report.n_samples, report.n_features, report.n_classes) == (reference.n_samples, reference.n_features, reference.n_classes)
    assert report.flags == reference.flags
    assert report.counts == {name: reference.counts[name] for name in report.counts}


@pytest.mark.parametrize("size", [1, 13, 150])
def test_chunks_of_any_size_give_the_one_pass_measures(reference, size):
    x, labels = cloud()
    assert_same(fed(*((x[i : i + size], labels[i : i + size]) for i in range(0, 150, size))).compute(preset="full"), reference)


@pytest.mark.parametrize("seed", range(4))
def test_shards_merge_in_any_order(reference, seed):
    x, labels = cloud()
    rng = np.random.default_rng(seed)
    edges = [0, *np.sort(rng.choice(np.arange(1, 150), 6, replace=False)).tolist(), 150]
    shards = [fed((x[a:b], labels[a:b])) for a, b in pairwise(edges)] + [GeometryAccumulator()]
    alone = shards[0].compute(preset="full")
    pool = [shards[i] for i in rng.permutation(len(shards))]
    while len(pool) > 1:
        pool.append(pool.pop(int(rng.integers(len(pool)))).merge(pool.pop(int(rng.integers(len(pool))))))
    assert_same(pool[0].compute(preset="full"), reference)
    assert shards[0].compute(preset="full").measures == alone.measures


def test_a_merge_goes_on_alone(reference):
    x, labels = cloud()
    first, second = fed((x[:60], labels[:60])), fed((x[60:100], labels[60:100]))
    merged = first.merge(second)
    before = first.compute().measures
    merged.update(x[100:], labels[100:])
    assert_same(merged.compute(preset="full"), reference)
    assert first.compute().measures == before
    empty = GeometryAccumulator()
    copied = empty.merge(first)
    copied.update(x[60:], labels[60:])
    assert first.compute().measures == before
    with pytest.raises(InputError, match="the accumulator has seen none"):
        empty.compute()


def test_classes_are_matched_by_name():
    x = np.random.default_rng(0).normal(size=(8, 3))
    labels = ["c", "b", "a", "b", "a", "c", "a", "b"]
    merged = fed((x[:2], labels[:2])).merge(fed((x[2:5], labels[2:5]))).merge(fed((x[5:], labels[5:])))
    report, expected = merged.compute(), geometry_report(x, labels)
    assert report.centroid_rank.value == pytest.approx(expected.centroid_rank.value)
    assert report.alignment_class.value == pytest.approx(expected.alignment_class.value)
    assert sorted(report.class_names) == ["a", "b", "c"]


def test_torch_and_unlabelled_chunks():
    x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    report = fed((x[:20], None), (x[20:], None)).compute()
    assert report.anisotropy.value == pytest.approx(geometry_report(x).anisotropy.value, rel=1e-12)
    assert report.centroid_rank.reason == "needs labels"
    assert report.counts["n_unlabelled"] == 40
    assert report.n_classes == 0


def test_a_bad_chunk_adds_nothing(reference):
    x, labels = cloud()
    accumulator = fed((x, labels))
    broken = x.copy()
    broken[3] = np.nan
    for features, given, text in (
        (broken, labels, "features must be finite; 1 of 150 rows are not, first row 3"),
        (x[:, :2], labels, "chunks must have 7 features like those before; got 2"),
        (x, labels[:3], "labels must match the rows; got 3 labels for 150 rows"),
    ):
        with pytest.raises(InputError, match=text):
            accumulator.update(features, given)
    assert_same(accumulator.compute(preset="full"), reference)


def test_a_bad_first_chunk_leaves_it_empty():
    accumulator = GeometryAccumulator()
    with pytest.raises(InputError, match="features must be finite"):
        accumulator.update([[np.nan, 1.0]])
    assert accumulator.update([[1.0, 0.0, 2.0]]).compute().n_features == 3


def test_refusals():
    with pytest.raises(InputError, match="accumulators must have the same features; got 2 and 3"):
        fed((np.eye(2), None)).merge(fed((np.eye(3), None)))
    with pytest.raises(InputError, match="preset must be 'paper', 'default' or 'full'; got 'all'"):
        fed((np.eye(2), None)).compute(preset="all")


@pytest.mark.parametrize("x", [np.zeros((4, 3)), np.ones((4, 3)), np.ones((1, 3)), np.eye(3)[:, :1]])
def test_corners_have_numbers_or_reasons(x):
    report, expected = fed((x, None)).compute(preset="full"), geometry_report(x, preset="full", intervals=False)
    for key in ONE_PASS:
        found, known = report.measures[key], expected.measures[key].value
        assert found.value == (known if known is None else pytest.approx(known)), key
        assert found.value is not None or found.reason
    assert str(report)


def test_one_pass_measures_are_known_and_the_rest_is_not_claimed():
    assert set(keys_of("full")) >= ONE_PASS
    assert not {"d_prime", "angle_all_mean", "uniformity", "norm_alignment", "effective_rank_extrapolated"} & ONE_PASS
    assert {key for key in keys_of("paper") if DEFINITIONS[key].needs == "features"} <= ONE_PASS
