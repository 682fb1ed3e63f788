"""MapSummary: the numbers of maps that were drawn, as saliency, attention and hypercolumns write them with --json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCHEMA = 1
KINDS = ("saliency", "attention", "hypercolumns")


@dataclass(frozen=True)
class MapSummary:
    """kind: one of KINDS.  settings: by checkpoint, how its maps were made.  rows: one mapping a line of the table, fields in docs/json.md.

    The maps themselves are no part of it: they lie in the .npz file of --out.
    """

    kind: str
    settings: Mapping[str, Mapping[str, Any]]
    rows: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        settings = {name: dict(made) for name, made in self.settings.items()}
        return {"kind": self.kind, "schema": SCHEMA, "settings": settings, "rows": [dict(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MapSummary:
        """The inverse of `to_dict`. KeyError, TypeError or ValueError for anything else."""
        settings = {name: dict(made) for name, made in data["settings"].items()}
        return cls(str(data["kind"]), settings, tuple(dict(row) for row in data["rows"]))
