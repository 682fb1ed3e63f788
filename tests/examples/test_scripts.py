"""The example scripts: a short run of each, and, marked slow, the whole of it as its user starts it."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = {"plain_loop": "torch", "lightning_loop": "pytorch_lightning", "hugging_face_trainer": "accelerate"}  # and what it cannot do without

pytestmark = pytest.mark.filterwarnings("ignore")  # of the trainers and of what they import


def test_every_script_is_tested():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_short_run(name, tmp_path, monkeypatch):
    pytest.importorskip(SCRIPTS[name])
    pytest.importorskip("transformers" if name == "hugging_face_trainer" else "torch")
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    result = script.main(epochs=2, batch_size=64, limit=128)
    history = result if name == "plain_loop" else result[0]
    assert (history[0]["step"], history[-1]["step"]) == (0, 4)
    assert {"knn_top1", "effective_rank", "anisotropy"} <= set(history[-1]) and history[-1]["anisotropy"] != history[0]["anisotropy"]
    assert list(tmp_path.iterdir()) == []  # checkpoints lie in a folder that is gone


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_whole_script_shows_an_encoder_that_learns(name, tmp_path):
    pytest.importorskip(SCRIPTS[name])
    done = subprocess.run([sys.executable, str(EXAMPLES / f"{name}.py")], cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
                          capture_output=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    table = re.findall(r"^ +(\d+) +(\d+\.\d) +\d+\.\d +\d\.\d+$", done.stdout, flags=re.MULTILINE)
    assert table[0][0] == "0" and float(table[-1][1]) > float(table[0][1]) + 10
