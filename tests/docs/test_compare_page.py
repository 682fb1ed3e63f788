"""The Python on docs/compare.md runs in a new interpreter and an empty folder, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_blocks_run(tmp_path):
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    places = {"REPR_PROBE_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, env={**os.environ, **places},
                         capture_output=True, text=True, check=False)  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("hydes-digits - noisy.safetensors (") and run.stdout.endswith("True\n")
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("table.json", "angles.png", "classes.png", "spectrum.png"))
