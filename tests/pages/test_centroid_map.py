from __future__ import annotations

import base64
import dataclasses

import numpy as np
import pytest

from repr_probe.pages.centroid_map import UNDEFINED, UNIT, dendrogram_order, map_data, map_section, orders_of, packed
from repr_probe.pages.contents import Measured, PageContents
from repr_probe.reports.geometry import geometry_report
from repr_probe.reports.semantic import semantic_report

NAMES = ["truck.n.01", "cat.n.01", "ship.n.01", "dog.n.01", "no such thing", "frog.n.01"]


def measured(seed=0, semantic=True, name="one"):
    rng = np.random.default_rng(seed)
    labels = np.arange(36) % 6
    values = rng.standard_normal((6, 8))[labels] + 0.5 * rng.standard_normal((36, 8))
    report = geometry_report(values, labels, class_names=NAMES, preset="paper", name=name)
    found = semantic_report(values, labels, class_names=NAMES, references=["wordnet"], permutations=0, intervals=False) if semantic else None
    return Measured(report, {}, found)


def unpacked(text, count):
    units = np.frombuffer(base64.b64decode(text), "<i2").astype(float)
    whole = np.zeros((count, count))
    whole[np.triu_indices(count)] = units
    return np.maximum(whole, whole.T) if units.min() >= 0 else whole + np.triu(whole, 1).T


def test_the_cosines_of_the_page_are_those_of_the_report():
    one = measured()
    found = unpacked(map_data(PageContents((one,)))["maps"][0]["cosines"], 6) * UNIT
    assert np.abs(found - one.geometry.centroid_cosine).max() <= UNIT / 2 + 1e-12


def test_undefined_cosines_keep_their_sign():
    units = np.frombuffer(base64.b64decode(packed(np.array([[np.nan, 0.25], [0.25, 1.0]]))), "<i2")
    assert units.tolist() == [UNDEFINED, 2500, 10000]


def test_orders_hold_every_class_once():
    orders = orders_of(measured())
    assert list(orders) == ["WordNet", "dendrogram", "data set"]
    assert all(sorted(order) == list(range(6)) for order in orders.values())


def test_wordnet_puts_animals_together_and_unknown_names_last():
    order = [NAMES[place] for place in orders_of(measured())["WordNet"]]
    assert order[-1] == "no such thing"
    places = [order.index(name) for name in ("cat.n.01", "dog.n.01", "frog.n.01")]
    assert max(places) - min(places) == 2


def test_without_semantics_the_dendrogram_comes_first():
    assert list(orders_of(measured(semantic=False))) == ["dendrogram", "data set"]


@pytest.mark.parametrize("seed", range(3))
def test_a_tree_keeps_clusters_together(seed):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(4), 5))
    order = groups[dendrogram_order(np.where(groups[:, None] == groups, 0.9, 0.1) + 0.01 * np.eye(20))]
    assert int((np.diff(order) != 0).sum()) == 3


def test_a_class_without_direction_does_not_stop_the_tree():
    cosine = np.eye(4)
    cosine[0] = cosine[:, 0] = np.nan
    assert sorted(dendrogram_order(cosine)) == [0, 1, 2, 3]


def test_a_second_checkpoint_can_be_seen_in_the_order_of_the_first():
    page = PageContents((measured(0, name="a"), measured(1, name="b")))
    first, second = map_data(page)["maps"]
    assert second["orders"]["dendrogram of a"] == first["orders"]["dendrogram"]


def test_without_a_matrix_the_page_says_why():
    one = measured()
    bare = Measured(dataclasses.replace(one.geometry, centroid_cosine=None))
    assert map_data(PageContents((bare,))) == {}
    assert "no .centroids.npz" in map_section(PageContents((bare,)))
    many = Measured(dataclasses.replace(bare.geometry, n_classes=2001))
    assert "2,001 classes are more than the 2,000" in map_section(PageContents((many,)))
