"""Notes told once: each text one time, progress and other notes as outside, and silence where nobody listens."""

from __future__ import annotations

from contextlib import contextmanager

from repr_probe import progress
from repr_probe.workflows.told_once import each_note_once


class Heard:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.tasks: list[str] = []
        self.steps = 0

    @contextmanager
    def task(self, description, total):
        self.tasks.append(f"{description} of {total}")

        def advance(steps):
            self.steps += steps

        yield advance
        self.tasks.append(f"{description} done")

    def note(self, text):
        self.notes.append(text)


def test_each_note_is_told_once_a_block():
    heard = Heard()
    with progress.reporting(heard):
        for _ in range(2):
            with each_note_once():
                for text in ("a", "b", "a"):
                    progress.note(text)
        progress.note("a")
    assert heard.notes == ["a", "b", "a", "b", "a"]


def test_progress_goes_on_and_ends_with_its_block_also_after_an_error():
    heard = Heard()
    with progress.reporting(heard), each_note_once():
        with progress.task("outer", 2) as advance, progress.task("inner", 1) as other:
            other(1)
            progress.note("between")
            advance(2)
        try:
            with progress.task("broken"):
                raise ValueError
        except ValueError:
            pass
    assert heard.tasks == ["outer of 2", "inner of 1", "inner done", "outer done", "broken of None", "broken done"]
    assert heard.steps == 3 and heard.notes == ["between"]


def test_without_a_listener_nothing_happens():
    with each_note_once(), progress.task("long", 3) as advance:
        advance(3)
        progress.note("nobody hears")
