"""Survey: everything a file offers before anything is chosen: its containers, the encoders in them, and what it says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from repr_probe.encoders.architectures import Architecture
from repr_probe.encoders.candidates import Candidate, Refusal, check_candidate, find_candidates, shapes_in
from repr_probe.encoders.checkpoint_file import CheckpointFile
from repr_probe.encoders.clues import collect_clues
from repr_probe.encoders.containers import Container, find_containers
from repr_probe.encoders.hints import Hint, find_hint
from repr_probe.encoders.hints_in_arguments import said_in
from repr_probe.encoders.index.lookup import read_by_order
from repr_probe.encoders.overrides import Overrides
from repr_probe.encoders.prefixes import below
from repr_probe.encoders.reading import Clues
from repr_probe.encoders.retarget import find_network
from repr_probe.encoders.sources import SourceFacts, find_source
from repr_probe.errors import CheckpointError, UsageError
from repr_probe.files.printable import listed


@dataclass(frozen=True)
class Survey:
    """chosen_by: who named the network ("--arch", "architecture in config.json", "names and shapes of the tensors").

    wanted: the network that --arch or the file names.  looks_like: networks that the tensors themselves show whole.
    """

    file: CheckpointFile
    containers: tuple[Container, ...]
    candidates: tuple[Candidate, ...]
    refusals: tuple[Refusal, ...]
    hint: Hint
    source: SourceFacts | None
    clues: Clues
    chosen_by: str
    wanted: Architecture | None = None
    looks_like: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def survey_file(file: CheckpointFile, overrides: Overrides) -> Survey:
    """Look at the whole file, or at the part of it that --key and --prefix name."""
    containers = find_containers(file.content)
    if file.layout == "HWIO" and overrides.arch is not None:
        raise CheckpointError(f"arch must be left out for {file.path.name}: its kernels are (height, width, in, out), which only networks "
                              "told from such files take", code="E_LAYOUT_HWIO")  # fmt: skip
    source = find_source(
        {container.path: list(container.tensors) for container in containers}, [*top_keys(file.content), *file.metadata], said_in(file)
    )
    hint = find_hint(file)
    clues = collect_clues(file, hint, source, flags_of(overrides))
    chosen = _below_key(containers, overrides.key or _own_key(file, overrides))
    containers = [container.renamed(overrides.renames) for container in chosen]
    if overrides.renames and all(list(new.tensors) == list(old.tensors) for new, old in zip(containers, chosen)):
        patterns = ", ".join(pattern for pattern, _ in overrides.renames)
        raise UsageError(f"map must rename a tensor; got {patterns}, which no name of the file contains")
    _check_prefix(containers, overrides.prefix)
    readable, refusals = find_candidates(containers, clues, prefix=overrides.prefix, allow_missing=overrides.allow_missing)
    options: dict[str, Any] = {"prefix": overrides.prefix, "keeps_order": file.keeps_order, "allow_missing": overrides.allow_missing}
    found, chosen_by, notes = readable, "names and shapes of the tensors", [f"{word} in the file names no known network" for word in hint.unknown]
    notes += [*(source.notes if source is not None else ()), *hint.notes]
    flags = flags_of(overrides)
    if overrides.arch is not None and flags:
        name = next(iter(flags))
        raise UsageError(f"{name} must go without arch; got both; write it into the network: --arch 'repr_probe:vit(heads=6, ...)'")
    named = overrides.arch or (hint.architecture if not flags or hint.certain else None)
    looks_like = tuple(dict.fromkeys(str(candidate.architecture) for candidate in readable if candidate.whole))
    if named is not None:
        as_named = find_network(containers, named, readable, **options)
        told = [candidate for candidate in readable if candidate.whole]
        if overrides.arch is None and not hint.certain and told and not _decides(named, told):
            as_named = [candidate for candidate in as_named if _is_part(candidate)]  # a word against what the tensors show
        if overrides.arch is not None or hint.certain or (as_named and (_decides(named, told) or not told or any(map(_is_part, as_named)))):
            found, refusals = as_named, []
            chosen_by, notes = ("--arch", []) if overrides.arch is not None else (hint.source, notes)
        else:
            notes.append(f"{hint.source} says {named}, which the tensors do not fit; they were read for what they are")
    if named is None and file.keeps_order and not any(candidate.serious for candidate in found) and not refusals:
        found = found + _in_order(containers, clues, overrides)
    return Survey(file, tuple(containers), tuple(found), tuple(refusals), hint, source, clues, chosen_by, named, looks_like, tuple(notes))


def _decides(named: Architecture, told: Sequence[Candidate]) -> bool:
    """Whether a word of the file chooses among what the tensors show, rather than contradicting it."""
    return any(str(named) in (str(candidate.architecture), *candidate.reading.also) for candidate in told)


def _is_part(candidate: Candidate) -> bool:
    """Whether the file has most of the network and nothing else: it has lost some of what it says it is."""
    return candidate.serious and bool(candidate.missing) and not candidate.misshaped and not candidate.strangers


def flags_of(overrides: Overrides) -> dict[str, Any]:
    """What the user said that is a clue to a recogniser."""
    given = {"heads": overrides.heads, "stem": overrides.stem}
    return {name: value for name, value in given.items() if value is not None}


def top_keys(content: Any) -> list[str]:
    return [str(key) for key in content] if isinstance(content, dict) else []


def _below_key(containers: Sequence[Container], key: str | None) -> list[Container]:
    if key is None:
        return list(containers)
    path = key.strip(".")
    chosen = [container for container in containers if container.path == path] or [
        container for container in containers if container.path.startswith(f"{path}.")
    ]
    if not chosen:
        paths = listed((f"{container.path or '.'} ({len(container.tensors)} tensors)" for container in containers), limit=6)
        raise CheckpointError(f"key must be the path of weights in the file; got {key!r}; there are: {paths}", code="E_KEY")
    return chosen


def _own_key(file: CheckpointFile, overrides: Overrides) -> str | None:
    """Where a file of ours says its encoder is, unless the user looks for another part of it."""
    stated = file.own_block.get("key")
    return stated if isinstance(stated, str) and overrides.prefix is None and overrides.role is None else None


def _check_prefix(containers: Sequence[Container], prefix: str | None) -> None:
    if prefix and not any(name.startswith(f"{prefix}.") for container in containers for name in container.tensors):
        parts = dict.fromkeys(name.partition(".")[0] for container in containers for name in container.tensors if "." in name)
        raise CheckpointError(f"prefix must stand before names of the file; got {prefix!r}; names start with {listed(parts, limit=8)}", code="E_KEY")


def _in_order(containers: Sequence[Container], clues: Clues, overrides: Overrides) -> list[Candidate]:
    """Networks whose tensors have these shapes in this sequence; the last resort, and said to be one."""
    found = []
    place = f"{overrides.prefix}." if overrides.prefix else ""
    for container in containers:
        for reading in read_by_order(below(shapes_in(container), place), clues):
            scheme = reading.scheme if reading.scheme.startswith("matched by order") else f"matched by order: {reading.scheme}"
            found.append(check_candidate(container, place, replace(reading, scheme=scheme), overrides.allow_missing))
    return found
