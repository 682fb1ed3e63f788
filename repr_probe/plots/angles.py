"""Histograms of pairwise angles: all pairs, same class, different class; several reports beside each other on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from repr_probe.errors import InputError
from repr_probe.metrics.angle_tiles import BIN
from repr_probe.plots.figures import new_figure
from repr_probe.plots.learning_curves import COLOURS, STYLES
from repr_probe.reports.safe_text import printable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from repr_probe.reports.geometry_report import GeometryReport

# Kind -> (words, colour, style): told apart without colour too.
KINDS = {
    "all": ("all pairs", COLOURS[6], STYLES[3]),
    "negative": ("different class", COLOURS[0], STYLES[0]),
    "positive": ("same class", COLOURS[1], STYLES[1]),
}
_TAIL = 1e-4  # share of the pairs that may lie beyond either end
_WIDTH, _HEIGHT = 4.2, 3.2  # inches, of a panel
_MOST_COLUMNS = 3
_NAME = 36  # letters of a title


def angle_histogram(
    report: GeometryReport, ax: Axes | None = None, *, kinds: Sequence[str] | None = None, bin_width: float = 1.0,
    limits: tuple[float, float] | None = None, legend: bool = True,
) -> Axes:  # fmt: skip
    """Share of the pairs per degree against their angle, a line for each kind of pair that the report holds; dashes mark the means.

    kinds: of "all", "positive", "negative"; default the latter two where there are labels, else all.  bin_width: degrees, a multiple of 0.05.
    limits: ends of the horizontal axis, degrees.
    Without `ax` a new figure is made (`ax.figure`), outside pyplot: nothing is shown and no style changes.
    Raises InputError where the report holds no histogram of a kind (pairs were sampled, or there are no labels).
    """
    chosen = _kinds(report, kinds)
    if ax is None:
        ax = new_figure(_WIDTH, _HEIGHT).subplots()
    for kind in chosen:
        words, colour, style = KINDS[kind]
        shares, edges = _shares(report.histograms[kind], bin_width)
        ax.stairs(shares, edges, color=colour, linestyle=style, linewidth=1.5, label=words)
        if kind != "all":
            ax.stairs(shares, edges, color=colour, fill=True, alpha=0.18, linewidth=0)
        mean = report.measures.get(f"angle_{kind}_mean")
        if mean is not None and mean.value is not None:
            ax.axvline(mean.value, color=colour, linestyle=(0, (2, 3)), linewidth=0.9)
    ax.set_xlim(*(limits or angle_limits([report], chosen)))
    ax.set_ylim(bottom=0.0)
    ax.locator_params(axis="x", nbins=6)
    ax.set_xlabel("angle between two images (degrees)")
    ax.set_ylabel("share of pairs per degree")
    ax.set_title(shorten(printable(report.name), _NAME).replace("$", r"\$"))
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if legend:
        ax.legend(frameon=False, fontsize="small")
    return ax


def angle_histograms(reports: Sequence[GeometryReport], *, kinds: Sequence[str] | None = None, bin_width: float = 1.0) -> Figure:
    """A panel for each report, up to three beside each other, on one scale with one legend."""
    if not reports:
        raise InputError("reports must hold at least one report; got none")
    chosen = [_kinds(report, kinds) for report in reports]
    limits = angle_limits(reports, list(dict.fromkeys(kind for found in chosen for kind in found)))
    columns = min(len(reports), _MOST_COLUMNS)
    rows = -(-len(reports) // columns)
    figure = new_figure(_WIDTH * columns, _HEIGHT * rows + 0.4)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for number, (ax, report) in enumerate(zip(axes, reports)):
        angle_histogram(report, ax, kinds=kinds, bin_width=bin_width, limits=limits, legend=False)
        ax.set_ylabel(ax.get_ylabel() if number % columns == 0 else "")
    for ax in axes[len(reports) :]:
        ax.set_axis_off()
    # With a shared axis the last panel sets the limits; the highest curve of all must fit.
    axes[0].set_ylim(0.0, 1.05 * max(_shares(report.histograms[kind], bin_width)[0].max() for report, found in zip(reports, chosen) for kind in found))
    handles = {text: handle for ax in axes for handle, text in zip(*ax.get_legend_handles_labels())}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3, frameon=False)
    return figure


def angle_limits(reports: Sequence[GeometryReport], kinds: Sequence[str]) -> tuple[float, float]:
    """Ends of an axis that shows all but one pair in 10,000 at either side of every histogram, in whole steps of 10 degrees."""
    low, high = 180.0, 0.0
    for report in reports:
        for kind in kinds:
            if kind in report.histograms:
                share = np.cumsum(report.histograms[kind]) / report.histograms[kind].sum()
                low = min(low, float(np.searchsorted(share, _TAIL)) * BIN)
                high = max(high, float(np.searchsorted(share, 1.0 - _TAIL) + 1) * BIN)
    return float(np.floor(low / 10.0) * 10.0), float(min(180.0, np.ceil(high / 10.0) * 10.0))


def _kinds(report: GeometryReport, kinds: Sequence[str] | None) -> tuple[str, ...]:
    unknown = next((kind for kind in kinds or () if kind not in KINDS), None)
    if unknown is not None:
        raise InputError(f"kinds must be of {', '.join(KINDS)}; got {unknown!r}")
    labelled = tuple(kind for kind in ("negative", "positive") if kind in report.histograms)
    chosen = tuple(kinds) if kinds is not None else labelled or ("all",)
    missing = next((kind for kind in chosen if kind not in report.histograms or not report.histograms[kind].any()), None)
    if missing is not None or not chosen:
        raise InputError(f"report must hold a histogram of {missing or 'all'} angles; got none in {report.name!r} (sampled pairs, or no labels)")
    return chosen


def _shares(counts: np.ndarray, bin_width: float) -> tuple[np.ndarray, np.ndarray]:
    """(share of the pairs per degree in each bin, edges in degrees)."""
    group = round(bin_width / BIN)
    if group < 1 or abs(group * BIN - bin_width) > 1e-9 or len(counts) % group:
        raise InputError(f"bin_width must be a multiple of {BIN:g} degrees that divides 180; got {bin_width:g}")
    summed = counts.reshape(-1, group).sum(axis=1)
    return summed / counts.sum() / bin_width, np.arange(len(summed) + 1) * bin_width
