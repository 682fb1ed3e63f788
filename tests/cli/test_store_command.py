from __future__ import annotations

import re

import numpy as np
import pytest

from repr_probe.features.store_key import store_key
from repr_probe.features.store_writer import StoreWriter


@pytest.fixture
def stored(tmp_path):
    """Write one small store into the home that `run` uses; returns its key."""
    fields = {"dataset": "digits", "split": "test", "encoder": "evil\x1b[2J.pth"}
    key = store_key(fields)
    folder = tmp_path / "home" / "features"
    with StoreWriter(folder, key, n_samples=3, n_views=0, dtype="float32", run={}) as writer:
        writer.write(0, np.ones((3, 4), dtype=np.float32))
        meta = {"layer": "pooled", "class_names": ["a"], "provenance": fields, "notes": []}
        writer.finish(meta, ids=("a", "b", "c"), labels=np.zeros(3, dtype=np.int64))
    return key


def test_an_empty_home(run, tmp_path):
    done = run("store", "list")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"no stored features in {tmp_path / 'home'}\n"
    assert run("store", "path").out == f"{tmp_path / 'home'}\n"


def test_list_path_and_rm(run, stored, tmp_path):
    listed = run("store", "list")
    assert listed.code == 0
    head, row = listed.out.splitlines()
    assert head.split() == ["key", "state", "features", "layer", "data", "encoder", "size", "written"]
    assert row.startswith(stored[:12])
    assert re.search(r"complete +3 x 4 +pooled +digits test +evil\\x1b\[2J\.pth", row)
    assert run("store", "path", stored[:6]).out == f"{tmp_path / 'home' / 'features' / stored}\n"
    removed = run("store", "rm", stored[:6])
    assert removed.code == 0
    assert removed.out.startswith(f"removed {stored[:12]} (")
    assert "no stored features" in run("store", "list").out


def test_a_store_given_by_option(run, stored, tmp_path):
    assert "no stored features" in run("store", "list", "--store", str(tmp_path / "other")).out
    assert stored[:12] in run("store", "list", "--store", str(tmp_path / "home")).out


def test_an_unknown_key(run, stored):
    done = run("store", "rm", "zzzz")
    assert done.code == 1
    assert done.err == "error: key must begin one of the 1 stored keys; got 'zzzz'; see repro-probe store list\n"
