"""The name of a feature store: a hash of everything that changes its numbers, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

SCHEMA = 1  # raised whenever the layout of a store or the meaning of a field changes; part of every key


def store_key(fields: Mapping[str, Any]) -> str:
    """SHA-256 (64 hexadecimal digits) of the canonical JSON of `fields`.

    >>> store_key({"b": 1.0, "a": (2, 3)}) == store_key({"a": [2, 3], "b": 1.0})
    True
    """
    return hashlib.sha256(canonical_json(fields).encode("ascii")).hexdigest()


def canonical_json(value: Any) -> str:
    """One spelling for equal content: sorted keys, no spaces, ASCII, floats by repr.

    Raises ValueError for NaN and infinity, TypeError for what is no JSON value.

    >>> canonical_json({"b": 0.1, "a": ("é", None)})
    '{"a":["\\\\u00e9",null],"b":0.1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)


def rows_hash(ids: Iterable[str], labels: np.ndarray | None, class_names: Iterable[str] = ()) -> str:
    """SHA-256 over the rows in their order, ids and label codes, and the classes. Two draws from one data set never share a key.

    >>> rows_hash(["a", "bc"], None) == rows_hash(["ab", "c"], None)
    False
    """
    digest = hashlib.sha256()
    for name in (*ids, "", *class_names):
        # A file name that is no valid Unicode reaches Python with lone surrogates; it is still a name.
        digest.update(name.encode("utf-8", "surrogatepass") + b"\0")
    digest.update(b"unlabelled" if labels is None else np.ascontiguousarray(labels, dtype="<i8").tobytes())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, PurePath):
        return value.as_posix()
    raise TypeError(f"store fields must be JSON values; got {type(value).__name__}")
