from __future__ import annotations

import errno
import os
import stat

import pytest

from repr_probe.errors import StoreError
from repr_probe.files.atomic import atomic_file, atomic_folder, atomic_write, explained, need_space, readable_bytes


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_write_creates_parents_and_replaces(tmp_path):
    target = tmp_path / "a" / "b.json"
    atomic_write(target, "ü")
    atomic_write(target, b"second")
    assert target.read_bytes() == b"second"
    assert names(target.parent) == ["b.json"]


def test_write_leaves_usual_permissions(tmp_path):
    (tmp_path / "plain").write_text("x")
    atomic_write(tmp_path / "ours", "x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_failure_in_the_block_keeps_the_old_file_and_nothing_else(tmp_path):
    atomic_write(tmp_path / "x.npz", "old")
    with pytest.raises(RuntimeError, match="midway"), atomic_file(tmp_path / "x.npz") as temporary:
        assert temporary.suffix == ".npz"
        temporary.write_text("half")
        raise RuntimeError("midway")
    assert (tmp_path / "x.npz").read_text() == "old"
    assert names(tmp_path) == ["x.npz"]


def test_folder_appears_whole(tmp_path):
    with atomic_folder(tmp_path / "out") as temporary:
        (temporary / "part").write_text("1")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "part").read_text() == "1"
    with atomic_folder(tmp_path / "out") as temporary:
        (temporary / "other").write_text("2")
    assert names(tmp_path / "out") == ["other"]
    assert names(tmp_path) == ["out"]


def test_folder_failure_keeps_the_old_folder(tmp_path):
    with atomic_folder(tmp_path / "out") as temporary:
        (temporary / "part").write_text("1")
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "out") as temporary:
        (temporary / "part").write_text("2")
        raise KeyboardInterrupt
    assert (tmp_path / "out" / "part").read_text() == "1"
    assert names(tmp_path) == ["out"]


def test_a_file_in_the_way_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"must be a place for new files; got '(Not a directory|File exists)'"):
        atomic_write(tmp_path / "file" / "inside.json", "x")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_is_explained(number):
    message = r"^/place must have 2\.0 MB of room; got a full disk; free some space or choose another place$"
    with pytest.raises(StoreError, match=message), explained("/place", needed=2_000_000):
        raise OSError(number, os.strerror(number))


def test_permission_is_explained():
    with pytest.raises(StoreError, match=r"^/place must be writable; got 'Permission denied'; choose another place$"), explained("/place"):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_other_failures_pass_through():
    with pytest.raises(OSError, match="Input/output"), explained("/place"):
        raise OSError(errno.EIO, "Input/output error")


def test_need_space(tmp_path):
    need_space(tmp_path / "not" / "yet", 10)
    with pytest.raises(StoreError, match=r"must have 1000000\.0 TB of room; got .* free; free some space"):
        need_space(tmp_path / "not" / "yet", 10**18)


def test_readable_bytes():
    assert [readable_bytes(n) for n in (0, 1000, 1_500_000, 2 * 10**9)] == ["0 bytes", "1.0 kB", "1.5 MB", "2.0 GB"]
