"""Two processes under torchrun are one process, and come to their end together."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from repr_probe.training.run_state import read_state

SCRIPT = Path(__file__).with_name("tiny_run.py")
tiny = SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def torchrun(*arguments: object) -> list[str]:
    """What the two ranks wrote, in order of rank."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(SCRIPT), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert process.returncode == 0, process.stderr
    return sorted(line for line in process.stdout.splitlines() if line.startswith("rank"))


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_state(path / "ckpt_00000012.pt")["model"]


def losses(path: Path) -> list[float]:
    lines = map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if line["kind"] == "step"]


def assert_close_runs(one: Path, other: Path, *, tolerance: float = 1e-5) -> None:
    """To 1e-5 in float32: sums over ranks have another order, and twelve AdamW updates magnify its last digit."""
    assert losses(one) == pytest.approx(losses(other), rel=tolerance)
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=tolerance, atol=tolerance / 10, msg=name)


def test_two_processes_equal_one(tmp_path):
    """HyDeS as it is trained: entropies over the images of both ranks, gradients gathered, views drawn for each image; float64, to 1e-9."""
    tiny.run_hydes(tmp_path / "one")
    assert torchrun(tmp_path / "two", "--hydes") == ["rank 0: step 12 stopped by None", "rank 1: step 12 stopped by None"]
    assert_close_runs(tmp_path / "one", tmp_path / "two", tolerance=1e-9)


@pytest.mark.slow
def test_two_processes_equal_one_without_gathering(tmp_path):
    tiny.run(tmp_path / "one", objective=lambda: tiny.Alignment(dropout=0.0), noise=0.0)
    assert torchrun(tmp_path / "two") == ["rank 0: step 12 stopped by None", "rank 1: step 12 stopped by None"]
    assert_close_runs(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_and_the_run_goes_on(tmp_path):
    stopped = torchrun(tmp_path / "parts", "--terminate", 5)
    assert stopped == ["rank 0: step 6 stopped by a signal to another process", "rank 1: step 6 stopped by SIGTERM"]
    assert [path.name for path in sorted((tmp_path / "parts").glob("ckpt_*"))] == ["ckpt_00000004.pt", "ckpt_00000006.pt"]
    assert torchrun(tmp_path / "parts", "--resume")[0] == "rank 0: step 12 stopped by None"
    tiny.run(tmp_path / "one", objective=lambda: tiny.Alignment(dropout=0.0), noise=0.0)
    assert_close_runs(tmp_path / "one", tmp_path / "parts")


@pytest.mark.slow
def test_nan_on_one_process_stops_both_at_the_same_step(tmp_path):
    lines = torchrun(tmp_path, "--poison", 6)
    for line in lines:
        assert "TrainingFailure: loss and gradients must be finite; got loss nan, near nan, size nan, gradient_norm nan" in line
        assert "at step 7 (epoch 2, batch 3 of 4); the last good checkpoint is" in line
        assert line.endswith("ckpt_00000004.pt")
    assert len(lines) == 2
