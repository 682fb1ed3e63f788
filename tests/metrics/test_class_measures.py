"""Centroids, per-class numbers and the intervals over classes and images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.centroids import centroid_rank_of, leave_group_out_ranks
from repr_probe.metrics.functions import centroid_rank, d_prime
from repr_probe.metrics.inference import delete_groups


def cloud(n=150, width=8, n_classes=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    labels[:n_classes] = np.arange(n_classes)
    return rng.normal(size=(n, width)) + 1.3 * rng.normal(size=(n_classes, width))[labels] + 0.3, labels


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def means_of(x, labels):
    return np.array([x[labels == label].mean(0) for label in np.unique(labels)])


def noise_share(x, labels):
    u, found = unit(x), means_of(unit(x), labels)
    noise = []
    for number, label in enumerate(np.unique(labels)):
        own = u[labels == label]
        if len(own) > 1:
            noise.append(((own - found[number]) ** 2).sum() / (len(own) * (len(own) - 1)))
    return np.mean(noise) / ((found - found.mean(0)) ** 2).sum(1).mean()


def test_every_measure_of_centroids_against_its_formula(values, brute):
    x, labels = cloud()
    labels[7] = 40  # a class of one row, and codes with a gap
    c = means_of(unit(x), labels)
    counts = np.unique(labels, return_counts=True)[1]
    s = np.linalg.svd(c, compute_uv=False)
    expected = {
        "centroid_rank": brute.entropy_rank(s), "centroid_rank_eigenvalues": brute.entropy_rank(s**2),
        "centroid_rank_centered": brute.effective_rank(c, center=True), "centroid_rank_raw": brute.effective_rank(means_of(x, labels)),
        "centroid_rank_unit": brute.effective_rank(unit(c)), "centroid_noise_share": noise_share(x, labels),
        "centroid_rank_weighted": brute.effective_rank(c * np.sqrt(counts / 150)[:, None]),
    }  # fmt: skip
    found = values(x, labels)
    for key, number in expected.items():
        assert found[key] == pytest.approx(number, rel=1e-10), key
    assert centroid_rank(x, labels) == pytest.approx(expected["centroid_rank"], rel=1e-12)
    assert centroid_rank(x, labels, center=True) == pytest.approx(expected["centroid_rank_centered"], rel=1e-12)


def test_known_centroid_ranks(values):
    assert centroid_rank(np.eye(5)[:, ::-1] * 3, list("abcde")) == pytest.approx(5)
    assert centroid_rank(np.random.default_rng(0).normal(size=(9, 4)), [1] * 9) == pytest.approx(1)
    found = values(np.repeat(np.eye(4), 2, axis=0), np.repeat(range(4), 2))
    assert (found["centroid_rank"], found["centroid_rank_centered"], found["centroid_noise_share"]) == pytest.approx((4, 3, 0))
    crossed = values([[0.1, 1.0], [0.1, -1.0], [0.0, 1.0], [0.0, 2.0]], [0, 0, 1, 1])  # orthogonal centroids of length 0.1 and 1
    assert crossed["centroid_rank"] < 1.5
    assert crossed["centroid_rank_unit"] == pytest.approx(2)


def test_a_common_direction_lowers_the_rank_but_not_the_centred_one(values):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(200, 30)), np.repeat(range(20), 10)
    x += 3 * rng.normal(size=(20, 30))[labels]
    lifted = np.column_stack([x, np.full(200, 3 * np.linalg.norm(x, axis=1).mean())])
    near, far = values(x, labels), values(lifted, labels)
    assert far["centroid_rank"] < 0.8 * near["centroid_rank"]
    assert far["centroid_rank_centered"] == pytest.approx(near["centroid_rank_centered"], rel=0.03)


@pytest.mark.parametrize(
    ("x", "labels", "reason"),
    [
        (np.eye(3), None, "needs labels"),
        (np.zeros((2, 3)), [0, 1], "needs a labelled, non-zero row"),
        ([[1.0, 0.0], [-1.0, 0.0]], [0, 0], "class means must not all be zero"),
    ],
)
def test_no_centroid_rank(x, labels, reason):
    with pytest.raises(UndefinedMeasure, match=reason):
        centroid_rank(x, labels)


def test_equal_means_have_no_centred_rank():
    with pytest.raises(UndefinedMeasure, match="class means must differ; all are equal"):
        centroid_rank([[1.0, 0.3], [2.0, 0.6]], [0, 1], center=True)
    with pytest.raises(UndefinedMeasure, match="class means must differ; all are equal"):
        centroid_rank_of(np.full((4, 3), 0.1), center=True)


# --- jackknives -------------------------------------------------------------------------------------------------------------------------


def t_interval(value, left):
    left = np.asarray(left)
    error = np.sqrt((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum())
    half = student.ppf(0.975, len(left) - 1) * error
    return value - half, value + half


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("width", [5, 40])
def test_ranks_without_each_class_are_ranks_of_the_rest(center, width):
    means = np.random.default_rng(0).normal(size=(14, width)) + 1
    for groups in (np.arange(14), delete_groups(14, 4)):
        expected = [centroid_rank_of(means[groups != group], center=center) for group in range(groups.max() + 1)]
        np.testing.assert_allclose(leave_group_out_ranks(means, groups, center=center), expected, rtol=1e-9)


def test_intervals_over_classes_are_recomputed_without_each_class(measured, brute):
    x, labels = cloud()
    found = measured(x, labels)
    kept = [(x[labels != label], labels[labels != label]) for label in range(12)]
    statistics = {
        "d_prime": d_prime, "centroid_rank": centroid_rank, "centroid_noise_share": noise_share,
        "centroid_rank_centered": lambda x, labels: centroid_rank(x, labels, center=True),
        "centroid_rank_raw": lambda x, labels: brute.effective_rank(means_of(x, labels)),
        "alignment_class": lambda x, labels: 2 * float(brute.pairs(x, labels)["positive"][0].mean()),
        "angle_positive_mean": lambda x, labels: float(brute.pairs(x, labels)["positive"][1].mean()),
        "angle_positive_std": lambda x, labels: float(brute.pairs(x, labels)["positive"][1].std()),
        "angle_negative_mean": lambda x, labels: float(brute.pairs(x, labels)["negative"][1].mean()),
        "angle_negative_std": lambda x, labels: float(brute.pairs(x, labels)["negative"][1].std()),
    }  # fmt: skip
    for key, statistic in statistics.items():
        low, high = t_interval(found[key].value, [statistic(*part) for part in kept])
        assert found[key].ci == pytest.approx((low, high), rel=2e-4), key
        assert (found[key].population, found[key].ci_method) == ("classes", "delete-one-class jackknife")


def test_intervals_over_images_are_recomputed_without_each_image(measured, brute):
    x, labels = cloud(n=50, n_classes=3)
    found = measured(x, labels, population="images")
    left = [(np.delete(x, row, axis=0), np.delete(labels, row)) for row in range(50)]
    assert found["d_prime"].ci == pytest.approx(t_interval(found["d_prime"].value, [d_prime(*part) for part in left]), rel=1e-6)
    angle = [float(brute.pairs(*part)["positive"][1].mean()) for part in left]
    assert found["angle_positive_mean"].ci == pytest.approx(t_interval(found["angle_positive_mean"].value, angle), rel=1e-4)
    assert (found["d_prime"].population, found["d_prime"].ci_method) == ("images", "delete-one-image jackknife")
    assert found["centroid_rank"].ci_reason == "only worked out for new classes"


def test_too_few_classes_for_an_interval(measured):
    found = measured(*cloud(n_classes=9))["d_prime"]
    assert found.ci is None
    assert found.ci_reason == "needs 10 classes; got 9; population='images' gives the interval for new images of the same classes"


def test_groups_of_classes_above_a_hundred(measured):
    x, labels = cloud(n=450, n_classes=130)
    found = measured(x, labels, keys=["d_prime", "centroid_rank"])
    assert found["d_prime"].ci_method == "delete-one-group jackknife (100 random groups of classes)"
    groups = delete_groups(130)
    assert np.bincount(groups).tolist() == [2] * 30 + [1] * 70
    left = [d_prime(x[groups[labels] != group], labels[groups[labels] != group]) for group in range(100)]
    assert found["d_prime"].ci == pytest.approx(t_interval(found["d_prime"].value, left), rel=1e-8)


def test_an_interval_that_hangs_on_one_class(measured):
    """Only one class has two rows: without it there is no same-class pair."""
    x, _ = cloud(n=15)
    found = measured(x, [0, 0, *range(1, 14)])
    for key in ("d_prime", "angle_positive_mean", "alignment_class", "d_prime_angle", "angle_gap", "d_prime_all_vs_positive"):
        assert found[key].value is not None
        assert found[key].ci is None
        assert found[key].ci_reason == "leaving out one unit leaves the measure undefined"
    assert found["centroid_rank"].ci is not None
