"""Other tests may have imported Triton (torchvision does) before its interpreter could be switched on: then this folder runs in a new process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch


@pytest.mark.skipif(torch.cuda.is_available(), reason="the kernel is compiled here")
def test_the_kernel_is_interpreted_here_or_in_a_process_of_its_own():
    runtime = pytest.importorskip("triton.runtime.interpreter", reason="the kernel is written in Triton")
    from triton.language import standard

    if isinstance(standard.cdiv, runtime.InterpretedFunction):
        return
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(Path(__file__).parent)]
    run = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4000:]
    assert " skipped" not in run.stdout
