"""The map of centroid cosines: what the page's script draws, in several orders of the classes, and a table for those who see no map."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import Any

import numpy as np

from repr_probe.pages.contents import Measured, PageContents, class_names
from repr_probe.pages.numbers import data
from repr_probe.reports.html import table
from repr_probe.reports.safe_text import printable
from repr_probe.reports.table import DASH

UNIT = 1e-4  # of the cosines on the page: four decimals
UNDEFINED = -32768
MOST_CLASSES = 2000
MOST_BYTES = 4_500_000  # of all maps of a page, which as text take a third more


def map_data(page: PageContents) -> dict[str, Any]:
    """JSON-ready: class names, and for each checkpoint its cosines and orders; {} where no checkpoint has a matrix.

    cosines: base64 of the upper triangle with its diagonal, row by row, as little-endian int16 in units of 0.0001; -32768 is undefined.
    orders: words -> positions of the classes, first to last.
    """
    drawn = shown_maps(page)
    if not drawn:
        return {}
    names = class_names(page.reports[0])
    first = drawn[0]
    maps = []
    for place in drawn:
        one = page.measured[place]
        orders = orders_of(one)
        if place != first:
            tree = orders_of(page.measured[first])["dendrogram"]
            orders[f"dendrogram of {page.names[first]}"] = tree
        maps.append({"name": page.names[place], "report": place, "cosines": packed(_matrix(one)), "orders": orders})
    return {"classes": [printable(name) for name in names], "unit": UNIT, "undefined": UNDEFINED, "maps": maps}


def shown_maps(page: PageContents) -> list[int]:
    """Places of the checkpoints whose map is on the page: as many as keep it small."""
    held = [place for place, one in enumerate(page.measured) if one.geometry.centroid_cosine is not None and len(one.geometry.classes) > 1]
    size = sum(range(len(page.reports[0].classes) + 1)) * 2
    return held[: max(1, MOST_BYTES // max(1, size))]


def packed(cosine: np.ndarray) -> str:
    """(K, K) cosines as `map_data` says.

    >>> np.frombuffer(__import__("base64").b64decode(packed(np.array([[1.0, -0.5], [-0.5, np.nan]]))), "<i2").tolist()
    [10000, -5000, -32768]
    """
    upper = cosine[np.triu_indices(len(cosine))]
    units = np.where(np.isfinite(upper), np.rint(upper / UNIT), UNDEFINED)
    return b64encode(units.astype("<i2").tobytes()).decode()


def orders_of(one: Measured) -> dict[str, list[int]]:
    """WordNet's leaves where the classes have synsets (those without one last), the dendrogram's, and the data set's own."""
    count = len(one.geometry.classes)
    orders: dict[str, list[int]] = {}
    if one.semantic is not None and one.semantic.leaf_order:
        place_of = {name: place for place, name in enumerate(class_names(one.geometry))}
        known = [str(one.semantic.classes[place]["name"]) for place in one.semantic.leaf_order]
        found = [place_of[name] for name in known if name in place_of]
        inside = set(found)
        orders["WordNet"] = found + [place for place in range(count) if place not in inside]
    orders["dendrogram"] = dendrogram_order(_matrix(one))
    orders["data set"] = list(range(count))
    return orders


def dendrogram_order(cosine: np.ndarray) -> list[int]:
    """Leaves of the average-linkage tree of 1 - cosine; neighbours are turned towards each other. An undefined cosine counts as 0.

    >>> dendrogram_order(np.array([[1.0, 0.1, 0.9], [0.1, 1.0, 0.2], [0.9, 0.2, 1.0]]))
    [1, 0, 2]
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(cosine) < 3:
        return list(range(len(cosine)))
    distance = np.clip(1.0 - np.nan_to_num(cosine, nan=0.0), 0.0, 2.0)[np.triu_indices(len(cosine), 1)]
    return [int(place) for place in leaves_list(linkage(distance, "average"))]


def _matrix(one: Measured) -> np.ndarray:
    return np.asarray(one.geometry.centroid_cosine, dtype=np.float64)


def map_section(page: PageContents) -> str:
    """Controls, canvas and the text beside it; the script fills them from `map_data`."""
    drawn = shown_maps(page)
    if not drawn:
        return f'<p class="dim">{escape(_why_not(page))}</p>'
    held = sum(one.geometry.centroid_cosine is not None for one in page.measured)
    more = held - len(drawn)
    left_out = f"The maps of the last {more} checkpoints are left out: the page would grow too large." if more else ""
    options = "".join(f'<option value="{number}">{escape(page.names[place])}</option>' for number, place in enumerate(drawn))
    names = "".join(f'<option value="{escape(printable(name))}"></option>' for name in class_names(page.reports[0]))
    alt = f"Map of the cosines between the centroids of {len(page.reports[0].classes)} classes; arrow keys move from cell to cell"
    return f"""<p class="dim">{_HELP} {escape(left_out)}</p>
<div class="controls needs-script">
<label{' class="hidden"' if len(drawn) == 1 else ""}>checkpoint <select id="map-checkpoint">{options}</select></label>
<label>order <select id="map-order"></select></label>
<label>find <input id="map-find" list="map-classes" placeholder="class" autocomplete="off" size="16"></label>
<datalist id="map-classes">{names}</datalist>
{_BUTTONS}</div>
<div class="map needs-script"><div class="map-picture">
<canvas id="map" tabindex="0" role="img" aria-label="{escape(alt)}" aria-describedby="map-told"></canvas>
{_SCALE}</div>
<div id="map-told" class="told" aria-live="polite"></div></div>
<noscript><p>The map needs JavaScript; the table below does not.</p></noscript>
{_class_tables(page)}"""


_HELP = (
    "Cosine of class centroids, bright is alike. Hover, or focus the map and use the arrow keys (with Shift: ten cells); drag to move, "
    "+ and − (or Ctrl and wheel, or a double click) to zoom, 0 for the whole."
)
_BUTTONS = (
    '<span class="buttons"><button type="button" id="map-in" aria-label="zoom in">+</button>'
    '<button type="button" id="map-out" aria-label="zoom out">−</button><button type="button" id="map-whole">whole</button></span>'
)
_SCALE = (
    '<div class="scale"><span id="map-low"></span><canvas id="map-scale" width="256" height="10" aria-hidden="true"></canvas>'
    '<span id="map-high"></span></div>'
)


def _why_not(page: PageContents) -> str:
    classes = page.reports[0].n_classes
    if classes < 2:
        return "None: there are no two classes."
    if classes > MOST_CLASSES:
        return f"None: {classes:,} classes are more than the {MOST_CLASSES:,} whose matrix is kept."
    return "None: the result file has no .centroids.npz beside it."


def _class_tables(page: PageContents) -> str:
    parts = []
    for place, report in enumerate(page.reports):
        heads = ['<th scope="col">class</th>', *(f'<th scope="col" class="num">{head}</th>' for head in ("images", "own mean angle"))]
        heads += ['<th scope="col">nearest class</th>', '<th scope="col" class="num">angle to it</th>']
        rows = []
        for number, row in enumerate(report.classes):
            at = f"geometry.{place}.classes.{number}"
            nearest = DASH if row["nearest"] is None else escape(printable(row["nearest"]))
            rows.append(
                f'<tr><th scope="row">{escape(printable(row["name"]))}</th><td class="num">{_count(row["n"], at)}</td>'
                f'<td class="num">{_angle(row["positive_angle_mean"], f"{at}.positive_angle_mean")}</td>'
                f'<td>{nearest}</td><td class="num">{_angle(row["nearest_angle"], f"{at}.nearest_angle")}</td></tr>'
            )
        title = "Table of classes" if len(page.reports) == 1 else f"Table of classes, {page.names[place]}"
        inner = f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">{table(heads, rows)}</div>'
        parts.append(f"<details><summary>{escape(title)} ({len(rows):,})</summary>{inner}</details>")
    return "\n".join(parts)


def _count(value: int, at: str) -> str:
    return data(f"{value:,}", value, f"{at}.n")


def _angle(value: float | None, at: str) -> str:
    return DASH if value is None else data(f"{value:.2f}°", value, at)
