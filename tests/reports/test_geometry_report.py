"""geometry_report from the door to the file: every kind of input, every undefined case, notes, counts, intervals and manners."""

from __future__ import annotations

import math
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from repr_probe.errors import InputError
from repr_probe.features.door import as_features
from repr_probe.features.feature_set import Features
from repr_probe.metrics.definitions import DEFINITIONS, keys_of
from repr_probe.reports.geometry import geometry_report
from repr_probe.reports.geometry_report import GeometryReport


def cloud(n=120, width=6, n_classes=12, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    return (rng.normal(size=(n, width)) + 1.2 * rng.normal(size=(n_classes, width))[labels] + 0.4).astype(dtype), labels


@pytest.fixture(scope="module")
def full():
    return geometry_report(*cloud(), preset="full")


# --- what comes back ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["paper", "default", "full"])
def test_keys_of_a_preset_in_order(preset):
    report = geometry_report(*cloud(), preset=preset)
    assert tuple(report.measures) == tuple(key for key in keys_of(preset) if DEFINITIONS[key].needs != "views")
    assert report.options["preset"] == preset


def test_views_bring_their_own_keys():
    x, labels = cloud()
    views = x[:, None] + 0.1 * np.random.default_rng(0).normal(size=(120, 2, 6))
    report = geometry_report(Features(x, labels, tuple("abcdefghijkl"), views=views))
    assert report.angle_positive_views_mean.value < report.angle_positive_mean.value
    assert list(report.measures)[-4:] == [key for key in keys_of("default") if DEFINITIONS[key].needs == "views"]


def test_every_value_is_a_plain_float_inside_its_interval_and_range(full):
    for key, one in full.measures.items():
        if key.startswith("alpha"):
            continue
        assert type(one.value) is float, key
        assert one.variant == DEFINITIONS[key].variant
        assert one.n > 0
        assert (one.reason, one.degenerate) == (None, None)
        if one.ci is None:
            assert one.ci_reason, key
        else:
            assert one.ci[0] <= one.value <= one.ci[1], key
            assert one.ci[0] < one.ci[1] or key in ("zero_fraction", "active_per_sample_mean"), key
            assert one.ci_method
            assert one.population in ("images", "classes"), key


def test_n_says_what_was_counted(full):
    assert (full.anisotropy.n, full.centroid_rank.n, full.d_prime.n, full.angle_all_mean.n) == (120, 12, 120 * 119 // 2, 120 * 119 // 2)
    assert full.angle_positive_mean.n == full.alignment_class.n == 12 * 45
    assert full.angle_negative_mean.n == 120 * 119 // 2 - 12 * 45
    assert full.d_prime_class_mean.n == full.angle_positive_mean_class.n == 12


def test_attributes_are_measures(full):
    assert full.d_prime is full.measures["d_prime"]
    assert "d_prime" in dir(full)
    with pytest.raises(AttributeError, match="GeometryReport has no attribute or measure 'd_primes'; nearest: d_prime"):
        full.d_primes  # noqa: B018
    with pytest.raises(AttributeError):
        full.name = "other"
    with pytest.raises(TypeError):
        full.measures["d_prime"] = None


def test_pickle_and_dict_come_back_equal(full):
    for back in (pickle.loads(pickle.dumps(full)), GeometryReport.from_dict(full.to_dict())):
        assert back.to_dict() == full.to_dict()
        assert dict(back.measures) == dict(full.measures)
        np.testing.assert_array_equal(back.histograms["positive"], full.histograms["positive"])
        assert back.classes == full.classes
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(full)).centroid_cosine, full.centroid_cosine)
    assert GeometryReport.from_dict(full.to_dict()).centroid_cosine is None


def test_histograms_hold_every_pair_once(full):
    assert {name: int(counts.sum()) for name, counts in full.histograms.items()} == {"all": 7140, "positive": 540, "negative": 6600}
    np.testing.assert_array_equal(full.histograms["all"], full.histograms["positive"] + full.histograms["negative"])
    x, _ = cloud()
    assert set(geometry_report(x).histograms) == {"all"}
    assert set(geometry_report(x, np.zeros(120, int)).histograms) == {"all", "positive"}
    assert set(geometry_report(x, np.arange(120)).histograms) == {"all", "negative"}
    assert not geometry_report(x, pairs=1000).histograms


def test_table_of_classes(full):
    x, labels = cloud()
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    means = np.array([u[labels == label].mean(0) for label in range(12)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(full.centroid_cosine, means @ means.T, atol=1e-12)
    apart = np.degrees(np.arccos(np.clip(means @ means.T, -1, 1))) + 999 * np.eye(12)
    for label, row in enumerate(full.classes):
        own = np.degrees(np.arccos((u[labels == label] @ u[labels == label].T)[np.triu_indices(10, 1)])).mean()
        nearest = int(apart[label].argmin())
        assert row["positive_angle_mean"] == pytest.approx(own, abs=1e-4)
        assert (row["name"], row["n"], row["nearest"]) == (str(label), 10, str(nearest))
        assert row["nearest_angle"] == pytest.approx(apart[label].min())


def test_classes_keep_their_names_when_some_have_no_row():
    report = geometry_report([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]], [3, 1, 1, 2], class_names=list("abcd"))
    assert [(row["name"], row["n"], row["nearest"]) for row in report.classes] == [("b", 2, "d"), ("d", 1, "b")]
    assert report.n_classes == 2
    assert report.counts["n_singleton"] == 1
    assert report.class_names == ("a", "b", "c", "d")


# --- every kind of input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_holder_of_the_same_numbers_reads_the_same(dtype, tmp_path):
    x, labels = cloud(dtype=dtype)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", features=x, labels=labels)
    frame = pd.DataFrame(x).assign(kind=labels)
    frame.columns = frame.columns.astype(str)
    expected = {key: one.value for key, one in geometry_report(x, labels, intervals=False).measures.items()}
    sources = {
        "torch": (torch.tensor(x, requires_grad=True), torch.tensor(labels)),
        "path": (tmp_path / "x.npy", labels),
        "labels in the file": (tmp_path / "x.npz", None),
        "memmap": (np.load(tmp_path / "x.npy", mmap_mode="r"), labels.tolist()),
        "fortran": (np.asfortranarray(x), labels.astype(str).astype(object)),
        "Features": (as_features(x, labels), None),
        "chunks": (iter([(x[:50], labels[:50]), (x[50:], labels[50:])]), None),
        "list of Features": ([as_features(x[:60], labels[:60]), as_features(x[60:], labels[60:])], None),
        "DataFrame": (frame, "kind") if dtype != "float16" else (x, labels),
    }
    for kind, (features, given) in sources.items():
        found = geometry_report(features, given, intervals=False)
        for key, value in expected.items():
            assert found.measures[key].value == pytest.approx(value, rel=1e-6, abs=1e-9), (kind, key)


def test_bfloat16_is_noted_and_integers_are_cast():
    x, labels = cloud(dtype=np.float32)
    report = geometry_report(torch.tensor(x).bfloat16(), labels, intervals=False)
    assert report.notes[0].startswith("bfloat16 features were read as float32")
    assert report.effective_rank.value == pytest.approx(geometry_report(x, labels, intervals=False).effective_rank.value, rel=0.01)
    counts = np.random.default_rng(0).poisson(2.0, (50, 5))
    assert geometry_report(counts).notes[0] == "int64 features were cast to float64"
    assert geometry_report(counts > 2).zero_fraction.value == pytest.approx((counts <= 2).mean())


def test_string_labels_and_labels_with_gaps_read_alike(full):
    x, labels = cloud()
    texts, pairs = [f"class {label:02d}" for label in labels], [(label, "x") for label in labels.tolist()]
    for given in (texts, labels * 1000 - 5000, labels + 0.5, pairs):
        report = geometry_report(x, given, preset="full")
        assert report.measures == full.measures
    assert report.class_names[0] == "(0, 'x')"


# --- the contract of the input, row by row -----------------------------------------------------------------------------


def test_rows_that_are_not_finite():
    x, labels = cloud()
    broken = np.insert(x, [4, 9], np.nan, axis=0)
    with pytest.raises(InputError, match="features must be finite; 2 of 122 rows are not, first row 4; nan_policy='omit' drops them"):
        geometry_report(broken, np.insert(labels, [4, 9], 0))
    report = geometry_report(broken, np.insert(labels, [4, 9], 0), nan_policy="omit")
    assert report.measures == geometry_report(x, labels).measures
    assert report.counts["n_dropped"] == 2
    assert "2 rows with NaN or infinity were dropped (nan_policy='omit')" in report.notes


def test_zero_rows():
    x, labels = cloud()
    padded = np.concatenate([x, np.zeros((3, 6))])
    report, without = (geometry_report(f, y, preset="full") for f, y in ((padded, np.r_[labels, 0, 1, 50]), (x, labels)))
    assert report.counts["n_zero"] == 3
    assert any(note.startswith("3 zero rows have no direction") for note in report.notes)
    assert report.n_classes == 12
    angular = ("angle_all_mean", "angle_positive_std", "uniformity")
    for key in ("center_vector_norm", "d_prime", "centroid_rank", "norm_alignment", "hoyer", *angular):
        assert report.measures[key].value == pytest.approx(without.measures[key].value, rel=1e-6), key
        assert report.measures[key].n == without.measures[key].n
    assert report.mean_norm.value == pytest.approx(without.mean_norm.value * 120 / 123)
    assert report.anisotropy.value == pytest.approx(without.anisotropy.value)


def test_constant_features_are_counted():
    x, labels = cloud()
    report = geometry_report(np.column_stack([x, np.zeros((120, 2))]), labels)
    assert report.counts["n_constant"] == 2
    assert "2 of 8 features are constant: left out of the feature correlation" in report.notes
    assert report.feature_correlation.value == pytest.approx(geometry_report(x, labels).feature_correlation.value)


def test_unlabelled_rows_count_where_no_label_is_needed():
    x, labels = cloud()
    more = np.random.default_rng(5).normal(size=(30, 6))
    report = geometry_report(np.concatenate([x, more]), [*labels.tolist(), *[None] * 30], preset="full")
    assert report.counts["n_unlabelled"] == 30
    assert "30 rows have no label: they count in measures without labels only" in report.notes
    labelled, every = geometry_report(x, labels, preset="full"), geometry_report(np.concatenate([x, more]), preset="full")
    for key, one in report.measures.items():
        other = labelled if "labels" in DEFINITIONS[key].needs else every
        assert one.value == (pytest.approx(other.measures[key].value, rel=1e-5, abs=1e-5) if one.value is not None else None), key
    assert sum(report.histograms["positive"]) + sum(report.histograms["negative"]) == 120 * 119 // 2


def test_singletons_and_duplicates_are_counted():
    x, labels = cloud()
    labels[5] = 99
    x[[20, 40]] = x[7]
    report = geometry_report(x, labels)
    assert (report.counts["n_singleton"], report.counts["n_duplicate_pairs"]) == (1, 3)
    assert "1 classes have one row: no same-class pair, but pairs with other classes and a centroid" in report.notes
    assert "3 pairs of rows point the same way to 1e-12 (duplicate images?)" in report.notes
    assert geometry_report(x, labels, pairs=1000).counts["n_duplicate_pairs"] is None


@pytest.mark.parametrize(("rows", "limited"), [(59, True), (61, False)])
def test_too_few_rows_for_a_rank(rows, limited):
    x = np.random.default_rng(0).normal(size=(rows, 6))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    report = geometry_report(x)
    assert report.flags["rank_limited_by_n"] is limited
    assert any(note.startswith(f"N = {rows} is below 10 D = 60: ranks read low") for note in report.notes) is limited


def test_a_few_long_rows_count_for_less():
    x = np.random.default_rng(0).normal(size=(90, 6))
    x[:2] *= 40
    report = geometry_report(x)
    assert report.flags["rank_limited_by_n"]
    assert any(note.startswith("N = 90 (effective 1, the norms vary) is below 10 D = 60") for note in report.notes)


def test_notes_on_classes():
    x, _ = cloud()
    uneven = np.r_[np.repeat(np.arange(11), 2), np.full(98, 11)]
    assert "classes are few and of very unequal size: their nominal 95 % intervals cover about 90 %" in geometry_report(x, uneven).notes
    assert "intervals over classes: delete-one-group jackknife (100 random groups of classes)" in geometry_report(x, np.arange(120)).notes
    noisy = geometry_report(np.random.default_rng(0).normal(size=(60, 20)), np.arange(60) % 20)
    assert "centroid_noise_share is above 0.1: the centroid ranks count noise of small classes" in noisy.notes


# --- never an exception, never NaN -------------------------------------------------------------------------------------

X, LABELS = cloud()
CASES = {
    "unlabelled": (X, None),
    "all labels missing": (X, np.full(120, -1)),
    "one row": (X[:1], [0]),
    "two rows": (X[:2], [0, 1]),
    "two rows of one class": (X[:2], [0, 0]),
    "three rows": (X[:3], [0, 0, 1]),
    "one class": (X, np.zeros(120)),
    "classes of one row": (X, np.arange(120)),
    "one labelled row": (X, [4, *[None] * 119]),
    "all rows equal": (np.tile(X[:1], (20, 1)), np.arange(20) % 2),
    "equal rows of tenths": (np.full((30, 3), 0.1), np.arange(30) % 12),
    "all rows zero": (np.zeros((20, 3)), np.arange(20) % 2),
    "one row not zero": (np.eye(5)[:, :3] * [1, 0, 0], [0, 0, 1, 1, 1]),
    "one feature": (X[:, :1], LABELS),
    "one positive feature": (np.abs(X[:, :1]), LABELS),
    "two features": (X[:, :2], LABELS),
    "more features than rows": (X[:10].repeat(3, axis=1), np.arange(10) % 3),
    "one line": (np.outer(X[:, 0], [1.0, 2.0, 3.0]), LABELS),
    "frame": (np.eye(12), np.arange(12) % 3),
    "collapsed classes": (np.eye(12)[LABELS], LABELS),
    "nearly collapsed": (1 + 1e-9 * X, LABELS),
    "antipodes": (np.concatenate([X, -X]), np.tile(LABELS, 2)),
    "zero class": (np.where(LABELS[:, None] == 3, 0, X), LABELS),
    "opposite rows in a class": (np.repeat(X[:12], 2, axis=0) * np.tile([1, -1], 12)[:, None], np.repeat(range(12), 2)),
    "tiny": (X * 1e-60, LABELS),
    "huge": (X * 1e29, LABELS),
    "half precision": ((X * 4e3).astype(np.float16), LABELS),
    "constant norms": (X / np.linalg.norm(X, axis=1, keepdims=True), LABELS),
    "binary": ((X > 0.5).astype(bool), LABELS),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("options", [{}, {"population": "images"}, {"pairs": 1000}], ids=["exact", "images", "sampled"])
def test_a_number_or_a_reason(case, options):
    x, labels = CASES[case]
    report = geometry_report(x, labels, preset="full", **options)
    assert report.identity_failures == ()
    for key, one in report.measures.items():
        if one.value is None:
            assert one.reason, key
            assert "not a number" not in one.reason, key
            assert one.ci is None, key
        else:
            assert math.isfinite(one.value), key
            assert one.ci is None or one.ci[0] - 1e-9 <= one.value <= one.ci[1] + 1e-9, (key, one)
            assert one.ci or one.ci_reason, key
    assert GeometryReport.from_dict(report.to_dict()).to_json() == report.to_json()
    for render in (str, GeometryReport._repr_html_, GeometryReport.to_markdown, GeometryReport.to_latex, GeometryReport.to_csv):
        assert "nan" not in render(report).lower().replace("nan_policy", "").split()


REASONS = {
    "one row": {
        "angle_all_mean": "needs 2 non-zero rows; got 1",
        "feature_correlation": "needs 3 rows; got 1",
        "effective_rank_centered": "needs 2 rows; got 1",
        "uniformity": "needs 2 non-zero rows; got 1",
        "angle_positive_mean": "needs 2 non-zero rows; got 1",
        "d_prime": "needs two classes; got 1",
    },
    "unlabelled": dict.fromkeys(("d_prime", "centroid_rank", "angle_negative_std", "auc", "alignment_class"), "needs labels"),
    "one class": {
        **dict.fromkeys(("d_prime", "angle_negative_mean", "centroid_rank_centered", "angle_gap", "auc"), "needs two classes; got 1"),
        "centroid_noise_share": "needs two",
    },
    "classes of one row": {
        **dict.fromkeys(("angle_positive_mean", "alignment_class", "d_prime"), "needs a class with two rows; all 120 classes have one"),
        "centroid_noise_share": "needs a class with two rows",
    },
    "all rows equal": {
        **dict.fromkeys(("effective_rank_centered", "isoscore", "nesum"), "no variance: every feature is constant"),
        "feature_correlation": "needs 2 non-constant features; got 0 of 6",
        "angle_all_skewness": "more than one bin",
    },
    "all rows zero": {
        "anisotropy": "features must have variance",
        "center_vector_norm": "all rows are zero",
        "norm_cv": "all rows are zero",
        "d_prime": "needs a labelled, non-zero row",
        "treves_rolls_lifetime": "all features are zero",
    },
    "one feature": {
        "feature_correlation": "needs 2 non-constant features; got 1 of 1",
        "isoscore": "needs 2 features; got 1",
        "hoyer": "needs 2 features",
    },
    "collapsed classes": dict.fromkeys(("d_prime", "d_prime_auc", "d_prime_angle"), r"the limit is \+inf: no spread within the pairs"),
    "three rows": {
        "participation_ratio_debiased": "needs 4 rows; got 3",
        "alpha_req": "the fit needs 10 eigenvalues",
        "effective_rank_extrapolated": "needs 4 D",
    },
}


@pytest.mark.parametrize("case", REASONS)
def test_reasons(case):
    report = geometry_report(*CASES[case], preset="full")
    for key, reason in REASONS[case].items():
        with pytest.raises(ValueError, match=f"the measure is undefined: .*{reason}"):
            float(report.measures[key])


def test_values_that_remain_in_corners():
    """One row: CVN = 1, uncentred rank 1, ANISO 1. One class: centroid rank 1. All rows equal: CVN = 1, uniformity 0, angles 0."""
    one, single, equal = (geometry_report(*CASES[case], preset="full") for case in ("one row", "one class", "all rows equal"))
    assert (one.center_vector_norm.value, one.effective_rank.value, one.anisotropy.value) == pytest.approx((1, 1, 1))
    assert (one.flags["rank_limited_by_n"], one.n_classes) == (True, 1)
    assert single.centroid_rank.value == pytest.approx(1)
    assert single.angle_positive_mean.value == pytest.approx(single.angle_all_mean.value)
    assert (equal.center_vector_norm.value, equal.uniformity.value) == pytest.approx((1, 0))
    assert (equal.angle_all_mean.value, equal.angle_positive_std.value, equal.d_prime.value) == pytest.approx((0, 0, 0), abs=1e-9)
    assert equal.anisotropy_mean_cosine.value == pytest.approx(1)
    assert equal.counts["n_duplicate_pairs"] == 190


def test_unlabelled_input_has_everything_that_needs_no_label(full):
    """Trap 20."""
    report = geometry_report(cloud()[0], preset="full")
    for key, one in report.measures.items():
        if "labels" in DEFINITIONS[key].needs:
            assert one.reason == "needs labels", key
        elif full.measures[key].value is not None:
            assert one.value == pytest.approx(full.measures[key].value, rel=1e-6, abs=1e-5), key


# --- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"preset": "paper2"}, "preset must be 'paper', 'default' or 'full'; got 'paper2'"),
        ({"population": "rows"}, "population must be 'classes' or 'images'; got 'rows'"),
        ({"pairs": 999}, "pairs must be 'exact' or a number of pairs, 1000 or more; got 999"),
        ({"pairs": "some"}, "pairs must be 'exact' or a number of pairs, 1000 or more; got 'some'"),
        ({"pairs": None}, "pairs must be 'exact' or a number of pairs, 1000 or more; got None"),
        ({"pairs": 2000.5}, "pairs must be 'exact' or a number of pairs, 1000 or more; got 2000.5"),
        ({"seed": -1}, "seed must be an integer, 0 or more; got -1"),
        ({"seed": None}, "seed must be an integer, 0 or more; got None"),
        ({"block_size": 0}, "block_size must be a number of rows, 1 or more; got 0"),
        ({"device": "nowhere"}, "device must be one torch can use here; got 'nowhere'"),
        ({"nan_policy": "zero"}, "nan_policy must be 'raise' or 'omit'; got 'zero'"),
        ({"labels": [1, 2]}, "labels must match the rows; got 2 labels for 120 rows"),
    ],
)
def test_options_outside_their_range(options, text):
    with pytest.raises(InputError, match=text):
        geometry_report(cloud()[0], **options)


def test_without_intervals(full):
    report = geometry_report(*cloud(), preset="full", intervals=False)
    for key, one in report.measures.items():
        assert one.ci is None
        assert one.value == (full.measures[key].value if one.value is None else pytest.approx(full.measures[key].value, rel=1e-10))
    assert report.d_prime.ci_reason == "intervals were switched off"


def test_intervals_over_images_are_narrower_than_over_new_classes(full):
    images = geometry_report(*cloud(), preset="full", population="images")
    width = lambda one: one.ci[1] - one.ci[0]  # noqa: E731
    for key in ("d_prime", "angle_positive_mean", "angle_negative_mean", "alignment_class"):
        assert (images.measures[key].population, images.measures[key].ci_method) == ("images", "delete-one-image jackknife")
        assert 0.05 * width(full.measures[key]) < width(images.measures[key]) < width(full.measures[key]), key
        assert images.measures[key].value == full.measures[key].value
    assert images.anisotropy == full.anisotropy


@pytest.mark.parametrize("labelled", [True, False, None])
def test_a_sample_of_pairs_is_close_and_its_interval_covers(full, labelled):
    """labelled None: some rows have a label, some not."""
    x, labels = cloud()
    given = labels if labelled else np.where(np.arange(120) < 90, labels, -1) if labelled is None else None
    exact = geometry_report(x, given, preset="full")
    keys = [key for key in ("angle_all_mean", "angle_all_std", "angle_positive_mean", "angle_positive_std", "angle_negative_mean",
                            "angle_negative_std", "uniformity") if exact.measures[key].value is not None]  # fmt: skip
    hits = dict.fromkeys(keys, 0)
    for seed in range(20):
        sampled = geometry_report(x, given, pairs=4000, seed=seed)
        for key in keys:
            one = sampled.measures[key]
            hits[key] += one.ci[0] <= exact.measures[key].value <= one.ci[1]
            assert one.value == pytest.approx(exact.measures[key].value, abs=0.2 if key == "uniformity" else 3)
            assert (one.population, one.ci_method.partition(":")[0]) == ("these images", "sampling of pairs only")
    assert min(hits.values()) >= 15
    assert sampled.notes[-1] == "angles and uniformity come from 4000 random pairs (seed 19); intervals are of that draw only"
    assert sampled.options["pairs"] == 4000
    if labelled:
        assert sampled.d_prime == exact.d_prime
        drawn = geometry_report(x, given, pairs=4000, preset="full").auc
        assert drawn.value == pytest.approx(exact.auc.value, abs=0.03)


def test_the_same_seed_draws_the_same_pairs():
    x, labels = cloud()
    first, again, other = (geometry_report(x, labels, pairs=1000, seed=seed) for seed in (1, 1, 2))
    assert first.measures == again.measures
    assert first.angle_all_mean.value != other.angle_all_mean.value


@pytest.mark.parametrize("block", [7, 50, 119, 120, 4096])
def test_size_of_the_blocks_changes_nothing(full, block):
    report = geometry_report(*cloud(), preset="full", block_size=block)
    for key, one in report.measures.items():
        if one.value is not None:
            assert one.value == pytest.approx(full.measures[key].value, rel=1e-5, abs=0.051 if "_q" in key else 1e-4), key


# --- manners -----------------------------------------------------------------------------------------------------------


def test_the_world_is_left_as_it_was():
    x, labels = cloud()
    kept, tensor = x.copy(), torch.tensor(x)
    x.flags.writeable = False
    legacy, torch_state = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    switches = torch.get_float32_matmul_precision, torch.get_num_threads, torch.is_grad_enabled
    before = [switch() for switch in switches]
    for features in (x, tensor, iter([x[:50], x[50:]])):
        geometry_report(features, labels, preset="full", pairs="exact")
        geometry_report(tensor, labels, pairs=1000)
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(tensor, kept)
    assert all(np.array_equal(a, b) for a, b in zip(legacy, np.random.get_state(), strict=True))  # noqa: NPY002
    assert torch.equal(torch_state, torch.get_rng_state())
    assert [switch() for switch in switches] == before


def test_two_runs_are_identical(full):
    again = geometry_report(*cloud(), preset="full")
    assert {**again.to_dict(), "created": ""} == {**full.to_dict(), "created": ""}


def test_name_provenance_and_versions():
    x, labels = cloud()
    assert geometry_report(x, labels).name == "features 120 x 6"
    assert geometry_report(x, labels, name="mine").name == "mine"
    report = geometry_report(Features(x, provenance={"name": "net.pth", "layer": "pooled"}))
    assert (report.name, report.provenance["layer"]) == ("net.pth", "pooled")
    assert {"python", "numpy", "scipy", "torch"} <= set(report.versions)
    assert "torch" in sys.modules
    assert report.created.endswith("+00:00")


def test_long_work_says_so_before_it_starts(monkeypatch):
    from repr_probe import progress
    from repr_probe.reports import geometry

    said = []
    monkeypatch.setattr(progress, "note", said.append)
    monkeypatch.setattr(geometry, "_SLOW_SECONDS", 0.0)
    monkeypatch.setattr(geometry, "_FLOPS", 120 * 6 * 12 * 6 / 60)
    for preset in ("default", "full"):
        geometry_report(*cloud(), preset=preset, device="cpu", intervals=False)
    start, end = "geometry of 120 x 6 takes about", "min or more on two cores, beside its pairs"
    assert said == [f"{start} 1 {end}", f"{start} 8 {end}; preset='default' does without nearest rows"]
