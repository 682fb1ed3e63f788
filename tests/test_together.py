"""Two and three processes over gloo against one: reports to 1e-10, stores to the byte."""

from __future__ import annotations

import importlib.util
import json
import math
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from repr_probe.ranks import ALONE

JOB = Path(__file__).with_name("together_job.py")
pytestmark = pytest.mark.slow


def load_job():
    spec = importlib.util.spec_from_file_location("together_job", JOB)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def alone():
    return load_job()


@pytest.fixture(autouse=True)
def no_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


def run_job(folder, world_size, *scenarios):
    """[(exit code, stderr)] of each process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    begin = lambda rank: subprocess.Popen(  # noqa: E731
        [sys.executable, str(JOB), str(rank), str(world_size), port, str(folder), *scenarios], stderr=subprocess.PIPE, text=True
    )
    processes = [begin(rank) for rank in range(world_size)]
    return [(process, process.communicate(timeout=120)[1]) for process in processes]


def results(folder, name, world_size):
    return [json.loads((folder / f"{name}-{rank}.json").read_text()) for rank in range(world_size)]


def assert_close(found, expected, where=""):
    """Numbers to 1e-10 of their size, the rest equal."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_close(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, (one, other) in enumerate(zip(found, expected)):
            assert_close(one, other, f"{where}[{number}]")
    elif isinstance(expected, float):
        assert math.isclose(found, expected, rel_tol=1e-10, abs_tol=1e-10), (where, found, expected)
    else:
        assert found == expected, where


@pytest.mark.parametrize("world_size", [2, 3])
def test_reports_equal_those_of_one_process(world_size, tmp_path, alone):
    names = ("geometry", "few", "wide", "sampled", "differing")
    for process, said in run_job(tmp_path, world_size, *names):
        assert process.returncode == 0, said
    for name in names[:-1]:
        expected = json.loads(json.dumps(alone.SCENARIOS[name](ALONE, tmp_path)))
        for found in results(tmp_path, name, world_size):
            assert_close(found, expected, name)
    for rank in range(world_size):
        line = (tmp_path / f"differing-{rank}.err").read_text()
        assert line.startswith("InputError: features must be the same in every process; got 210 x 12 (")
        assert ") in process 0 and 220 x 12 (" in line
        assert line.endswith(") in process 1")


@pytest.mark.parametrize("world_size", [2, 3])
def test_searches_and_probes_equal_those_of_one_process(world_size, tmp_path, alone):
    exact, close = ("neighbours", "few_neighbours", "knn", "few_queries"), ("fitted",)
    refused = {"other_bank": "bank", "other_training": "train"}
    for process, said in run_job(tmp_path, world_size, *exact, *close, *refused):
        assert process.returncode == 0, said
    for name in (*exact, *close):
        expected = json.loads(json.dumps(alone.SCENARIOS[name](ALONE, tmp_path)))
        for found in results(tmp_path, name, world_size):
            assert_close(found, expected, name)
            assert found == expected or name in close
    for name, what in refused.items():
        for rank in range(world_size):
            line = (tmp_path / f"{name}-{rank}.err").read_text()
            assert line.startswith(f"InputError: {what} must be the same in every process; got 200 x 9 (")


def test_a_process_that_dies_in_a_fit_ends_the_job(tmp_path):
    ended = run_job(tmp_path, 2, "deserted")
    assert [process.returncode for process, _ in ended] == [0, 9]
    assert (tmp_path / "deserted-0.err").read_text().startswith("LostProcess: all 2 processes must stay alive to the end; got one that process 0")


def files_of(home, stores):
    """Every file of the stores, without the times and keys that meta.json holds."""
    return {f"{store}/{path.name}": path.read_bytes() for store in stores for path in sorted((home / store).iterdir())}


@pytest.mark.parametrize("world_size", [2, 3])
def test_stores_equal_those_of_one_process(world_size, tmp_path, alone):
    alone.tiny.make_images(tmp_path / "images")
    for process, said in run_job(tmp_path, world_size, "extraction", "idle"):
        assert process.returncode == 0, said
    for name in ("extraction", "idle"):
        stores = alone.SCENARIOS[name](ALONE, tmp_path)
        assert results(tmp_path, name, world_size) == [stores] * world_size
        assert files_of(tmp_path / f"home-{world_size}", stores) == files_of(tmp_path / "home-1", stores)
    left = {path.name for path in (tmp_path / f"home-{world_size}" / "features").iterdir()}
    assert left == {path.name for path in (tmp_path / "home-1" / "features").iterdir()}, "parts are tidied up"


def test_a_process_that_dies_ends_the_job_and_the_next_one_goes_on(tmp_path, alone):
    alone.tiny.make_images(tmp_path / "images")
    ended = run_job(tmp_path, 2, "broken")
    assert [process.returncode for process, _ in ended] == [0, 9]
    line = (tmp_path / "broken-0.err").read_text()
    assert line.startswith("LostProcess: all 2 processes must stay alive to the end; got one that process 0 no longer reaches; ")
    for process, said in run_job(tmp_path, 2, "mended"):
        assert process.returncode == 0, said
    assert results(tmp_path, "mended", 2) == [0, 2], "24 images: three batches each, one of the second's was safe"
    stores = alone.extraction(ALONE, tmp_path, batch_size=4)
    assert files_of(tmp_path / "home-2", stores) == files_of(tmp_path / "home-1", stores)
