"""How fast a run goes: images a second, the share of time spent waiting for data, the time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rates:
    """images_per_s: over all processes.  wait: share of the time that the step waited for data, in [0, 1]."""

    images_per_s: float
    wait: float


class Throughput:
    """A stopwatch over steps; starts when made.

    >>> ticks = iter([0.0, 2.0, 4.0])
    >>> watch = Throughput(clock=lambda: next(ticks))
    >>> watch.step(images=128, waited=0.5), watch.step(images=128, waited=0.0)
    (Rates(images_per_s=64.0, wait=0.25), Rates(images_per_s=64.0, wait=0.0))
    >>> watch.overall(), watch.seconds_left(images=640)
    (Rates(images_per_s=64.0, wait=0.125), 10.0)
    """

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._last = clock()
        self.seconds = self.waited = 0.0
        self.images = 0

    def step(self, *, images: int, waited: float) -> Rates:
        """Count a step that has just ended; its own rates."""
        now = self._clock()
        seconds, self._last = now - self._last, now
        self.seconds += seconds
        self.waited += waited
        self.images += images
        return _rates(images, waited, seconds)

    def skip(self) -> None:
        """Leave out the time since the last step: evaluation, writing."""
        self._last = self._clock()

    def overall(self) -> Rates:
        return _rates(self.images, self.waited, self.seconds)

    def seconds_left(self, *, images: int) -> float:
        """Time for `images` more at the rate so far; infinite before the first step."""
        return images / self.overall().images_per_s if self.images else float("inf")


def _rates(images: int, waited: float, seconds: float) -> Rates:
    seconds = max(seconds, 1e-9)  # a clock may stand still between two calls
    return Rates(images / seconds, min(1.0, waited / seconds))


def readable_duration(seconds: float) -> str:
    """A time left for people.

    >>> readable_duration(42.4), readable_duration(61), readable_duration(7384), readable_duration(200000)
    ('42 s', '1 min 1 s', '2 h 3 min', '2 d 7 h')
    """
    if seconds == float("inf"):
        return "unknown"
    total = round(seconds)
    for size, unit, part, part_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if total >= size:
            return f"{total // size} {unit} {total % size // part} {part_unit}"
    return f"{total} s"
