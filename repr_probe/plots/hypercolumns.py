"""Principal components of hypercolumns as colours (Fig. 4 of HyDeS), with what each component says and through which layers it comes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, BARS = 1.7, 2.6  # inches: side of a picture, width of the bars
_COMPONENTS = ("red, PC", "green, PC", "blue, PC")
_NAMED = 5  # with up to so many layers each is named below its bars
_SIZE = 8  # points


@dataclass(frozen=True, eq=False)
class HypercolumnRow:
    """One checkpoint. pictures: (n, H, W, 3) uint8.  explained: (3,).  layers; loading_share: (layers, 3); layer_variance: (layers,).

    said: a line below the bars (correlations with the first row).
    """

    pictures: np.ndarray
    explained: np.ndarray
    layers: Sequence[str]
    loading_share: np.ndarray
    layer_variance: np.ndarray
    said: str = ""


def hypercolumn_figure(
    rows: Mapping[str, HypercolumnRow], images: np.ndarray, titles: Sequence[str] = (), *, heading: str = "", per_line: int = 6
) -> Figure:
    """The photographs, below them a row of colours for every checkpoint, at its right the explained variance and each layer's share.

    rows: name -> its row, all of the same images.  images: (n, H, W, 3) uint8.  More than `per_line` images go on below, without bars.
    The bars: of all variance ("all") and of each component, the part that comes through each layer, from shallow (dark) to deep (bright);
    the percentage is the share of all variance that the component explains. Raises InputError for rows of different numbers of images.
    """
    from matplotlib.figure import Figure as Canvas

    n = len(images)
    if n == 0 or not rows or any(len(row.pictures) != n for row in rows.values()):
        got = ", ".join(f"{name}: {len(row.pictures)}" for name, row in rows.items()) or "none"
        raise InputError(f"rows must hold the pictures of the same {n} images; got {got}")
    per_line = min(per_line, n)
    lines, each = -(-n // per_line), 1 + len(rows)
    ratio = images.shape[1] / images.shape[2]
    figure = Canvas(figsize=(1.2 + per_line * PANEL + BARS, lines * (0.25 + each * (PANEL * ratio + 0.1)) + 0.45), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)  # type: ignore[union-attr, call-arg]
    grid = figure.add_gridspec(lines * each, per_line + 1, width_ratios=[PANEL] * per_line + [BARS])
    if heading:
        figure.suptitle("\n".join(textwrap.wrap(heading, int(18 * (per_line * PANEL + BARS)) // 2)), fontsize=_SIZE + 1, parse_math=False)
    drawn = {"image": images, **{name: row.pictures for name, row in rows.items()}}
    for image in range(n):
        line, column = divmod(image, per_line)
        for place, (name, pictures) in enumerate(drawn.items()):
            ax = figure.add_subplot(grid[line * each + place, column])
            _picture(ax, pictures[image])
            if place == 0 and titles:
                ax.set_title(textwrap.fill(titles[image], 24), fontsize=_SIZE, parse_math=False, pad=3)
            if column == 0:
                ax.set_ylabel(textwrap.fill(name, 20), fontsize=_SIZE, parse_math=False)
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
    texts = [f"{colour}{number} {share:.1%}" for number, (colour, share) in enumerate(zip(_COMPONENTS, row.explained), start=1)]
    ax.set_yticks(np.arange(4), ["all variance", *texts], fontsize=_SIZE - 1)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    named = row.layers if len(row.layers) <= _NAMED else (row.layers[0], row.layers[-1])
    handles: dict[Any, Any] = dict(zip(row.layers, ax.containers))
    ax.legend(
        [handles[layer] for layer in named], [textwrap.shorten(layer, 18) for layer in named], loc="upper center", bbox_to_anchor=(0.4, 0.02),
        ncols=min(len(named), 2), frameon=False, fontsize=_SIZE - 1.5, handlelength=0.8, columnspacing=0.8, handletextpad=0.4,
        title=f"{len(row.layers)} layers, first and last" if len(named) < len(row.layers) else None, title_fontsize=_SIZE - 1.5,
    )  # fmt: skip
    if row.said:
        ax.set_title(textwrap.fill(row.said, 44), fontsize=_SIZE - 1, parse_math=False, pad=2)
    return ax


def _picture(ax: Axes, picture: np.ndarray) -> None:
    ax.imshow(picture, interpolation="nearest" if max(picture.shape[:2]) < 64 else "auto")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
