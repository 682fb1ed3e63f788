from __future__ import annotations

import os

import numpy as np
import pytest

from repr_probe.errors import StoreError
from repr_probe.features.store_listing import find_store, list_stores, remove_store, sweep_leftovers
from repr_probe.features.store_writer import StoreWriter

META = {"layer": "pooled", "class_names": [], "provenance": {}, "notes": []}
COMPLETE, PARTIAL, DAMAGED = ("aa" + "1" * 62), ("aa" + "2" * 62), ("bb" + "3" * 62)


def add(home, key, rows=4):
    with StoreWriter(home / "features", key, n_samples=4, run={}) as writer:
        writer.write(0, np.ones((rows, 2), np.float32))
        if rows == 4:
            writer.finish(META, ids=list("abcd"))


@pytest.fixture
def home(tmp_path):
    add(tmp_path, COMPLETE)
    add(tmp_path, PARTIAL, rows=2)
    add(tmp_path, DAMAGED)
    (tmp_path / "features" / DAMAGED / "ids.json").unlink()
    (tmp_path / "features" / "not a store").mkdir()
    return tmp_path


def test_list(home):
    entries = {entry.key: entry for entry in list_stores(home)}
    assert {key: entry.state for key, entry in entries.items()} == {COMPLETE: "complete", PARTIAL: "partial", DAMAGED: "damaged"}
    assert entries[PARTIAL].detail == "2 of 4 rows done"
    assert "ids.json must be present" in entries[DAMAGED].detail
    assert entries[COMPLETE].meta["layer"] == "pooled"
    files = list((home / "features" / COMPLETE).iterdir())
    assert entries[COMPLETE].size_bytes == sum(path.stat().st_size for path in files)


def test_newest_first(home):
    for age, key in enumerate((DAMAGED, COMPLETE)):
        os.utime(home / "features" / key, (1000 - age, 1000 - age))
    assert [entry.key for entry in list_stores(home)] == [PARTIAL, DAMAGED, COMPLETE]


def test_empty_home(tmp_path):
    assert list_stores(tmp_path) == []
    with pytest.raises(StoreError, match=r"^key must begin one of the 0 stored keys; got 'ab'"):
        find_store(tmp_path, "ab")


@pytest.mark.parametrize("key", [COMPLETE, PARTIAL, DAMAGED])
def test_remove_each_kind(home, key):
    assert remove_store(home, key[:6]).key == key
    assert not [path for path in (home / "features").iterdir() if key in path.name]
    assert len(list_stores(home)) == 2


def test_ambiguous_unknown_and_empty_prefix(home):
    with pytest.raises(StoreError, match=r"^key must begin exactly one stored key; got 'aa', which begins 2: aa\d{8}, aa\d{8}$"):
        remove_store(home, "aa")
    with pytest.raises(StoreError, match=r"^key must begin one of the 3 stored keys; got 'ff'; see repro-probe store list$"):
        remove_store(home, "ff")
    with pytest.raises(StoreError, match=r"^key must name a store; got an empty one"):
        remove_store(home, "")
    assert len(list_stores(home)) == 3


def test_store_being_written_is_not_removed(home):
    busy = pytest.raises(StoreError, match="must be written by one process at a time")
    with StoreWriter(home / "features", PARTIAL, n_samples=4, run={}), busy:
        remove_store(home, PARTIAL)


def test_sweep_keeps_the_store(home):
    folder = home / "features"
    (folder / f"{COMPLETE}.lock").write_text("123")
    (folder / f"{COMPLETE}.journal").write_text("")
    (folder / f".{COMPLETE}.old-0f").mkdir()
    sweep_leftovers(folder, COMPLETE)
    assert sorted(path.name for path in folder.iterdir() if COMPLETE in path.name) == [COMPLETE]
    assert find_store(home, COMPLETE).state == "complete"
