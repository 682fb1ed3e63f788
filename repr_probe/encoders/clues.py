"""Clues: every fact that tensors do not show, each from the most trusted place that states it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repr_probe.encoders.checkpoint_file import CheckpointFile
from repr_probe.encoders.hints import Hint
from repr_probe.encoders.hints_in_modules import module_clues
from repr_probe.encoders.reading import Clue, Clues
from repr_probe.encoders.sources import SourceFacts


def collect_clues(file: CheckpointFile, hint: Hint, source: SourceFacts | None, flags: Mapping[str, Any]) -> Clues:
    """In order of trust: the user's options, the file's words and its configuration, attributes of pickled modules, the program's habits.

    flags: options by name ("heads", "stem", "pool"); those that are None were not given.
    """
    given = {name: Clue(value, f"--{name.replace('_', '-')}") for name, value in flags.items() if value is not None}
    return {**(source.clues if source is not None else {}), **module_clues(file.content), **hint.clues, **given}
