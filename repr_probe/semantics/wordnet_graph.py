"""The nouns of WordNet 3.0 as a graph: 82,115 synsets, their names, words, glosses and hypernyms."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from repr_probe.errors import FileFormatError, InputError
from repr_probe.semantics.wordnet_files import Records, read_records, senses_of, shown
from repr_probe.semantics.wordnet_places import SEARCHES, search
from repr_probe.semantics.wordnet_table import bundled_glosses, bundled_records

ENVIRONMENT = "REPR_PROBE_WORDNET"
BUNDLED = "bundled WordNet 3.0"
_WNID = re.compile(r"n([0-9]{8})")
_NAME = re.compile(r"(.+)\.n\.([0-9]{1,3})")
_ENDINGS = (("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y"))


@dataclass(frozen=True, eq=False)
class Nouns:
    """Nouns of WordNet 3.0; a synset is an index into these.

    offsets: (n_synsets,) int32, sorted; "n" and 8 digits of it make the wnid.  names: canonical, "dog.n.01": first word and its sense number.
    lemmas: the first word as written, "dog".  parents: indices of the hypernyms, of kinds and of instances.  source: where they were read.
    """

    offsets: np.ndarray
    names: tuple[str, ...]
    lemmas: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    source: str
    words: Sequence[tuple[str, ...]] = field(repr=False)
    ranks: Sequence[tuple[int, ...]] = field(repr=False)
    exceptions: dict[str, tuple[str, ...]] = field(repr=False)
    read_glosses: Callable[[], Sequence[str]] = field(repr=False)

    def __repr__(self) -> str:
        return f"<{len(self.names):,} nouns, {self.source}>"

    def __len__(self) -> int:
        return len(self.names)

    def wnid(self, index: int) -> str:
        """The offset as in ImageNet's folder names.

        >>> load_nouns().wnid(load_nouns().find("dog.n.01"))
        'n02084071'
        """
        return f"n{int(self.offsets[index]):08d}"

    def gloss(self, index: int) -> str:
        """What the synset means; shortened in the bundled table, in full from WordNet's files."""
        return self._glosses[index]

    def find(self, synset: str) -> int:
        """Index of the synset "n02084071" or "dog.n.01"; as in NLTK any of its words may name it ("domestic_dog.n.01").

        Raises InputError (E_SYNSET) with the nearest names.

        >>> load_nouns().find("domestic dog.n.1") == load_nouns().find("n02084071")
        True
        """
        wnid, name = _WNID.fullmatch(synset), _NAME.fullmatch(synset.strip().lower().replace(" ", "_"))
        if wnid:
            place = int(np.searchsorted(self.offsets, int(wnid.group(1))))
            if place < len(self) and self.offsets[place] == int(wnid.group(1)):
                return place
        if name:
            senses = self._senses.get(name.group(1), [])
            if 0 < int(name.group(2)) <= len(senses):
                return senses[int(name.group(2)) - 1]
        near = ", ".join(self._near(synset))
        raise InputError(
            f"synset must be a noun of WordNet 3.0 like n02084071 or dog.n.01; got {synset[:60]!r}" + (f"; nearest: {near}" if near else ""),
            code="E_SYNSET",
        )

    def first_sense(self, words: str) -> int | None:
        """Index of the first sense of a word or words ("hot dog"), in the singular too where the plural is no word; None if there is none.

        A first sense is a guess: "seal" is sealing wax. Show the gloss beside it.

        >>> load_nouns().names[load_nouns().first_sense("Sea lions")]
        'sea_lion.n.01'
        """
        word = "_".join(words.lower().split())
        for spelling in dict.fromkeys((word, word.replace("-", "_"), word.replace("_", "-"), word.replace("_", ""))):
            for form in self._forms(spelling):
                if form in self._senses:
                    return self._senses[form][0]
        return None

    def _forms(self, word: str) -> Iterator[str]:
        """The word, then its singulars, in the order in which NLTK tries them."""
        yield word
        if word in self.exceptions:
            yield from self.exceptions[word]
            return
        forms = [word]
        while forms:
            forms = [form[: -len(ending)] + new for form in forms for ending, new in _ENDINGS if form.endswith(ending)]
            yield from forms

    def _near(self, synset: str) -> list[str]:
        if re.fullmatch(r"n?[0-9]+", synset):
            digits = synset.lstrip("n")[:9]
            place = int(np.searchsorted(self.offsets, int(digits)))
            return [f"{self.wnid(index)} ({self.names[index]})" for index in range(max(place - 1, 0), min(place + 1, len(self)))]
        word = re.sub(r"\.[a-z]\.\d*$|\.[a-z]$", "", synset.strip().lower().replace(" ", "_"))
        if word in self._senses:
            return [f"{word}.n.{sense:02d}" for sense in range(1, len(self._senses[word]) + 1)][:3]
        alike = [other for other in self._senses if abs(len(other) - len(word)) <= 2 and (other[:1] == word[:1] or other[-2:] == word[-2:])]
        swapped = [other for other in alike if sorted(other) == sorted(word)]  # the commonest slip, which difflib rates low
        return [f"{other}.n.01" for other in dict.fromkeys([*swapped, *difflib.get_close_matches(word, alike, n=3)])][:3]

    @cached_property
    def _senses(self) -> dict[str, list[int]]:
        return senses_of(self.words, self.ranks)

    @cached_property
    def _glosses(self) -> Sequence[str]:
        return self.read_glosses()

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the hyponyms of every synset."""
        below: list[list[int]] = [[] for _ in self.parents]
        for index, above in enumerate(self.parents):
            for parent in above:
                below[parent].append(index)
        return tuple(map(tuple, below))

    @cached_property
    def downward(self) -> list[int]:
        """Every synset once, each after all its parents."""
        waiting = [len(above) for above in self.parents]
        order = [index for index, count in enumerate(waiting) if count == 0]
        for index in order:  # grows while it is walked
            for child in self.children[index]:
                waiting[child] -= 1
                if waiting[child] == 0:
                    order.append(child)
        return order

    @cached_property
    def min_depth(self) -> np.ndarray:
        """(n_synsets,) edges of the shortest way up to entity.n.01."""
        return self._depths(min)

    @cached_property
    def max_depth(self) -> np.ndarray:
        """(n_synsets,) edges of the longest way up to entity.n.01; 19 at most."""
        return self._depths(max)

    def _depths(self, choose: Callable[[Iterator[int]], int]) -> np.ndarray:
        depth = [0] * len(self)
        for index in self.downward:
            if self.parents[index]:
                depth[index] = 1 + choose(depth[parent] for parent in self.parents[index])
        return np.array(depth, dtype=np.int32)

    @cached_property
    def height(self) -> np.ndarray:
        """(n_synsets,) edges of the longest way down; 0 for a synset without hyponyms."""
        height = [0] * len(self)
        for index in reversed(self.downward):
            height[index] = max((height[child] + 1 for child in self.children[index]), default=0)
        return np.array(height, dtype=np.int32)

    def ancestors(self, index: int) -> dict[int, int]:
        """Ancestor -> edges of the shortest way up to it; the synset itself, at 0, is among them.

        >>> nouns = load_nouns()
        >>> {nouns.names[above]: steps for above, steps in nouns.ancestors(nouns.find("whole.n.02")).items()}
        {'whole.n.02': 0, 'object.n.01': 1, 'physical_entity.n.01': 2, 'entity.n.01': 3}
        """
        found, level, steps = {index: 0}, [index], 0
        while level:
            steps += 1
            level = [above for above in dict.fromkeys(parent for child in level for parent in self.parents[child]) if above not in found]
            found.update(dict.fromkeys(level, steps))
        return found


def load_nouns(wordnet_dir: str | Path | None = None) -> Nouns:
    """The nouns under `wordnet_dir`, else under $REPR_PROBE_WORDNET, else those that come with the package: no download.

    wordnet_dir: a folder with data.noun and index.noun, a folder above it ($WNHOME, an NLTK data folder), or wordnet.zip. The words "nltk",
    "system" and "auto" (both, then the bundled one) look where others keep it, see `wordnet_places`; a folder of that name goes first.
    Raises FileFormatError: E_WORDNET where there is none, E_WORDNET_FILE for a damaged one, E_WORDNET_VERSION for another version.

    >>> load_nouns()
    <82,115 nouns, bundled WordNet 3.0>
    """
    place = wordnet_dir if wordnet_dir is not None else os.environ.get(ENVIRONMENT) or None
    if place is None:
        return _bundled()
    if str(place) in SEARCHES and not Path(place).exists():
        found = search(str(place))
        return _bundled() if found is None else _from_records(*found)
    return _from_records(*read_records(place))


@lru_cache(maxsize=1)
def _bundled() -> Nouns:
    return _nouns(bundled_records(), BUNDLED, bundled_glosses)


def _from_records(records: Records, found: Path) -> Nouns:
    nouns = _nouns(records, str(found), lambda: records.glosses)
    roots = [index for index, above in enumerate(nouns.parents) if not above]
    if len(roots) != 1 or len(nouns.downward) != len(nouns):
        raise FileFormatError(
            f"wordnet_dir must hold a hierarchy with one root; the hypernyms in {shown(found)} have {len(roots)} roots"
            + (" and a circle" if len(nouns.downward) != len(nouns) else ""),
            code="E_WORDNET_FILE",
        )
    return nouns


def _nouns(records: Records, source: str, read_glosses: Callable[[], Sequence[str]]) -> Nouns:
    return Nouns(
        offsets=np.array(records.offsets, dtype=np.int32),
        names=tuple(f"{words[0].lower()}.n.{ranks[0]:02d}" for words, ranks in zip(records.words, records.ranks)),
        lemmas=tuple(words[0] for words in records.words), parents=tuple(records.parents), source=source,
        words=records.words, ranks=records.ranks, exceptions=records.exceptions, read_glosses=read_glosses,
    )  # fmt: skip
