"""How alike synsets are in WordNet: Wu-Palmer and Leacock-Chodorow exactly as NLTK computes them, and three measures without their quirks.

All pairs at once: edges from every class to every ancestor of any class, then the least sum over common ancestors.
dist(a, b) = least number of edges over a common ancestor; depth = longest way up to entity.n.01 in edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repr_probe.errors import InputError
from repr_probe.semantics.wordnet_graph import Nouns

MEASURES = ("wup", "lch", "path", "wup_strict", "lca_height")
TAXONOMY_DEPTH = 19  # the longest way up of any noun of WordNet 3.0
FAR = 100  # edges to what is no ancestor; two of them fit in a byte, and real ways have at most 40


def similarities(
    nouns: Nouns, synsets: Sequence[int], measures: Sequence[str] = MEASURES, *, virtual: Sequence[bool] | None = None
) -> dict[str, np.ndarray]:
    """Similarity of all ordered pairs of K synsets: name -> (K, K) float64, rows the first synset. Larger is more alike.

    wup         2d / (l1 + l2 + 2d), d = depth(c) + 1, l = dist to c. As in NLTK, c is the common ancestor with the longest SHORTEST way up: the row
                itself if it is one, else the first by name. So a synset's similarity with itself can be below 1, and rarely the order matters.
    lch         -ln((dist + 1) / 38); 3.638 for a synset with itself (Leacock & Chodorow 1998; 38 = 2 x the taxonomy's depth).
    path        1 / (dist + 1).
    wup_strict  as wup, with c the deepest common ancestor (of several, the one nearest to both): 1 for a synset with itself, symmetric.
    lca_height  1 - height(c) / height(entity.n.01), c the lowest common ancestor, height = longest way down (Barz & Denzler 2019, eq. 1 and 2).

    virtual: marks classes that are kinds of their synset without an entry of their own: each is a new child of it.
    Raises InputError for an unknown measure and for an index outside the nouns.

    >>> from repr_probe.semantics.wordnet_graph import load_nouns
    >>> nouns = load_nouns()
    >>> pair = [nouns.find("dog.n.01"), nouns.find("cat.n.01")]
    >>> similarities(nouns, pair, ["wup"])["wup"]  # 12 / 14; a dog is also a domestic animal, a shorter way up
    array([[0.92857143, 0.85714286],
           [0.85714286, 1.        ]])
    """
    unknown = [name for name in measures if name not in MEASURES]
    if unknown:
        raise InputError(f"measures must be among {', '.join(MEASURES)}; got {unknown[0]!r}", code="E_MEASURE")
    ways = _ways(nouns, synsets, virtual)
    steps = ways.across[:, ways.place].astype(np.int64)  # (K, K) edges between classes
    found: dict[str, np.ndarray] = {}
    for name in dict.fromkeys(measures):
        if name == "wup":
            found[name] = _wu_palmer(ways)
        elif name == "lch":
            found[name] = np.array([-math.log((edges + 1) / (2.0 * TAXONOMY_DEPTH)) for edges in range(2 * FAR)])[steps]
        elif name == "path":
            found[name] = 1.0 / (steps + 1.0)
        elif name == "wup_strict":
            found[name] = _strict(ways)
        else:
            found[name] = 1.0 - _lca_heights(ways) / float(ways.height.max(initial=1))
    return found


def distances(nouns: Nouns, synsets: Sequence[int], *, virtual: Sequence[bool] | None = None) -> dict[str, np.ndarray]:
    """Distance of all pairs of K synsets: name of MEASURES -> (K, K) float64, symmetric, zero where the synsets are the same.

    wup, path, wup_strict: 1 - similarity, for wup the mean of both orders. lch: similarity of a synset with itself - similarity = ln(dist + 1).
    lca_height: height of the lowest common ancestor in edges.

    >>> from repr_probe.semantics.wordnet_graph import load_nouns
    >>> nouns = load_nouns()
    >>> pair = [nouns.find("dog.n.01"), nouns.find("cat.n.01")]
    >>> {name: round(float(matrix[0, 1]), 3) for name, matrix in distances(nouns, pair).items()}
    {'wup': 0.143, 'lch': 1.609, 'path': 0.8, 'wup_strict': 0.143, 'lca_height': 7.0}
    """
    ways = _ways(nouns, synsets, virtual)
    steps = ways.across[:, ways.place].astype(np.int64)
    wup = _wu_palmer(ways)
    logarithm = np.array([-math.log((edges + 1) / (2.0 * TAXONOMY_DEPTH)) for edges in range(2 * FAR)])
    found = {
        "wup": 1.0 - (wup + wup.T) / 2.0, "lch": logarithm[0] - logarithm[steps], "path": 1.0 - 1.0 / (steps + 1.0),
        "wup_strict": 1.0 - _strict(ways), "lca_height": _lca_heights(ways).astype(np.float64),
    }  # fmt: skip
    for matrix in found.values():
        matrix[steps == 0] = 0.0
    return found


@dataclass(frozen=True, eq=False)
class _Ways:
    """The classes and all their ancestors ("nodes"). place: (K,) each class's node.  above: per class its ancestors' nodes.

    up: (K, n_nodes) uint8, edges up to an ancestor, FAR elsewhere.  across: (K, n_nodes) uint8, dist from class to node.
    rank: (n_nodes,) place in the order of NLTK's choice: longest min_depth first, then by name.
    """

    place: np.ndarray
    above: list[np.ndarray]
    up: np.ndarray
    across: np.ndarray
    rank: np.ndarray
    min_depth: np.ndarray
    max_depth: np.ndarray
    height: np.ndarray


def _ways(nouns: Nouns, synsets: Sequence[int], virtual: Sequence[bool] | None) -> _Ways:
    classes = [int(index) for index in synsets]
    wrong = [index for index in classes if not 0 <= index < len(nouns)]
    if wrong:
        raise InputError(f"synsets must be indices from 0 to {len(nouns) - 1}; got {wrong[0]}", code="E_SYNSET")
    leaf = np.zeros(len(classes), dtype=bool) if virtual is None else np.array([bool(mark) for mark in virtual], dtype=bool)
    if len(leaf) != len(classes):
        raise InputError(f"virtual must mark each of the {len(classes)} synsets; got {len(leaf)} marks")
    chains = {index: nouns.ancestors(index) for index in dict.fromkeys(classes)}
    members = sorted(set().union(*chains.values()) if chains else ())
    for index in members:
        if index not in chains:
            chains[index] = nouns.ancestors(index)
    nodes = {index: node for node, index in enumerate(members)}
    place = np.array([nodes[index] for index in classes], dtype=np.int64)
    parent = place[leaf]
    place[leaf] = len(members) + np.arange(len(parent))
    local = [{nodes[index]: steps for index, steps in chains[member].items()} for member in members]
    local += [{len(members) + number: 0} | {node: steps + 1 for node, steps in local[node_above].items()} for number, node_above in enumerate(parent)]
    up = np.full((len(classes), len(local)), FAR, dtype=np.uint8)
    for row, node in enumerate(place):
        up[row, list(local[node])] = list(local[node].values())
    min_depth = np.concatenate([nouns.min_depth[members], nouns.min_depth[members][parent] + 1])
    max_depth = np.concatenate([nouns.max_depth[members], nouns.max_depth[members][parent] + 1])
    names = [nouns.names[index] for index in members] + [""] * len(parent)  # a virtual leaf is common to itself alone: no name is compared
    rank = np.empty(len(local), dtype=np.int64)
    rank[sorted(range(len(local)), key=lambda node: (-min_depth[node], names[node]))] = np.arange(len(local))
    return _Ways(
        place=place, above=[np.fromiter(local[node], dtype=np.int64) for node in place], up=up, across=_across(up, local), rank=rank,
        min_depth=min_depth, max_depth=max_depth, height=_heights(nouns, members, nodes, parent),
    )  # fmt: skip


def _across(up: np.ndarray, local: list[dict[int, int]]) -> np.ndarray:
    """(K, n_nodes) least edges from class to node over an ancestor of both."""
    columns = np.ascontiguousarray(up.T)  # (n_nodes, K)
    across = np.empty_like(columns)
    for node, chain in enumerate(local):
        steps = np.fromiter(chain.values(), dtype=np.uint8)[:, None]
        across[node] = (columns[list(chain)] + steps).min(axis=0)
    return np.ascontiguousarray(across.T)


def _heights(nouns: Nouns, members: list[int], nodes: dict[int, int], parent: np.ndarray) -> np.ndarray:
    """(n_nodes,) longest way down in WordNet with the virtual leaves added."""
    height = np.concatenate([nouns.height[members], np.zeros(len(parent), dtype=np.int32)])
    height[parent] = np.maximum(height[parent], 1)
    for node in sorted(range(len(members)), key=lambda node: -nouns.max_depth[members[node]]):  # children before parents
        for above in nouns.parents[members[node]]:
            height[nodes[above]] = max(height[nodes[above]], height[node] + 1)
    return height


def _wu_palmer(ways: _Ways) -> np.ndarray:
    found = np.empty((len(ways.place), len(ways.place)))
    everyone = np.arange(len(ways.place))
    for row, node in enumerate(ways.place):
        above = ways.above[row]
        order = above[np.lexsort((ways.rank[above], above != node, -ways.min_depth[above]))]
        subsumer = order[np.argmax(ways.up[:, order] < FAR, axis=1)]  # (K,) the first that is above the other class too
        depth = 2 * (ways.max_depth[subsumer].astype(np.int64) + 1)
        found[row] = depth / (ways.across[row, subsumer].astype(np.int64) + ways.across[everyone, subsumer] + depth)
    return found


def _strict(ways: _Ways) -> np.ndarray:
    found = np.empty((len(ways.place), len(ways.place)))
    for row, above in enumerate(ways.above):
        depth = np.where(ways.up[:, above] < FAR, ways.max_depth[above], -1)  # (K, ancestors)
        deepest = depth.max(axis=1)
        edges = ways.across[:, above].astype(np.int64) + ways.across[row, above]
        nearest = np.where(depth == deepest[:, None], edges, 4 * FAR).min(axis=1)
        found[row] = 2 * (deepest + 1) / (nearest + 2 * (deepest + 1))
    return found


def _lca_heights(ways: _Ways) -> np.ndarray:
    found = np.empty((len(ways.place), len(ways.place)), dtype=np.int64)
    highest = int(ways.height.max(initial=0)) + 1
    for row, above in enumerate(ways.above):
        found[row] = np.where(ways.up[:, above] < FAR, ways.height[above], highest).min(axis=1)
    return found
