"""The curated table of WordNet 3.0 synsets for the classes of small data sets, and the reader of a user's own table.

The curated rows were chosen by hand: the first sense of a class name is often another thing (seal: sealing wax; tacos: a slur).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from repr_probe.errors import InputError
from repr_probe.files.printable import printable

KINDS = ("exact", "sense", "near", "hypernym")
_COLUMNS = {"class": ("class", "class_name", "name"), "synset": ("synset", "synset_name", "wnid"), "note": ("note", "kind")}
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Row:
    """The synset of one class.

    synset: its canonical name, "dog.n.01"; offset: its WordNet 3.0 noun offset; note: how well it fits, one of KINDS and often why:
    exact (the class itself), sense (the class itself, in a sense that is not the first), near (almost the class), hypernym (a kind of it).
    """

    synset: str
    offset: int
    note: str

    @property
    def wnid(self) -> str:
        """
        >>> Row("dog.n.01", 2084071, "exact").wnid
        'n02084071'
        """
        return f"n{self.offset:08d}"

    @property
    def kind(self) -> str:
        """
        >>> Row("boot.n.01", 2872752, "hypernym: no ankle-boot synset").kind
        'hypernym'
        """
        return kind_of(self.note)


@dataclass(frozen=True)
class UserRow:
    """A row of a user's table. synset: "dog.n.01", a wnid, or "" for a class that is to have none; note as in Row, "" where there is none."""

    synset: str
    note: str = ""


def kind_of(note: str) -> str:
    """The kind a note begins with; "exact" for an empty note or a free one.

    >>> kind_of("near: no edamame lemma"), kind_of("my own choice")
    ('near', 'exact')
    """
    head = note.partition(":")[0].strip().lower()
    return head if head in KINDS else "exact"


def plain(name: str) -> str:
    """Letters and digits alone, in lower case: what spellings of one class name have in common.

    >>> plain("T-shirt/top") == plain("t - shirt / top"), plain("hot_dog")
    (True, 'hotdog')
    """
    return "".join(_WORD.findall(name.casefold()))


def curated(dataset: str) -> dict[str, Row]:
    """Class name -> Row, in class order, for one of `curated_datasets()`; empty for any other name. Spelling is free: "CIFAR-10", "cifar10".

    >>> curated("cifar10")["dog"]
    Row(synset='dog.n.01', offset=2084071, note='exact')
    >>> curated("CIFAR-10") == curated("cifar10"), curated("places365")
    (True, {})
    """
    return dict(_tables().get(plain(dataset), ("", {}))[1])


def curated_datasets() -> tuple[str, ...]:
    """
    >>> curated_datasets()
    ('cifar10', 'stl10', 'fashion_mnist', 'cifar100', 'food101', 'digits')
    """
    return tuple(name for name, _ in _tables().values())


def datasets_with(class_names: Iterable[str]) -> tuple[str, ...]:
    """The curated data sets that have every one of these classes, the one with the fewest other classes first.

    >>> datasets_with(["apple", "tiger"]), datasets_with(["ship", "dog"]), datasets_with(["apple", "zebra"])
    (('cifar100',), ('cifar10', 'stl10'), ())
    """
    wanted = {plain(name) for name in class_names}
    if not wanted or all(name.isdigit() for name in wanted):
        return ()  # numbers are the classes of many data sets
    found = [(len(rows), name) for name, rows in _tables().values() if wanted <= {plain(known) for known in rows}]
    return tuple(name for _, name in sorted(found, key=lambda pair: pair[0]))


@cache
def _tables() -> dict[str, tuple[str, dict[str, Row]]]:
    """Plain name of a data set -> (its name, its rows)."""
    tables: dict[str, tuple[str, dict[str, Row]]] = {}
    with Path(__file__).with_name("class_synsets.csv").open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            rows = tables.setdefault(plain(line["dataset"]), (line["dataset"], {}))[1]
            rows[line["class"]] = Row(line["synset_name"], int(line["wnid"][1:]), line["note"])
    return tables


def read_synset_table(path: str | Path) -> dict[str, UserRow]:
    """Class name -> UserRow from a CSV file: columns `class` and `synset`, and `note` where there is one; or two columns without a header.

    An empty synset says that the class has none. A note that begins with "hypernym" says that the synset is only a kind of the class.
    Raises InputError for a file that cannot be read (E_NOT_FOUND, E_TEXT) or is no such table (E_SYNSET_TABLE).
    """
    lines = _lines(Path(path))
    if not lines:
        raise InputError(f"synset table must have a line `class,synset` for each class; got no line in {path}", code="E_SYNSET_TABLE")
    columns = _columns([cell.lower() for cell in lines[0][1]])
    if columns is None and len(lines[0][1]) != 2:
        head = printable(",".join(lines[0][1]))
        raise InputError(f"synset table must have the columns class and synset; got {head!r} in {path}", code="E_SYNSET_TABLE")
    rows: dict[str, UserRow] = {}
    for number, cells in lines[columns is not None :]:
        name, synset, note = _cells(cells, columns or (0, 1, None), number, path)
        if name in rows:
            raise InputError(f"synset table must name each class once; got {printable(name)!r} again in line {number} of {path}", code="E_SYNSET_TABLE")
        rows[name] = UserRow(synset, note)
    return rows


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of each line that is neither empty nor a comment."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"synset table must be a CSV file in UTF-8; got something else in {path}", code="E_TEXT") from None
    except OSError as failure:
        raise InputError(f"synset table must be a readable file; got {path} ({failure.strerror})", code="E_NOT_FOUND") from None
    return [(number, cells) for number, cells in lines if any(cells) and not cells[0].startswith("#")]


def _columns(names: Sequence[str]) -> tuple[int, int, int | None] | None:
    """Where class, synset and note stand in a header; None when it is no header."""
    place = {wanted: next((names.index(name) for name in known if name in names), None) for wanted, known in _COLUMNS.items()}
    if place["class"] is None or place["synset"] is None:
        return None
    return place["class"], place["synset"], place["note"]


def _cells(cells: list[str], columns: tuple[int, int, int | None], number: int, path: str | Path) -> tuple[str, str, str]:
    name_at, synset_at, note_at = columns
    if len(cells) <= max(name_at, synset_at) or not cells[name_at]:
        raise InputError(
            f"synset table must give a class and a synset in each line; got {printable(','.join(cells))!r} in line {number} of {path}",
            code="E_SYNSET_TABLE",
        )
    return cells[name_at], cells[synset_at], cells[note_at] if note_at is not None and note_at < len(cells) else ""
