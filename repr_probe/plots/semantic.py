"""Figures of a SemanticReport: cosines of the class centroids in the order of WordNet's leaves (Fig. 5 of HyDeS), and the dendrogram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from repr_probe.reports.semantic_report import SemanticReport

SUFFIXES = (".png", ".pdf", ".svg")
LIMITS = (0.0, 1.0)
_MOST_NAMES = 60  # class names on an axis; with more they could not be read
_SIDE = 5.0  # inches


def heat_map(report: SemanticReport, ax: Axes | None = None, *, limits: tuple[float, float] = LIMITS, colour_bar: bool = True) -> Axes:
    """Cosines of the class centroids, (K, K), classes in the order of WordNet's leaves: bright is alike.

    limits: cosines of the darkest and the brightest colour. The default 0..1 is the same for every checkpoint, so that figures can be laid
    side by side; cosines outside are shown as the nearest colour and the bar has a pointed end.
    Without `ax` a new figure is made (`ax.figure`), outside pyplot: nothing is shown and no style changes.
    """
    cosine = _cosine(report)
    order = np.array(report.leaf_order or range(len(cosine)))
    ax = _axes() if ax is None else ax
    image = ax.imshow(cosine[np.ix_(order, order)], vmin=limits[0], vmax=limits[1], cmap="viridis", interpolation="nearest", aspect="equal")
    _name_classes(ax, [report.class_names[place] for place in order])
    ax.set_title(_title(report))
    if colour_bar:
        ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.04, extend=_extend(cosine, limits), label="cosine of class prototypes")
    return ax


def heat_maps(reports: Sequence[SemanticReport], *, limits: tuple[float, float] | None = None) -> Figure:
    """One heat map a report beside each other, one colour scale for all: `limits`, by default 0..1 widened to the lowest cosine of any."""
    if not reports:
        raise InputError("reports must hold at least one report; got none")
    matrices = [_cosine(report) for report in reports]
    low, high = limits or (min(0.0, *(float(matrix.min()) for matrix in matrices)), 1.0)
    figure = _figure(_SIDE * len(reports), _SIDE)
    axes = figure.subplots(1, len(reports), squeeze=False)[0]
    for report, ax in zip(reports, axes, strict=True):
        heat_map(report, ax, limits=(low, high), colour_bar=False)
    extend = _extend(np.array([[matrix.min() for matrix in matrices], [matrix.max() for matrix in matrices]]), (low, high))
    figure.colorbar(axes[-1].images[0], ax=list(axes), fraction=0.046, pad=0.02, extend=extend, label="cosine of class prototypes")
    return figure


def dendrogram(report: SemanticReport, ax: Axes | None = None, *, linkage: str | None = None) -> Axes:
    """The tree of the classes by 1 - cosine of their centroids: what merges low is alike. linkage: default the report's."""
    from scipy.cluster.hierarchy import dendrogram as draw
    from scipy.cluster.hierarchy import linkage as cluster

    cosine = _cosine(report)
    method = linkage or str(report.options.get("linkage", "average"))
    ax = _axes() if ax is None else ax
    tree = cluster(_condensed(cosine, method), method)
    names = list(report.class_names)
    draw(tree, ax=ax, orientation="left", labels=names, no_labels=len(names) > _MOST_NAMES, color_threshold=0.0, above_threshold_color="0.3")
    for lines in ax.collections:
        lines.set_linewidth(min(1.5, max(0.3, 60.0 / len(names))))  # else a thousand leaves run together
    ax.set_xlabel("1 - cosine of class prototypes" if method != "ward" else "distance of unit prototypes (ward)")
    ax.set_title(f"{_title(report)}, {method} linkage")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    return ax


def save_figure(report: SemanticReport, path: str | Path) -> Path:
    """Dendrogram and heat map side by side into a .png, .pdf or .svg file; whole or absent. UsageError for another suffix."""
    import io

    from repr_probe.files.atomic import atomic_write

    suffix = check_figure(path)
    figure = _figure(2.4 * _SIDE, _SIDE)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.2])
    dendrogram(report, left)
    heat_map(report, right)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=suffix[1:], dpi=150)
    path = Path(path).expanduser()
    atomic_write(path, drawn.getvalue())
    return path


def check_figure(path: str | Path) -> str:
    """The suffix of a figure file; UsageError for one that is not drawn, so that a long run can refuse before it starts."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"the figure must end in {', '.join(SUFFIXES)}; got {str(path)!r}")
    return suffix


def _cosine(report: SemanticReport) -> np.ndarray:
    if report.centroid_cosine is None:
        raise InputError("report must hold the cosines of its centroids; got one read from JSON alone; keep its .centroids.npz beside it")
    return report.centroid_cosine


def _condensed(cosine: np.ndarray, method: str) -> Any:
    """Upper triangle of 1 - cosine; for ward the Euclidean distance of unit vectors, √(2 - 2 cos)."""
    distance = np.maximum(1.0 - cosine, 0.0)[np.triu_indices(len(cosine), 1)]
    return np.sqrt(2.0 * distance) if method == "ward" else distance


def _extend(values: np.ndarray, limits: tuple[float, float]) -> str:
    below, above = bool(values.min() < limits[0] - 1e-9), bool(values.max() > limits[1] + 1e-9)
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]


def _name_classes(ax: Axes, names: Sequence[str]) -> None:
    if len(names) > _MOST_NAMES:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(f"{len(names):,} classes in the order of WordNet's leaves")
        return
    size = 8 if len(names) <= 20 else 5
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    ax.set_yticks(range(len(names)), names, fontsize=size)


def _title(report: SemanticReport) -> str:
    # A dollar sign would begin a formula.
    return report.name.replace("$", r"\$")


def _axes() -> Axes:
    return _figure(_SIDE * 1.2, _SIDE).subplots()


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
