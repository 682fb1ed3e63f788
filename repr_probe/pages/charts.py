"""Angle histograms, spectra, learning curves: panels of inline SVG, the same looks for a checkpoint in every one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from repr_probe.metrics.angle_tiles import BIN
from repr_probe.monitor.series import Curve
from repr_probe.pages.contents import Measured
from repr_probe.pages.svg import BOTTOM, LEFT, RIGHT, TOP, Scale, axes, legend, line, panel, picture
from repr_probe.reports.safe_text import printable, shorten

KINDS = {"all": "all pairs", "negative": "different class", "positive": "same class"}
_PER_DEGREE = round(1 / BIN)
_TAIL = 1e-4  # share of the pairs that may lie beyond either end of the drawing
_POINTS = 160  # of a drawn spectrum; a screen shows no more
_NAME = 44  # letters of a title


def angle_panels(measured: Sequence[Measured], names: Sequence[str]) -> str:
    """A histogram of pairwise angles for each checkpoint, one scale for all; shares of the pairs in bins of one degree."""
    shares = [{kind: _by_degree(one.geometry.histograms[kind]) for kind in KINDS if kind in one.geometry.histograms} for one in measured]
    drawn = [share for found in shares for share in found.values()]
    if not drawn:
        return '<p class="dim">None: angles were drawn from a sample of pairs, or there are no pairs.</p>'
    x, y = _angle_scales(drawn)
    found = dict.fromkeys(kind for one in shares for kind in one)
    parts = [
        panel(shorten(name, _NAME), _histogram(share, one, name, x, y)) if share else panel(shorten(name, _NAME), "", "no exact pairs")
        for one, name, share in zip(measured, names, shares, strict=True)
    ]
    return legend((f"angle-{kind}", KINDS[kind]) for kind in found) + f'<div class="panels">{"".join(parts)}</div>'


def _by_degree(counts: np.ndarray) -> np.ndarray:
    """(180,) shares of the pairs."""
    return counts.reshape(-1, _PER_DEGREE).sum(axis=1) / max(1, counts.sum())


def _angle_scales(shares: Sequence[np.ndarray]) -> tuple[Scale, Scale]:
    inside = [np.flatnonzero((np.cumsum(share) > _TAIL) & (np.cumsum(share[::-1])[::-1] > _TAIL)) for share in shares]
    low, high = min(int(one[0]) for one in inside if len(one)), max(int(one[-1]) for one in inside if len(one)) + 1
    high = max(high, min(180, low + 10))
    return Scale(low, high, LEFT, RIGHT), Scale(0.0, 1.05 * max(float(share.max()) for share in shares), BOTTOM, TOP)


def _histogram(shares: Mapping[str, np.ndarray], one: Measured, name: str, x: Scale, y: Scale) -> str:
    parts, told = [axes(x, y, "angle between two images (degrees)", "share of pairs per degree")], []
    for kind, share in shares.items():
        places = [(x(degree + end), y(float(share[degree]))) for degree in range(int(x.low), int(x.high)) for end in (0, 1)]
        floor = [(places[0][0], y(0.0)), *places, (places[-1][0], y(0.0))]
        parts.append(line(floor, f"angle-{kind}", KINDS[kind]))
        mean = one.geometry.measures.get(f"angle_{kind}_mean")
        if mean is not None and mean.value is not None:
            at = x(min(max(mean.value, x.low), x.high))
            words = f"mean of {KINDS[kind]}: {mean.value:.2f}°"
            told.append(words)
            parts.append(f'<path class="mean angle-{kind}" d="M{at} {y.start}V{y.end}"><title>{words}</title></path>')
    alt = f"Histogram of pairwise angles of {printable(name)}; {'; '.join(told)}"
    return picture(parts, alt)


def spectrum_panels(measured: Sequence[Measured], names: Sequence[str]) -> str:
    """Shares of the eigenvalues by their rank, both axes logarithmic: rows as they are, and centred."""
    panels = {
        "raw": ("Rows as they are", "XᵀX, uncentred: the first point is ANISO"),
        "centred": ("Centred", "covariance: the first point is the share of the first principal component"),
    }
    held = [place for place, one in enumerate(measured) if one.spectra]
    missing = [name for name, one in zip(names, measured, strict=True) if not one.spectra]
    note = f'<p class="dim">Not for {escape(", ".join(missing))}: a result file holds no spectrum.</p>' if missing else ""
    if not held:
        return note
    parts = []
    for kind, (title, below) in panels.items():
        shares = {place: measured[place].spectra[kind] / measured[place].spectra[kind].sum() for place in held}
        parts.append(panel(title, _spectrum(shares, names, title), below))
    return legend((f"s{place}", names[place]) for place in held) + f'<div class="panels">{"".join(parts)}</div>{note}'


def _spectrum(shares: Mapping[int, np.ndarray], names: Sequence[str], title: str) -> str:
    longest = max(len(share) for share in shares.values())
    least = max(1e-7, min(float(share[-1]) for share in shares.values()))
    highest = min(1.0, 1.3 * max(float(share[0]) for share in shares.values()))
    x, y = Scale(1, max(2, longest), LEFT, RIGHT, log=True), Scale(least, max(highest, 2 * least), BOTTOM, TOP, log=True)
    parts = [axes(x, y, "rank of the eigenvalue", "share of the total")]
    for place, share in shares.items():
        ranks = np.unique(np.geomspace(1, len(share), _POINTS).round().astype(int))
        points = [(x(int(rank)), y(float(share[rank - 1]))) for rank in ranks if share[rank - 1] >= least]
        parts.append(line(points, f"s{place}", names[place]))
    told = "; ".join(f"{printable(names[place])}: first {share[0]:.3f} of {len(share)}" for place, share in shares.items())
    return picture(parts, f"Spectrum, {title}: {told}")


def curve_panels(curves: Mapping[str, Mapping[str, Curve]], labels: Mapping[str, str], over: str) -> str:
    """A panel a measure, a line a run."""
    runs = list(dict.fromkeys(run for several in curves.values() for run in several))
    looks = {run: f"s{place % 8}" for place, run in enumerate(runs)}
    parts = [panel(labels.get(key, key), _curves(several, looks, labels.get(key, key), over)) for key, several in curves.items()]
    return legend((looks[run], printable(run)) for run in runs) + f'<div class="panels">{"".join(parts)}</div>'


def _curves(several: Mapping[str, Curve], looks: Mapping[str, str], label: str, over: str) -> str:
    low, high = (edge(float(edge_of(curve.x)) for curve in several.values()) for edge, edge_of in ((min, np.min), (max, np.max)))
    bottom, top = (edge(float(edge_of(curve.y)) for curve in several.values()) for edge, edge_of in ((min, np.min), (max, np.max)))
    margin = 0.06 * (top - bottom) or 0.05 * (abs(top) or 1.0)
    x, y = Scale(low, high, LEFT, RIGHT), Scale(bottom - margin, top + margin, BOTTOM, TOP)
    parts = [axes(x, y, over, label)]
    for run, curve in several.items():
        points = list(zip((x(float(v)) for v in curve.x), (y(float(v)) for v in curve.y), strict=True))
        parts.append(line(points, looks[run], f"{printable(run)}: {curve.y[-1]:.4g} at the end"))
        parts += [f'<circle class="dot {looks[run]}" cx="{a}" cy="{b}" r="2.5"/>' for a, b in points if len(points) <= 12]
    told = "; ".join(f"{printable(run)} from {curve.y[0]:.4g} to {curve.y[-1]:.4g}" for run, curve in several.items())
    return picture(parts, f"{label} over {over}: {told}")

