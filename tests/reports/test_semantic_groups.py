from __future__ import annotations

import numpy as np
import pytest

from repr_probe.classes.wnids import imagenet_names
from repr_probe.features.door import as_features
from repr_probe.metrics.group_alignment import spearman_of
from repr_probe.reports.semantic_groups import control_of, leaf_order, wordnet_groups
from repr_probe.reports.semantic_prototypes import prototypes_of
from repr_probe.semantics.similarity import distances
from repr_probe.semantics.wordnet_graph import load_nouns


@pytest.fixture(scope="module")
def nouns():
    return load_nouns()


@pytest.fixture(scope="module")
def imagenet(nouns):
    return [nouns.find(wnid) for wnid in imagenet_names()]


def test_groups_of_imagenet(nouns, imagenet):
    groups = {nouns.names[synset]: len(inside) for synset, inside in wordnet_groups(nouns, imagenet)}
    assert len(groups) == 12
    assert groups["artifact.n.01"] == 522
    assert groups["canine.n.02"] == 130
    assert min(groups.values()) >= 8
    assert "entity.n.01" not in groups  # it holds everything and would say nothing new


def test_leaf_order_is_a_walk_down_the_tree(nouns, imagenet):
    order = leaf_order(nouns, imagenet, list(imagenet_names()))
    assert sorted(order) == list(range(1000))
    names = [nouns.names[imagenet[place]] for place in order]
    tabby, persian, car = (names.index(name) for name in ("tabby.n.01", "persian_cat.n.01", "sports_car.n.01"))
    assert abs(tabby - persian) < 6 < abs(tabby - car)


def test_a_representation_that_only_knows_animals_from_artifacts_has_no_partial_correlation(nouns):
    words = ["dog", "cat", "horse", "frog", "car", "truck", "ship", "airplane", "chair", "cow"]
    synsets = [nouns.first_sense(word) for word in words]
    wup = distances(nouns, synsets)["wup"]
    keep = ~np.eye(10, dtype=bool)
    animal = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 1], bool)
    split = (animal[:, None] != animal[None, :]).astype(float)
    noise = np.random.default_rng(0).uniform(0, 1e-3, (10, 10))
    found = control_of(nouns, synsets, split + noise + noise.T, wup, keep, permutations=49, seed=0)
    assert (found["n_animals"], found["n_artifacts"]) == (5, 5)
    assert spearman_of(split + noise + noise.T, wup, keep) > 0.5
    assert abs(found["partial"]) < 0.25
    assert found["within_p"] > 0.05


def test_without_animals_the_control_says_so(nouns):
    synsets = [nouns.first_sense(word) for word in ("car", "truck", "ship", "airplane")]
    wup = distances(nouns, synsets)["wup"]
    found = control_of(nouns, synsets, wup, wup, ~np.eye(4, dtype=bool), permutations=9, seed=0)
    assert found["reason"] == "needs 3 animals and 3 artifacts; got 0 and 4"


def test_prototypes_are_means_of_unit_rows_and_their_halves():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((40, 5)) * rng.uniform(1e-150, 1e150, (40, 1)) ** 0.1
    rows[7] = 0.0
    labels = np.arange(40) % 4
    found = prototypes_of(as_features(rows, labels))
    unit = rows / np.where(np.linalg.norm(rows, axis=1) > 0, np.linalg.norm(rows, axis=1), np.nan)[:, None]
    for place in range(4):
        np.testing.assert_allclose(found.means[place], np.nanmean(unit[labels == place], axis=0), atol=1e-14)
    assert found.n_zero == 1
    assert found.counts.tolist() == [10, 10, 10, 9]
    one, other = found.halves
    np.testing.assert_allclose((one[0] * 5 + other[0] * 5) / 10, found.means[0], atol=1e-14)


def test_a_class_of_zeros_or_of_rows_that_cancel_has_no_direction():
    rng = np.random.default_rng(0)
    rows, labels = rng.standard_normal((24, 5)), np.repeat(np.arange(4), 6)
    rows[labels == 1] = 0.0
    rows[labels == 2] = np.concatenate([rows[:3], -rows[:3]])
    found = prototypes_of(as_features(rows, labels))
    assert found.directed.tolist() == [True, False, False, True]
    assert found.counts.tolist() == [6, 0, 6, 6]
    assert found.codes.tolist() == [0, 1, 2, 3]
    assert not found.halves[0][1].any()
    assert found.halves[0][0].any()  # the class of zeros takes them from nobody else
