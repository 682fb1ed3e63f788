"""Where other programs keep WordNet: NLTK's data folders, and the folders of WordNet itself and of the system's packages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from repr_probe.errors import FileFormatError
from repr_probe.progress import note
from repr_probe.semantics.wordnet_files import Records, read_records, shown

_SYSTEM = ("/usr/share/wordnet", "/usr/share/wordnet-3.0", "/usr/local/share/wordnet", "/usr/local/WordNet-3.0", "/opt/homebrew/share/wordnet")
_WAYS = "run `python -m nltk.downloader wordnet` or `apt-get install wordnet-base`, set REPR_PROBE_WORDNET, or take the bundled one (no wordnet_dir)"


def nltk_places() -> list[Path]:
    """The folders in which NLTK looks for its data, $NLTK_DATA first."""
    from nltk.data import path

    return [Path(place) for place in path]


def system_places() -> list[Path]:
    """$WNSEARCHDIR and $WNHOME, as WordNet's own programs read them, then where packages of Debian, Homebrew and Princeton put it."""
    named = [os.environ.get("WNSEARCHDIR"), os.environ.get("WNHOME")]
    return [Path(place) for place in (*filter(None, named), *_SYSTEM)]


SEARCHES: dict[str, tuple[Callable[[], list[Path]], ...]] = {
    "nltk": (nltk_places,),
    "system": (system_places,),
    "auto": (nltk_places, system_places),
}
"""Word that may stand for a folder -> where is looked, in this order."""


def search(kind: str) -> tuple[Records, Path] | None:
    """The first WordNet 3.0 that is there, and where; None where there is none and `kind` is "auto", which says so in a note.

    Other versions and damaged files are passed over, and named. Nothing is downloaded.
    Raises FileFormatError (E_WORDNET), naming every place, where "nltk" or "system" finds none.
    """
    places = [place for find in SEARCHES[kind] for place in find()]
    passed: list[str] = []
    for place in places:
        try:
            if place.exists():
                return read_records(place)
        except FileFormatError as failure:
            if failure.code != "E_WORDNET":
                passed.append(f"{shown(place)} ({failure.code})")
        except OSError as failure:  # a folder that this user may not enter
            passed.append(f"{shown(place)} ({failure.strerror})")
    beside = f", passed over: {', '.join(passed)}" if passed else ""
    if kind == "auto":
        note(f"no WordNet 3.0 in {len(places)} places where NLTK and packages keep it{beside}: the bundled one is taken")
        return None
    looked = ", ".join(dict.fromkeys(shown(place) for place in places))
    raise FileFormatError(f"wordnet_dir {kind!r} must find WordNet 3.0; got none in {looked}{beside}; {_WAYS}", code="E_WORDNET")
