"""Progress and notes on stderr: bars in a terminal, an occasional plain line elsewhere, nothing with --quiet."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from repr_probe.progress import duration, reporting

from .failures import one_line

SECONDS_BETWEEN_LINES = 10.0
_MARKS = 6  # lines in the minute that a rate is taken from


def shown(quiet: bool) -> AbstractContextManager[None]:
    """The context in which progress is shown."""
    if quiet:
        return nullcontext()
    return reporting(BarReporter() if sys.stderr.isatty() else LineReporter())


class LineReporter:
    """For log files: notes as they come, and at most every ten seconds how far a task is and how long it has to go.

    The rate is that of the last minute: what an earlier run had done already, or a cache gives, is no promise for the rest.
    """

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        marks = deque([(time.monotonic(), 0)], maxlen=_MARKS)
        done = 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            now, (last, _), (begun, before) = time.monotonic(), marks[-1], marks[0]
            if now - last >= SECONDS_BETWEEN_LINES:
                marks.append((now, done))
                left = f", {duration((now - begun) * (total - done) / (done - before))} to go" if total and done > before else ""
                share = f" ({done / total:.0%}{left})" if total else ""
                self.note(f"{description}: {done:,}{f' of {total:,}' if total else ''}{share}")

        yield advance

    def note(self, text: str) -> None:
        print(one_line(text), file=sys.stderr, flush=True)


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
