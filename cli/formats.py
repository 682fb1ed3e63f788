"""What stdout carries: text by default, or the one format that was asked for."""

from __future__ import annotations

import shutil
from typing import Annotated

from repr_probe.errors import UsageError

from .options import OUTPUT, option

WIDEST = 140  # columns; wider terminals make the definitions hard to read
NARROW = 120  # where the width of the terminal is not known
SUFFIXES = {"json": ".json", "csv": ".csv", "markdown": ".md", "latex": ".tex", "html": ".html"}
"""Format of stdout -> the suffix under which a file has the same format."""

AsJson = Annotated[bool, option("Print JSON.", OUTPUT, "--json")]
AsCsv = Annotated[bool, option("Print CSV.", OUTPUT, "--csv")]
AsMarkdown = Annotated[bool, option("Print markdown.", OUTPUT, "--markdown")]
AsLatex = Annotated[bool, option("Print LaTeX.", OUTPUT, "--latex")]
AsHtml = Annotated[bool, option("Print one HTML page that needs no other file.", OUTPUT, "--html")]


def stdout_format(**chosen: bool) -> str:
    """The one format flag that was given; "text" for none. The names are the command's flags.

    Raises UsageError for several.
    """
    given = [name for name, on in chosen.items() if on]
    if len(given) > 1:
        flags, known = " and ".join(f"--{name}" for name in given), ", ".join(f"--{name}" for name in chosen)
        raise UsageError(f"the output must be one of {known}; got {flags}; write the others with --out")
    return given[0] if given else "text"


def terminal_width() -> int:
    """Columns for a report as text."""
    return min(WIDEST, shutil.get_terminal_size((NARROW, 24)).columns)
