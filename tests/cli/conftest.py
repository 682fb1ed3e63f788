from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from repr_probe.cli.main import main


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys, monkeypatch, tmp_path) -> Callable[..., Finished]:
    """Run the command line in this process, in a wide terminal, with an empty home folder."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("REPR_PROBE_DATA", raising=False)

    def run_command(*arguments: str) -> Finished:
        code = main(arguments)
        captured = capsys.readouterr()
        return Finished(code, captured.out, captured.err)

    return run_command
