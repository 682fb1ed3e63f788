"""Labels: anything hashable in, codes 0..K-1 and class names out; -1, None and NaN mean unlabelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from repr_probe.errors import InputError


def encode_labels(labels: Any, *, class_names: Sequence[str] | None = None) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Codes (n_samples,) int64 with -1 for unlabelled rows (None if no row has a label), and one class name per code.

    Codes follow the sorted order of the labels (by value if they compare, else by type name and text). With `class_names`,
    integer labels are kept as positions in that list; text labels must occur in it.

    >>> encode_labels(["cat", None, "ant", "cat"])
    (array([ 1, -1,  0,  1]), ('ant', 'cat'))
    >>> encode_labels([7, -1, 3])
    (array([ 1, -1,  0]), ('3', '7'))
    """
    array = label_array(labels)
    if class_names is not None:
        return _by_given_names(array, tuple(str(name) for name in class_names))
    if array.dtype.kind in "iub":
        missing = array == -1 if array.dtype.kind == "i" else np.zeros(array.shape, bool)
        values = array
    elif array.dtype.kind == "f":
        missing, values = np.isnan(array) | (array == -1), array
    elif array.dtype.kind in "US":
        missing, values = np.zeros(array.shape, bool), array
    else:
        return _encode_objects(array.tolist())
    codes = np.full(array.shape, -1, np.int64)
    distinct, inverse = np.unique(values[~missing], return_inverse=True)
    codes[~missing] = inverse
    return (codes, tuple(_text(value) for value in distinct.tolist())) if distinct.size else (None, ())


def label_array(labels: Any) -> np.ndarray:
    """Labels as a one-dimensional array, (n_samples,); torch tensors, Series, lists and other iterables included."""
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu()
        labels = (labels.float() if str(labels.dtype) == "torch.bfloat16" else labels).numpy()
    if isinstance(labels, np.ma.MaskedArray):
        array = labels.data.astype(object)
        array[np.ma.getmaskarray(labels)] = None
    elif isinstance(labels, np.ndarray) or hasattr(labels, "__array__"):
        array = np.asarray(labels)
    elif isinstance(labels, (str, bytes, Set, Mapping)) or not isinstance(labels, Iterable):
        raise InputError(f"labels must be a sequence, one per row; got {type(labels).__name__}")
    else:
        array = _array_of([item.item() if getattr(item, "ndim", None) == 0 and hasattr(item, "item") else item for item in labels])
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise InputError(f"labels must be one-dimensional, one per row; got shape {array.shape} (one-hot rows: pass labels.argmax(1))")
    return array


def _array_of(items: list[Any]) -> np.ndarray:
    """Plain integers, floats and texts as arrays of their own kind; everything else as objects, one each (tuples are labels, not rows)."""
    kinds = {type(item) for item in items}
    if kinds <= {int, bool} and all(-(2**63) <= item < 2**63 for item in items):
        return np.asarray(items, dtype=np.int64)
    if kinds in ({float}, {str}):
        return np.asarray(items)
    array = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        array[position] = item
    return array


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, (bool, np.bool_, str, bytes)):
        return False
    if isinstance(value, (int, float, np.integer, np.floating)) and value == -1:
        return True
    return bool(value != value)  # NaN of any kind, pandas' NA included through its own comparison below


def _encode_objects(items: list[Any]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    try:
        missing = [_is_missing(item) for item in items]
    except TypeError:  # pandas.NA refuses to be a truth value
        missing = [item is None or type(item).__name__ == "NAType" or _is_missing(item) for item in items]
    try:
        distinct = {item for item, gone in zip(items, missing, strict=True) if not gone}
    except TypeError as error:
        raise InputError(f"labels must be hashable; got {error}") from None
    if not distinct:
        return None, ()
    try:
        order = sorted(distinct)
    except TypeError:
        order = sorted(distinct, key=lambda value: (type(value).__name__, str(value)))
    position = {value: code for code, value in enumerate(order)}
    codes = np.array([-1 if gone else position[item] for item, gone in zip(items, missing, strict=True)], dtype=np.int64)
    return codes, tuple(_text(value) for value in order)


def _by_given_names(array: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if array.dtype.kind in "iub":
        codes = array.astype(np.int64)
        bad = (codes < -1) | (codes >= len(names))
        if bad.any():
            first = int(np.argmax(bad))
            span = f"-1..{len(names) - 1} for {len(names)} class_names"
            raise InputError(f"labels must lie in {span}; got {int(codes[first])} in row {first}")
    else:
        found, text_names = encode_labels(array)
        unknown = [name for name in text_names if name not in names]
        if unknown:
            raise InputError(f"labels must occur in class_names; got {unknown[0]!r}")
        if found is None:
            return None, names
        position = np.array([names.index(name) for name in text_names], dtype=np.int64)
        codes = np.where(found >= 0, position[found], -1)
    return (codes if (codes >= 0).any() else None), names
