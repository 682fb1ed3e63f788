from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from repr_probe.features.store_key import canonical_json, rows_hash, store_key


def test_order_and_containers_do_not_matter():
    assert canonical_json({"b": (1, 2.5), "a": {"y": None, "x": True}}) == '{"a":{"x":true,"y":null},"b":[1,2.5]}'
    assert store_key({"a": np.float64(0.1), "b": np.arange(2)}) == store_key({"b": [0, 1], "a": 0.1})


def test_floats_keep_every_digit():
    assert canonical_json(0.1 + 0.2) == "0.30000000000000004"


def test_paths_and_any_unicode():
    assert canonical_json([Path("a/b"), "\udcff", "é"]) == '["a/b","\\udcff","\\u00e9"]'


def test_what_is_no_value_is_refused():
    with pytest.raises(TypeError, match="store fields must be JSON values; got object"):
        canonical_json({"a": object()})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_rows_hash_sees_order_labels_and_classes():
    rows = [
        (["a", "b"], None, ()),
        (["b", "a"], None, ()),
        (["ab"], None, ()),
        (["a", "b"], np.array([0, 1]), ()),
        (["a", "b"], np.array([1, 0]), ()),
        (["a", "b"], np.array([0, 1]), ("x", "y")),
        (["a"], None, ("b",)),
    ]
    assert len({rows_hash(*row) for row in rows}) == len(rows)
    assert rows_hash(["a"], np.array([1], dtype=np.int32)) == rows_hash(["a"], np.array([1], dtype=np.int64))
