from __future__ import annotations

from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import kurtosis, skew
from sklearn.metrics import roc_auc_score

from repr_probe import progress
from repr_probe.features.feature_set import Features
from repr_probe.metrics.functions import angles, uniformity
from repr_probe.metrics.states import GeometryStates, Options


def cloud(n=50, width=9, n_classes=6, seed=0, unlabelled=7):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    x = rng.normal(size=(n, width)) + 1.2 * rng.normal(size=(n_classes, width))[labels] + 0.4
    labels[:unlabelled] = -1
    return x, rng.permutation(labels) if unlabelled else labels


def states_of(x, labels=None, **options):
    return GeometryStates(Features(np.asarray(x), labels, tuple(map(str, range(2000)))), Options(**options))


def assert_pass(found, brute, x, labels, tolerance=2e-5):
    """Sums and histograms of the pair pass against every pair; angles near an edge of a bin may fall on either side."""
    pairs = brute.pairs(x, labels)
    totals = found.labelled.totals() if found.labelled is not None else None
    expected = {"all": found.mean_and_std()}
    if totals is not None:
        for kind, (mean, variance) in (("positive", totals.same()), ("negative", totals.different())):
            expected[kind] = float(mean), float(np.sqrt(variance))
    for kind, (mean, std) in expected.items():
        if len(pairs[kind][1]):
            assert mean == pytest.approx(float(pairs[kind][1].mean()), abs=tolerance), kind
            assert std == pytest.approx(float(pairs[kind][1].std()), abs=10 * tolerance), kind
    for kind in ("all", "labelled", "positive"):
        if kind not in pairs:
            assert not found.histograms[kind].any()
            continue
        counts, true = found.histograms[kind], brute.histogram(pairs[kind][1])
        assert counts.sum() == true.sum()
        assert np.abs(np.cumsum(counts) - np.cumsum(true)).max() <= 1 + len(pairs[kind][1]) // 1000, kind


@pytest.mark.parametrize("block", [1, 2, 7, 16, 49, 50, 64, 1024])
def test_every_block_size_finds_every_pair(brute, block):
    x, labels = cloud()
    assert_pass(states_of(x, labels, block=block).angles, brute, x, labels)


def test_every_tile_goes_to_one_rank():
    from repr_probe.metrics.pairs import dealt
    from repr_probe.ranks import Ranks

    for n_blocks in (1, 2, 4, 5, 9, 30):
        for world_size in (1, 2, 3, 7, 40):
            found = [
                (strip.start, j) for rank in range(world_size) for strip, columns in dealt(n_blocks, Ranks(rank, world_size, None)) for j in columns
            ]
            assert sorted(found) == [(top, j) for top in range(0, n_blocks, 4) for j in range(top, n_blocks)]


@pytest.mark.parametrize("tiles", [1, 5, 30])
def test_a_pass_that_is_stopped_goes_on(tiles, tmp_path, monkeypatch):
    from repr_probe.metrics import kept_sums

    monkeypatch.setattr(kept_sums, "SAVE_SECONDS", 0.0)
    x, labels = cloud()
    seen = []

    @contextmanager
    def stopping(description, total):
        def advance(steps):
            seen.append(steps)
            if len(seen) == tiles:
                raise KeyboardInterrupt

        yield advance

    monkeypatch.setattr(progress, "task", stopping)
    with pytest.raises(KeyboardInterrupt):
        _ = states_of(x, labels, block=4, keep=tmp_path).angles
    assert len(list(tmp_path.iterdir())) == (tiles > 1)
    found = states_of(x, labels, block=4, keep=tmp_path).angles
    expected = states_of(x, labels, block=4).angles
    for name in ("first", "second", "kernel"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    assert all(np.array_equal(found.histograms[name], expected.histograms[name]) for name in expected.histograms)
    assert found.n_duplicates == expected.n_duplicates
    assert list(tmp_path.iterdir()) == []


def test_damaged_sums_are_not_used(tmp_path, monkeypatch):
    from repr_probe.metrics.kept_sums import KeptSums

    kept = KeptSums(tmp_path, [b"key"], [np.zeros(3)])
    kept.path.write_bytes(b"PK cut short")
    said = []
    monkeypatch.setattr(progress, "note", said.append)
    assert kept.steps_done() == 0
    assert len(said) == 1
    assert said[0].startswith("the sums of an interrupted pair pass cannot be used (")


def test_fast_products_say_what_they_cost_and_stay_near():
    x, labels = cloud(n=1100, width=64)
    said = []
    with progress.reporting(type("Notes", (), {"note": lambda _, text: said.append(text), "task": lambda *_: nullcontext(lambda steps: None)})()):
        fast = states_of(x, labels, matmul="fast").angles
    assert len(said) == 1
    assert said[0].startswith("fast products")
    assert fast.mean_and_std() == pytest.approx(states_of(x, labels).angles.mean_and_std(), abs=1e-3)


@pytest.mark.parametrize("block", [3, 8, 100])
def test_more_classes_than_jackknife_groups(brute, block):
    x, labels = cloud(n=260, n_classes=130, unlabelled=11)
    states = states_of(x, labels, block=block)
    assert_pass(states.angles, brute, x, labels)
    sums, (index, _, groups) = states.angles.labelled, states.order
    left = sums.without_each_group()
    for group in (0, 17, 99):
        kept = index[: len(groups)][groups != group]
        pairs = brute.pairs(x[kept], labels[kept])
        assert float(left.same()[0][group]) == pytest.approx(float(pairs["positive"][1].mean()), abs=1e-4)
        assert float(left.different()[0][group]) == pytest.approx(float(pairs["negative"][1].mean()), abs=1e-4)
        assert float(left.different()[1][group]) == pytest.approx(float(pairs["negative"][1].var()), rel=1e-4)


@pytest.mark.parametrize("population", ["group", "row"])
def test_jackknife_of_angles_is_measuring_without_the_class_or_the_image(brute, population):
    x, labels = cloud(n=40)
    states = states_of(x, labels, block=16)
    index, codes, groups = states.order
    index = index[: len(codes)]
    left = getattr(states.angles.labelled, f"without_each_{population}")()
    for unit in range(6):
        kept = index[groups != unit] if population == "group" else np.delete(index, unit)
        pairs = brute.pairs(x[kept], labels[kept])
        for (mean, variance), kind in ((left.same(), "positive"), (left.different(), "negative"), (left.every(), "labelled")):
            assert float(mean[unit]) == pytest.approx(float(pairs[kind][1].mean()), abs=1e-4)
            assert float(variance[unit]) == pytest.approx(float(pairs[kind][1].var()), rel=1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("width", [3, 80])
def test_types_and_more_features_than_rows(brute, dtype, width):
    x, labels = cloud(width=width)
    x = x.astype(dtype)
    assert_pass(states_of(x, labels, block=16).angles, brute, x, labels, 2e-5 if dtype == np.float64 else 5e-5)


def test_zero_rows_are_left_out(brute):
    x, labels = cloud()
    x[[3, 30]] = 0.0
    full = np.delete(x, [3, 30], axis=0)
    found = states_of(x, labels, block=16).angles
    assert found.n_pairs == 48 * 47 // 2
    assert_pass(found, brute, full, np.delete(labels, [3, 30]))


def test_without_labels(brute):
    x, _ = cloud()
    found = states_of(x).angles
    assert found.labelled is None
    assert_pass(found, brute, x, None)


@pytest.mark.parametrize("block", [5, 1024])
def test_row_sums_and_kernel(brute, block):
    x, _ = cloud()
    x = x[:20]
    found = states_of(x, block=block).angles
    u = brute.unit(x)
    angle = np.zeros((20, 20), np.longdouble)
    angle[np.triu_indices(20, 1)] = brute.pairs(x)["all"][1]
    angle += angle.T
    off = ~np.eye(20, dtype=bool)
    expected = np.where(off, angle - found.shift, 0).astype(float)
    np.testing.assert_allclose(found.first, expected.sum(1), atol=5e-4)
    np.testing.assert_allclose(found.second, (expected**2).sum(1), rtol=1e-5)
    kernel = np.where(off, np.exp(-2 * ((u[:, None] - u[None]) ** 2).sum(-1)), 0).sum(1)
    np.testing.assert_allclose(found.kernel, kernel.astype(float), rtol=1e-5)
    assert uniformity(x) == pytest.approx(float(np.log(kernel.sum() / 380)), abs=1e-6)


# --- where float32 is not enough --------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [4, 90])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_duplicates_are_at_angle_zero_and_counted(dtype, width):
    x, labels = cloud(unlabelled=0, width=width)
    x = x.astype(dtype)
    x[[20, 45]] = x[3]
    x[33] = x[8]
    found = states_of(x, labels, block=16).angles
    assert found.n_duplicates == 4
    assert found.histograms["all"][0] == 4
    same = angles(np.stack([x[3], x[3], x[3]]))
    assert same.all_mean == pytest.approx(0, abs=1e-5)
    assert same.all_std == pytest.approx(0, abs=1e-5)


def test_duplicates_at_exactly_zero_in_their_own_space():
    x = np.tile(np.random.default_rng(0).normal(size=(1, 5)), (40, 1))
    assert angles(x)[:2] == pytest.approx((0.0, 0.0), abs=1e-9)
    assert uniformity(x) == 0.0


@pytest.mark.parametrize("scatter", [1e-1, 1e-2, 1e-3, 1e-5])
@pytest.mark.parametrize("n", [30, 140])
def test_narrow_cones(brute, scatter, n):
    """CVN .994 to .9999999999; n = 140 has more near pairs in a tile than are mended one by one."""
    rng = np.random.default_rng(1)
    x = np.ones(12) + scatter * rng.normal(size=(n, 12))
    found = states_of(x).angles
    true = brute.pairs(x)["all"][1]
    assert found.mean_and_std()[0] == pytest.approx(float(true.mean()), rel=1e-5)
    assert found.mean_and_std()[1] == pytest.approx(float(true.std()), rel=1e-4)


@pytest.mark.parametrize("n", [30, 140])
def test_antipodal_pairs(brute, n):
    rng = np.random.default_rng(2)
    x = np.concatenate([np.ones((n, 6)), -np.ones((n, 6))]) * rng.uniform(1, 2, (2 * n, 1)) + 1e-4 * rng.normal(size=(2 * n, 6))
    found = states_of(x, block=64).angles
    assert_pass(found, brute, x, None, 1e-4)
    assert angles([[1.0, 0.0], [-1.0, 0.0]]).all_mean == 180.0
    assert states_of([[1.0, 0.0], [-1.0, 0.0]]).angles.histograms["all"][3599] == 1


def test_near_pairs_beside_far_ones(brute):
    """float32 arccos reads 0.0484 for a true 0.0573 degrees (1e-3 rad)."""
    for theta in (1e-2, 1e-3, 1e-4, 1e-6, np.pi - 1e-3, np.pi - 1e-6):
        x = np.array([[1.0, 0.0, 0.0], [np.cos(theta), np.sin(theta), 0.0], [0.0, 0.0, 1.0]])
        counts = states_of(x).angles
        assert counts.mean_and_std()[0] == pytest.approx((np.degrees(theta) + 180) / 3, abs=1e-5)


@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1e29])
def test_float32_rows_of_any_length_have_their_angle(brute, scale):
    x = (cloud()[0] * scale).astype(np.float32)
    assert_pass(states_of(x).angles, brute, x, None, 5e-5)


def test_half_precision_rows_with_norms_above_256():
    """In float16 the sum of squares would overflow 65504: 2048 entries of 5.7 do it."""
    rng = np.random.default_rng(0)
    x = (5.7 + rng.normal(size=(20, 2048))).astype(np.float16)
    wide = x.astype(np.float64)
    assert np.linalg.norm(wide, axis=1).min() > 256
    expected = np.degrees(np.arccos(1 - pdist(wide, "cosine")))
    assert angles(x).all_mean == pytest.approx(expected.mean(), abs=1e-4)


# --- precision switch -------------------------------------------------------------------------------------------------


class Interrupting:
    """A progress display at which the user presses Ctrl-C in the middle of the pass."""

    @contextmanager
    def task(self, description, total):
        def advance(steps):
            raise KeyboardInterrupt

        yield advance if "angles" in description else lambda steps: None


@pytest.mark.parametrize("before", ["highest", "high", "medium"])
def test_matmul_precision_is_put_back(brute, before):
    """Trap 11; also when the pass ends early."""
    kept = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(before)
    try:
        assert_pass(states_of(*cloud(), block=8).angles, brute, *cloud())
        assert torch.get_float32_matmul_precision() == before
        with pytest.raises(KeyboardInterrupt), progress.reporting(Interrupting()):
            states_of(*cloud(), block=8).angles  # noqa: B018
        assert torch.get_float32_matmul_precision() == before
    finally:
        torch.set_float32_matmul_precision(kept)


# --- numbers read from histograms, against scipy, scikit-learn and numpy ----------------------------------------------


def test_histogram_numbers_against_other_libraries(values):
    x, labels = cloud(n=120, unlabelled=0)
    found = values(x, labels)
    rounded = {}
    angle = np.degrees(np.arccos(1 - pdist(x, "cosine")))
    first, second = np.triu_indices(120, 1)
    same = labels[first] == labels[second]
    for kind, chosen in (("all", slice(None)), ("positive", same), ("negative", ~same)):
        exact = angle[chosen]
        rounded[kind] = (np.floor(exact / 0.05) + 0.5) * 0.05
        assert found[f"angle_{kind}_mean"] == pytest.approx(exact.mean(), abs=1e-4)
        assert found[f"angle_{kind}_std"] == pytest.approx(exact.std(), abs=1e-4)
        for q in (1, 5, 25, 50, 75, 95, 99):
            expected = np.quantile(exact, q / 100, method="inverted_cdf")
            assert found[f"angle_{kind}_q{q:02d}"] == pytest.approx(expected, abs=0.0501)
        assert found[f"angle_{kind}_skewness"] == pytest.approx(skew(rounded[kind]), abs=1e-4)
        assert found[f"angle_{kind}_excess"] == pytest.approx(kurtosis(rounded[kind]), abs=1e-4)
        bins, counts = np.unique(rounded[kind], return_counts=True)
        assert counts[np.isclose(bins, found[f"angle_{kind}_mode"])] >= counts.max() - 1
    assert found["auc"] == pytest.approx(roc_auc_score(same, -np.floor(angle / 0.05)), abs=1e-6)
    histograms = [np.histogram(angle[chosen], 180, (0, 180))[0] / chosen.sum() for chosen in (same, ~same)]
    assert found["overlap"] == pytest.approx(np.minimum(*histograms).sum(), abs=1e-3)
    gap = angle[~same].mean() - angle[same].mean()
    assert found["angle_gap"] == pytest.approx(gap, abs=1e-4)
    assert found["d_prime_angle"] == pytest.approx(gap / np.sqrt((angle[same].var() + angle[~same].var()) / 2), abs=1e-5)
    assert found["d_prime_auc"] == pytest.approx(np.sqrt(2) * torch.special.ndtri(torch.tensor(found["auc"])).item(), abs=1e-6)


def test_classes_weigh_alike_in_the_class_means(values):
    x, labels = cloud(n=80)
    found = values(x, labels)
    own = []
    for label in range(6):
        rows = x[labels == label]
        own.append(np.degrees(np.arccos(1 - pdist(rows, "cosine"))))
    mean = np.mean([part.mean() for part in own])
    assert found["angle_positive_mean_class"] == pytest.approx(mean, abs=1e-4)
    assert found["angle_positive_std_class"] == pytest.approx(np.sqrt(np.mean([(part**2).mean() for part in own]) - mean**2), abs=1e-4)


def test_angles_as_a_function(brute):
    x, labels = cloud()
    pairs = brute.pairs(x, labels)
    expected = [float(number) for kind in ("all", "positive", "negative") for number in (pairs[kind][1].mean(), pairs[kind][1].std())]
    assert angles(x, labels) == pytest.approx(expected, abs=1e-4)
    assert angles(x)[2:] == (None,) * 4
    assert angles(x[:3], [0, 0, 0])[4:] == (None, None)
    assert angles(x[:3], [0, 1, 2])[2:4] == (None, None)


def test_shuffled_and_sorted_rows_read_alike(values):
    x, labels = cloud(n=90, unlabelled=5)
    order, by_class = np.random.default_rng(0).permutation(90), np.argsort(labels, kind="stable")
    first, second = values(x[order], labels[order], block=16), values(x[by_class], labels[by_class], block=16)
    for key in ("effective_rank_extrapolated", "twonn_half", "twonn_quarter"):  # draw parts of the rows by their position
        del first[key]
    for key, number in first.items():
        expected = number if number is None else pytest.approx(number, rel=1e-4, abs=0.051 if "_q" in key else 1e-5)
        assert second[key] == expected, key
