from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from repr_probe.errors import StoreError
from repr_probe.features import store_writer
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_writer import StoreWriter

KEY = "cd" * 32
META = {"layer": "pooled", "class_names": [], "provenance": {}, "notes": []}
RUN = {"batch_size": 2}


def write_all(folder, values, **options):
    with StoreWriter(folder, KEY, n_samples=len(values), dtype=values.dtype.name, run=RUN, **options) as writer:
        for start in range(writer.rows_done, len(values), 2):
            writer.write(start, values[start : start + 2])
        return writer.finish(META, ids=[str(row) for row in range(len(values))])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_same_bytes_as_numpy_save(tmp_path, dtype):
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(dtype)
    store = write_all(tmp_path, values)
    np.save(tmp_path / "plain.npy", values)
    assert (store.path / "features.npy").read_bytes() == (tmp_path / "plain.npy").read_bytes()


def test_nothing_under_the_name_before_finish(tmp_path):
    with StoreWriter(tmp_path, KEY, n_samples=4, run=RUN) as writer:
        writer.write(0, np.ones((4, 2), np.float32))
        assert not writer.path.exists()
        writer.finish(META, ids=list("abcd"))
        assert writer.path.exists()
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_resumes_after_an_error(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    with pytest.raises(RuntimeError, match="midway"), StoreWriter(tmp_path, KEY, n_samples=6, run=RUN) as writer:
        writer.write(0, values[:2])
        writer.write(2, values[2:4])
        raise RuntimeError("midway")
    with StoreWriter(tmp_path, KEY, n_samples=6, run={"batch_size": 99}) as writer:
        assert writer.rows_done == 4
        assert writer.run == RUN and writer.asked_run == {"batch_size": 99}
        writer.rewind(2)
        writer.write(2, values[2:4])
        writer.write(4, values[4:])
        store = writer.finish(META, ids=list("abcdef"))
    np.testing.assert_array_equal(store.features().values, values)


def test_another_plan_or_fresh_starts_over(tmp_path):
    for changes in ({"n_samples": 7}, {"n_views": 1}, {"dtype": "float16"}, {"fresh": True}):
        with pytest.raises(RuntimeError), StoreWriter(tmp_path, KEY, n_samples=6, run=RUN) as writer:
            writer.write(0, np.ones((2, 2), np.float32))
            raise RuntimeError
        with StoreWriter(tmp_path, KEY, run=RUN, **{"n_samples": 6, **changes}) as writer:
            assert writer.rows_done == 0
            writer.restart()


def test_arrays_that_do_not_fit_the_journal_start_over(tmp_path):
    with pytest.raises(RuntimeError), StoreWriter(tmp_path, KEY, n_samples=6, run=RUN) as writer:
        writer.write(0, np.ones((2, 2), np.float32))
        raise RuntimeError
    with (writer.partial / "features.npy").open("r+b") as file:
        file.truncate(130)
    with StoreWriter(tmp_path, KEY, n_samples=6, run=RUN) as writer:
        assert writer.rows_done == 0


def test_misuse_is_an_error(tmp_path):
    with StoreWriter(tmp_path, KEY, n_samples=4, run=RUN) as writer:
        writer.write(0, np.ones((2, 2), np.float32))
        with pytest.raises(ValueError, match="rows must be written in order; got row 3 after 2 rows"):
            writer.write(3, np.ones((1, 2), np.float32))
        with pytest.raises(ValueError, match="all 4 rows must be written before finish; got 2"):
            writer.finish(META, ids=list("abcd"))


def test_no_room_is_seen_before_anything_is_written(tmp_path):
    rows = shutil.disk_usage(tmp_path).total  # more than the whole disk: one row a byte, four bytes a row
    no_room = pytest.raises(StoreError, match=r"\.partial must have [\d.]+ [GT]B of room; got [\d.]+ [GT]B free; free some space")
    with StoreWriter(tmp_path, KEY, n_samples=rows, run=RUN) as writer, no_room:
        writer.write(0, np.ones((2, 1), np.float32))
    assert list(tmp_path.iterdir()) == []


def in_a_process_with_file_limit(code, *arguments):
    """Run `code` where no file may grow beyond 4,000 bytes: the system refuses as it does when a quota is used up."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))  # noqa: E731
    environment = {**os.environ, "PYTHONPATH": str(Path(store_writer.__file__).parents[2])}
    return subprocess.run(command, capture_output=True, text=True, env=environment, preexec_fn=limit)


def test_refused_at_the_start_leaves_nothing(tmp_path):
    code = f"""
import sys, numpy as np
from repr_probe.features.store_writer import StoreWriter
with StoreWriter(__import__("pathlib").Path(sys.argv[1]), {KEY!r}, n_samples=2000, run={RUN!r}) as writer:
    writer.write(0, np.ones((2, 2), np.float32))
"""
    process = in_a_process_with_file_limit(code, tmp_path)
    assert "StoreError" in process.stderr and "must have 16.1 kB of room; got a full disk" in process.stderr
    assert list(tmp_path.iterdir()) == []


def test_refused_midway_keeps_what_is_safe(tmp_path):
    code = f"""
import resource, sys, numpy as np
from pathlib import Path
from repr_probe.features import store_writer
store_writer.SYNC_SECONDS = 0.0
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
with store_writer.StoreWriter(Path(sys.argv[1]), {KEY!r}, n_samples=20, run={RUN!r}) as writer:
    writer.write(0, np.ones((10, 100), np.float32))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
    writer.write(10, np.ones((10, 100), np.float32))
"""
    process = in_a_process_with_file_limit(code, tmp_path)
    assert "StoreError" in process.stderr and "got a full disk; free some space or choose another place" in process.stderr
    with StoreWriter(tmp_path, KEY, n_samples=20, run=RUN) as writer:
        assert writer.rows_done == 10
        writer.write(10, np.ones((10, 100), np.float32))
        store = writer.finish(META, ids=["a"] * 20)
    assert (store.features().values == 1).all()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB, where the tests may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", place]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk must be mounted; that takes an administrator")
    yield place
    subprocess.run(["umount", place], check=True)


def test_really_full_disk(small_disk):
    no_room = pytest.raises(StoreError, match=r"must have 400\.1 kB of room; got 20\d\.\d kB free; free some space or choose")
    with StoreWriter(small_disk, KEY, n_samples=100, run=RUN) as writer, no_room:
        writer.write(0, np.ones((2, 1000), np.float32))
    assert list(small_disk.iterdir()) == []
    with StoreWriter(small_disk, KEY, n_samples=40, run=RUN) as writer:  # the arrays fit, the names of the rows do not
        writer.write(0, np.ones((40, 1000), np.float32))
        with pytest.raises(StoreError, match=r"\.partial must have more room; got a full disk"):
            writer.finish(META, ids=["x" * 2000] * 40)
    with StoreWriter(small_disk, KEY, n_samples=40, run=RUN) as writer:
        assert writer.rows_done == 40
        assert writer.finish(META, ids=["x"] * 40).n_samples == 40


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind an administrator")
def test_read_only_home(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match=r"must be writable; got 'Permission denied'; choose another place$"):
            write_all(tmp_path / "home", np.ones((2, 2), np.float32))
    finally:
        tmp_path.chmod(0o700)


def test_home_that_is_a_file(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreError, match=r"must be a place for new files; got '(Not a directory|File exists)'"):
        write_all(tmp_path / "home", np.ones((2, 2), np.float32))


def test_a_second_writer_in_one_process(tmp_path):
    message = rf"^store cdcdcdcdcdcd must be written by one process at a time; process {os.getpid()} is writing it"
    with StoreWriter(tmp_path, KEY, n_samples=2, run=RUN), pytest.raises(StoreError, match=message):
        StoreWriter(tmp_path, KEY, n_samples=2, run=RUN).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_replaces_a_finished_store(tmp_path):
    write_all(tmp_path, np.zeros((4, 2), np.float32))
    store = write_all(tmp_path, np.ones((4, 2), np.float32), fresh=True)
    assert (FeatureStore.open(store.path).features().values == 1).all()
    assert [path.name for path in tmp_path.iterdir()] == [KEY]
