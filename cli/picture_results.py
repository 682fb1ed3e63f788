"""What the commands on pictures give: a file of arrays, a figure, and on stdout a table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .columns import aligned
from .output import say

SCHEMA = 1


class PictureResult(Protocol):
    """One checkpoint's part of the result. name: unique; label: for people; settings: everything that makes its numbers."""

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def settings(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Outputs:
    """Where the results of one command go. kind: "text", "json" or "csv" on stdout.

    Raises UsageError for a suffix that is not written: made before the work, it refuses before the work.
    """

    kind: str
    out: Path | None
    figure: Path | None

    def __post_init__(self) -> None:
        from repr_probe.plots.figures import check_figure
        from repr_probe.workflows.beside import check_arrays

        if self.out is not None:
            check_arrays(self.out)
        if self.figure is not None:
            check_figure(self.figure)

    def give(
        self, command: str, results: Sequence[Any], *, save: Callable[..., object], draw: Callable[..., Any],
        rows: Callable[..., list[dict[str, Any]]], table: Callable[[Any], str], lines: Callable[[dict[str, Any]], list[dict[str, Any]]],
    ) -> None:  # fmt: skip
        """Files first: what reads our stdout may leave early.

        save(results, path) writes the arrays and draw(results) makes the figure.  rows: results -> the rows of the JSON.
        table: one result as text.  lines: a row of the JSON -> its lines in the CSV.
        """
        if self.out is not None:
            save(results, self.out)
        if self.figure is not None:
            from repr_probe.plots.figures import save_figure

            save_figure(draw(results), self.figure)
        if self.kind == "text":
            say("\n\n".join(table(result) for result in results))
        elif self.kind == "json":
            say(as_json(command, results, rows(results)))
        else:
            say(as_csv([line for row in rows(results) for line in lines(row)]))


def as_json(command: str, results: Sequence[PictureResult], rows: Sequence[Mapping[str, Any]]) -> str:
    settings = {result.name: dict(result.settings) for result in results}
    return json.dumps({"kind": command, "schema": SCHEMA, "settings": settings, "rows": rows}, indent=2, default=str, allow_nan=False)


def as_csv(lines: Sequence[Mapping[str, Any]]) -> str:
    """The names of the first line's columns on top.

    >>> as_csv([{"image": "a.png", "peak": 2.5}, {"image": "b.png", "peak": None}])
    'image,peak\\na.png,2.5\\nb.png,\\n'
    """
    written = io.StringIO()
    table = csv.DictWriter(written, list(lines[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(lines)
    return written.getvalue()


def as_table(heading: str, rows: Sequence[Sequence[str]], *remarks: str, turned: bool = False) -> str:
    """A heading, the rows as columns (turned: the columns as rows, where that is narrower), and remarks, a line each."""
    return "\n".join([heading, aligned([list(column) for column in zip(*rows, strict=True)] if turned else rows), *remarks])
