"""Files of features that change under a measurement: told in one line before a page is touched that would end the process."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from repr_probe.errors import InputError
from repr_probe.features.door import as_features
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_writer import StoreWriter
from repr_probe.features.watched import WatchedMap, watched

ROWS = np.random.default_rng(0).normal(size=(5000, 8)).astype(np.float32)  # 160 kB: 40 pages; five blocks of the pair pass


def cut(path: Path) -> None:
    os.truncate(path, 4096)


def rewrite(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(500)
        file.write(b"\1\2\3\4")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def replace(path: Path) -> None:
    other = path.with_name("other.npy")
    np.save(other, ROWS + 1)
    other.replace(path)


CHANGES = {
    cut: f"has 4,096 bytes where it had {ROWS.nbytes + 128:,}",
    rewrite: "was written to",
    replace: "was replaced by another file",
    os.unlink: "is gone",
}


@pytest.fixture
def file(tmp_path) -> Path:
    np.save(tmp_path / "features.npy", ROWS)
    return tmp_path / "features.npy"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("source", [str, lambda path: np.load(path, mmap_mode="r")], ids=["path", "map"])
def test_a_changed_file_is_an_error_of_one_line(source, change, file):
    features = as_features(source(file))
    assert np.array_equal(features.values[4900:], ROWS[4900:])
    later = features.values[10:]
    change(file)
    for look in (lambda: features.values[4900:], lambda: later[np.arange(3)]):
        with pytest.raises(InputError, match=f"must lie unchanged on disk while .*; got {re.escape(str(file))}, which {CHANGES[change]}; ") as failure:
            look()
        assert "\n" not in str(failure.value)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_so_is_a_changed_store(change, tmp_path):
    with StoreWriter(tmp_path, "key", n_samples=len(ROWS), run={}) as writer:
        writer.write(0, ROWS)
        store = writer.finish({"layer": "pooled", "class_names": [], "provenance": {}, "notes": []}, ids=list(map(str, range(len(ROWS)))))
    features = as_features(FeatureStore.open(store.path))
    change(store.path / "features.npy")
    with pytest.raises(InputError, match=CHANGES[change]):
        features.values[4900:]


def as_safetensors(folder: Path) -> Path:
    save_file({"features": ROWS}, folder / "f.safetensors")
    return folder / "f.safetensors"


def as_torch(folder: Path) -> Path:
    torch.save({"features": torch.from_numpy(ROWS)}, folder / "f.pt")
    return folder / "f.pt"


@pytest.mark.parametrize("write", [as_safetensors, as_torch])
def test_so_are_files_that_torch_maps(write, tmp_path):
    path = write(tmp_path)
    features = as_features(path)
    assert np.array_equal(features.values[4900:], ROWS[4900:])
    assert not isinstance(features.values * 2, np.memmap)
    cut(path)
    with pytest.raises(InputError, match=r"got .*, which has 4,096 bytes where it had"):
        features.values[4900:]


def test_files_read_whole_are_not_watched(tmp_path):
    np.savez(tmp_path / "f.npz", features=ROWS)
    features = as_features(tmp_path / "f.npz")
    (tmp_path / "f.npz").unlink()
    assert np.array_equal(features.values[4900:], ROWS[4900:])


def test_without_the_question_the_system_would_end_the_process(file):
    """What the class is for: if this fails, the system has become kind and the class can go."""
    lines = ("import os, sys, numpy as np", "rows = np.load(sys.argv[1], mmap_mode='r')", "os.truncate(sys.argv[1], 4096)", "rows[4900:].sum()")
    assert subprocess.run([sys.executable, "-c", "\n".join(lines), str(file)], check=False).returncode < 0


def test_it_is_a_map_like_any_other(file):
    values = watched(np.load(file, mmap_mode="r"))
    assert isinstance(values, WatchedMap)
    assert watched(values) is values
    assert values[3:9].base is not None
    assert not values.flags.writeable
    for result in (values * 2, values.sum(axis=0), values[[1, 2]], values[values[:, 0] > 0], np.sqrt(np.abs(values)), values[0] @ values[1]):
        assert not isinstance(result, np.memmap)
    assert isinstance(values.sum(), np.floating)
    assert values[2, 3] == ROWS[2, 3]
    again = pickle.loads(pickle.dumps(values))
    file.unlink()
    assert np.array_equal(again[5:], ROWS[5:])


def test_nameless_files_and_arrays_pass():
    array = np.ones((3, 2))
    assert watched(array) is array
    with tempfile.TemporaryFile() as handle:
        values = np.memmap(handle, dtype=np.float32, mode="w+", shape=(3, 2))
    assert watched(values) is values


@pytest.mark.slow
def test_the_pair_pass_ends_in_one_line_and_the_same_command_goes_on(tmp_path, file):
    """Truncated while tiles are computed: exit code 1, one line, the sums stay; with the file back they are taken up."""
    whole = file.with_name("whole.npy")
    shutil.copy2(file, whole)
    home = tmp_path / "home"
    job = Path(__file__).with_name("cut_meanwhile.py")
    command = [sys.executable, str(job), str(file), "--preset", "paper", "--json"]
    environment = {**os.environ, "REPR_PROBE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, env={**environment, "CUT_AT": "8"}, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: features must lie unchanged on disk while they are measured; got ")
    assert "Traceback" not in ended.stderr
    assert len(list((home / "passes").iterdir())) == 1
    shutil.copy2(whole, file)
    resumed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    assert "going on with the sums of an interrupted pair pass" in resumed.stderr
    assert list((home / "passes").iterdir()) == []
    shutil.rmtree(home)
    fresh = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found, expected = (json.loads(done.stdout) for done in (resumed, fresh))
    assert all(found[name] == expected[name] for name in ("measures", "histograms", "counts"))
