"""Maps of the classes: cosines of their centroids, classes in the order of a dendrogram; several reports in one order, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.plots.figures import new_figure
from repr_probe.plots.semantic import colour_limits, pointed_ends
from repr_probe.reports.safe_text import printable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from repr_probe.reports.geometry_report import GeometryReport

_SIDE = 5.0  # inches
_MOST_NAMES = 60  # class names on an axis; with more they could not be read
_NAME, _TITLE = 24, 44  # letters


def centroid_map(
    report: GeometryReport, ax: Axes | None = None, *, order: Sequence[int] | None = None, limits: tuple[float, float] | None = None,
    names: bool = True, colour_bar: bool = True,
) -> Axes:  # fmt: skip
    """Cosines of the class centroids, (K, K): bright is alike; what is alike stands together.

    order: positions of the classes, default `class_order(report)`.  limits: cosines of the darkest and the brightest colour, default so that
    2 % of the pairs lie beyond either end.  names: class names on the left, with up to 60 classes.
    Without `ax` a new figure is made (`ax.figure`), outside pyplot: nothing is shown and no style changes.
    Raises InputError for a report without its centroid cosines (read from JSON alone, without labels, or of more than 2,000 classes).
    """
    cosine = _cosine(report)
    places = np.array(class_order(report) if order is None else order)
    if sorted(places.tolist()) != list(range(len(cosine))):
        raise InputError(f"order must hold each of {len(cosine)} positions once; got {len(places)}")
    ax = new_figure(1.3 * _SIDE, _SIDE).subplots() if ax is None else ax
    low, high = limits or _limits([report])
    image = ax.imshow(cosine[np.ix_(places, places)], vmin=low, vmax=high, cmap="viridis", interpolation="auto", aspect="equal")
    ax.set_xticks([])
    if names and len(cosine) <= _MOST_NAMES:
        shown = [shorten(printable(report.class_names[place]), _NAME).replace("$", r"\$") for place in places]
        ax.set_yticks(range(len(shown)), shown, fontsize=8 if len(shown) <= 20 else 5)
    else:
        ax.set_yticks([])
    if len(cosine) > _MOST_NAMES:
        ax.set_xlabel(f"{len(cosine):,} classes")
    ax.set_title(shorten(printable(report.name), _TITLE).replace("$", r"\$"))
    if colour_bar:
        ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.04, extend=_beyond([report], (low, high)), label="cosine of class centroids")
    return ax


def centroid_maps(reports: Sequence[GeometryReport]) -> Figure:
    """A map for each report beside each other: the classes in the order of the first one's dendrogram, one colour scale for all.

    Raises InputError where the classes differ.
    """
    if not reports:
        raise InputError("reports must hold at least one report; got none")
    first = reports[0]
    other = next((report for report in reports if report.class_names != first.class_names), None)
    if other is not None:
        raise InputError(f"reports must be of the same classes; got others in {other.name!r} than in {first.name!r}")
    order, limits = class_order(first), _limits(reports)
    figure = new_figure(0.9 * _SIDE * len(reports) + 1.2, _SIDE)
    axes = figure.subplots(1, len(reports), squeeze=False)[0]
    for number, (ax, report) in enumerate(zip(axes, reports, strict=True)):
        centroid_map(report, ax, order=order, limits=limits, names=number == 0, colour_bar=False)
    figure.colorbar(axes[-1].images[0], ax=list(axes), fraction=0.046, pad=0.02, extend=_beyond(reports, limits), label="cosine of class centroids")
    return figure


def class_order(report: GeometryReport) -> list[int]:
    """Positions of the classes along the leaves of the dendrogram (average linkage on 1 - cosine)."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    cosine = _cosine(report)
    if len(cosine) < 3:
        return list(range(len(cosine)))
    distance = np.maximum(1.0 - cosine, 0.0)[np.triu_indices(len(cosine), 1)]
    return [int(place) for place in leaves_list(linkage(distance, "average", optimal_ordering=len(cosine) <= 500))]


def _beyond(reports: Sequence[GeometryReport], limits: tuple[float, float]) -> str:
    """Which ends of the bar are pointed: those with cosines beyond them."""
    return pointed_ends(np.concatenate([_cosine(report).ravel() for report in reports]), limits)


def _limits(reports: Sequence[Any]) -> tuple[float, float]:
    for report in reports:
        _cosine(report)
    return colour_limits(reports)


def _cosine(report: GeometryReport) -> np.ndarray:
    cosine = report.centroid_cosine
    if cosine is None or len(cosine) < 2:
        raise InputError(f"report must hold the cosines of two class centroids or more; got none in {report.name!r}; keep its .centroids.npz beside it")
    if not np.isfinite(cosine).all():
        raise InputError(f"report must have class centroids with a direction; got one of length 0 in {report.name!r}")
    return cosine
