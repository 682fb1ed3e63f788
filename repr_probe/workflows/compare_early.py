"""What makes a comparison impossible, found before anything is extracted: result files, stores and input specifications tell it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from repr_probe.errors import UsageError
from repr_probe.reports.comparable import check_comparable, check_preprocessing
from repr_probe.workflows.compare_sources import Entry


def check_used(entries: Sequence[Entry], of_checkpoints: Mapping[str, Any], population: str) -> None:
    """Refuse what would be passed over: options of images and networks where there is no network. Raises UsageError."""
    from repr_probe.metrics.states import POPULATIONS

    if population not in POPULATIONS:
        raise UsageError(f"population must be 'classes' or 'images'; got {population!r}")
    given = [name for name, value in of_checkpoints.items() if value is not None]
    if given and not any(entry.is_checkpoint for entry in entries):
        wanted = "checkpoints" if given[0] == "dataset" else "checkpoints and --dataset"
        raise UsageError(f"--{given[0].replace('_', '-')} must go with {wanted}; got it beside features and results alone")


def refuse_early(entries: Sequence[Entry], parts: Sequence[str], loading: Mapping[str, Any], *, allow: Collection[str]) -> None:
    """Refuse rows that may not stand in one table as far as it is known now; every checkpoint is opened once and let go again.

    loading: options of `load_encoder`.  Raises InputError as `check_comparable`, and CheckpointError or FileFormatError for a checkpoint that
    cannot be opened: better now than after the hours of those before it.
    """
    for part in parts:
        check_comparable(part, [entry.rows[part] for entry in entries if part in entry.rows], allow=allow)
    check_preprocessing(parts[0], [(entry.name, _input_of(entry, loading)) for entry in entries], allow=allow)


def _input_of(entry: Entry, loading: Mapping[str, Any]) -> Any:
    """The input specification; None where nobody knows it."""
    if not entry.is_checkpoint:
        known = [row.provenance for row in entry.rows.values()] or [entry.features.provenance if entry.features is not None else {}]
        return known[0].get("input")
    if not isinstance(entry.source, str | Path):
        return entry.source.input.to_dict()
    from repr_probe.encoders.load import load_encoder

    return load_encoder(entry.source, **loading).input.to_dict()
