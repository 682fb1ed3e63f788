"""One hook through which long work reports: silent until the command line or a notebook switches a reporter on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


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
