"""Features computed elsewhere: a matrix, and what lies beside it, out of any of the formats people keep them in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.array_sources import Source, read_hdf5, read_mat, read_npy, read_npz, read_safetensors_arrays, read_torch_arrays
from repr_probe.files.feature_folders import PART, features_in, is_feature_folder, labels_beside, names_beside, read_labels, read_lines
from repr_probe.files.printable import listed, printable
from repr_probe.files.sniff import sniff
from repr_probe.files.tables import is_number_text, read_csv, read_numbers, read_parquet

K = TypeVar("K", list[Any], dict[str, Any])
FEATURE_KEYS = ("features", "embeddings", "feats", "x", "X", "Z", "embedding", "image_features", "image_embeds", "image_embeddings")
LABEL_KEYS = ("labels", "targets", "y", "label", "target")
ID_KEYS = ("ids", "paths", "filenames", "file_names", "image_paths")
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
    "numbers": read_numbers,
    "mat": read_mat,
}
TABLES = ("parquet", "csv")
FOLDER = "feature-folder"
_HEAD_BYTES = 4096


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


def feature_kind(path: str | Path) -> str:
    """What `sniff` says of a path, and beside that "numbers" (rows of numbers as text), "mat" (MATLAB) and "feature-folder"."""
    path = Path(path)
    if is_feature_folder(path):
        return FOLDER
    if path.is_file():
        try:
            with path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
        except OSError as failure:
            raise FileFormatError(f"{path} must be readable; got {failure.strerror!r}") from failure
        if head.startswith((b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file")):
            return "mat"
        if is_number_text(head):
            return "numbers"
    return sniff(path)


def read_arrays(path: str | Path, *, features_key: str | None = None, labels_key: str | None = None) -> LoadedArrays:
    """Read features from a .npy, .npz, .pt, .safetensors, .parquet, .h5, .csv, .txt or .mat file, told apart by content, or a folder of them.

    Features stand under `features_key`, else under one of FEATURE_KEYS; else the only matrix is taken, and a note says so.
    Labels: `labels_key`, else one of LABEL_KEYS. Beside them, if there: ids, paths or filenames; classes or class_names.
    In tables the keys name columns; see `read_csv` for how feature columns are told from others.
    A file that is one matrix takes its labels from the file named like it (trainfeat.pth: trainlabels.pth; X.npy: y.npy; or
    `labels_key`), and a folder is read as thingsvision writes it: features.npy (or features_01.npy, ...), file_names.txt, labels.
    A matrix is never transposed. .npy, .npz, .csv and .txt are read without torch.

    Raises FileFormatError when the file holds no matrix, or two that could be meant; the message names --features-key or --labels-key.
    """
    path = Path(path)
    kind = feature_kind(path)
    if kind == FOLDER:
        return _read_folder(path, features_key, labels_key)
    return _read_file(path, kind, features_key, labels_key)


def _read_file(path: Path, kind: str, features_key: str | None, labels_key: str | None) -> LoadedArrays:
    reader = READERS.get(kind)
    if reader is None:
        formats = "give .npy, .npz, .pt, .safetensors, .parquet, .h5, .csv, .txt or .mat"
        remedy = "open the folder with FeatureStore.open" if kind == "store" else formats
        raise FileFormatError(f"features must be an array file; got {path}, of kind {kind}; {remedy}")
    source = joined_parts(reader(path, labels_key) if kind in TABLES else reader(path))
    labels_key = "labels" if kind in TABLES and labels_key is not None else labels_key
    notes = [*_stored(source, "notes", list), *source.notes]
    alone = len(source.arrays) == 1
    labels_file = labels_beside(path, labels_key) if alone else None
    features_name = _choose(source, path, FEATURE_KEYS, features_key, "--features-key") or _only_matrix(source, path, notes)
    labels_name = None if labels_file is not None else _choose(source, path, LABEL_KEYS, labels_key, "--labels-key")
    values = source.arrays[features_name]
    if values.ndim != 2:
        raise FileFormatError(f"features must be a matrix, a row a sample; {printable(features_name)!r} in {path} has shape {values.shape}")
    labels = None if labels_name is None else _as_text_or_number(source.arrays[labels_name])
    ids = _names(source, path, ID_KEYS) or None
    provenance = {**_stored(source, "provenance", dict), "file": path.name, "format": kind, "features_key": features_name}
    if labels_file is not None:
        labels = _as_text_or_number(read_labels(labels_file, len(values)))
        notes.append(f"labels are those of {labels_file.name}, which lies beside {path.name}")
        provenance["labels_file"] = labels_file.name
    names_file = names_beside(path) if alone else None
    if names_file is not None and ids is None:
        ids = tuple(read_lines(names_file, len(values), "name"))
    if len(values) < values.shape[1] and labels is None and ids is None:
        notes.append(f"{len(values)} rows of {values.shape[1]} features: every row is taken as a sample; a matrix is never transposed")
    return LoadedArrays(
        values=values, labels=labels, ids=ids, class_names=_names(source, path, CLASS_KEYS), provenance=provenance,
        notes=tuple(map(str, notes)),
    )  # fmt: skip


def _read_folder(folder: Path, features_key: str | None, labels_key: str | None) -> LoadedArrays:
    """One file of features, or its parts one below the other, with what lies beside it."""
    files = features_in(folder)
    if len(files) == 1:
        read = _read_file(files[0], feature_kind(files[0]), features_key, labels_key)
        return replace(read, provenance={**read.provenance, "folder": folder.name})
    parts = []
    for file in files:
        source = READERS[feature_kind(file)](file)
        parts.append(source.arrays[_choose(source, file, FEATURE_KEYS, features_key, "--features-key") or _only_matrix(source, file, [])])
    if len({part.shape[1:] for part in parts}) > 1 or parts[0].ndim != 2:
        raise FileFormatError(f"{folder} must hold parts of one width; got {listed([part.shape for part in parts], limit=5)}")
    values = np.concatenate(parts)
    labels_file, names_file = labels_beside(files[0], labels_key), names_beside(files[0])
    return LoadedArrays(
        values=values,
        labels=None if labels_file is None else _as_text_or_number(read_labels(labels_file, len(values))),
        ids=None if names_file is None else tuple(read_lines(names_file, len(values), "name")),
        provenance={"folder": folder.name, "file": [file.name for file in files], "format": FOLDER},
        notes=(f"features are the {len(files)} parts {files[0].name} to {files[-1].name} of {folder.name}, in this order",),
    )


def joined_parts(source: Source) -> Source:
    """Matrices features_01, features_02, ... one below the other as `features`, where nothing else is called so."""
    numbered = {int(name.rpartition("_")[2]): name for name in source.arrays if PART.fullmatch(name)}
    parts = [source.arrays[numbered[number]] for number in sorted(numbered)]
    if len(parts) < 2 or any(key in source.arrays for key in FEATURE_KEYS) or len({part.shape[1:] for part in parts}) > 1:
        return source
    others = {name: array for name, array in source.arrays.items() if name not in numbered.values()}
    note = f"features are the {len(parts)} parts features_{min(numbered):02d} to features_{max(numbered):02d}, in this order"
    return Source({"features": np.concatenate(parts), **others}, source.metadata, (*source.notes, note))


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
