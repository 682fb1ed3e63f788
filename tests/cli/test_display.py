from __future__ import annotations

import io

from repr_probe import progress
from repr_probe.cli import display
from repr_probe.cli.display import BarReporter, LineReporter, shown


def test_quiet_says_nothing(capsys):
    with shown(True), progress.task("reading", 3) as advance:
        advance(3)
        progress.note("a note")
    assert capsys.readouterr() == ("", "")


def test_log_files_get_notes_on_stderr_and_no_bars(capsys):
    with shown(False), progress.task("reading", 3) as advance:
        advance(1)
        progress.note("a note\nwith \x1b[2J")
    assert capsys.readouterr() == ("", "a note with \\x1b[2J\n")


def test_log_files_get_an_occasional_line(capsys, monkeypatch):
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.0)
    with LineReporter().task("reading", 2000) as advance:
        advance(500)
        advance(1000)
    with LineReporter().task("counting", None) as advance:
        advance(7)
    assert capsys.readouterr().err.splitlines() == [
        "reading: 500 of 2,000 (25%, 0 s to go)", "reading: 1,500 of 2,000 (75%, 0 s to go)", "counting: 7",
    ]  # fmt: skip


def test_the_time_to_go_is_that_of_the_last_minute(capsys, monkeypatch):
    """An extraction that goes on at image 900 of 1,000 does not promise to be done at once."""
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    with LineReporter().task("extracting", 2000) as advance:
        advance(900)
        for _ in range(8):
            now[0] += 10.0
            advance(10)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "extracting: 910 of 2,000 (46%, 12 s to go)", "all that is known by then"
    assert lines[-1] == "extracting: 980 of 2,000 (49%, 17 min to go)"


def test_bars_nest_take_any_text_and_leave_nothing_open(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with shown(False), progress.task("layer [bold]1", 3) as advance:
        advance(1)
        progress.note("between [red]bars")
        with progress.task("inner", None) as inner:
            inner(1)
    assert "between [red]bars" in terminal.getvalue()
    reporter = BarReporter()
    with reporter.task("again", 1):
        pass
    assert reporter._bars is None
