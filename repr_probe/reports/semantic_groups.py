"""Parts of WordNet among the classes: groups to look into, the split animal / artifact, the order of the leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.metrics.group_alignment import group_control, spearman_of, spearman_test

if TYPE_CHECKING:
    from repr_probe.semantics.wordnet_graph import Nouns

LEAST_CLASSES = 8
MOST_GROUPS = 12
_SHARE = 0.6  # a group tells something new when it is at most this share of every group that holds it


def ancestors_of(nouns: Nouns, synset: int) -> frozenset[int]:
    """The synset itself and everything above it."""
    found = {synset}
    waiting = [synset]
    while waiting:
        for parent in nouns.parents[waiting.pop()]:
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return frozenset(found)


def leaf_order(nouns: Nouns, synsets: Sequence[int], names: Sequence[str]) -> tuple[int, ...]:
    """Positions of the classes as a walk down WordNet meets them: siblings by offset, the first parent where a synset has several."""
    paths = []
    for position, synset in enumerate(synsets):
        path = [synset]
        while nouns.parents[path[-1]]:
            path.append(nouns.parents[path[-1]][0])
        offsets = tuple(int(nouns.offsets[step]) for step in reversed(path))
        paths.append((offsets, names[position], position))
    return tuple(position for _, _, position in sorted(paths))


def wordnet_groups(nouns: Nouns, synsets: Sequence[int]) -> list[tuple[int, np.ndarray]]:
    """(synset of the group, positions of its classes), largest first: groups of 8 classes or more, each at most 60 % of every chosen
    group that holds it; of several synsets over the same classes the lowest.
    """
    members: dict[int, list[int]] = {}
    for position, synset in enumerate(synsets):
        for ancestor in ancestors_of(nouns, synset):
            members.setdefault(ancestor, []).append(position)
    depth = {synset: len(ancestors_of(nouns, synset)) for synset, inside in members.items() if len(inside) >= LEAST_CLASSES}
    chosen: list[tuple[int, frozenset[int]]] = []
    for synset in sorted(depth, key=lambda one: (-len(members[one]), -depth[one], int(nouns.offsets[one]))):
        inside = frozenset(members[synset])
        above = [len(synsets), *(len(held) for _, held in chosen if inside <= held)]
        if len(inside) <= _SHARE * min(above):
            chosen.append((synset, inside))
        if len(chosen) == MOST_GROUPS:
            break
    return [(synset, np.array(sorted(inside))) for synset, inside in chosen]


def group_rows(
    nouns: Nouns, synsets: Sequence[int], representation: np.ndarray, reference: np.ndarray, strict: np.ndarray, keep: np.ndarray,
    leaves: Sequence[int], **how: Any
) -> tuple[dict[str, Any], ...]:  # fmt: skip
    """One mapping a group: name, n_classes, spearman (WuP) with its Mantel p, and spearman_strict; None with a reason where undefined.

    leaves: the order of `leaf_order`; a group's own "leaves" are [first, end) of its longest unbroken run there, where its label goes.
    strict Wu-Palmer stands beside because NLTK's takes a common ancestor of all dogs for that of most pairs of dogs.
    """
    rows = []
    place_of = np.argsort(leaves)
    for synset, inside in wordnet_groups(nouns, synsets):
        block = np.ix_(inside, inside)
        row: dict[str, Any] = {"name": nouns.names[synset], "n_classes": len(inside)}
        row["leaves"] = _longest_run(np.sort(place_of[inside]))
        row |= {"spearman": None, "p": None, "spearman_strict": None, "reason": None}
        try:
            row["spearman_strict"] = spearman_of(representation[block], strict[block], keep[block])
            told = f"within {nouns.names[synset]}"
            row["spearman"], row["p"] = spearman_test(representation[block], reference[block], keep[block], description=told, **how)
        except UndefinedMeasure as undefined:
            row["reason"] = str(undefined)
        rows.append(row)
    return tuple(rows)


def _longest_run(places: np.ndarray) -> list[int]:
    """[first, end) of the longest run of neighbours among rising places.

    >>> _longest_run(np.array([1, 4, 5, 6, 9]))
    [4, 7]
    """
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    longest = max(runs, key=len)
    return [int(longest[0]), int(longest[-1]) + 1]


def control_of(
    nouns: Nouns, synsets: Sequence[int], representation: np.ndarray, reference: np.ndarray, keep: np.ndarray, **how: Any
) -> dict[str, Any]:
    """How much of the correlation the one split animal / artifact / neither explains: sizes of its sides, and the fields of `GroupControl`."""
    sides = _sides(nouns, synsets)
    known: dict[str, Any] = {"n_animals": int((sides == 0).sum()), "n_artifacts": int((sides == 1).sum()), "n_others": int((sides == 2).sum())}
    if min(known["n_animals"], known["n_artifacts"]) < 3:
        return {**known, "reason": f"needs 3 animals and 3 artifacts; got {known['n_animals']} and {known['n_artifacts']}"}
    try:
        found = group_control(representation, reference, sides, keep=keep, description="animals, artifacts", **how)
    except UndefinedMeasure as undefined:
        return {**known, "reason": str(undefined)}
    return {**known, **asdict(found)}


def _sides(nouns: Nouns, synsets: Sequence[int]) -> np.ndarray:
    """(K,) 0 below animal.n.01, 1 below artifact.n.01, 2 elsewhere (or both)."""
    try:
        animal, artifact = nouns.find("animal.n.01"), nouns.find("artifact.n.01")
    except InputError:
        return np.full(len(synsets), 2)
    sides = []
    for synset in synsets:
        above = ancestors_of(nouns, synset)
        is_animal, is_artifact = animal in above, artifact in above
        sides.append(2 if is_animal == is_artifact else int(is_artifact))
    return np.array(sides)
