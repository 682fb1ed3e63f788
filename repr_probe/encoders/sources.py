"""Which program wrote a file, told by its names, and which of several encoders in it that program evaluates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from repr_probe.encoders.prefixes import WRAPPERS
from repr_probe.encoders.reading import Clue
from repr_probe.encoders.source_signs import EMA, ONLINE, UNKNOWN, RoleRule, Seen, Source
from repr_probe.encoders.source_table import ROLE_RULES, SOURCES
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.files.printable import listed, printable
from repr_probe.preprocessing import InputSpec

FIELDS = ("size", "mean", "std", "interpolation", "crop_pct")
# Words that say what an encoder is where no rule speaks of it.
EMA_WORDS = ("teacher", "momentum", "ema", "target", "key", "averaged", "swa")
ONLINE_WORDS = ("student", "online", "query")


@dataclass(frozen=True)
class SourceFacts:
    """name: the program.  reason: the names it was told by.  role_rule: which of two encoders its authors evaluate, where there are two.

    input: the preprocessing of its own evaluation.  clues: facts its tensors do not show.  notes: what the user should know.
    """

    name: str
    reason: str
    role_rule: RoleRule | None = None
    input: InputSpec | None = None
    clues: Mapping[str, Clue] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def find_source(names_by_container: Mapping[str, Sequence[str]], top_keys: Sequence[str], said: Mapping[str, Any]) -> SourceFacts | None:
    """The program whose signature the names carry, or None.

    names_by_container: path of a container -> names of its tensors, wrappers off.  top_keys: keys at the top of the file.
    said: what the file and the files beside it say in words ({"args": {...}, "hyper_parameters": {...}, "args.json": {...}}), plain.

    >>> find_source({"state_dict": ["encoder_q.conv1.weight", "encoder_k.conv1.weight", "queue"]}, ["arch", "state_dict"], {}).name
    'MoCo'
    """
    paths = [part for path in names_by_container for part in path.split(".")]
    names = [name for held in names_by_container.values() for name in held]
    parts = frozenset(paths) | {part for name in names for part in name.split(".")}
    seen = Seen(frozenset(map(str, top_keys)), parts, "\n".join(names), said)
    for source in SOURCES:
        for sign in source.sign:
            if found := sign.met(seen):
                return _facts(source, printable(found, limit=200), seen)
    return None


def _facts(source: Source, reason: str, seen: Seen) -> SourceFacts:
    stated = source.input(seen) if callable(source.input) else source.input
    usual = f"usual for {source.name}"
    clues = {name: Clue(value, usual) for name, value in (source.clues(seen) if source.clues else {}).items()}
    if stated is not None:
        stated = replace(stated, sources={**dict.fromkeys(FIELDS, usual), **stated.sources})
    return SourceFacts(source.name, reason, source.use, stated, clues, source.notes)


def for_small_images(spec: InputSpec) -> InputSpec:
    """The same values for a network with a 3 x 3 stem: 32 x 32 images as they are, where a source's usual images are large."""
    if max(spec.size) <= 96:
        return spec
    return spec.override("3 x 3 stem: a network for small images", size=(32, 32), crop_pct=1.0)


class Place(NamedTuple):
    """Where one candidate encoder lies. container_path: "state_dict".  prefix: "teacher_backbone.vit." or "".

    siblings: first components beside it in its container, and keys beside the container in the file.
    """

    container_path: str
    prefix: str
    siblings: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in f"{self.container_path}.{self.prefix}".split(".") if part and part not in WRAPPERS)


@dataclass(frozen=True)
class Choice:
    """place: the encoder to take.  reason: for people.  roles: for every place "ema", "online" or "unknown"."""

    place: Place
    reason: str
    roles: Mapping[Place, str]

    @property
    def role(self) -> str:
        """Of the place to take."""
        return self.roles[self.place]


def prefer(places: Sequence[Place], *, role: str | None = None, source: SourceFacts | None = None) -> Choice | None:
    """The encoder that the authors of the file's program evaluate, or the one that plays `role`; None when no rule decides.

    source: its own rule goes before the general ones. CheckpointError when no encoder plays `role`.

    >>> student, teacher = Place("student", "backbone."), Place("teacher", "backbone.")
    >>> choice = prefer([student, teacher])
    >>> choice.place.container_path, choice.reason, choice.roles[student]
    ('teacher', 'teacher is the moving average of student', 'online')
    >>> prefer([student, teacher], role="online").place.container_path
    'student'
    """
    if role not in (None, EMA, ONLINE):
        raise UsageError(f"role must be {EMA} or {ONLINE}; got {printable(role)!r}")
    rules = (*([source.role_rule] if source and source.role_rule else []), *ROLE_RULES)
    roles = {place: _role(place, places, rules) for place in places}
    eligible = [place for place in places if role in (None, roles[place])]
    if not eligible:
        there = listed((f"{'.'.join(place.parts) or 'the top of the file'}: {roles[place]}" for place in places), limit=6)
        raise CheckpointError(f"role must be one that the file holds; got {role}, and its encoders are {there}", code="E_NO_ENCODER")
    if any(_contradict(place, index, eligible, rules) for place in eligible for index in range(len(place.parts))):
        return None
    left, reasons = _left(eligible, rules)
    if len(left) != 1:
        return None
    reasons = [f"--role {role}"] * (role is not None) + reasons
    return Choice(left[0], "; ".join(dict.fromkeys(reasons)) or "the only encoder of the file", roles)


def _left(places: Sequence[Place], rules: Sequence[RoleRule]) -> tuple[list[Place], list[str]]:
    """The places that no rule drops for another of them, and why the others were dropped."""
    left, reasons = [], []
    for place in places:
        spoken = [(part, rule) for index, part in enumerate(place.parts) for rule in _rules_at(place, index, places, rules)]
        why = [rule.why for part, rule in spoken if rule.dropped == part]
        reasons += why
        if not why:
            left.append(place)
    return left, reasons


def _role(place: Place, places: Sequence[Place], rules: Sequence[RoleRule]) -> str:
    met = set()
    for index, part in enumerate(place.parts):
        found = {_role_by(rule, part) for rule in _rules_at(place, index, places, rules, beside=True)}
        if not found:
            words = set(part.lower().split("_"))
            found = {role for role, known in ((EMA, EMA_WORDS), (ONLINE, ONLINE_WORDS)) if words & set(known)}
        met |= found if len(found) == 1 else set()
    return EMA if EMA in met else ONLINE if ONLINE in met else UNKNOWN


def _role_by(rule: RoleRule, part: str) -> str:
    return rule.role if rule.kept == part else rule.other_role


def _contradict(place: Place, index: int, places: Sequence[Place], rules: Sequence[RoleRule]) -> bool:
    """True where one part would be two things: a backbone beside both a student and a teacher of its own is nobody's known layout."""
    return len({_role_by(rule, place.parts[index]) for rule in _rules_at(place, index, places, rules)}) > 1


def _rules_at(
    place: Place, index: int, places: Sequence[Place], rules: Sequence[RoleRule], *, beside: bool = False
) -> list[RoleRule]:
    """The rules that speak of the component at `index` and of another that stands in its place; the first rule for each pair.

    beside: also count components that are there without being an encoder of their own.
    """
    part, before = place.parts[index], place.parts[:index]
    partners = {other.parts[index] for other in places if other.parts[:index] == before and len(other.parts) > index} - {part}
    every = {name for other in places for name in (*other.siblings, *other.parts)}
    if beside:
        partners |= set(place.siblings)
    found: dict[str, RoleRule] = {}
    for rule in rules:
        other = rule.dropped if rule.kept == part else rule.kept if rule.dropped == part else None
        if other in partners and other not in found and (not rule.beside or every & set(rule.beside)):
            found[other] = rule
    return list(found.values())
