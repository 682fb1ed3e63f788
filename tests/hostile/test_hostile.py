"""Hostile and broken files: each gets its code on one printable line, quickly, in little memory, and nothing in any of them ever runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from crafted import canary_of
from hostile_files import HOSTILE, Hostile, write_all

READER = Path(__file__).with_name("read_hostile.py")
SECONDS, MEBIBYTES = 5, 512
PATIENCE = 300  # seconds a whole process may take on a machine that does other things as well


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_all(folder)
    return folder


@pytest.fixture(scope="module")
def outcomes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What reading each file gave. A file that takes its process down is named, and the rest are read in another one."""
    found: dict[str, dict[str, Any]] = {}
    waiting = [row.number for row in HOSTILE]
    while waiting:
        said = _read(folder, waiting, tmp_path_factory.mktemp("home"))
        found |= {outcome["number"]: outcome for outcome in said}
        waiting = [number for number in waiting if number not in found]
        if waiting:
            found[waiting[0]] = {"code": "the process died or hung", "said": "", "seconds": 0, "anonymous": 0}
            del waiting[0]
    return found


def _read(folder: Path, numbers: list[str], home: Path) -> list[dict[str, Any]]:
    environment = {**os.environ, "REPR_PROBE_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(READER), str(folder), *numbers]
    try:
        output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=PATIENCE, check=False).stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
    ready, *outcomes = [json.loads(line) for line in output.decode().splitlines()] or [None]
    assert ready, "the reading process must at least start"
    return outcomes


@pytest.mark.parametrize("row", HOSTILE, ids=lambda row: f"{row.number} {row.what}")
def test_outcome(row: Hostile, outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes[row.number]
    assert outcome["code"] == row.code, outcome["said"][:500]
    assert row.says in outcome["said"]
    assert outcome["said"].isprintable(), "control characters reach the terminal"
    assert outcome["seconds"] < SECONDS
    assert outcome["anonymous"] < MEBIBYTES


def test_nothing_ran(folder: Path, outcomes: dict[str, dict[str, Any]]) -> None:
    assert len(outcomes) == len(HOSTILE)
    assert not canary_of(folder).exists()
    assert not (folder.parent / "evil").exists() and not (folder.parent.parent / "evil").exists()


def test_payloads_do_run_in_a_careless_reader(tmp_path: Path) -> None:
    """The files would do harm: without this, a payload that cannot run would pass every test above."""
    import torch

    row = next(row for row in HOSTILE if row.number == "12")
    row.write(tmp_path / "file.pth", tmp_path)
    torch.load(tmp_path / "file.pth", weights_only=False)
    assert canary_of(tmp_path).exists()


def test_numbers_are_used_once() -> None:
    numbers = [row.number for row in HOSTILE]
    assert len(set(numbers)) == len(numbers) and {f"{number:02d}" for number in range(1, 60)} <= {number[:2] for number in numbers}
