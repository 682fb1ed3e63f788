"""What a file, or the configuration beside it, says about its own network and its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from repr_probe.encoders.architectures import Architecture, resolve_architecture
from repr_probe.encoders.checkpoint_file import CheckpointFile
from repr_probe.encoders.hints_in_arguments import argument_clues, argument_input, is_family_word, mmengine_facts, named_networks, said_in
from repr_probe.encoders.hints_in_config import (
    PROCESSORS,
    hugging_face_clues,
    open_clip_clues,
    open_clip_input,
    processor_input,
    timm_config,
)
from repr_probe.encoders.input_spec import stated_input
from repr_probe.encoders.reading import Clue
from repr_probe.encoders.source_signs import said_word
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import printable
from repr_probe.preprocessing import InputSpec


@dataclass(frozen=True)
class Hint:
    """architecture: what the file says it is, or None.  source: where it says so.  input: whole preprocessing stated in or beside it.

    certain: whether the network must be this one (our own block, timm's config.json), or only was called so in some arguments.
    clues: facts the tensors do not show.  single: single values of the preprocessing -> (value, where it is said).
    unknown: words found in the places of an architecture that name none ("arch 'my_vit'").  notes: what the user should know.
    """

    architecture: Architecture | None
    source: str = ""
    input: InputSpec | None = None
    unknown: tuple[str, ...] = field(default_factory=tuple)
    certain: bool = False
    clues: Mapping[str, Clue] = field(default_factory=dict)
    single: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def adjusted(self, spec: InputSpec) -> InputSpec:
        """`spec`, which comes from elsewhere, with the single values that the file states."""
        for name, (value, where) in self.single.items():
            if name not in ("mean", "std") or len(value) == spec.channels:
                spec = spec.override(where, **{name: value})
        return spec


def find_hint(file: CheckpointFile) -> Hint:
    """In order of trust: our own block, configurations beside the file, arguments in the file.

    For the network, for every clue and for the preprocessing alike, the first that says something counts.
    """
    said = said_in(file)
    if file.own_block:
        source = f"metadata of {file.path.name}"
        network = resolve_architecture(file.own_block["arch"])
        return Hint(network, source, stated_input(file.own_block["input"], source), certain=True)
    clues, stated, notes = _beside(file)
    from_cfg, single, more = mmengine_facts(said_word(said, "meta.cfg"))
    if said_word(said, "meta.cfg") is not None:
        notes += more
    merged = {**from_cfg, **argument_clues(said), **clues}
    hint = Hint(None, "", stated, clues=merged, single={**single, **argument_input(said)}, notes=notes)
    configured = timm_config(file.config.get("config.json"), "config.json")
    if configured is not None:
        named, spec, more_clues = configured
        source = "architecture in config.json" if named is not None else ""
        return replace(
            hint, architecture=named, source=source, input=spec or stated, certain=named is not None, clues={**merged, **more_clues}
        )
    return _named(hint, file, said)


def _named(hint: Hint, file: CheckpointFile, said: Mapping[str, Any]) -> Hint:
    """`hint` with the network that words of the file name."""
    unknown: list[str] = []
    for key in ("arch", "architecture"):
        if key in file.metadata:
            try:
                network = resolve_architecture(file.metadata[key])
                return replace(hint, architecture=network, source="metadata in the file", certain=True, unknown=tuple(unknown))
            except CheckpointError:
                unknown.append(f"metadata '{printable(file.metadata[key])}'")
    for place, word, named in named_networks(said):
        if named is not None:
            return replace(hint, architecture=named, source=f"{place} in the file", unknown=tuple(unknown))
        if not is_family_word(word):
            unknown.append(f"{place} '{printable(word)}'")
    return replace(hint, unknown=tuple(unknown))


def _beside(file: CheckpointFile) -> tuple[dict[str, Clue], InputSpec | None, tuple[str, ...]]:
    """Clues, preprocessing and notes from the JSON files beside the weights."""
    config = file.config
    clues = hugging_face_clues(config.get("config.json"), "config.json")
    clues |= open_clip_clues(config.get("open_clip_config.json"), "open_clip_config.json")
    stated = open_clip_input(config.get("open_clip_config.json"), "open_clip_config.json")
    if stated is not None:
        return clues, stated, ()
    for name in PROCESSORS:
        found = processor_input(config.get(name), name)
        if found is not None:
            return clues, *found
    return clues, None, ()
