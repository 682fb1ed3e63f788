"""The few parts a chart is made of, as inline SVG: scales, ticks, axes, lines. Colours come from the page's style, light or dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 60, 408, 12, 228


@dataclass(frozen=True)
class Scale:
    """Values low..high on pixels start..end; `log` for decades.

    >>> Scale(0, 10, 100, 200)(5), Scale(1, 100, 0, 10, log=True)(10)
    (150.0, 5.0)
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        share = 0.5 if high == low else (value - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self) -> list[float]:
        return decades(self.low, self.high) if self.log else steps(self.low, self.high)


def steps(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high.

    >>> steps(0, 9.7), steps(0.13, 0.31)
    ([0.0, 2.0, 4.0, 6.0, 8.0], [0.15, 0.2, 0.25, 0.3])
    """
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= most)
    return [round(place * step, 12) for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten from low to high, thinned to at most seven; 2 and 5 between them where there are fewer than three.

    >>> decades(1, 64), decades(1e-6, 1)[:2]
    ([1, 2, 5, 10, 20, 50], [1e-06, 1e-05])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = [power for power in range(first, last + 1) if low * 0.999 <= 10.0**power <= high * 1.001]
    if len(powers) < 3:
        found = [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in (1, 2, 5)]
        return [int(value) if value >= 1 else value for value in found if low * 0.999 <= value <= high * 1.001]
    kept = powers[:: -(-len(powers) // 7)]
    return [int(10**power) if power >= 0 else float(f"1e{power}") for power in kept]


def axes(x: Scale, y: Scale, x_label: str, y_label: str) -> str:
    """Grid, tick labels and axis titles."""
    parts = []
    for value in y.ticks():
        parts.append(f'<line class="grid" x1="{x.start}" x2="{x.end}" y1="{y(value)}" y2="{y(value)}"/>')
        parts.append(f'<text class="tick end" x="{x.start - 6}" y="{y(value) + 4}">{tick_text(value)}</text>')
    for value in x.ticks():
        parts.append(f'<line class="mark" x1="{x(value)}" x2="{x(value)}" y1="{y.start}" y2="{y.start + 4}"/>')
        parts.append(f'<text class="tick middle" x="{x(value)}" y="{y.start + 17}">{tick_text(value)}</text>')
    parts.append(f'<line class="axis" x1="{x.start}" x2="{x.end}" y1="{y.start}" y2="{y.start}"/>')
    parts.append(f'<text class="label middle" x="{(x.start + x.end) / 2}" y="{y.start + 36}">{escape(x_label)}</text>')
    middle = (y.start + y.end) / 2
    parts.append(f'<text class="label middle" transform="rotate(-90 13 {middle})" x="13" y="{middle}">{escape(y_label)}</text>')
    return "".join(parts)


def tick_text(value: float) -> str:
    """A short tick label.

    >>> tick_text(0.5), tick_text(2000), tick_text(0.00015), tick_text(0)
    ('0.5', '2000', '1.5e-4', '0')
    """
    if not 0 < abs(value) < 1e-3:
        return f"{value:.6g}"
    digits, power = f"{value:.5e}".split("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"


def line(points: Iterable[tuple[float, float]], css: str, title: str = "") -> str:
    """A line through pixel positions."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    inner = f"<title>{escape(title)}</title>" if title else ""
    return f'<path class="line {css}" d="M{path}">{inner}</path>' if path else ""


def picture(parts: Sequence[str], alt: str, *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """The parts as one image with its text for those who do not see it."""
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}">{"".join(parts)}</svg>'


def panel(title: str, drawing: str, note: str = "") -> str:
    """A drawing under its title."""
    below = f'<p class="dim">{note}</p>' if note else ""
    return f'<figure class="panel"><figcaption>{escape(title)}</figcaption>{drawing}{below}</figure>'


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """(style class, words) as a line above panels."""
    marks = "".join(
        f'<li><svg viewBox="0 0 28 10" width="28" height="10" aria-hidden="true"><path class="line {css}" d="M1 5L27 5"/></svg>{escape(words)}</li>'
        for css, words in entries
    )
    return f'<ul class="legend">{marks}</ul>'
