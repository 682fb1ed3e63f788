"""Which of the encoders of a file is meant: the only one, the one its program evaluates (teacher, average, online), or none: then all are named."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from repr_probe.encoders.candidates import Candidate
from repr_probe.encoders.sources import EMA, UNKNOWN, Place, SourceFacts, prefer
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import printable


@dataclass(frozen=True)
class Choice:
    """reason: why this one, for people.  role: "ema", "online" or "".  others: encoders that were passed over.  also: networks whose
    tensors are the same as the chosen one's; each as text for --arch."""

    candidate: Candidate
    reason: str
    role: str = ""
    others: tuple[Candidate, ...] = ()
    also: tuple[str, ...] = ()


def choose(
    candidates: Sequence[Candidate], *, role: str | None = None, file: str = "FILE", source: SourceFacts | None = None, beside: Sequence[str] = ()
) -> Choice:  # fmt: skip
    """One of `candidates`, which are all serious, a broken one included: that its sibling is whole does not make the sibling the one meant.

    source: the program that wrote the file, whose own rule goes first.  beside: keys at the top of the file.
    Raises CheckpointError (E_AMBIGUOUS) that prints a command line for each when neither values nor rules decide.
    """
    outer = without_contained(candidates)
    places = _by_place(outer)
    if len(places) == 1 and role is None:
        return _one_network(outer, "the only encoder of the file", "", file, ())
    every, different = list(places.values()), _without_copies(list(places.values()))
    if len(different) == 1 and role is None:
        return _one_network(different[0], f"{len(places)} copies of the same values", "", file, ())
    # With every copy first: a rule may need the name of one, then without.
    for groups in (every, different):
        wanted = [Place(group[0].container.path, group[0].prefix, _siblings(group[0], beside)) for group in groups]
        verdict = prefer(wanted, role=role, source=source)
        if verdict is not None:
            break
    alike = len({str(group[0].architecture) for group in groups}) == 1
    if verdict is not None and role is None and not alike and verdict.roles[verdict.place] == EMA:
        verdict = None  # no network is the average of another kind: a teacher that was distilled, or two encoders
    if verdict is None or len({(place.container_path, place.prefix) for place in wanted}) < len(wanted):
        said = f" for --role {role}" if role else ""
        raise CheckpointError(
            f"checkpoint must hold one encoder, or several that a rule tells apart{said}; got {len(different)} with different weights; choose: "
            + " | ".join(_command(file, group[0], [group[0] for group in different]) for group in different[:4]),
            code="E_AMBIGUOUS",
        )
    chosen = groups[wanted.index(verdict.place)]
    passed = tuple(group[0] for group in groups if group is not chosen)
    return _one_network(chosen, verdict.reason, verdict.roles[verdict.place], file, passed)


def _siblings(candidate: Candidate, beside: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*(name.partition(".")[0] for name in candidate.container.tensors), *beside]))


def _one_network(group: Sequence[Candidate], reason: str, role: str, file: str, others: tuple[Candidate, ...]) -> Choice:
    """The candidates of one place are different networks with the same tensors."""
    whole = [candidate for candidate in group if candidate.whole] or [max(group, key=lambda candidate: candidate.n_found)]
    names = list(dict.fromkeys(str(candidate.architecture) for candidate in whole))
    if len(names) > 1:
        lines = " | ".join(f"repro-probe inspect {file} --arch {shlex.quote(printable(name))}" for name in names[:4])
        raise CheckpointError(
            f"arch must be given: {len(names)} networks have exactly these tensors and compute different features; choose: {lines}",
            code="E_AMBIGUOUS",
        )
    return Choice(whole[0], reason, "" if role == UNKNOWN else role, others, whole[0].reading.also)


def without_contained(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Leave out candidates all of whose tensors are part of a larger one (the ResNet inside a hybrid transformer)."""
    def inside(one: Candidate, other: Candidate) -> bool:
        return other.whole and one.container is other.container and one.used < other.used

    return [one for one in candidates if not any(inside(one, other) for other in candidates)]


def _by_place(candidates: Sequence[Candidate]) -> dict[tuple[int, str], list[Candidate]]:
    places: dict[tuple[int, str], list[Candidate]] = {}
    for candidate in candidates:  # not by path: a key with a dot in it can look like two keys
        places.setdefault((id(candidate.container), candidate.prefix), []).append(candidate)
    return places


def _without_copies(groups: list[list[Candidate]]) -> list[list[Candidate]]:
    kept: list[list[Candidate]] = []
    for group in groups:
        if not any(_same_values(group[0], other[0]) for other in kept):
            kept.append(group)
    return kept


def _same_values(one: Candidate, other: Candidate) -> bool:
    ours, theirs = one.pieces(), other.pieces()
    if one.architecture != other.architecture or ours.keys() != theirs.keys() or not (one.whole and other.whole):
        return False
    values = ((one.container.tensors[one.prefix + a], other.container.tensors[other.prefix + b])
              for name in ours for a, b in zip(ours[name].keys, theirs[name].keys))  # fmt: skip
    return all(mine.shape == yours.shape and mine.dtype == yours.dtype and torch.equal(mine, yours) for mine, yours in values)


def _command(file: str, candidate: Candidate, rivals: Sequence[Candidate]) -> str:
    """The command that takes this one; --key only where the rivals lie in other containers."""
    words = ["repro-probe inspect", file]
    paths = {rival.container.path for rival in rivals}
    if len(paths) > 1:
        words.append(f"--key {shlex.quote(printable(candidate.container.path) or '.')}")
    if len({rival.prefix for rival in rivals if rival.container.path == candidate.container.path}) > 1 or len(paths) == 1:
        words.append(f"--prefix {shlex.quote(printable(candidate.prefix.rstrip('.')) or '.')}")
    return " ".join(words)
