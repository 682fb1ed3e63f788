"""A figure made outside pyplot, and its file: .png, .pdf or .svg, whole or absent."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repr_probe.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches that keeps its texts apart; nothing is shown and no style changes."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def check_figure(path: str | Path) -> str:
    """The suffix of a figure file; UsageError for one that is not drawn, so that a long run can refuse before it starts."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"the figure must end in {', '.join(SUFFIXES)}; got {str(path)!r}")
    return suffix


def save_figure(drawing: Figure | Axes, path: str | Path) -> Path:
    """Write a figure, or that of its axes, by suffix; the same drawing gives the same bytes. Raises UsageError for another suffix."""
    from repr_probe.files.atomic import atomic_write

    kind = check_figure(path)[1:]
    path = Path(path).expanduser()
    atomic_write(path, file_contents(drawing, kind))
    return path


def file_contents(drawing: Figure | Axes, kind: str = "png") -> bytes:
    """The contents of a file of the kind "png" (150 dots an inch), "pdf" or "svg": nothing cut, no date in it."""
    from matplotlib import rc_context

    figure: Any = drawing if hasattr(drawing, "savefig") else drawing.figure
    content = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with rc_context({"svg.hashsalt": "repr_probe"}):
        figure.savefig(content, format=kind, dpi=150, bbox_inches="tight", pad_inches=0.08, metadata=metadata)
    return content.getvalue()
