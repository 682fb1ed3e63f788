"""Similarities and distances in WordNet: published spot values, a slow twin, invariances, virtual leaves, messages."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from repr_probe.classes.wnids import imagenet_names
from repr_probe.errors import InputError
from repr_probe.semantics.similarity import MEASURES, distances, similarities
from repr_probe.semantics.wordnet_graph import load_nouns

SPOTS = [
    ("dog.n.01", "cat.n.01", 0.8571428571428571, 2.0281482472922856),
    ("dog.n.01", "car.n.01", 0.4, 1.072636802264849),
    ("airplane.n.01", "ship.n.01", 0.782608695652174, 1.845826690498331),
    ("chihuahua.n.03", "siberian_husky.n.01", 0.7878787878787878, 1.845826690498331),
    ("truck.n.01", "car.n.01", 0.9166666666666666, 2.538973871058276),
    ("bird.n.01", "frog.n.01", 0.8571428571428571, 2.2512917986064953),
    ("apple.n.01", "pear.n.01", 0.9090909090909091, 2.538973871058276),
    ("entity.n.01", "dog.n.01", 0.2, 1.4403615823901665),
]


@pytest.fixture(scope="module")
def nouns():
    found = load_nouns()
    assert found.height[0] == found.max_depth.max()
    return found


@pytest.fixture(scope="module")
def some(nouns):
    """60 synsets, half of them with several hypernyms."""
    rng = np.random.default_rng(1)
    several = [index for index, above in enumerate(nouns.parents) if len(above) > 1]
    return [int(index) for pool in (several, range(len(nouns))) for index in rng.choice(np.array(pool), 30, replace=False)]


@pytest.mark.parametrize(("first", "second", "wup", "lch"), SPOTS)
def test_spot_values_of_nltk(nouns, first, second, wup, lch):
    found = similarities(nouns, [nouns.find(first), nouns.find(second)], ["wup", "lch"])
    assert found["wup"][0, 1] == wup
    assert found["lch"][0, 1] == found["lch"][1, 0] == lch
    assert found["lch"][0, 0] == 3.6375861597263857


def test_self_similarity_below_one_is_nltks(nouns):
    found = similarities(nouns, [nouns.find(name) for name in ("dog.n.01", "whippet.n.01", "cat.n.01")])
    assert np.diag(found["wup"]).tolist() == [0.9285714285714286, 0.7222222222222222, 1.0]
    assert np.diag(found["wup_strict"]).tolist() == [1.0, 1.0, 1.0]


def test_the_order_of_a_pair_can_matter(nouns):
    pair = [nouns.find("spouse.n.01"), nouns.find("maintenon.n.01")]
    ordered = similarities(nouns, pair, ["wup"])["wup"]
    assert (ordered[0, 1], ordered[1, 0]) == (0.9, 0.6)
    assert distances(nouns, pair)["wup"][0, 1] == distances(nouns, pair[::-1])["wup"][0, 1] == 0.25


def test_imagenet_has_107_self_similarities_below_one(nouns):
    found = similarities(nouns, [nouns.find(wnid) for wnid in imagenet_names()], ["wup", "lch", "path"])
    assert (np.diag(found["wup"]) < 1).sum() == 107
    assert (found["wup"] == found["wup"].T).all()
    upper = np.triu_indices(1000, 1)
    assert (len(np.unique(found["wup"][upper])), len(np.unique(found["lch"][upper]))) == (157, 25)
    assert np.unique(found["path"]).size == np.unique(found["lch"]).size


def slow(nouns, first, second):
    """Everything from the definitions, one pair at a time, over sets of all ways up."""
    up = [nouns.ancestors(index) for index in (first, second)]

    def between(a, b):
        above, other = nouns.ancestors(a), nouns.ancestors(b)
        return min(above[node] + other[node] for node in above.keys() & other.keys())

    def wu_palmer(subsumer):
        depth = 2 * (int(nouns.max_depth[subsumer]) + 1)
        return depth / (between(first, subsumer) + between(second, subsumer) + depth)

    common = up[0].keys() & up[1].keys()
    best = max(nouns.min_depth[node] for node in common)
    highest = sorted((node for node in common if nouns.min_depth[node] == best), key=lambda node: nouns.names[node])
    deepest = max(nouns.max_depth[node] for node in common)
    edges = between(first, second)
    return {
        "wup": wu_palmer(first if first in highest else highest[0]), "lch": -math.log((edges + 1) / 38), "path": 1 / (edges + 1),
        "wup_strict": max(wu_palmer(node) for node in common if nouns.max_depth[node] == deepest),
        "lca_height": 1 - min(int(nouns.height[node]) for node in common) / 19,
    }  # fmt: skip


def test_all_measures_equal_their_slow_twins(nouns, some):
    found = similarities(nouns, some)
    assert tuple(found) == MEASURES
    for row, first in enumerate(some):
        for column in (row, *range(row % 7, len(some), 7)):
            expected = slow(nouns, first, some[column])
            assert {name: found[name][row, column] for name in MEASURES} == expected


def test_ranges_and_symmetry(nouns, some):
    found = similarities(nouns, some)
    for name in ("path", "lch", "wup_strict", "lca_height"):
        assert (found[name] == found[name].T).all()
        assert (found[name].max(axis=1) == np.diag(found[name])).all()
    assert all((matrix >= 0).all() and (matrix <= 1).all() for name, matrix in found.items() if name != "lch")


def test_the_order_of_classes_changes_nothing(nouns, some):
    order = np.random.default_rng(2).permutation(len(some))
    before, after = similarities(nouns, some), similarities(nouns, [some[place] for place in order])
    for name in MEASURES:
        assert (after[name] == before[name][np.ix_(order, order)]).all()


def test_other_classes_change_no_pair(nouns, some):
    everyone, few = similarities(nouns, some), similarities(nouns, some[:5])
    assert all((everyone[name][:5, :5] == few[name]).all() for name in MEASURES)


def test_distances_grow_from_zero_on_the_diagonal(nouns, some):
    near, found = similarities(nouns, some), distances(nouns, some)
    assert tuple(found) == MEASURES
    apart = ~np.eye(len(some), dtype=bool)
    for name, matrix in found.items():
        assert matrix.dtype == np.float64 and (matrix == matrix.T).all() and (np.diag(matrix) == 0).all() and (matrix >= 0).all()
        both = (near[name] + near[name].T)[apart]
        order = np.argsort(both)
        assert (np.diff(matrix[apart][order]) <= 1e-12).all()
    np.testing.assert_allclose(found["lch"], np.log(1 / near["path"]), atol=1e-12)


def test_lca_height_by_hand(nouns):
    leaf_parent = next(index for index in range(len(nouns)) if nouns.height[index] == 1 and len(nouns.children[index]) >= 2)
    first, second = [child for child in nouns.children[leaf_parent] if nouns.parents[child] == (leaf_parent,)][:2]
    assert distances(nouns, [first, second, leaf_parent, 0])["lca_height"][0].tolist() == [0.0, 1.0, 1.0, 19.0]


def test_classes_on_one_synset_are_at_zero(nouns):
    salad = nouns.find("salad.n.01")
    assert all((matrix == 0).all() for matrix in distances(nouns, [salad, salad]).values())


def test_virtual_leaves_are_new_children(nouns):
    """Added by hand to a copy of the graph, the leaves give the same numbers."""
    base = [nouns.find(name) for name in ("salad.n.01", "salad.n.01", "dog.n.01", "pizza.n.01", "soup.n.01", "salad.n.01")]
    virtual = [True, True, True, False, False, False]
    found, gaps = similarities(nouns, base, virtual=virtual), distances(nouns, base, virtual=virtual)
    assert (gaps["path"][0, 1], gaps["path"][0, 5]) == (1 - 1 / 3, 0.5)  # two edges to a sibling, one to the parent
    grown = with_leaves(nouns, [base[place] for place in range(3)])
    leaves = [len(nouns), len(nouns) + 1, len(nouns) + 2, *base[3:]]
    for row, first in enumerate(leaves):
        for column, second in enumerate(leaves):
            expected = slow(grown, first, second)
            expected["lca_height"] = 1 - (1 - expected["lca_height"]) * 19 / grown.height[0]
            assert {name: found[name][row, column] for name in MEASURES} == pytest.approx(expected, abs=1e-15)
    assert (gaps["lca_height"] > 0).sum() == 30


def with_leaves(nouns, above):
    parents = [*nouns.parents, *((index,) for index in above)]
    height = nouns.height.tolist() + [0] * len(above)

    def ancestors(index):
        return nouns.ancestors(index) if index < len(nouns) else {index: 0} | {a: n + 1 for a, n in nouns.ancestors(parents[index][0]).items()}

    def raise_above(index, value):
        if height[index] < value:
            height[index] = value
        for parent in parents[index]:
            raise_above(parent, height[index] + 1)

    for index in above:
        raise_above(index, 1)
    deeper = {name: np.append(getattr(nouns, name), getattr(nouns, name)[above] + 1) for name in ("min_depth", "max_depth")}
    return SimpleNamespace(ancestors=ancestors, names=[*nouns.names, *[""] * len(above)], height=np.array(height), **deeper)


def test_two_virtual_leaves_of_a_leaf_are_apart(nouns):
    leaf = nouns.find("chihuahua.n.03")
    gaps = distances(nouns, [leaf, leaf], virtual=[True, True])
    assert nouns.height[leaf] == 0
    assert {name: gaps[name][0, 1] for name in ("path", "lca_height")} == {"path": 1 - 1 / 3, "lca_height": 1.0}
    assert gaps["wup"][0, 1] > 0


def test_asked_measures_only_and_no_class(nouns):
    assert list(similarities(nouns, [0, 1], ["path", "wup", "path"])) == ["path", "wup"]
    assert all(matrix.shape == (0, 0) for matrix in similarities(nouns, []).values())


def test_bad_arguments(nouns):
    with pytest.raises(InputError, match="measures must be among wup, lch, path, wup_strict, lca_height; got 'lin'"):
        similarities(nouns, [0], ["wup", "lin"])
    for wrong in (len(nouns), -1):
        with pytest.raises(InputError, match=f"synsets must be indices from 0 to 82114; got {wrong}"):
            similarities(nouns, [0, wrong])
    with pytest.raises(InputError, match="virtual must mark each of the 2 synsets; got 1 marks"):
        distances(nouns, [0, 1], virtual=[True])
