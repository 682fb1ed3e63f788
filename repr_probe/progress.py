"""One hook through which long work reports: silent until the command line or a notebook switches a reporter on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

SLOW_SECONDS = 30.0  # work that takes longer is announced


class Reporter(Protocol):
    """What a display offers. `task` opens a bar of `total` steps (None: unknown) and yields the function that advances it."""

    def task(self, description: str, total: int | None): ...  # a context manager of Callable[[int], None]

    def note(self, text: str) -> None: ...


_reporter: ContextVar[Reporter | None] = ContextVar("repr_probe_reporter", default=None)


@contextmanager
def reporting(reporter: Reporter | None) -> Iterator[None]:
    """Send progress and notes to `reporter` inside the block."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)


@contextmanager
def task(description: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Open a progress bar; call the yielded function with the number of steps done since the last call."""
    reporter = _reporter.get()
    if reporter is None:
        yield lambda steps: None
    else:
        with reporter.task(description, total) as advance:
            yield advance


def note(text: str) -> None:
    """Tell the reader something about the run (not a result): printed on stderr by the command line."""
    reporter = _reporter.get()
    if reporter is not None:
        reporter.note(text)


def duration(seconds: float) -> str:
    """In the largest unit that leaves a number to read.

    >>> duration(41.2), duration(600.0), duration(90_000.0)
    ('41 s', '10 min', '25.0 h')
    """
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class Forecast:
    """Tells once, by a note, what work will take, from the rate of its own first seconds; work of less than SLOW_SECONDS is not worth a word.

    total: steps of the work.  tell: (seconds of all of it, steps a second) -> the note.
    The first steps only start the clock: they wait for processes, caches and compilers.
    """

    MEASURED_SECONDS = 3.0

    def __init__(self, total: int, tell: Callable[[float, float], str]) -> None:
        self._total, self._tell = total, tell
        self._begun: float | None = None
        self._done = 0
        self._told = False

    def advance(self, steps: int) -> None:
        """`steps` more are done."""
        if self._told:
            return
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
            return
        self._done += steps
        seconds = now - self._begun
        if seconds >= self.MEASURED_SECONDS:
            self._told = True
            rate = self._done / seconds
            if self._total / rate > SLOW_SECONDS:
                note(self._tell(self._total / rate, rate))
