"""ImageNet's classes by wnid (WordNet 3.0 noun offset, n01440764): names in class order, and lists of wnids in files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from repr_probe.errors import DatasetError

_WNID = re.compile(r"n\d{8}")


def is_wnid(name: str) -> bool:
    """Whether a folder name has the form of a wnid.

    >>> is_wnid("n01440764"), is_wnid("noodles")
    (True, False)
    """
    return _WNID.fullmatch(name) is not None


@cache
def imagenet_names() -> dict[str, str]:
    """wnid -> all its names, comma-separated, for the 1,000 classes of ImageNet-1k in class order (sorted by wnid).

    >>> imagenet_names()["n01440764"]
    'tench, Tinca tinca'
    """
    lines = Path(__file__).with_name("imagenet.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)  # type: ignore[arg-type, misc]


@cache
def imagenet100_wnids() -> tuple[str, ...]:
    """The wnids of ImageNet-100 in the selection in common use (that of the CMC paper)."""
    return read_wnids(Path(__file__).with_name("imagenet100.txt"))


def read_wnids(path: str | Path) -> tuple[str, ...]:
    """The wnids in a text file, sorted: the first word of each line counts; empty lines and lines that begin with # do not.

    Raises DatasetError for a missing file, a line that begins with no wnid, a repeated wnid, or no wnid at all.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise DatasetError(f"wnid list must be a readable text file; got {path} ({reason})") from error
    words = [(number, line.split()[0]) for number, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    for number, word in words:
        if not is_wnid(word):
            raise DatasetError(f"wnid list must begin each line with a wnid like n01440764; got {word[:40]!r} in line {number} of {path}")
    wnids = [word for _, word in words]
    if not wnids:
        raise DatasetError(f"wnid list must name at least one class; got none in {path}")
    repeated = [wnid for wnid, count in Counter(wnids).items() if count > 1]
    if repeated:
        raise DatasetError(f"wnid list must name each class once; got {repeated[0]} twice in {path}")
    return tuple(sorted(wnids))


def class_names_of(wnids: Iterable[str]) -> tuple[str, ...]:
    """A short, unique name per wnid: its first name; with the wnid where two classes share it; the wnid itself outside ImageNet-1k.

    >>> class_names_of(["n01440764", "n02012849", "n99999999"])
    ('tench', 'crane (n02012849)', 'n99999999')
    """
    table = _first_names()
    return tuple(table.get(wnid, wnid) for wnid in wnids)


@cache
def _first_names() -> dict[str, str]:
    first = {wnid: names.split(", ")[0] for wnid, names in imagenet_names().items()}
    shared = Counter(first.values())
    return {wnid: name if shared[name] == 1 else f"{name} ({wnid})" for wnid, name in first.items()}
