"""The Python on the pages runs, in the order of each page, as a reader would run it: in a new interpreter and an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/python.md")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def program_of(page: str) -> str:
    """The blocks of a page as one program whose tracebacks name the lines of the page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = [(text[: match.start(1)].count("\n"), match[1]) for match in BLOCK.finditer(text)]
    return "names = {}\n" + "".join(f"exec(compile({chr(10) * line + code!r}, {page!r}, 'exec'), names)\n" for line, code in blocks)


def test_the_blocks_run(tmp_path):
    program = "".join(program_of(page) for page in PAGES)
    assert program.count("exec(") > 10
    places = {"REPR_PROBE_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path, env={**os.environ, **places, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "report.centroids.npz").exists()
