from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.metrics.neural_collapse import neural_collapse

KEYS = ("nc1", "nc1_trace", "nc1_cdnv", "nc2_equinorm", "nc2_angle", "ncc_accuracy")


def cloud(n=90, width=22, n_classes=5, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(n_classes), np.arange(n_classes), rng.integers(0, n_classes, n - 2 * n_classes)]
    return rng.normal(size=(n, width)) + 1.5 * rng.normal(size=(n_classes, width))[labels] + 3.0, labels


def simplex(n_classes, width, rows=4, offset=5.0):
    """Rows equal to the corners of a simplex about a point, turned at random."""
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(width, width)))[0][:n_classes]
    corners = (q - q.mean(axis=0)) * np.sqrt(n_classes / (n_classes - 1.0))
    labels = np.repeat(np.arange(n_classes), rows)
    return 7.0 * corners[labels] + offset, labels, corners


def plain(x, labels):
    """The formulas, one class and one pair at a time, with numpy's pseudo-inverse."""
    names = [k for k in np.unique(labels) if (labels == k).sum() > 1]
    mean = np.array([x[labels == k].mean(0) for k in names])
    moved = mean - mean.mean(0)
    within = sum(np.cov(x[labels == k].T, ddof=0) for k in names) / len(names)
    between = moved.T @ moved / len(names)
    v = [np.square(x[labels == k] - m).sum(1).mean() for k, m in zip(names, mean, strict=True)]
    pairs = [(a, b) for a in range(len(names)) for b in range(len(names)) if a != b]
    every = np.array([x[labels == k].mean(0) for k in np.unique(labels)])
    far = every - every.mean(0)
    length = np.linalg.norm(far, axis=1)
    angles = [far[a] @ far[b] / length[a] / length[b] + 1 / (len(far) - 1) for a in range(len(far)) for b in range(len(far)) if a != b]
    return {
        "nc1": np.trace(within @ np.linalg.pinv(between, rcond=1e-10, hermitian=True)) / len(names),
        "nc1_trace": np.trace(within) / np.trace(between),
        "nc1_cdnv": np.mean([(v[a] + v[b]) / 2 / np.square(mean[a] - mean[b]).sum() for a, b in pairs]),
        "nc2_equinorm": length.std() / length.mean(),
        "nc2_angle": np.mean(np.abs(angles)),
    }


@pytest.mark.parametrize(("n", "width", "n_classes"), [(90, 22, 5), (40, 70, 5), (60, 3, 7)])
def test_every_part_against_the_formulas(values, n, width, n_classes):
    from sklearn.neighbors import NearestCentroid

    x, labels = cloud(n, width, n_classes)
    labels = np.r_[labels, n_classes]  # a class of one row: in NC2, not in NC1
    x = np.vstack([x, np.random.default_rng(1).normal(size=width)])
    found = values(x, labels, keys=KEYS)
    for key, number in plain(x, labels).items():
        assert found[key] == pytest.approx(number, rel=1e-9), key
    assert found["ncc_accuracy"] == pytest.approx(NearestCentroid().fit(x, labels).score(x, labels))
    assert neural_collapse(x, labels)[:6] == pytest.approx(tuple(found.values()), rel=1e-12)


def test_a_collapsed_simplex_reads_zero():
    x, labels, corners = simplex(6, 20)
    found = neural_collapse(x, labels, weights=3.0 * corners)
    assert found[:5] == pytest.approx((0.0,) * 5, abs=1e-12)
    assert found[5:] == (1.0, pytest.approx(0.0, abs=1e-12), 0.0)


def test_each_part_sees_its_own_departure():
    x, labels, corners = simplex(6, 20)
    rng = np.random.default_rng(1)
    wide = neural_collapse(x + rng.normal(size=x.shape), labels)
    assert min(wide.nc1, wide.nc1_trace, wide.nc1_cdnv) > 0.03
    long = neural_collapse(x + 4.0 * corners[labels] * (labels == 0)[:, None], labels)
    assert long.nc1 < 1e-20 < 0.05 < long.nc2_equinorm
    turned = neural_collapse(np.eye(6)[labels] * [1, 1, 1, 1, 1, 0] + 3.0, labels)
    assert turned.nc2_angle > 0.05
    other = neural_collapse(x, labels, weights=np.roll(corners, 1, axis=0))
    assert other.nc3 > 1.0 and other.nc4 == 1.0


def test_within_spread_along_one_direction_by_hand():
    """Two classes 4 apart, ±1 within: along the line NC1 = (1/4)/2 classes; across it NC1 = 0, and the traces alone count it."""
    along = [[1.0, 1.0], [3.0, 1.0], [5.0, 1.0], [7.0, 1.0]]
    across = [[1.0, -1.0], [1.0, 1.0], [5.0, -1.0], [5.0, 1.0]]
    found = [neural_collapse(x, [0, 0, 1, 1]) for x in (along, across)]
    assert [one.nc1 for one in found] == pytest.approx([0.125, 0.0], abs=1e-15)
    assert [one.nc1_trace for one in found] == pytest.approx([0.25, 0.25])
    assert [one.nc1_cdnv for one in found] == pytest.approx([1 / 16, 1 / 16])


@pytest.mark.parametrize(("n_classes", "width"), [(12, 30), (12, 5), (120, 8)])
def test_intervals_are_the_jackknife_of_the_plain_value(measured, values, n_classes, width):
    """Leaving out each class (or group of classes, above 100) by measuring what is left."""
    from repr_probe.metrics.inference import delete_groups, jackknife_interval

    x, labels = cloud(5 * n_classes, width, n_classes)
    found = measured(x, labels, keys=KEYS)
    groups = delete_groups(n_classes)
    kept = [groups[labels] != group for group in range(groups.max() + 1)]
    left = [values(x[rows], labels[rows], keys=[key for key in KEYS if key != "ncc_accuracy"]) for rows in kept]
    for key in left[0]:
        expected = jackknife_interval(found[key].value, np.array([one[key] for one in left]), 0.0)
        assert found[key].ci == pytest.approx(expected, rel=1e-7), key
    scores = np.array([neural_collapse(x[rows], labels[rows]).ncc_accuracy for rows in kept])
    assert found["ncc_accuracy"].ci == pytest.approx(jackknife_interval(found["ncc_accuracy"].value, scores, 0.0, 1.0), rel=1e-9)
    assert {one.population for one in found.values()} == {"classes"}


def test_undefined_with_reason(measured):
    x, labels = cloud()
    assert {one.reason for one in measured(x, keys=KEYS).values()} == {"needs labels"}
    assert {one.reason for one in measured(x, np.zeros(90), keys=KEYS).values()} == {"needs two classes; got 1"}
    single = measured(x[:5], labels[:5], keys=KEYS)
    assert single["nc1"].reason == single["nc1_cdnv"].reason == "needs two classes of two rows or more; got 0"
    assert single["ncc_accuracy"].value == 1.0
    equal = measured(np.ones((8, 3)), np.arange(8) % 2, keys=KEYS)
    assert equal["nc1"].reason == equal["nc2_angle"].reason == "class means must differ; all are equal"
    twice = measured(np.vstack([x, x[labels == 0]]), np.r_[labels, np.full((labels == 0).sum(), 9)], keys=KEYS)
    assert twice["nc1_cdnv"].reason == "two classes have the same mean"
    assert measured(x, labels, keys=KEYS)["nc1"].ci_reason.startswith("needs 10 classes; got 5")


def test_bad_classifiers():
    x, labels = cloud()
    with pytest.raises(InputError, match=r"weights must be \(n_classes, n_features\) = \(5, 22\); got shape \(22, 5\)"):
        neural_collapse(x, labels, weights=np.ones((22, 5)))
    with pytest.raises(InputError, match="weights must be finite; got 110 entries that are not"):
        neural_collapse(x, labels, weights=np.full((5, 22), np.nan))
    with pytest.raises(InputError, match=r"bias must be \(n_classes,\) = \(5,\); got shape \(4,\)"):
        neural_collapse(x, labels, weights=np.ones((5, 22)), bias=np.ones(4))
    with pytest.raises(InputError, match="bias must come with weights; got bias alone"):
        neural_collapse(x, labels, bias=np.ones(5))
    with pytest.raises(UndefinedMeasure, match="the classifier's weights are all zero"):
        neural_collapse(x, labels, weights=np.zeros((5, 22)))


def test_classifier_as_a_layer_would_say():
    import torch

    x, labels = cloud()
    layer = torch.nn.Linear(22, 5)
    said = layer(torch.tensor(x, dtype=torch.float32)).argmax(1).numpy()
    means = np.array([x[labels == k].mean(0) for k in range(5)])
    nearest = ((x[:, None] - means) ** 2).sum(2).argmin(1)
    assert neural_collapse(x, labels, weights=layer.weight, bias=layer.bias).nc4 == pytest.approx((said != nearest).mean())
