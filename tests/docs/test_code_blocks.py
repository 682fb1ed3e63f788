"""The Python on the pages runs, in the order of each page, as a reader would run it: in a new interpreter and an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/python.md")
ALONE = ("docs/hydes.md", "docs/protocols.md", *(f"docs/howto/{name}.md" for name in ("checkpoint", "cluster", "dataset", "encoder", "training_loop")))
# Each of these has a test of its own; docs/commands: test_cli_page.py.
ELSEWHERE = {"docs/compare.md", "docs/dynamics.md", "docs/json.md", "docs/looking_inside.md"}
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def program_of(page: str) -> str:
    """The blocks of a page as one program whose tracebacks name the lines of the page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = [(text[: match.start(2)].count("\n"), re.sub(f"^{match[1]}", "", match[2], flags=re.MULTILINE)) for match in BLOCK.finditer(text)]
    return "names = {}\n" + "".join(f"exec(compile({chr(10) * line + code!r}, {page!r}, 'exec'), names)\n" for line, code in blocks)


def run(program: str, place: Path) -> None:
    places = {"REPR_PROBE_HOME": str(place / "home"), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=place, env={**os.environ, **places, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_blocks_run(tmp_path):
    program = "".join(program_of(page) for page in PAGES)
    assert program.count("exec(") > 10
    run(program, tmp_path)
    assert (tmp_path / "report.centroids.npz").exists()


@pytest.mark.slow
@pytest.mark.parametrize("page", ALONE)
def test_the_blocks_of_a_page_run(page, tmp_path):
    program = program_of(page)
    assert "exec(" in program
    run(program, tmp_path)


def test_no_page_with_python_is_left_out():
    pages = ("README.md", *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))))
    written = {page for page in pages if BLOCK.search((ROOT / page).read_text(encoding="utf-8")) and not page.startswith("docs/commands/")}
    assert written == {*PAGES, *ALONE, *ELSEWHERE}
