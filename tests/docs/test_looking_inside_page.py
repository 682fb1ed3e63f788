"""The Python on docs/looking_inside.md runs in a new interpreter and an empty folder; the table of checks names them all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from repr_probe.workflows.localise import CHECKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "looking_inside.md").read_text(encoding="utf-8")


def test_the_blocks_run(tmp_path):
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    places = {"REPR_PROBE_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, env={**os.environ, **places},
                         capture_output=True, text=True, check=False)  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "saliency.png").stat().st_size > 1000


def test_every_check_has_its_row():
    assert all(f"| {check} |" in PAGE for check in CHECKS)
