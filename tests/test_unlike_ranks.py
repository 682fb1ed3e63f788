"""Processes of one job that were given different data, networks or libraries: the same line in each, before any work, nothing written."""

from __future__ import annotations

import importlib.util
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

JOB = Path(__file__).with_name("unlike_job.py")
pytestmark = pytest.mark.slow
SAME = "must be the same in every process; got"
LINES = {
    "labels": rf"features {SAME} 60 x 5 \(\w{{8}}\) in process 0 and 60 x 5 \(\w{{8}}\) in process 1",
    "values": rf"features {SAME} 60 x 5 \(\w{{8}}\) in process 0 and 60 x 5 \(\w{{8}}\) in process 1",
    "libraries": rf"version of torch {SAME} \d\S* in process 0 and 1\.0 in process 1",
    "weights": rf'weights {SAME} {{"seed":0}} in process 0 and {{"seed":1}} in process 1',
    "images": rf"dataset {SAME} images in process 0 and fewer in process 1",
    "layers": rf'layers {SAME} \["pooled"\] in process 0 and \["pooled","early"\] in process 1',
    "batches": rf"batch size {SAME} 5 in process 0 and 6 in process 1",
    "equipment": rf"version of torch {SAME} \d\S* in process 0 and 1\.0 in process 1",
}


def load(name):
    spec = importlib.util.spec_from_file_location(name, JOB.with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_unlike_processes_say_what_is_unlike(tmp_path, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    tiny = load("tiny_extraction")
    tiny.make_images(tmp_path / "images")
    tiny.make_images(tmp_path / "fewer", 11)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [
        subprocess.Popen([sys.executable, str(JOB), str(rank), "2", port, str(tmp_path), *LINES], stderr=subprocess.PIPE, text=True) for rank in (0, 1)
    ]
    for process in processes:
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
    for name, expected in LINES.items():
        first, second = ((tmp_path / f"{name}-{rank}.err").read_text() for rank in (0, 1))
        assert first == second
        assert re.fullmatch(f"InputError: {expected}", first), first
    assert not (tmp_path / "home").exists(), "nothing was written"
