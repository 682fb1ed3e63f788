"""Features computed elsewhere: a matrix, and what lies beside it, out of any of the formats people keep them in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.array_sources import Source, read_hdf5, read_npy, read_npz, read_safetensors_arrays, read_torch_arrays
from repr_probe.files.printable import listed, printable
from repr_probe.files.sniff import sniff
from repr_probe.files.tables import read_csv, read_parquet

K = TypeVar("K", list[Any], dict[str, Any])
FEATURE_KEYS = ("features", "embeddings", "feats", "x", "X", "Z")
LABEL_KEYS = ("labels", "targets", "y")
ID_KEYS = ("ids", "paths", "filenames")
CLASS_KEYS = ("classes", "class_names")
READERS: Mapping[str, Callable[..., Source]] = {
    "npy": read_npy,
    "npz": read_npz,
    "torch-zip": read_torch_arrays,
    "torch-legacy": read_torch_arrays,
    "safetensors": read_safetensors_arrays,
    "hdf5": read_hdf5,
    "parquet": read_parquet,
    "csv": read_csv,
}
TABLES = ("parquet", "csv")


@dataclass(frozen=True, eq=False)
class LoadedArrays:
    """What a file of features holds, as it stands there: whether it makes sense is for the door (`as_features`) to say.

    values: (n_samples, n_features), memory-mapped for .npy.  labels: (n_samples,) numbers or strings (None where a row has none), or None.
    ids: one string per row, or None.  class_names: names of the labels 0, 1, ...; () where the file has none.
    provenance: where the arrays came from.  notes: choices made while reading.
    """

    values: np.ndarray
    labels: np.ndarray | None = None
    ids: tuple[str, ...] | None = None
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_arrays(path: str | Path, *, features_key: str | None = None, labels_key: str | None = None) -> LoadedArrays:
    """Read features from a .npy, .npz, .pt, .safetensors, .parquet, .h5 or .csv file, told apart by content.

    Features stand under `features_key`, else under one of features, embeddings, feats, x, X, Z; else the only matrix is taken, and a note
    says so. Labels: `labels_key`, else labels, targets, y. Beside them, if there: ids, paths or filenames; classes or class_names.
    In tables the keys name columns; see `read_csv` for how feature columns are told from others.
    A matrix is never transposed. .npy, .npz and .csv are read without torch.

    Raises FileFormatError when the file holds no matrix, or two that could be meant; the message names --features-key or --labels-key.
    """
    path = Path(path)
    kind = sniff(path)
    reader = READERS.get(kind)
    if reader is None:
        formats = "give .npy, .npz, .pt, .safetensors, .parquet, .h5 or .csv"
        remedy = "open the folder with FeatureStore.open" if kind == "store" else formats
        raise FileFormatError(f"features must be an array file; got {path}, of kind {kind}; {remedy}")
    source = reader(path, labels_key) if kind in TABLES else reader(path)
    labels_key = "labels" if kind in TABLES and labels_key is not None else labels_key
    notes = list(source.notes)
    features_name = _choose(source, path, FEATURE_KEYS, features_key, "--features-key") or _only_matrix(source, path, notes)
    labels_name = _choose(source, path, LABEL_KEYS, labels_key, "--labels-key")
    values = source.arrays[features_name]
    if values.ndim != 2:
        raise FileFormatError(f"features must be a matrix, a row a sample; {printable(features_name)!r} in {path} has shape {values.shape}")
    provenance = {**_stored(source, "provenance", dict), "file": path.name, "format": kind, "features_key": features_name}
    return LoadedArrays(
        values=values,
        labels=None if labels_name is None else _as_text_or_number(source.arrays[labels_name]),
        ids=_names(source, path, ID_KEYS) or None,
        class_names=_names(source, path, CLASS_KEYS),
        provenance=provenance,
        notes=tuple(notes),
    )


def _choose(source: Source, path: Path, keys: tuple[str, ...], wanted: str | None, flag: str) -> str | None:
    """The name `wanted`, or the only one of `keys` the file has; None where it has none of them."""
    if wanted is not None:
        if wanted not in source.arrays:
            there = listed(source.arrays, limit=10)
            raise FileFormatError(f"{flag} must name an array of {path}; got {wanted!r}; there are: {there or 'none'}")
        return wanted
    known = [key for key in keys if key in source.arrays]
    if len(known) > 1 and flag:
        raise FileFormatError(f"{path} must say which array is meant; it has {' and '.join(known)}; choose with {flag}")
    return known[0] if known else None


def _only_matrix(source: Source, path: Path, notes: list[str]) -> str:
    """The one matrix among arrays that are otherwise lists: then nothing else can be meant."""
    matrices = [name for name, array in source.arrays.items() if array.ndim == 2]
    if len(matrices) == 1 and all(array.ndim <= 1 for name, array in source.arrays.items() if name != matrices[0]):
        if len(source.arrays) > 1 or matrices[0]:
            notes.append(f"features are {printable(matrices[0])!r}, the only matrix in {path.name}")
        return matrices[0]
    shapes = [f"{name} {array.shape}" for name, array in source.arrays.items()]
    raise FileFormatError(
        f"{path} must hold features under one of {', '.join(FEATURE_KEYS)}; got {listed(shapes, limit=5) or 'no array'}; "
        "name them with --features-key"
    )


def _names(source: Source, path: Path, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Strings kept as an array under one of `keys`, or as a JSON list in the metadata (safetensors has no strings)."""
    key = _choose(source, path, keys, None, "")
    if key is not None:
        return _strings(source.arrays[key])
    return tuple(str(name) for key in keys for name in _stored(source, key, list))


def _stored(source: Source, key: str, kind: type[K]) -> K:
    """JSON of the wanted kind in the metadata; empty where there is none."""
    try:
        value = json.loads(source.metadata.get(key, ""))
    except ValueError:
        return kind()
    return value if isinstance(value, kind) else kind()


def _strings(array: np.ndarray) -> tuple[str, ...]:
    return tuple(item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in array.ravel().tolist())


def _as_text_or_number(labels: np.ndarray) -> np.ndarray | None:
    """Bytes and objects become strings, numbers pass through; where some rows have no label it is None, where none has one all of it."""
    if labels.dtype.kind not in "SUO":
        return labels
    texts = _strings(labels)
    empty = [label is None or text == "" for label, text in zip(labels.ravel().tolist(), texts)]
    if all(empty):
        return None
    return np.array([None if gap else text for gap, text in zip(empty, texts)], dtype=object) if any(empty) else np.array(texts)
