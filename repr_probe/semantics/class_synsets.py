"""Which WordNet noun stands for each class: wnids, synsets written out, tables made by hand, and first senses only where they are asked for."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from repr_probe.classes.synset_table import curated, datasets_with, kind_of, plain, read_synset_table
from repr_probe.classes.wnids import class_names_of, imagenet100_wnids, imagenet_names, is_wnid
from repr_probe.errors import InputError
from repr_probe.files.printable import listed, printable

_T = TypeVar("_T")

if TYPE_CHECKING:
    from repr_probe.semantics.wordnet_graph import Nouns

_EXPLICIT = re.compile(r".+\.n\.\d{1,3}")
_WITH_WNID = re.compile(r".+ \((n\d{8})\)")  # "crane (n02012849)", as class names are written where two classes share one
_FEWEST_NAMES = 3  # for a data set to be known by its classes
_ENOUGH_NAMES = 100  # for ImageNet to be known by them: fewer of its names are everyday words with other meanings


@dataclass(frozen=True)
class ClassSynsets:
    """The synset of each class, in class order.

    synsets: indices into Nouns, None for a class without one. virtual: the synset is only a kind of the class (a note "hypernym"), so the
    class stands for a new leaf below it. sources: "wnid", "explicit", "curated (exact | sense | near | hypernym)", "user CSV", "first sense"
    or "". shared: pairs of classes (i < j) on one synset; they have no distance in WordNet and are left out. missing: names without a synset.
    notes: what a reader must know, each guess with its gloss.
    """

    synsets: tuple[int | None, ...]
    virtual: tuple[bool, ...]
    sources: tuple[str, ...]
    shared: tuple[tuple[int, int], ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


class _Found(NamedTuple):
    synset: int | None
    source: str = ""
    kind: str = "exact"


@dataclass(frozen=True)
class _Names(Generic[_T]):
    """What is known by name: as written, and by its letters and digits alone where that is no other name's (a Cardigan is no cardigan)."""

    exact: dict[str, _T]
    spelt: dict[str, _T]

    @classmethod
    def of(cls, items: Iterable[tuple[str, _T]]) -> _Names[_T]:
        exact = dict(items)
        meant = defaultdict(set)
        for name, value in exact.items():
            meant[plain(name)].add(value)
        return cls(exact, {plain(name): value for name, value in exact.items() if plain(name) and len(meant[plain(name)]) == 1})

    def get(self, name: str) -> _T | None:
        return self.exact.get(name) or self.spelt.get(plain(name))


class _Choice(NamedTuple):
    """What a table says of a class: a synset, and how well it fits; `synset` "" says that it has none."""

    synset: str
    source: str
    kind: str = "exact"


def class_synsets(
    nouns: Nouns,
    class_names: Sequence[str],
    *,
    dataset: str | None = None,
    wnids: Sequence[str] | None = None,
    table: str | Path | None = None,
    exact_only: bool = False,
    shared_synsets: bool = False,
    allow_first_sense: bool = False,
) -> ClassSynsets:
    """Find the WordNet synset of every class.

    For each class the first of these that knows it: the user's `table` (CSV, class and synset); its wnid (from `wnids`, or as its name);
    a name like "dog.n.01"; ImageNet's list or the curated table of `dataset`, or of the data set that has all these classes; with
    `allow_first_sense` the first noun sense of its name, each guess noted with its gloss. Never a guess otherwise.

    exact_only: classes whose synset is only near them or a kind of them are left out. shared_synsets: a class whose synset is only a kind of
    it takes that synset itself instead of a new leaf below it; pairs that then share one are left out.
    Raises InputError for a synset or wnid that WordNet 3.0 does not have (E_SYNSET), a bad table, or wnids that are not one a class.
    """
    names = [str(name) for name in class_names]
    if wnids is not None and len(wnids) != len(names):
        raise InputError(f"wnids must be one for each of the {len(names)} classes; got {len(wnids)}", code="E_SYNSET")
    notes: list[str] = []
    choices = _choices(names, dataset, wnids, table, notes)
    found = [_looked_up(nouns, choice, name) for choice, name in zip(choices, names)]
    guess = [number for number, choice in enumerate(choices) if choice is None]
    if allow_first_sense:
        for number in guess:
            found[number] = _first_sense(nouns, names[number], notes)
    return _result(names, found, exact_only=exact_only, shared_synsets=shared_synsets, notes=notes)


def _choices(
    names: list[str], dataset: str | None, wnids: Sequence[str] | None, table: str | Path | None, notes: list[str]
) -> list[_Choice | None]:
    """What the tables and the names themselves say of each class; None: nothing."""
    users = _of_user(names, table, notes)
    written = [_written(name, wnids[number] if wnids is not None else "") for number, name in enumerate(names)]
    left = [name for name, own, said in zip(names, users, written) if own is None and said is None]
    known = _of_dataset(left, dataset, notes) if len(left) < len(names) else _of_whole_dataset(names, dataset, notes)
    tables = iter(known)
    return [own or said or next(tables) for own, said in zip(users, written)]


def _of_user(names: list[str], table: str | Path | None, notes: list[str]) -> list[_Choice | None]:
    if table is None:
        return [None] * len(names)
    rows = read_synset_table(table)
    by_name = _Names.of(rows.items())
    known = {*names, *filter(None, map(plain, names))}
    unused = [name for name in rows if name not in known and plain(name) not in known]
    if unused:
        are = "is" if len(unused) == 1 else "are"
        notes.append(f"{Path(table).name} names {_counted(len(unused), 'class')} that {are} not among these: {listed(unused)}")
    found = [by_name.get(name) for name in names]
    return [None if row is None else _Choice(row.synset, "user CSV", kind_of(row.note)) for row in found]


def _written(name: str, wnid: str) -> _Choice | None:
    """The synset that is given with a class or is its name."""
    within = _WITH_WNID.fullmatch(name)
    said = wnid or (name if is_wnid(name) else within[1] if within else "")
    if said:
        return _Choice(said, "wnid")
    return _Choice(name, "explicit") if _EXPLICIT.fullmatch(name) else None


def _of_whole_dataset(names: list[str], dataset: str | None, notes: list[str]) -> list[_Choice | None]:
    """As `_of_dataset`, where no class has a synset yet: names that are only numbers are then positions in the data set's class order."""
    order = _class_order(dataset) if dataset is not None else []
    positions = [int(name) if name.isascii() and name.isdigit() else -1 for name in names]
    if order and names and len(set(positions)) == len(names) and 0 <= min(positions) <= max(positions) < len(order):
        notes.append(f"class names are numbers: read as positions in the class order of {printable(dataset)}")
        return [order[position] for position in positions]
    return _of_dataset(names, dataset, notes)


def _of_dataset(names: list[str], dataset: str | None, notes: list[str]) -> list[_Choice | None]:
    if _in_imagenet_order(names):
        return [_Choice(wnid, "wnid") for wnid in imagenet_names()]
    by_name = None if dataset is None else _by_name(dataset)
    if by_name is None and len(names) >= _FEWEST_NAMES:
        for match in datasets_with(names)[:1]:
            notes.append(f"synsets from the curated table of {match}, which has all {len(names)} class names")
            by_name = _by_name(match)
    if by_name is None and len(names) >= _ENOUGH_NAMES and all(map(_imagenet_by_name().get, names)):
        notes.append(f"synsets from ImageNet's list, which has all {len(names)} class names")
        by_name = _imagenet_by_name()
    return [None if by_name is None else by_name.get(name) for name in names]


def _in_imagenet_order(names: list[str]) -> bool:
    """Whether these are the first names of ImageNet's 1,000 classes in class order, which tells the two cranes apart."""
    return len(names) == 1000 and all(plain(name.split(",")[0]) == plain(own.split(",")[0]) for name, own in zip(names, imagenet_names().values()))


def _is_imagenet(dataset: str) -> bool:
    return plain(dataset).startswith(("imagenet", "ilsvrc"))


def _by_name(dataset: str) -> _Names[_Choice] | None:
    """What a known data set says of its class names; None for another."""
    if _is_imagenet(dataset):
        return _imagenet_by_name()
    rows = _curated(dataset)
    return _Names.of(rows.items()) if rows else None


def _curated(dataset: str) -> dict[str, _Choice]:
    return {name: _Choice(row.wnid, f"curated ({row.kind})", row.kind) for name, row in curated(dataset).items()}


def _class_order(dataset: str) -> list[_Choice | None]:
    if _is_imagenet(dataset):
        listed_wnids = {"imagenet": list(imagenet_names()), "imagenet100": list(imagenet100_wnids())}
        return [_Choice(wnid, "wnid") for wnid in listed_wnids.get(plain(dataset), [])]
    return list(_curated(dataset).values())


@cache
def _imagenet_by_name() -> _Names[_Choice]:
    """ImageNet-1k by the short names of class_names_of, by all names of a class together, and by each name that only one class has."""
    whole = imagenet_names()
    alone = [(name, wnid) for wnid, names in whole.items() for name in names.split(", ")]
    holders = Counter(name for name, _ in alone)
    unique = [(name, wnid) for name, wnid in alone if holders[name] == 1]
    together = [(names, wnid) for wnid, names in whole.items() if "," in names]
    short = zip(class_names_of(whole), whole)  # last, for a first name stands for its class also where another has it as its second
    return _Names.of((name, _Choice(wnid, "wnid")) for name, wnid in [*unique, *together, *short])


def _looked_up(nouns: Nouns, choice: _Choice | None, name: str) -> _Found:
    if choice is None or not choice.synset:
        return _Found(None)
    try:
        return _Found(nouns.find(choice.synset), choice.source, choice.kind)
    except InputError as error:
        raise InputError(f"{error}; it stands for class {printable(name)!r} ({choice.source})", code=error.code) from None


def _first_sense(nouns: Nouns, name: str, notes: list[str]) -> _Found:
    index = nouns.first_sense(name.replace("_", " ").strip())
    if index is None:
        return _Found(None)
    notes.append(f"guessed: {printable(name)} is {nouns.names[index]} ({' '.join(nouns.gloss(index).split())})")
    return _Found(index, "first sense")


def _result(names: list[str], found: list[_Found], *, exact_only: bool, shared_synsets: bool, notes: list[str]) -> ClassSynsets:
    loose = [name for name, one in zip(names, found) if exact_only and one.kind in ("near", "hypernym")]
    unknown = [name for name, one in zip(names, found) if one.synset is None]
    found = [_Found(None) if exact_only and one.kind in ("near", "hypernym") else one for one in found]
    synsets = tuple(one.synset for one in found)
    virtual = tuple(one.kind == "hypernym" and not shared_synsets for one in found)
    shared = _shared(synsets, virtual)
    leaves = [name for name, leaf in zip(names, virtual) if leaf]
    pairs = [f"{names[i]} = {names[j]}" for i, j in shared]
    said = (
        (leaves, "class", "with a wider synset only, each placed as a new leaf below it"),
        (pairs, "pair of classes", "on one synset, left out"),
        (loose, "class", "with a near or wider synset only, left out"),
        (unknown, "class", "without a synset, left out"),
    )
    notes += [f"{_counted(len(some), what)} {why}: {listed(some, limit=5)}" for some, what, why in said if some]
    missing = tuple(name for name, synset in zip(names, synsets) if synset is None)
    return ClassSynsets(synsets, virtual, tuple(one.source for one in found), shared, missing, tuple(notes))


def _shared(synsets: Sequence[int | None], virtual: Sequence[bool]) -> tuple[tuple[int, int], ...]:
    """Pairs of classes that stand for the very same synset; leaves below one are two things."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    for number, (synset, leaf) in enumerate(zip(synsets, virtual)):
        if synset is not None and not leaf:
            members[synset].append(number)
    return tuple(sorted(pair for together in members.values() for pair in combinations(together, 2)))


def _counted(count: int, what: str) -> str:
    """
    >>> _counted(1, "class"), _counted(2, "class"), _counted(2, "pair of classes")
    ('1 class', '2 classes', '2 pairs of classes')
    """
    plural = {"class": "classes", "pair of classes": "pairs of classes"}
    return f"{count} {what if count == 1 else plural[what]}"
