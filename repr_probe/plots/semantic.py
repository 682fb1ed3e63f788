"""Figures of a SemanticReport: cosines of the class centroids in the order of WordNet's leaves (Fig. 5 of HyDeS), and the dendrogram."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.files.printable import printable
from repr_probe.plots import figures
from repr_probe.plots.figures import check_figure, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from repr_probe.reports.semantic_report import SemanticReport

_MOST_NAMES = 60  # class names on an axis; with more they could not be read
_SIDE = 5.0  # inches
_TOGETHER, _ROOM, _WIDEST_GROUP = 0.8, 0.03, 0.25  # of a group: its unbroken share; of all classes: what a group has
_LETTERS = 44  # of a title in one line, over one panel
_TAIL = 0.02  # share of the pairs that may lie beyond either end of the colours


def colour_limits(reports: Sequence[SemanticReport]) -> tuple[float, float]:
    """Cosines of the darkest and the brightest colour, one pair of limits for all the reports.

    Between them lie all but 2 % of the pairs of classes at either end, in every report, rounded outwards to 0.1 (to 0.02 where they span less
    than 0.2). Features behind a ReLU have cosines from about 0.5 to 1, rows of a classifier from about -0.2 to 0.4: on a scale of 0 to 1 both
    would be one colour. A class with itself plays no part.
    """
    pairs = [_cosine(report)[np.triu_indices(len(report.classes), 1)] for report in reports]
    low = min(float(np.quantile(values, _TAIL)) for values in pairs)
    high = max(float(np.quantile(values, 1 - _TAIL)) for values in pairs)
    step = 0.1 if high - low >= 0.2 else 0.02
    low, high = np.floor(low / step + 1e-9) * step, np.ceil(high / step - 1e-9) * step
    low = min(low, 1.0 - step)
    return max(-1.0, round(float(low), 2)), min(1.0, round(float(max(high, low + step)), 2))


def heat_map(report: SemanticReport, ax: Axes | None = None, *, limits: tuple[float, float] | None = None, colour_bar: bool = True) -> Axes:
    """Cosines of the class centroids, (K, K), classes in the order of WordNet's leaves: bright is alike.

    limits: cosines of the darkest and the brightest colour, by default `colour_limits([report])`; give one pair of limits to figures that are
    laid side by side, or use `heat_maps`. Cosines outside are shown as the nearest colour and the bar has a pointed end.
    Without `ax` a new figure is made (`ax.figure`), outside pyplot: nothing is shown and no style changes.
    """
    cosine = _cosine(report)
    order = np.array(report.leaf_order or range(len(cosine)))
    own = ax is None
    ax = _axes() if ax is None else ax
    limits = limits or colour_limits([report])
    image = ax.imshow(cosine[np.ix_(order, order)], vmin=limits[0], vmax=limits[1], cmap="viridis", interpolation="auto", aspect="equal")
    _name_classes(ax, [report.class_names[place] for place in order], report.groups)
    ax.set_title(_title(report.name))
    if colour_bar:
        ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.04, extend=pointed_ends(cosine, limits), label="cosine of class prototypes")
    if own:
        _settle(ax.figure)
    return ax


def heat_maps(reports: Sequence[SemanticReport], *, limits: tuple[float, float] | None = None) -> Figure:
    """One heat map a report beside each other, one colour scale for all: `limits`, by default the `colour_limits` of all of them."""
    if not reports:
        raise InputError("reports must hold at least one report; got none")
    matrices = [_cosine(report) for report in reports]
    limits = limits or colour_limits(reports)
    figure = new_figure(_SIDE * len(reports), _SIDE)
    axes = figure.subplots(1, len(reports), squeeze=False)[0]
    for report, ax in zip(reports, axes, strict=True):
        heat_map(report, ax, limits=limits, colour_bar=False)
    extend = pointed_ends(np.concatenate([matrix.ravel() for matrix in matrices]), limits)
    figure.colorbar(axes[-1].images[0], ax=list(axes), fraction=0.046, pad=0.02, extend=extend, label="cosine of class prototypes")
    _settle(figure)
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
    ax.set_title(_title(f"{report.name}, {method} linkage"))
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    return ax


def class_figure(report: SemanticReport) -> Figure:
    """Dendrogram and heat map side by side."""
    figure = new_figure(2.4 * _SIDE, _SIDE)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.2])
    dendrogram(report, left)
    heat_map(report, right)
    _settle(figure)
    return figure


def save_figure(report: SemanticReport, path: str | Path) -> Path:
    """`class_figure` as a .png, .pdf or .svg file; UsageError for another suffix, before anything is drawn."""
    check_figure(path)
    return figures.save_figure(class_figure(report), path)


def _cosine(report: SemanticReport) -> np.ndarray:
    if report.centroid_cosine is None:
        raise InputError("report must hold the cosines of its centroids; got one read from JSON alone; keep its .centroids.npz beside it")
    return report.centroid_cosine


def _condensed(cosine: np.ndarray, method: str) -> Any:
    """Upper triangle of 1 - cosine; for ward the Euclidean distance of unit vectors, √(2 - 2 cos)."""
    distance = np.maximum(1.0 - cosine, 0.0)[np.triu_indices(len(cosine), 1)]
    return np.sqrt(2.0 * distance) if method == "ward" else distance


def pointed_ends(values: np.ndarray, limits: tuple[float, float]) -> str:
    """Which ends of the bar are pointed: those with cosines beyond them."""
    below, above = bool(values.min() < limits[0] - 1e-9), bool(values.max() > limits[1] + 1e-9)
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]


def _name_classes(ax: Axes, names: Sequence[str], groups: Sequence[Mapping[str, Any]]) -> None:
    """The classes along both axes; where they are too many, groups of WordNet on the left."""
    if len(names) > _MOST_NAMES:
        shown = _shown_groups(groups, len(names))
        ax.set_xticks([])
        ax.set_yticks([(first + end - 1) / 2 for _, first, end in shown], [name for name, _, _ in shown], fontsize=8)
        ax.set_yticks(sorted({edge - 0.5 for _, first, end in shown for edge in (first, end)}), minor=True)
        ax.tick_params(axis="y", which="major", length=0)
        ax.tick_params(axis="y", which="minor", length=6)
        ax.set_xlabel(f"{len(names):,} classes in the order of WordNet's leaves")
        return
    size = 8 if len(names) <= 20 else 5
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    ax.set_yticks(range(len(names)), names, fontsize=size)


def _shown_groups(groups: Sequence[Mapping[str, Any]], n_classes: int) -> list[tuple[str, int, int]]:
    """(word, first, end) of groups that stand together among the leaves, do not overlap and leave room for each other's names, in order."""
    chosen: list[tuple[str, int, int]] = []
    for group in groups:  # largest first
        first, end = group.get("leaves", (0, 0))
        together = end - first >= _TOGETHER * group["n_classes"]
        room = n_classes * _ROOM <= end - first <= n_classes * _WIDEST_GROUP
        if together and room and all(end <= other or first >= past for _, other, past in chosen):
            chosen.append((str(group["name"]).split(".")[0].replace("_", " "), first, end))
    return sorted(chosen, key=lambda group: group[1])


def _title(name: str) -> str:
    """The name over as many lines as it needs, so that none is cut; a dollar sign would begin a formula."""
    return "\n".join(textwrap.wrap(printable(name, limit=300), _LETTERS) or [""]).replace("$", r"\$")


def _axes() -> Axes:
    return new_figure(_SIDE * 1.3, _SIDE).subplots()


def _settle(figure: Any) -> None:
    """Lay the figure out once: the second time, when it is saved or shown, long names at its edge are whole."""
    figure.draw_without_rendering()
