"""Which classes take part in a SemanticReport, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.files.printable import listed
from repr_probe.reports.semantic_groups import ancestors_of

if TYPE_CHECKING:
    from repr_probe.semantics.class_synsets import ClassSynsets
    from repr_probe.semantics.wordnet_graph import Nouns

FEWEST = 3


@dataclass(frozen=True, eq=False)
class ChosenClasses:
    """The classes that count, sorted by synset (offset, new leaves after the synset itself, then name), so that no number depends on the
    order they came in.

    places: (K,) their positions in what was given.  synsets, virtual: of each; empty without WordNet.  keep: (K, K) bool, the pairs that
    have a distance in WordNet.  left_out: mappings of classes and a reason.
    """

    places: np.ndarray
    names: tuple[str, ...]
    synsets: tuple[int, ...]
    virtual: tuple[bool, ...]
    sources: tuple[str, ...]
    keep: np.ndarray
    left_out: tuple[dict[str, Any], ...]


def choose_classes(names: Sequence[str], usable: np.ndarray, found: ClassSynsets | None, nouns: Nouns | None) -> ChosenClasses:
    """usable: (n,) bool, classes whose prototype has a direction.  found: their synsets, or None where WordNet has no part.

    Raises InputError (E_CLASSES) when fewer than three are left.
    """
    left_out = []
    if not usable.all():
        without = [names[place] for place in np.flatnonzero(~usable).tolist()]
        left_out.append({"classes": without, "reason": "no direction: their rows are zeros, or cancel"})
    if found is None or nouns is None:
        places = sorted(np.flatnonzero(usable).tolist(), key=lambda place: names[place])
        synsets: tuple[int, ...] = ()
        virtual: tuple[bool, ...] = ()
        sources: tuple[str, ...] = ()
    else:
        known = {place: synset for place, synset in enumerate(found.synsets) if synset is not None and usable[place]}
        if found.missing:
            left_out.append({"classes": list(found.missing), "reason": "no synset"})
        places = sorted(known, key=lambda place: (int(nouns.offsets[known[place]]), found.virtual[place], names[place]))
        synsets = tuple(known[place] for place in places)
        virtual = tuple(found.virtual[place] for place in places)
        sources = tuple(found.sources[place] for place in places)
    _check_enough(names, places, left_out)
    keep = np.ones((len(places), len(places)), bool)
    np.fill_diagonal(keep, False)
    if synsets and found is not None:
        for pair in _shared(places, found):
            keep[pair] = keep[pair[::-1]] = False
            left_out.append({"classes": [names[places[place]] for place in pair], "reason": "one synset for both: their pair has no distance"})
    return ChosenClasses(np.array(places), tuple(names[place] for place in places), synsets, virtual, sources, keep, tuple(left_out))


def _shared(places: Sequence[int], found: ClassSynsets) -> list[tuple[int, int]]:
    position = {place: number for number, place in enumerate(places)}
    return [(position[one], position[other]) for one, other in found.shared if one in position and other in position]


def _check_enough(names: Sequence[str], places: Sequence[int], left_out: Sequence[dict[str, Any]]) -> None:
    if len(places) >= FEWEST:
        return
    without = [name for one in left_out if one["reason"] == "no synset" for name in one["classes"]]
    told = f"classes must be {FEWEST} or more to compare; got {len(places)} usable of {len(names)}"
    if without:
        told += f" (no synset for {listed(without)}); name synsets in a CSV (--synsets), take first senses (--allow-first-sense) or --minilm alone"
    raise InputError(told, code="E_CLASSES")


def outside_things(nouns: Nouns, chosen: ChosenClasses) -> str | None:
    """A sentence on classes that WordNet does not count among physical entities: they are far from everything."""
    physical = nouns.find("physical_entity.n.01")
    odd = [name for name, synset in zip(chosen.names, chosen.synsets) if physical not in ancestors_of(nouns, synset)]
    if not odd or len(odd) == len(chosen.names):
        return None
    return f"{len(odd)} of {len(chosen.names)} classes lie outside physical_entity in WordNet, far from all others: {listed(odd, limit=5)}"


def siblings_of(nouns: Nouns, chosen: ChosenClasses) -> str | None:
    """The common parent of all classes, where they have one: WordNet then tells no two of them apart."""
    common = set.intersection(*({synset} if leaf else set(nouns.parents[synset]) for synset, leaf in zip(chosen.synsets, chosen.virtual)))
    return nouns.names[min(common)] if common else None
