"""A Comparison to a file and back: the suffix chooses the format; a file is whole or absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from repr_probe.errors import UsageError
from repr_probe.files.atomic import atomic_write
from repr_probe.reports.comparison_csv import to_csv
from repr_probe.reports.comparison_formats import to_latex, to_markdown, to_text
from repr_probe.reports.comparison_layout import Published

if TYPE_CHECKING:
    from repr_probe.reports.comparison import Comparison

RENDERERS: Mapping[str, Callable[[Comparison, Published | None], str]] = {
    ".json": lambda comparison, published: comparison.to_json() + "\n",  # published rows are no measures: never in it
    ".csv": to_csv,
    ".md": to_markdown,
    ".tex": to_latex,
    ".txt": lambda comparison, published: to_text(comparison, published) + "\n",
}


def check_suffix(path: str | Path) -> str:
    """The suffix of a result file; UsageError when no format goes by it, so that a long run can refuse before it starts."""
    suffix = Path(path).suffix.lower()
    if suffix not in RENDERERS:
        raise UsageError(f"the result file must end in {', '.join(RENDERERS)}; got {str(path)!r}")
    return suffix


def write_comparison(comparison: Comparison, path: str | Path, published: Published | None = None) -> Path:
    """Write in the format of the suffix; returns the path.

    Raises UsageError for another suffix and StoreError when the place cannot be written.
    """
    path = Path(path).expanduser()
    atomic_write(path, RENDERERS[check_suffix(path)](comparison, published))
    return path
