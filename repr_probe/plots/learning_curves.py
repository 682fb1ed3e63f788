"""Learning curves as Figs. 6-8 of HyDeS have them: one line a setting, mean and SD over seeds, and the end of training enlarged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by every kind of colour vision; yellow is left out, too pale for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_MARKED = 12  # with up to so many points each is marked
_WIDTH, _HEIGHT = 6.4, 4.2  # inches
_BOTTOM, _ROOM = 0.08, 0.44  # of the axes: where the enlarged part stands, and its height

Line = tuple[Any, Any]  # x (n,), y (n,)
Drawn = Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]  # setting -> places, mean, SD


def learning_curves(
    runs: Mapping[str, Sequence[Line]],
    ax: Axes | None = None,
    *,
    label: str = "",
    over: str = "step",
    zoom: tuple[float, float] | None = None,
    title: str = "",
    legend: bool = True,
    looks: Mapping[str, int] | None = None,
) -> Axes:
    """One line a setting: the mean over its runs (seeds) at each place that all of them have, and a band of one SD (n - 1) around it.

    runs: setting -> its runs, each (x, y).  label: what y is.  over: what x is.
    zoom: (from, to) in x, drawn once more, enlarged, in a corner that no curve crosses as far as there is one; None for no such part.
    Lines differ by colour and by style; looks: setting -> the number of its look, default their order.
    Without `ax` a new figure is made (`ax.figure`), outside pyplot: nothing is shown and no style changes.
    Raises InputError for no runs, and for runs of one setting that have no place in common.
    """
    if not runs or not all(runs.values()):
        raise InputError("runs must hold at least one run for every setting; got none")
    drawn = {name: mean_and_sd(lines, name) for name, lines in runs.items()}
    ax = _axes() if ax is None else ax
    looks = looks or {name: number for number, name in enumerate(drawn)}
    _draw(ax, drawn, looks, marks=True)
    ax.set_xlabel(over)
    ax.set_ylabel(label)
    if title:
        ax.set_title(title.replace("$", r"\$"))
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(axis="y", color="0.92")
    ax.set_axisbelow(True)
    if legend and len(drawn) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, title=_seeds(runs))
    elif legend and _seeds(runs):
        ax.set_title(f"{ax.get_title()}{', ' if title else ''}{_seeds(runs)}")
    if zoom is not None:
        _enlarge(ax, drawn, looks, zoom)
    return ax


def curve_panels(
    panels: Mapping[str, Mapping[str, Sequence[Line]]], *, over: str = "step", zooms: Mapping[str, tuple[float, float] | None] | None = None
) -> Figure:
    """`learning_curves` of several numbers, a panel each, up to three beside each other, with one legend.

    panels: what a panel shows -> setting -> its runs. A setting has the same colour and style in every panel.
    """
    if not panels:
        raise InputError("panels must hold at least one number; got none")
    columns = 2 if len(panels) == 4 else min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure = new_figure(3.6 * columns + 1.4, 3.0 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    settings = list(dict.fromkeys(name for runs in panels.values() for name in runs))
    for ax, (label, runs) in zip(axes, panels.items()):
        looks = {name: settings.index(name) for name in runs}
        learning_curves(runs, ax, label=label, over=over, zoom=(zooms or {}).get(label), legend=False, looks=looks)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    fullest = max(panels.values(), key=len)
    handles = {line.get_label(): line for ax in axes for line in ax.get_lines()}
    if len(settings) > 1 or _seeds(fullest):
        figure.legend(handles.values(), handles.keys(), loc="outside right upper", frameon=False, title=_seeds(fullest) or None)
    return figure


def mean_and_sd(lines: Sequence[Line], name: str = "a setting") -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """(places that every run has, mean there, SD with n - 1; None for one run).

    >>> x, mean, sd = mean_and_sd([([0, 1, 2], [0.0, 1.0, 2.0]), ([0, 2], [2.0, 4.0])])
    >>> x.tolist(), mean.tolist(), sd.round(3).tolist()
    ([0.0, 2.0], [1.0, 3.0], [1.414, 1.414])
    """
    found = []
    for x, y in lines:
        places, values = np.asarray(x, float), np.asarray(y, float)
        if places.shape != values.shape or places.ndim != 1 or len(places) == 0:
            raise InputError(f"each run must be two rows of equal length; got shapes {places.shape} and {values.shape} for {name}")
        found.append(dict(zip(places.tolist(), values.tolist())))
    shared = sorted(set.intersection(*(set(line) for line in found)))
    if not shared:
        raise InputError(f"the runs of a setting must have places in common; those of {name} have none")
    values = np.array([[line[place] for place in shared] for line in found])  # (n_runs, n_places)
    return np.array(shared), values.mean(0), values.std(0, ddof=1) if len(found) > 1 else None


def _draw(ax: Axes, drawn: Drawn, looks: Mapping[str, int], *, marks: bool) -> None:
    for name, (x, mean, sd) in drawn.items():
        number = looks[name]
        colour = COLOURS[number % len(COLOURS)]
        style = STYLES[(number + number // len(COLOURS)) % len(STYLES)]  # another pairing in every round of the colours
        mark = "o" if marks and len(x) <= _MARKED else ""
        ax.plot(x, mean, color=colour, linestyle=style, marker=mark, markersize=3.5, linewidth=1.6, label=name.replace("$", r"\$"))
        if sd is not None:
            ax.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)


def _enlarge(ax: Axes, drawn: Drawn, looks: Mapping[str, int], zoom: tuple[float, float]) -> None:
    low, high = zoom
    lows, highs = [], []
    for x, mean, sd in drawn.values():
        inside = (x >= low) & (x <= high)
        spread = np.zeros_like(mean) if sd is None else sd
        lows += (mean - spread)[inside].tolist()
        highs += (mean + spread)[inside].tolist()
    if not low < high or not lows:
        raise InputError(f"zoom must be two places with points of the curves between them; got {low:g} to {high:g}")
    margin = 0.06 * (max(highs) - min(lows)) or 0.01 * (abs(max(highs)) or 1.0)
    bottom, top = ax.get_ylim()
    corner = _free_corner(drawn, (bottom, top), ax.get_xlim())
    inset = ax.inset_axes(corner)
    _draw(inset, drawn, looks, marks=False)
    inset.set_xlim(low, high)
    inset.set_ylim(min(lows) - margin, max(highs) + margin)
    inset.tick_params(labelsize=7)
    inset.locator_params(axis="x", nbins=4, integer=True)
    inset.grid(axis="y", color="0.92")
    ax.set_ylim(bottom, top)
    ax.indicate_inset_zoom(inset, edgecolor="0.5")


def _free_corner(drawn: Drawn, limits: tuple[float, float], span: tuple[float, float]) -> tuple[float, float, float, float]:
    """(left, bottom, width, height) in parts of the axes: the corner with the fewest points of the curves in it."""
    corners = [(left, bottom, 0.42, _ROOM) for bottom in (_BOTTOM, 1 - _ROOM - 0.02) for left in (0.56, 0.1)]
    x = np.concatenate([np.interp(np.linspace(0, len(line[0]) - 1, 200), np.arange(len(line[0])), line[0]) for line in drawn.values()])
    y = np.concatenate([np.interp(np.linspace(0, len(line[1]) - 1, 200), np.arange(len(line[1])), line[1]) for line in drawn.values()])
    x, y = (x - span[0]) / (span[1] - span[0]), (y - limits[0]) / (limits[1] - limits[0])

    def covered(corner: tuple[float, float, float, float]) -> int:
        left, bottom, width, height = corner
        return int(((x > left - 0.06) & (x < left + width) & (y > bottom - 0.08) & (y < bottom + height)).sum())

    return min(corners, key=covered)


def _seeds(runs: Mapping[str, Sequence[Line]]) -> str:
    counts = {len(lines) for lines in runs.values()}
    if counts == {1}:
        return ""
    return f"mean ± SD of {counts.pop()} seeds" if len(counts) == 1 else f"mean ± SD of {min(counts)} to {max(counts)} seeds"


def _axes() -> Axes:
    return new_figure(_WIDTH, _HEIGHT).subplots()
