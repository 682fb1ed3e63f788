"""Progress and notes on stderr: bars in a terminal, an occasional plain line elsewhere, nothing with --quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from repr_probe.progress import reporting

from .failures import one_line

SECONDS_BETWEEN_LINES = 10.0


def shown(quiet: bool) -> AbstractContextManager[None]:
    """The context in which progress is shown."""
    if quiet:
        return nullcontext()
    return reporting(BarReporter() if sys.stderr.isatty() else LineReporter())


class LineReporter:
    """For log files: notes as they come, and at most every ten seconds how far a task is and how long it has to go."""

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        begun = last = time.monotonic()
        done = 0

        def advance(steps: int) -> None:
            nonlocal last, done
            done += steps
            if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                share = f" ({done / total:.0%}, {_duration((last - begun) * (total - done) / done)} to go)" if total and done else ""
                self.note(f"{description}: {done:,}{f' of {total:,}' if total else ''}{share}")

        yield advance

    def note(self, text: str) -> None:
        print(one_line(text), file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    """In the largest unit that leaves a number to read.

    >>> _duration(41.2), _duration(600.0), _duration(90_000.0)
    ('41 s', '10 min', '25.0 h')
    """
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class BarReporter:
    """For a terminal: one bar a task, removed when done; notes above the bars."""

    def __init__(self) -> None:
        self._bars: Any = None

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        from rich.markup import escape

        outermost = self._bars is None
        bars = self._bars = self._bars or _bars()
        if outermost:
            bars.start()
        number = bars.add_task(escape(one_line(description)), total=total)
        try:
            yield lambda steps: bars.advance(number, steps)
        finally:
            bars.remove_task(number)
            if outermost:
                bars.stop()
                self._bars = None

    def note(self, text: str) -> None:
        if self._bars is None:
            print(one_line(text), file=sys.stderr, flush=True)
        else:
            self._bars.console.print(one_line(text), markup=False, highlight=False)


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
