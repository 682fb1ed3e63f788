"""The Python on docs/dynamics.md runs in a new interpreter and an empty folder; what needs a trainer is at least Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dynamics.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_blocks_run(tmp_path):
    program = "\n".join(blocks("python"))
    places = {"REPR_PROBE_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, env={**os.environ, **places},
                         capture_output=True, text=True, check=False)  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "curves.png").exists()
    assert (tmp_path / "runs" / "kappa" / "sweep.csv").exists()
    assert run.stdout.startswith("['kappa', 'runs', 'epochs', 'loss']")


def test_the_blocks_for_trainers_are_python():
    for block in blocks("py"):
        compile(block, "docs/dynamics.md", "exec")
    assert len(blocks("py")) == 2
