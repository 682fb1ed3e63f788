"""Principal components of hypercolumns as colours (Fig. 4 of HyDeS), with what each component says and through which layers it comes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, BARS = 1.7, 2.4  # inches: side of a picture, width of the bars
_NAMES = 1.9  # inches: room for the names of the rows and of the bars
COLOURS = ("red", "green", "blue")
_NAMED = 5  # with up to so many layers each is named below its bars
_MEANING = "Bars: through which layers the variance comes, of all and of each component. Percent: of all variance, explained by the component."
_SIZE = 8  # points


@dataclass(frozen=True, eq=False)
class HypercolumnRow:
    """One checkpoint. pictures: (n, H, W, 3) uint8.  explained: (3,).  layers; loading_share: (layers, 3); layer_variance: (layers,).

    components: which of its own components are red, green, blue, from 1; None where that differs from image to image.
    said: a line above the bars (correlations with the first row).
    """

    pictures: np.ndarray
    explained: np.ndarray
    layers: Sequence[str]
    loading_share: np.ndarray
    layer_variance: np.ndarray
    components: tuple[int, int, int] | None = (1, 2, 3)
    said: str = ""


def hypercolumn_figure(
    rows: Mapping[str, HypercolumnRow], images: np.ndarray, titles: Sequence[str] = (), *, heading: str = "", per_line: int = 6
) -> Figure:
    """The photographs, below them a row of colours for every checkpoint, at its right the explained variance and each layer's share.

    rows: name -> its row, all of the same images.  images: (n, H, W, 3) uint8.  More than `per_line` images go on below, without bars.
    The bars: of all variance ("all") and of each component, the part that comes through each layer, from shallow (dark) to deep (bright);
    the percentage is the share of all variance that the component explains. Raises InputError for rows of different numbers of images.
    """
    n = len(images)
    if n == 0 or not rows or any(len(row.pictures) != n for row in rows.values()):
        got = ", ".join(f"{name}: {len(row.pictures)}" for name, row in rows.items()) or "none"
        raise InputError(f"rows must hold the pictures of the same {n} images; got {got}")
    per_line = min(per_line, n)
    lines, each = -(-n // per_line), 1 + len(rows)
    ratio = images.shape[1] / images.shape[2]
    figure = new_figure(_NAMES + per_line * (PANEL + 0.06) + BARS, lines * (0.3 + each * (PANEL * ratio + 0.06)) + 0.35)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)  # type: ignore[union-attr, call-arg]
    grid = figure.add_gridspec(lines * each, per_line + 1, width_ratios=[PANEL] * per_line + [BARS])
    if heading:
        figure.suptitle(textwrap.fill(heading, int(13 * (per_line * PANEL + BARS))), fontsize=_SIZE + 1, parse_math=False)
    drawn = {"image": images, **{name: row.pictures for name, row in rows.items()}}
    for image in range(n):
        line, column = divmod(image, per_line)
        for place, (name, pictures) in enumerate(drawn.items()):
            ax = figure.add_subplot(grid[line * each + place, column])
            _picture(ax, pictures[image])
            if place == 0 and titles:
                ax.set_title(_broken(titles[image], 24), fontsize=_SIZE, parse_math=False, pad=3)
            if column == 0:
                ax.set_ylabel(_broken(name, 24), fontsize=_SIZE, parse_math=False)
    meaning = figure.add_subplot(grid[0, per_line])
    meaning.set_axis_off()
    meaning.text(0.0, 0.5, textwrap.fill(_MEANING, 40), fontsize=_SIZE - 1, va="center")
    for place, row in enumerate(rows.values(), start=1):
        share_bars(row, figure.add_subplot(grid[place, per_line]))
    return figure


def share_bars(row: HypercolumnRow, ax: Axes) -> Axes:
    """Four bars: all variance and three components, split by the layers they come through."""
    from matplotlib import colormaps

    shares = np.column_stack([row.layer_variance, row.loading_share[:, :3]])  # (layers, 4)
    tints = colormaps["viridis"](np.linspace(0.1, 0.95, len(row.layers)))
    left = np.zeros(4)
    for share, tint, layer in zip(shares, tints, row.layers):
        ax.barh(np.arange(4), share, left=left, height=0.74, color=tint, edgecolor="white", linewidth=0.4, label=layer)
        left += share
    numbers = [""] * 3 if row.components is None else [f", PC{number}" for number in row.components]
    texts = [f"{colour}{number} {share:.1%}" for colour, number, share in zip(COLOURS, numbers, row.explained)]
    ax.set_yticks(np.arange(4), ["all variance", *texts], fontsize=_SIZE - 1)
    ax.set_ylim(4.5, -1.1)  # room for a line above and the layers below
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    _name_layers(ax, row.layers)
    if row.said:
        ax.text(0.0, -0.6, row.said, fontsize=_SIZE - 1, va="bottom", parse_math=False)
    return ax


def _name_layers(ax: Axes, layers: Sequence[str]) -> None:
    """A legend of all layers, or of the first and the last of many."""
    handles: dict[Any, Any] = dict(zip(layers, ax.containers))
    named = list(layers) if len(layers) <= _NAMED else [f"{layers[0]} to", layers[-1]]
    shown = list(handles.values()) if len(layers) <= _NAMED else [handles[layers[0]], handles[layers[-1]]]
    ax.legend(
        shown, [textwrap.shorten(name, 14) for name in named], loc="lower left", bbox_to_anchor=(0.0, 0.0), borderaxespad=0, ncols=len(named),
        frameon=False, fontsize=_SIZE - 2, handlelength=0.7, columnspacing=0.6, handletextpad=0.3, borderpad=0,
    )  # fmt: skip


def _broken(text: str, letters: int) -> str:
    """Broken over lines behind spaces, underscores, slashes and hyphens."""
    lines = [""]
    for part in re.split(r"(?<=[ _/-])", text):
        if lines[-1] and len(lines[-1] + part.rstrip()) > letters:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _picture(ax: Axes, picture: np.ndarray) -> None:
    ax.imshow(picture, interpolation="nearest" if max(picture.shape[:2]) < 64 else "auto")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
