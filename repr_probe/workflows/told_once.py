"""Notes told once: a command whose steps open the same checkpoint again says what was loaded the first time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

from repr_probe import progress


@contextmanager
def each_note_once() -> Iterator[None]:
    """Inside the block a note that was told already is passed over; progress goes on as it does outside."""
    with progress.reporting(_Once()):
        yield


class _Once:
    """Passes everything on to whoever listens where it is made."""

    def __init__(self) -> None:
        self._outside = copy_context()
        self._told: set[str] = set()

    @contextmanager
    def task(self, description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        opened = progress.task(description, total)
        advance = self._outside.run(opened.__enter__)
        try:
            yield advance
        finally:
            self._outside.run(opened.__exit__, None, None, None)

    def note(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._outside.run(progress.note, text)
