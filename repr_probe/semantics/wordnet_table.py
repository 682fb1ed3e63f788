"""The bundled tables of WordNet 3.0 nouns: wordnet_nouns.xz (graph and words) and wordnet_glosses.xz; the same bytes for the same nouns.

Layout of the first after decompression (LZMA): a line of JSON with the sizes, then words, irregular plurals, and numbers, little-endian, all lowest
bytes first, then all second ones. Glosses are short here: the first clause, at most 72 characters where a word of the synset has several
senses and 28 where none has, because they serve to tell senses apart; `wordnet_dir` gives them in full.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from repr_probe.semantics.wordnet_files import Records, senses_of

NOUNS, GLOSSES = "wordnet_nouns.xz", "wordnet_glosses.xz"
LIMIT = 1_500_000  # bytes of both tables
AMBIGUOUS, PLAIN = 72, 28  # characters of a gloss
STREAMS = ("words", "exceptions", "offsets", "ranks", "counts", "parents")


def pack_nouns(records: Records) -> bytes:
    """Everything but the glosses -> bytes."""
    streams = {
        "words": "\n".join(map(" ".join, records.words)).encode(),
        "exceptions": "\n".join(f"{word} {' '.join(singular)}" for word, singular in records.exceptions.items()).encode(),
        "offsets": _planes(np.diff(records.offsets, prepend=0)),
        "ranks": _planes([rank for ranks in records.ranks for rank in ranks]),
        "counts": _planes([len(group) for group in records.parents]),
        "parents": _planes([place for group in records.parents for place in group]),
    }
    header = json.dumps([len(streams[name]) for name in STREAMS]).encode() + b"\n"
    return _compressed(header + b"".join(streams[name] for name in STREAMS))


def pack_glosses(records: Records) -> bytes:
    """Short glosses -> bytes."""
    senses = senses_of(records.words, records.ranks)
    ambiguous = [any(len(senses[word.lower()]) > 1 for word in words) for words in records.words]
    return _compressed("\n".join(shortened(gloss, AMBIGUOUS if many else PLAIN) for gloss, many in zip(records.glosses, ambiguous)).encode())


def shortened(gloss: str, limit: int) -> str:
    """The first clause of a gloss, without its examples, cut at a word to at most `limit` characters.

    >>> shortened('a precious stone (blue); often cut; "a ring with a stone"', 30), shortened("a hand-held piece of cloth", 20)
    ('a precious stone (blue)', 'a hand-held piece…')
    """
    text = re.split(r';|: "', gloss)[0].strip()
    if len(text) > limit:
        text = re.sub(r"\s*\([^)]*\)\s*", " ", text).strip()
    return text if len(text) <= limit else text[: limit - 1].rsplit(" ", 1)[0] + "…"


def bundled_records() -> Records:
    """The nouns that travel with the package, without glosses."""
    content = lzma.decompress(_path(NOUNS).read_bytes())
    header, _, rest = content.partition(b"\n")
    streams, place = {}, 0
    for name, size in zip(STREAMS, json.loads(header)):
        streams[name] = rest[place : place + size]
        place += size
    words = [tuple(line.split(" ")) for line in streams["words"].decode().split("\n")]
    ranks, parents = iter(_numbers(streams["ranks"]).tolist()), iter(_numbers(streams["parents"]).tolist())
    exceptions = (line.split(" ") for line in streams["exceptions"].decode().splitlines())
    return Records(
        offsets=np.cumsum(_numbers(streams["offsets"])).tolist(), words=words,
        ranks=[tuple(islice(ranks, len(names))) for names in words],
        parents=[tuple(islice(parents, count)) for count in _numbers(streams["counts"]).tolist()],
        glosses=(), exceptions={word: tuple(singular) for word, *singular in exceptions},
    )  # fmt: skip


def bundled_glosses() -> Sequence[str]:
    return lzma.decompress(_path(GLOSSES).read_bytes()).decode().split("\n")


def _path(name: str) -> Path:
    return Path(__file__).with_name(name)


def _compressed(content: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 25, "lc": 4, "lp": 0, "pb": 0}]
    return lzma.compress(content, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=filters)


def _planes(numbers: Iterable[int]) -> bytes:
    return np.fromiter(numbers, dtype="<i4").view(np.uint8).reshape(-1, 4).T.tobytes()


def _numbers(content: bytes) -> np.ndarray:
    return np.frombuffer(content, dtype=np.uint8).reshape(4, -1).T.copy().view("<i4")[:, 0]
