"""Maps laid over pictures, and grids of pictures: several checkpoints beside each other on the same images."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from repr_probe.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = "inferno"  # even in lightness, so that order survives every kind of colour vision and grey print
PANEL, BAR, GAP = 1.6, 0.55, 0.06  # inches: side of a panel, room of the colour bar, between panels
LINE, LETTER = 0.15, 0.068  # inches: height and mean width of a letter of size 8
_SIZE = 8  # points
_MOST_LINES = 4  # of a title; what is longer loses its middle
_FAINTEST, _STRONGEST = 0.15, 0.85  # how much of the colour covers the picture at 0 and at the map's maximum

Cell = Any  # a picture (H, W, 3) uint8, or (picture, map (h, w)), or (picture, why there is no map)


def overlay(image: np.ndarray, heat: np.ndarray | str | None, ax: Axes | None = None, *, top: float | None = None) -> Axes:
    """A map over its picture: grey picture, colour from dark (0) to bright (`top`), stronger where the map is higher.

    image: (H, W, 3) or (H, W) uint8.  heat: (h, w), any resolution, resized bilinearly; below 0 is drawn as 0.
    top: the value of the brightest colour, default the map's own maximum. The scale starts at 0, never at the map's minimum, so a flat
    map looks flat. A map without any positive value, with values that are not numbers, or a text in its place (the reason there is no
    map) is never stretched to colours: the picture is shown pale, with the words "no map".
    Without `ax` a new figure is made (`ax.figure`), outside pyplot. Raises InputError for shapes that are no picture or no map.
    """
    ax = _figure(PANEL * 2, PANEL * 2).subplots() if ax is None else ax
    reason = _why_not(heat)
    if reason is None:
        _show(ax, blended(image, np.asarray(heat), top=top))
        return ax
    _show(ax, _pale(image))
    words = textwrap.fill(f"no map: {reason}", 26)
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", fontsize=_SIZE - 1, parse_math=False)
    return ax


def blended(image: np.ndarray, heat: np.ndarray, *, top: float | None = None) -> np.ndarray:
    """(H, W, 3) uint8: what `overlay` draws for a map that has positive values."""
    from matplotlib import colormaps

    picture = _checked_image(image)
    values = resized(heat, picture.shape[:2])
    limit = float(np.max(heat)) if top is None else float(top)
    share = np.clip(values / limit, 0.0, 1.0)[..., None]  # (H, W, 1)
    cover = _FAINTEST + (_STRONGEST - _FAINTEST) * np.sqrt(share)
    colour = colormaps[COLOURS](share[..., 0])[..., :3]
    grey = (picture @ np.array([0.299, 0.587, 0.114]))[..., None] / 255.0
    return np.round(255 * (cover * colour + (1 - cover) * grey)).astype(np.uint8)


def resized(heat: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A (h, w) map at (height, width), bilinear between the centres of its cells (align_corners=False of torch).

    >>> resized(np.array([[0.0, 1.0]]), (1, 4)).tolist()
    [[0.0, 0.25, 0.75, 1.0]]
    """
    values = np.asarray(heat, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(f"map must have the shape (height, width); got {values.shape}")
    for axis, new in enumerate(size):
        old = values.shape[axis]
        place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.floor(place).astype(int)
        part = (place - low).reshape((-1, 1) if axis == 0 else (1, -1))
        values = np.take(values, low, axis) * (1 - part) + np.take(values, np.minimum(low + 1, old - 1), axis) * part
    return values


def picture_grid(
    rows: Mapping[str, Sequence[Cell]],
    titles: Sequence[str] = (),
    *,
    images: Sequence[np.ndarray] | None = None,
    heading: str = "",
    captions: Mapping[str, Sequence[str]] | None = None,
    top: float | Mapping[str, float] | None = None,
    bar: str = "share of the map's maximum",
    per_line: int = 8,
) -> Figure:
    """One row a checkpoint, one column an image; more than `per_line` images go on below.

    rows: name -> its cells, as many in every row: a picture (H, W, 3) uint8, or (picture, map), or (picture, reason there is no map).
    titles: over the columns.  images: the plain pictures, a first row of their own.  heading: over all, what the maps are.
    captions: name -> a short text under each of its cells.  top: see `overlay`; one for all, or one a row; default each map its own.
    bar: what the colours mean; the colour bar is drawn where there is a map and `bar` is not empty.
    Names are broken over lines, never cut at the edge. Raises InputError for rows of different lengths.
    """
    cells = {**({"image": list(images)} if images is not None else {}), **{name: list(row) for name, row in rows.items()}}
    n = _columns(cells, titles, captions or {})
    per_line = max(1, min(per_line, n))
    figure, panels, sides = _layout(cells, list(titles), heading, captions or {}, n, per_line, bar)
    for (name, column), ax in panels.items():
        limit = top.get(name) if isinstance(top, Mapping) else top
        _draw_cell(cells[name][column], ax, limit)
        if captions and name in captions:
            ax.set_xlabel(_wrapped(captions[name][column], PANEL), fontsize=_SIZE - 1, parse_math=False, labelpad=2)
    if sides is not None and any(isinstance(cell, tuple) and _why_not(cell[1]) is None for row in cells.values() for cell in row):
        _colour_bar(figure, sides, bar)
    return figure


def _why_not(heat: Any) -> str | None:
    """Why a map cannot be drawn; None for one that can."""
    if heat is None or isinstance(heat, str):
        return heat or "none given"
    values = np.asarray(heat)
    if values.ndim != 2 or values.size == 0:
        raise InputError(f"map must have the shape (height, width); got {values.shape}")
    if not np.isfinite(values).all():
        return "values that are not numbers"
    return None if values.max() > 0 else "no positive value"


def _checked_image(image: np.ndarray) -> np.ndarray:
    picture = np.asarray(image)
    picture = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise InputError(f"image must be uint8 of shape (height, width, 3); got {picture.dtype} of {picture.shape}")
    return picture


def _pale(image: np.ndarray) -> np.ndarray:
    grey = _checked_image(image) @ np.array([0.299, 0.587, 0.114])
    return np.repeat(np.round(190 + 0.25 * grey).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _show(ax: Axes, picture: np.ndarray) -> None:
    ax.imshow(picture, interpolation="nearest" if max(picture.shape[:2]) < 64 else "auto")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def _draw_cell(cell: Cell, ax: Axes, top: float | None) -> None:
    if isinstance(cell, tuple):
        overlay(cell[0], cell[1], ax, top=top)
    else:
        _show(ax, _checked_image(cell))


def _columns(cells: Mapping[str, Sequence[Cell]], titles: Sequence[str], captions: Mapping[str, Sequence[str]]) -> int:
    lengths = {len(row) for row in cells.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(f"rows must hold the same number of pictures, at least one; got {', '.join(f'{k}: {len(v)}' for k, v in cells.items())}")
    n = lengths.pop()
    for what, texts in (("titles", titles), *((f"captions of {name}", row) for name, row in captions.items())):
        if texts and len(texts) != n:
            raise InputError(f"{what} must be one a picture, {n}; got {len(texts)}")
    return n


def _layout(
    cells: Mapping[str, Sequence[Cell]], titles: list[str], heading: str, captions: Mapping[str, Sequence[str]], n: int, per_line: int, bar: str
) -> tuple[Figure, dict[tuple[str, int], Axes], tuple[float, ...] | None]:  # fmt: skip
    """(figure, (row, column) -> its axes, place of the colour bar): every length in inches, so that texts have the room they need."""
    named = [_wrapped(name, 1.6) for name in cells]
    left = 0.12 + max((LETTER * max(map(len, name.splitlines())) for name in named if name), default=0.0)
    over = LINE * max((_wrapped(title, PANEL).count("\n") + 1 for title in titles), default=0) + 0.06
    heights = {name: PANEL * _tallest(row) for name, row in cells.items()}
    under = {name: LINE * max((_wrapped(t, PANEL).count("\n") + 1 for t in captions.get(name, ())), default=0) + GAP for name in cells}
    block = over + sum(heights.values()) + sum(under.values()) + GAP
    blocks = -(-n // per_line)
    width = left + per_line * (PANEL + GAP) + BAR * bool(bar)
    middle = left + per_line * (PANEL + GAP) / 2
    head = _wrapped(heading, 1.8 * min(middle, width - middle))
    top = LINE * 1.3 * (head.count("\n") + 1) + 0.1 if head else 0.0
    height = top + blocks * block
    figure = _figure(width, height)
    if head:
        figure.text(middle / width, 1 - 0.04 / height, head, ha="center", va="top", fontsize=_SIZE + 1, parse_math=False)
    panels: dict[tuple[str, int], Axes] = {}
    for column in range(n):
        x, y = left + (column % per_line) * (PANEL + GAP), height - top - (column // per_line) * block - over
        for number, (name, label) in enumerate(zip(cells, named)):
            y -= heights[name]
            ax = figure.add_axes((x / width, y / height, PANEL / width, heights[name] / height))
            panels[name, column] = ax
            if number == 0 and titles:
                ax.set_title(_wrapped(titles[column], PANEL), fontsize=_SIZE, parse_math=False, pad=3)
            if column % per_line == 0:
                figure.text((left - 0.08) / width, (y + heights[name] / 2) / height, label, ha="right", va="center", fontsize=_SIZE, parse_math=False)
            y -= under[name]
    bar_height = min(3 * PANEL, height - top - over) - 0.2
    sides = ((width - BAR + 0.08) / width, (height - top - over - 0.1 - bar_height) / height, 0.09 / width, bar_height / height)
    return figure, panels, sides if bar else None


def _tallest(row: Sequence[Cell]) -> float:
    shapes = [np.shape(cell[0] if isinstance(cell, tuple) else cell) for cell in row]
    return max(shape[0] / shape[1] for shape in shapes)


def _colour_bar(figure: Figure, place: tuple[float, ...], label: str) -> None:
    from matplotlib.cm import ScalarMappable

    ax = figure.add_axes(place)  # type: ignore[arg-type]
    drawn = figure.colorbar(ScalarMappable(cmap=COLOURS), cax=ax, ticks=[0, 0.5, 1])
    drawn.set_label(label, fontsize=_SIZE - 1)
    drawn.ax.tick_params(labelsize=_SIZE - 1)
    drawn.outline.set_visible(False)  # type: ignore[operator]


def _wrapped(text: str, inches: float) -> str:
    """Broken over lines of this width, behind a space, underscore, slash or hyphen where there is one; the middle of more than 4 lines is cut."""
    letters = max(8, int(inches / LETTER))
    if len(text) > letters * _MOST_LINES:
        half = letters * _MOST_LINES // 2 - 2
        text = f"{text[:half]}…{text[-half:]}"
    lines = [""]
    for part in re.split(r"(?<=[ _/-])", text):
        if len(lines[-1] + part.rstrip()) <= letters or not lines[-1]:
            lines[-1] += part
        else:
            lines.append(part)
    return "\n".join(piece for line in lines for piece in (textwrap.wrap(line, letters) or [""]))


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(width, height))
