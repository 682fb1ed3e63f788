"""Distances between classes as a text model sees their names: 1 - cosine of the embeddings of "a photo of a NAME."."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from repr_probe.classes.wnids import imagenet_names, is_wnid
from repr_probe.errors import InputError, StoreError
from repr_probe.files.home import text_folder
from repr_probe.files.printable import listed, printable
from repr_probe.semantics.text_cache import cache_file, keep_embeddings, read_embeddings
from repr_probe.semantics.text_models import DEFAULT_MODEL, LocalTextModel, embed, text_model

if TYPE_CHECKING:
    from repr_probe.semantics.wordnet_graph import Nouns

TEMPLATE = "a photo of a {}."
_WITH_WNID = re.compile(r"(.+) \((n\d{8})\)")
_EXPLICIT = re.compile(r"(.+)\.n\.\d{1,3}")


@dataclass(frozen=True, eq=False)
class TextReference:
    """distance: (n_classes, n_classes) float64, 1 - cosine, 0 on the diagonal. model, source, identity: which model and from where.

    template, texts: what was embedded for each class, exactly. embeddings: (n_classes, n_features) float32. same: pairs of classes (i < j)
    with one text; their distance 0 says nothing of them. notes: what a reader must know.
    """

    distance: np.ndarray
    model: str
    template: str
    embeddings: np.ndarray
    notes: tuple[str, ...]
    texts: tuple[str, ...]
    source: str
    identity: str
    same: tuple[tuple[int, int], ...]


def text_distances(
    texts_or_names: Sequence[str],
    *,
    model: str | Path = DEFAULT_MODEL,
    template: str = TEMPLATE,
    cache: Path | None = None,
    allow_download: bool = False,
    nouns: Nouns | None = None,
    synsets: Sequence[int | None] | None = None,
) -> TextReference:
    """Distances 1 - cosine between the embeddings of the class names put into `template`; "{}" embeds texts as they are.

    Reading: the template moves alignment figures by up to a factor of two, so it belongs to every number that is made from them.
    model: a name or a folder; the network is not touched unless `allow_download`. cache: folder of kept embeddings (default: `text` in the
    home folder). nouns, synsets: what tells two classes of one name apart, see `class_texts`.
    Raises InputError: E_CLASS_NAMES for no text or an empty one, E_TEMPLATE for a template without {}, E_TEXT_MODEL for a model that is not
    here or cannot be used.
    """
    if template.count("{}") != 1:
        raise InputError(f"template must hold {{}} once, where the class name goes; got {printable(template)!r}", code="E_TEMPLATE")
    words = class_texts(texts_or_names, nouns=nouns, synsets=synsets)
    if not words or not all(words):
        got = "none" if not words else f"an empty one at place {words.index('')}"
        raise InputError(f"class names must be words; got {got}", code="E_CLASS_NAMES")
    texts = tuple(template.replace("{}", word) for word in words)
    found = text_model(model, allow_download=allow_download)
    notes: list[str] = []
    embeddings, identity = _embeddings(found, texts, cache, notes)
    same = _same(texts)
    if same:
        pairs = listed(f"{words[i]} (classes {i} and {j})" for i, j in same)
        notes.append(f"{len(same)} pair{'' if len(same) == 1 else 's'} of classes with one text, left out: {pairs}")
    return TextReference(_distances(embeddings), found.name, template, embeddings, tuple(notes), texts, found.source, identity, same)


def class_texts(names: Sequence[str], *, nouns: Nouns | None = None, synsets: Sequence[int | None] | None = None) -> tuple[str, ...]:
    """Class names as words: underscores become spaces, a wnid or a synset its first lemma.

    Names of several classes (the two cranes of ImageNet; Cardigan the dog and cardigan the sweater, one word to a model that knows no
    capitals) get the lemma of a wider synset in brackets, or of their own where they share the wider one; without `nouns` the wnid that
    came with the name.

    >>> class_texts(["hot_dog", "n01440764", "oak.n.02"])
    ('hot dog', 'tench', 'oak')
    >>> class_texts(["crane (n02012849)", "tench"]), class_texts(["crane (n02012849)", "crane (n03126707)"])
    (('crane', 'tench'), ('crane (n02012849)', 'crane (n03126707)'))
    """
    own = list(synsets) if synsets is not None and nouns is not None else [None] * len(names)
    words = [_words(str(name), nouns, synset) for name, synset in zip(names, own, strict=True)]
    for together in _groups(words):
        for tell in _ways_apart(names, nouns, own):
            told = {number: tell(number, words[number]) for number in together}
            if len({word.casefold() for word in told.values()}) == len(together):
                for number, word in told.items():
                    words[number] = word
                break
    return tuple(words)


def _words(name: str, nouns: Nouns | None, synset: int | None) -> str:
    within, explicit = _WITH_WNID.fullmatch(name), _EXPLICIT.fullmatch(name)
    if (is_wnid(name) or explicit) and nouns is not None and synset is not None:
        name = nouns.lemmas[synset]
    elif is_wnid(name):
        name = imagenet_names().get(name, name).split(", ")[0]
    elif within or explicit:
        name = (within or explicit)[1]  # type: ignore[index]
    return " ".join(name.replace("_", " ").split())


def _groups(words: Sequence[str]) -> list[list[int]]:
    """Places of words that are one to a model that knows no capitals, two or more together."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for number, word in enumerate(words):
        places[word.casefold()].append(number)
    return [together for together in places.values() if len(together) > 1]


def _ways_apart(names: Sequence[str], nouns: Nouns | None, own: Sequence[int | None]) -> Iterable[Callable[[int, str], str]]:
    """Ways to write a class so that others of its name differ, the plainest first."""

    def wider(steps: int) -> Callable[[int, str], str]:
        def write(number: int, word: str) -> str:
            place = own[number]
            for _ in range(steps):
                place = nouns.parents[place][0] if nouns is not None and place is not None and nouns.parents[place] else None
            return word if nouns is None or place is None else f"{word} ({nouns.lemmas[place].replace('_', ' ')})"

        return write

    return [wider(1), wider(2), wider(0), lambda number, word: str(names[number]).replace("_", " ")]


def _embeddings(found: LocalTextModel, texts: tuple[str, ...], cache: Path | None, notes: list[str]) -> tuple[np.ndarray, str]:
    """(n_texts, n_features) float32 and the model's identity; only texts that are not kept need the model."""
    identity = found.identity()
    file = cache_file(cache if cache is not None else text_folder(), found.name, identity)
    known = read_embeddings(file, texts)
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        made = dict(zip(new, embed(found, new)))
        known |= made
        try:
            keep_embeddings(file, made)
        except StoreError as refusal:
            notes.append(f"embeddings were not kept: {refusal}")
    return np.stack([known[text] for text in texts]), identity


def _same(texts: Sequence[str]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted(pair for together in _groups(texts) for pair in combinations(together, 2)))


def _distances(embeddings: np.ndarray) -> np.ndarray:
    wide = embeddings.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    distance = np.clip(1 - unit @ unit.T, 0, 2)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0)
    return distance
