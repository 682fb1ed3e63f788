"""WordNet 3.0 as Princeton publishes it: data.noun and index.noun in a folder, an NLTK data folder, or wordnet.zip -> records.

Only the nouns are read; neither `lexnames` nor `index.sense` is needed. Offsets of WordNet 3.1 name other synsets, so 3.1 is refused.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from repr_probe.errors import FileFormatError
from repr_probe.files.printable import printable

N_NOUNS = 82_115
DOG = (2_084_071, "dog")
FOLDERS = ("", "dict", "corpora/wordnet", "wordnet")  # a WNDB folder, $WNHOME, an NLTK data folder, its corpora folder
ARCHIVES = ("corpora/wordnet.zip", "wordnet.zip")
FILES = ("data.noun", "index.noun", "noun.exc")
LARGEST = 100 * 2**20  # data.noun of WordNet 3.0 has 15.3 MB
ADVICE = "WordNet 3.0 comes with Debian's wordnet-base and with `python -m nltk.downloader wordnet`"


@dataclass(frozen=True)
class Records:
    """The nouns in order of offset. words: as written; ranks: which sense of each word the synset is, 1 the first.

    parents: places in the same order. exceptions: irregular plural -> singulars.
    """

    offsets: Sequence[int]
    words: Sequence[tuple[str, ...]]
    ranks: Sequence[tuple[int, ...]]
    parents: Sequence[tuple[int, ...]]
    glosses: Sequence[str]
    exceptions: dict[str, tuple[str, ...]]


def read_records(path: str | Path) -> tuple[Records, Path]:
    """The nouns of WordNet 3.0 under `path`, and the folder or archive where they were found.

    path: a folder with data.noun and index.noun, a folder above it ($WNHOME, an NLTK data folder), or wordnet.zip.
    Raises FileFormatError: E_WORDNET where there is none, E_WORDNET_FILE for a damaged one, E_WORDNET_VERSION for another version.
    """
    place = Path(path).expanduser()
    try:
        if not place.exists():
            raise FileFormatError(f"wordnet_dir must exist; got {shown(place)}; {ADVICE}", code="E_WORDNET")
        found, texts = _read_archive(place) if place.is_file() and place.name not in FILES else _read_folder(place)
    except OSError as error:
        raise FileFormatError(f"wordnet_dir must be readable; got {shown(error.filename or place)} ({error.strerror})", code="E_WORDNET") from error
    try:
        records = _parse(texts)
    except (ValueError, IndexError, KeyError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(
            f"wordnet_dir must hold whole files; data.noun and index.noun in {shown(found)} do not agree", code="E_WORDNET_FILE"
        ) from error
    return records, found


def shown(path: object) -> str:
    return printable(path, limit=200)


def _read_folder(place: Path) -> tuple[Path, dict[str, str]]:
    place = place if place.is_dir() else place.parent
    for inner in FOLDERS:
        folder = place / inner
        if (folder / FILES[0]).is_file():
            return folder, {name: _text_of(folder / name) for name in FILES if name != FILES[2] or (folder / name).is_file()}
    for inner in ARCHIVES:
        if (place / inner).is_file():
            return _read_archive(place / inner)
    raise FileFormatError(
        f"wordnet_dir must be a folder with data.noun, an NLTK data folder or wordnet.zip; got {shown(place)}, which has none of them; {ADVICE}",
        code="E_WORDNET",
    )


def _text_of(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise FileFormatError(f"wordnet_dir must hold WordNet 3.0; {shown(path)} has more than {LARGEST >> 20} MB", code="E_WORDNET_FILE")
    return path.read_text(encoding="latin-1")


def _read_archive(path: Path) -> tuple[Path, dict[str, str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {item.filename.rsplit("/", 1)[-1]: item for item in reversed(archive.infolist())}
            if not {FILES[0], FILES[1]} <= members.keys():
                told = f"got {shown(path)}, a zip without data.noun and index.noun"
                raise FileFormatError(f"wordnet_dir must be a WordNet archive; {told}", code="E_WORDNET")
            return path, {name: _member(archive, members[name], path) for name in FILES if name in members}
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:  # RuntimeError: encrypted
        raise FileFormatError(
            f"wordnet_dir must be a folder with data.noun, an NLTK data folder or wordnet.zip; got {shown(path)}, which cannot be read as a zip",
            code="E_WORDNET",
        ) from error


def _member(archive: zipfile.ZipFile, item: zipfile.ZipInfo, path: Path) -> str:
    with archive.open(item) as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        told = f"{shown(item.filename)} in {shown(path)} has more than {LARGEST >> 20} MB"
        raise FileFormatError(f"wordnet_dir must hold WordNet 3.0; {told}", code="E_WORDNET_FILE")
    return content.decode("latin-1")


def _parse(texts: dict[str, str]) -> Records:
    lines = [line for line in texts["data.noun"].split("\n") if line[:1].isdigit()]
    _check_version(texts["data.noun"][:4000], lines)
    ranks = _ranks(texts["index.noun"])
    offsets, words, above, glosses = [], [], [], []
    for line in lines:
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        after = 4 + 2 * int(fields[3], 16)
        pointers = fields[after + 1 : after + 1 + 4 * int(fields[after])]
        if len(pointers) != 4 * int(fields[after]) or len(fields[0]) != 8:
            raise ValueError(f"line of {fields[0]} is cut")
        offsets.append(int(fields[0]))
        words.append(tuple(fields[4:after:2]))
        above.append([
            int(pointers[place + 1]) for place in range(0, len(pointers), 4)
            if pointers[place] in ("@", "@i") and pointers[place + 2] == "n" and pointers[place + 3] == "0000"
        ])  # fmt: skip
        glosses.append(gloss.strip())
    index = {offset: place for place, offset in enumerate(offsets)}
    if sorted(index) != offsets:
        raise ValueError("offsets are not in order")
    return Records(
        offsets=offsets, words=words,
        ranks=[tuple(ranks[word.lower(), offset] for word in names) for names, offset in zip(words, offsets)],
        parents=[tuple(dict.fromkeys(index[offset] for offset in group)) for group in above],
        glosses=glosses, exceptions=_exceptions(texts.get("noun.exc", "")),
    )  # fmt: skip


def _check_version(head: str, lines: list[str]) -> None:
    stated = re.search(r"WordNet (\d+\.\d+) Copyright", head)
    version = stated.group(1) if stated else None
    dog = any(line.startswith(f"{DOG[0]:08d} ") and line.split(maxsplit=5)[4] == DOG[1] for line in lines)
    told = f"got WordNet {version}" if version else "got files that do not name their version"
    if version not in (None, "3.0") or (version is None and not dog):
        raise FileFormatError(
            f"wordnet_dir must hold WordNet 3.0, whose offsets are the wnids; {told}, where the same numbers are other synsets; {ADVICE}",
            code="E_WORDNET_VERSION",
        )
    if len(lines) != N_NOUNS or not dog:
        raise FileFormatError(
            f"wordnet_dir must hold all {N_NOUNS:,} nouns of WordNet 3.0, n{DOG[0]:08d} = {DOG[1]}.n.01 among them; got {len(lines):,}"
            + ("" if dog else " without it"),
            code="E_WORDNET_FILE",
        )


def _ranks(index: str) -> dict[tuple[str, int], int]:
    """(lower-case word, offset) -> which sense of the word that is, 1 the first."""
    rank = {}
    for line in index.split("\n"):
        if line[:1] in ("", " "):
            continue
        fields = line.split()
        for place, offset in enumerate(fields[len(fields) - int(fields[2]) :], start=1):
            rank[fields[0], int(offset)] = place
    return rank


def _exceptions(text: str) -> dict[str, tuple[str, ...]]:
    return {words[0]: tuple(words[1:]) for words in map(str.split, text.splitlines()) if len(words) > 1}


def senses_of(words: Sequence[tuple[str, ...]], ranks: Sequence[tuple[int, ...]]) -> dict[str, list[int]]:
    """Lower-case word -> its synsets (places), first sense first."""
    found: dict[str, list[tuple[int, int]]] = {}
    flat = chain.from_iterable(zip(names, senses, [place] * len(names)) for place, (names, senses) in enumerate(zip(words, ranks)))
    for word, rank, place in flat:
        found.setdefault(word.lower(), []).append((rank, place))
    return {word: [place for _, place in sorted(set(pairs))] for word, pairs in found.items()}
