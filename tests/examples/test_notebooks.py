"""The example notebooks run from top to bottom in a fresh kernel, and are committed as they ran, for their tables and figures."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
AS_THEY_RAN = {
    "geometry.ipynb": "paired differences: geometry", "semantic.ipynb": "Spearman WuP",
    "looking_inside.ipynb": "times an even share", "learning_dynamics.ipynb": "nats",
}  # fmt: skip
FIGURES = {"geometry.ipynb": 1, "learning_dynamics.ipynb": 1}  # in the others 3
TRAINS = "learning_dynamics.ipynb"  # takes a minute
nbformat = pytest.importorskip("nbformat")


def outputs_of(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def words(notebook):
    """The printed words, without the numbers: another machine may round them otherwise."""
    text = "\n".join(output.text for output in outputs_of(notebook) if output.get("name") == "stdout")
    return re.sub(r"[\d.,─-]+", " ", text).split()


def test_there_is_a_notebook():
    assert [path.name for path in NOTEBOOKS] == ["geometry.ipynb", "learning_dynamics.ipynb", "looking_inside.ipynb", "semantic.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_how_it_is_committed(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert {output.output_type for output in outputs_of(notebook)} <= {"stream", "display_data", "execute_result"}
    assert sum("image/png" in output.get("data", {}) for output in outputs_of(notebook)) == FIGURES.get(path.name, 3)
    printed = " ".join(words(notebook))
    assert AS_THEY_RAN[path.name] in printed and "pip install" not in printed


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.name, marks=[pytest.mark.slow] if path.name == TRAINS else []) for path in NOTEBOOKS]
)
@pytest.mark.filterwarnings("ignore")  # of the libraries that start the kernel; inside the kernel warnings are errors
def test_it_runs(path, tmp_path, monkeypatch):
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    patience = 300 if path.name == TRAINS else 120
    client.NotebookClient(notebook, timeout=patience, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = outputs_of(notebook)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    if path.name == "geometry.ipynb":
        assert any("<table" in output.get("data", {}).get("text/html", "") for output in outputs)
        assert (tmp_path / "home" / "features").is_dir()
    elif path.name == "semantic.ipynb":
        stored = words(nbformat.read(path, as_version=4))
        made = words(notebook)
        end = made.index("installed:") - 1 if "installed:" in made else len(made)  # without the checkpoint's package it ends there
        assert made[:end] == stored[:end]
    assert [place.name for place in tmp_path.iterdir() if place.name not in ("home", "ipython")] == []
