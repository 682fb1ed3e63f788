"""Sums of a stopped pair pass: what can be used is used, what cannot is said, and no folder in trouble ends a pass."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from repr_probe import progress
from repr_probe.metrics import kept_sums
from repr_probe.metrics.kept_sums import KeptSums


@pytest.fixture
def said(monkeypatch) -> list[str]:
    monkeypatch.setattr(kept_sums, "SAVE_SECONDS", 0.0)
    lines: list[str] = []
    monkeypatch.setattr(progress, "note", lines.append)
    return lines


def sums(folder: Path | None, fill: float = 0.0, size: int = 2000) -> KeptSums:
    return KeptSums(folder, [b"key", np.arange(3)], [np.full(size, fill), np.full(3, int(fill))])


@contextmanager
def files_of_at_most(n_bytes: int):
    """The system refuses a longer file as it refuses one on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_kept_comes_back(tmp_path, said):
    sums(tmp_path, 2.0).save(7)
    found = sums(tmp_path)
    assert found.steps_done() == 7
    assert [float(part.mean()) for part in found.sums] == [2.0, 2.0]
    assert said == ["going on with the sums of an interrupted pair pass"]
    found.forget()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_said_where_nothing_was_kept(tmp_path, said):
    assert sums(tmp_path / "absent").steps_done() == sums(None).steps_done() == 0
    sums(None).save(3)
    sums(None).forget()
    assert said == []


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut_is_not_used(share, tmp_path, said):
    kept = sums(tmp_path, 2.0)
    kept.save(7)
    os.truncate(kept.path, int(share * kept.path.stat().st_size))
    found = sums(tmp_path)
    assert found.steps_done() == 0
    assert not found.sums[0].any()
    assert len(said) == 1
    assert said[0].startswith("the sums of an interrupted pair pass cannot be used (")
    assert said[0].endswith("); starting over")


def test_nor_are_sums_of_another_shape_or_with_a_changed_byte(tmp_path, said):
    kept = sums(tmp_path, 2.0)
    kept.save(7)
    assert sums(tmp_path, size=1999).steps_done() == 0
    content = bytearray(kept.path.read_bytes())
    content[5000] ^= 1
    kept.path.write_bytes(content)
    assert sums(tmp_path).steps_done() == 0
    assert len(said) == 2


def test_a_full_disk_costs_the_keeping_and_not_the_pass(tmp_path, said):
    kept = sums(tmp_path, 2.0)
    kept.save(7)
    with files_of_at_most(4000):
        kept.save(8)
        kept.save(9)
    assert said == [f"the sums of the pair pass cannot be kept in {tmp_path} (File too large); the pass itself goes on"]
    assert list(tmp_path.iterdir()) == [kept.path], "nothing half written stays"
    assert sums(tmp_path).steps_done() == 7, "the sums kept before are whole"
    kept.forget()
    assert list(tmp_path.iterdir()) == []


def test_so_does_a_home_that_is_no_folder(tmp_path, said):
    (tmp_path / "home").write_text("a file")
    kept = sums(tmp_path / "home" / "passes", 2.0)
    assert kept.steps_done() == 0
    kept.save(7)
    kept.forget()
    assert said == [f"the sums of the pair pass cannot be kept in {tmp_path / 'home' / 'passes'} (Not a directory); the pass itself goes on"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_and_a_home_without_permission(tmp_path, said):
    tmp_path.chmod(0o000)
    try:
        kept = sums(tmp_path / "passes", 2.0)
        assert kept.steps_done() == 0
        kept.save(7)
        kept.forget()
    finally:
        tmp_path.chmod(0o700)
    assert said[-1] == f"the sums of the pair pass cannot be kept in {tmp_path / 'passes'} (Permission denied); the pass itself goes on"


def test_leftovers_of_a_save_that_was_killed_go_with_the_rest(tmp_path, said):
    kept = sums(tmp_path, 2.0)
    kept.save(7)
    kept.path.with_name(f"{kept.path.stem}.4711.npz").write_bytes(b"half")
    (tmp_path / "other.npz").write_bytes(b"of another pass")
    kept.forget()
    assert [path.name for path in tmp_path.iterdir()] == ["other.npz"]
