from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repr_probe.monitor.ranks import from_rank_zero

ROOT = Path(__file__).parents[2]
PROGRAM = """
import torch, sys
from repr_probe.errors import ReprProbeError
from repr_probe.monitor.ranks import from_rank_zero

torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
calls = []
found = from_rank_zero(lambda: calls.append(rank) or {"anisotropy": 0.1 + rank})
assert found == {"anisotropy": 0.1}, found
assert calls == ([0] if rank == 0 else [])

def fails():
    raise ValueError("no image")

try:
    from_rank_zero(fails)
except ValueError as failure:
    assert rank == 0
except ReprProbeError as failure:
    assert rank == 1 and str(failure) == "rank 0 must measure the model; got ValueError: no image", failure
else:
    sys.exit(3)
torch.distributed.destroy_process_group()
"""


def test_alone_it_is_the_measurement():
    assert from_rank_zero(lambda: {"anisotropy": 0.5}) == {"anisotropy": 0.5}


def test_two_processes_get_the_numbers_of_the_first_and_its_failures(tmp_path):
    pytest.importorskip("torch.distributed")
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "program.py"]
    places = {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=tmp_path, env={**os.environ, **places}, capture_output=True, text=True, check=False, timeout=240)
    assert run.returncode == 0, run.stderr
