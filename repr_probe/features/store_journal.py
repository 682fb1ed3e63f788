"""The journal of an extraction under way: what is being written, how, and how many rows are safe on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from repr_probe.features.store_key import canonical_json
from repr_probe.files.atomic import atomic_write


@dataclass(frozen=True)
class JournalContent:
    """plan: shape and dtype of the arrays.  run: batch size, device, versions.  rows: number of rows whose bytes are safe."""

    plan: dict[str, Any]
    run: dict[str, Any]
    rows: int
    whole_bytes: int


class StoreJournal:
    """A text file: the first line is JSON, every further line a number of rows; the last whole line counts.

    A line without its end was cut by a kill. The file appears with its first line, after the arrays it speaks of.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def read(self) -> JournalContent | None:
        """What the journal says; None when there is none, or none that can be understood."""
        if not self.path.exists():
            return None
        lines = self.path.read_bytes().split(b"\n")[:-1]
        try:
            first = json.loads(lines[0])
            rows = int(lines[-1]) if len(lines) > 1 else 0
            return JournalContent(dict(first["plan"]), dict(first["run"]), rows, sum(len(line) + 1 for line in lines))
        except (LookupError, TypeError, ValueError):
            return None

    def begin(self, plan: Mapping[str, Any], run: Mapping[str, Any]) -> None:
        atomic_write(self.path, canonical_json({"plan": plan, "run": run}) + "\n")
        self._file = self.path.open("ab", buffering=0)

    def reopen(self, content: JournalContent) -> None:
        """Go on after the last whole line of `content`."""
        self._file = self.path.open("r+b", buffering=0)
        self._file.truncate(content.whole_bytes)
        self._file.seek(0, os.SEEK_END)

    def append(self, rows: int) -> None:
        if self._file is not None:
            self._file.write(b"%d\n" % rows)
            os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)
