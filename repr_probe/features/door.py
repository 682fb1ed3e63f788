"""The door for foreign arrays: whatever a researcher holds goes in, checked Features come out. Nothing behind it checks again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.features.feature_set import Features
from repr_probe.features.labels import encode_labels, label_array
from repr_probe.features.watched import watched

NAN_POLICIES = ("raise", "omit")
_LARGEST = 1e30  # the length of a row with larger entries could overflow float32, its fourth power float64
_SCAN_BYTES = 1 << 24
_MATRIX = "features must be (n_samples, n_features)"
_BFLOAT16 = "bfloat16 features were read as float32; bfloat16 rounding itself raises ranks of low-rank data (rank 20 reads about 22)"


def as_features(
    features: Any,
    labels: Any = None,
    *,
    class_names: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    nan_policy: str = "raise",
    features_key: str | None = None,
    labels_key: str | None = None,
) -> Features:
    """Checked Features from an array, tensor, list, DataFrame, path, store, Features, list of these, or an iterator of chunks.

    features: (n_samples, n_features); numpy, torch (any device), anything with DLPack or `__array__`, nested lists, a pandas DataFrame
        (`labels` may then name a column), a path (.npy .npz .pt .safetensors .parquet .h5 .csv or a feature store), a Features, a list of
        Features (joined), or an iterator of chunks or (chunk, labels) pairs (written to a temporary file as it is read).
    labels: one hashable per row; -1, None and NaN mean unlabelled.
    nan_policy: "raise" (default) or "omit" (rows with NaN or infinity are dropped and counted).
    The caller's array is never written to; half precision is kept as stored and computed in float64; integers and bool are cast.

    Raises InputError with the argument, the count and the first row at fault.

    >>> as_features([[1, 0], [0, 1]], ["a", "b"])
    Features(2 x 2 float64, 2 classes)
    """
    if nan_policy not in NAN_POLICIES:
        raise InputError(f"nan_policy must be 'raise' or 'omit'; got {nan_policy!r}")
    source = _open(features, features_key, labels_key)
    if isinstance(source, Features):
        return _reopen(source, labels, class_names, ids, nan_policy)
    frame_labels, matrix = _split_frame(source, labels)
    values, chunk_labels, notes = _to_matrix(matrix)
    labels = chunk_labels if frame_labels is None else frame_labels
    return _check(values, labels, class_names, ids, nan_policy, notes)


def _open(source: Any, features_key: str | None, labels_key: str | None) -> Any:
    """Paths and stores become Features or arrays; lists of Features are joined; everything else passes."""
    if isinstance(source, (str, os.PathLike)):
        return _read(Path(source), features_key, labels_key)
    if hasattr(source, "features") and hasattr(source, "meta"):  # a FeatureStore, not imported here: a notebook needs no store code
        return source.features()
    if isinstance(source, (list, tuple)) and source and all(isinstance(part, Features) or hasattr(part, "meta") for part in source):
        return _join([part if isinstance(part, Features) else part.features() for part in source])
    return source


def _read(path: Path, features_key: str | None, labels_key: str | None) -> Features:
    if (path / "meta.json").is_file():
        from repr_probe.features.store import FeatureStore

        return FeatureStore.open(path).features()
    from repr_probe.files.arrays import read_arrays

    read = read_arrays(path, features_key=features_key, labels_key=labels_key)
    values, _, notes = _to_matrix(read.values)
    name = read.provenance.get("file")
    values = watched(values, path / str(name) if path.is_dir() else path)
    loaded = _check(values, read.labels, read.class_names or None, read.ids, None, [*read.notes, *notes])
    return Features(loaded.values, loaded.labels, loaded.class_names, loaded.ids, None, dict(read.provenance or {}), loaded.notes)


def _reopen(source: Features, labels: Any, class_names: Any, ids: Any, nan_policy: str) -> Features:
    """Features again through the door: new labels or ids replace the old ones, and non-finite rows are looked for."""
    names = source.class_names
    codes: Any = source.labels
    if labels is not None:
        codes, names = encode_labels(_one_per_row(labels, source.n_samples), class_names=class_names)
    elif class_names is not None and codes is not None:
        codes, names = encode_labels(codes, class_names=class_names)
    ids = source.ids if ids is None else ids
    checked = _check(source.values, codes, names if codes is not None else None, ids, nan_policy, list(source.notes))
    views, n_dropped = source.views, source.n_dropped + checked.n_dropped
    if views is not None and checked.n_dropped:
        views = views[_finite_rows(source.values)]
    return Features(checked.values, checked.labels, names, checked.ids, views, dict(source.provenance), checked.notes, n_dropped)


def _one_per_row(labels: Any, n_samples: int) -> np.ndarray:
    array = label_array(labels)
    if len(array) != n_samples:
        raise InputError(f"labels must match the rows; got {len(array)} labels for {n_samples} rows")
    return array


def _join(parts: list[Features]) -> Features:
    """Rows of several Features in one, labels matched by class name."""
    widths = {part.n_features for part in parts}
    if len(widths) > 1:
        raise InputError(f"features to join must have one width; got {sorted(widths)}")
    names = tuple(sorted({name for part in parts for name in part.class_names}))
    position = {name: code for code, name in enumerate(names)}
    codes = []
    for part in parts:
        table = np.array([position[name] for name in part.class_names] + [-1], dtype=np.int64)
        codes.append(np.full(part.n_samples, -1, np.int64) if part.labels is None else table[part.labels])
    values, _, notes = _spill(part.values for part in parts)
    ids = tuple(row for part in parts for row in part.ids or ()) if all(part.ids is not None for part in parts) else None
    labels = np.concatenate(codes)
    provenance = {"joined": [dict(part.provenance) for part in parts]}
    return Features(values, labels if (labels >= 0).any() else None, names, ids, None, provenance, tuple(notes))


def _split_frame(source: Any, labels: Any) -> tuple[Any, Any]:
    """A DataFrame gives its numeric columns; `labels="column"` takes that column out. Anything else passes through."""
    if type(source).__name__ != "DataFrame" or not hasattr(source, "columns"):
        if isinstance(labels, str):
            raise InputError(f"labels must be one value per row unless features is a DataFrame; got the text {labels!r}")
        return labels, source
    if isinstance(labels, str):
        if labels not in source.columns:
            raise InputError(f"labels must name a column; got {labels!r}, columns are {', '.join(map(str, source.columns[:8]))}")
        labels, source = source[labels].tolist(), source.drop(columns=[labels])
    text = [name for name in source.columns if source[name].dtype.kind not in "fiub"]
    if text:
        kind = source[text[0]].dtype
        raise InputError(f"features must be numeric columns; got {kind} in column {text[0]!r}; drop it or name it in labels=")
    return labels, source.to_numpy()


def _to_matrix(source: Any) -> tuple[np.ndarray, Any, list[str]]:
    """(values, labels met in chunks or None, notes); values are a float array of two dimensions."""
    if isinstance(source, Iterator):
        return _spill(source)
    array, notes = _to_array(source)
    return array, None, notes


def _to_array(source: Any) -> tuple[np.ndarray, list[str]]:
    notes: list[str] = []
    if hasattr(source, "detach") and hasattr(source, "cpu"):  # torch, imported by the caller if at all
        tensor = source.detach().cpu()
        if str(tensor.dtype) == "torch.bfloat16":
            notes.append(_BFLOAT16)
            tensor = tensor.float()
        array = tensor.numpy()
    elif isinstance(source, np.ma.MaskedArray) and np.ma.is_masked(source):
        n_masked = int(np.ma.getmaskarray(source).sum())
        raise InputError(f"features must not be masked; {n_masked} entries are; features.filled(nan) with nan_policy='omit' drops the rows")
    elif isinstance(source, np.ndarray):
        array = watched(source) if isinstance(source, np.memmap) else np.asarray(source)
    elif hasattr(source, "__dlpack__") and not hasattr(source, "__array__"):
        array = np.from_dlpack(source)
    else:
        try:
            array = np.asarray(source)
        except ValueError as error:
            raise InputError(f"features must be a matrix (n_samples, n_features); got rows of different lengths ({error})") from None
    if array.dtype.name == "bfloat16":  # ml_dtypes, as JAX has it
        notes.append(_BFLOAT16)
        array = array.astype(np.float32)
    if array.dtype.kind in "iub":
        notes.append(f"{array.dtype} features were cast to float64")
        array = array.astype(np.float64)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise InputError(f"features must be real numbers; got dtype {array.dtype}")
    _check_shape(array)
    return array, notes


def _check_shape(array: np.ndarray) -> None:
    if array.ndim == 4:
        raise InputError(f"{_MATRIX}; got {array.shape}; pool the feature maps first, e.g. features.mean((2, 3))")
    if array.ndim == 3:
        raise InputError(f"{_MATRIX}; got {array.shape}; pool the tokens first, e.g. features[:, 0] or features.mean(1)")
    if array.ndim != 2:
        raise InputError(f"{_MATRIX}; got {array.ndim} dimension(s), shape {array.shape}")
    if 0 in array.shape:
        raise InputError(f"features must have at least one row and one column; got shape {array.shape}")


def _spill(chunks: Any) -> tuple[np.ndarray, Any, list[str]]:
    """Chunks to an unnamed temporary file, mapped back: so that measures which need a second pass exist for streams too."""
    with tempfile.TemporaryFile() as handle:  # the mapping keeps the file alive, nameless as it is
        return _written(handle, chunks)


def _written(handle: Any, chunks: Any) -> tuple[np.ndarray, Any, list[str]]:
    labels: list[Any] = []
    notes: list[str] = []
    n_rows, width, dtype = 0, 0, np.dtype(np.float32)
    for number, item in enumerate(chunks):
        chunk, chunk_labels = _parted(item)
        array, chunk_notes = _to_array(chunk)
        notes += [note for note in chunk_notes if note not in notes]
        if number == 0:
            width, dtype = array.shape[1], array.dtype
        elif array.shape[1] != width:
            raise InputError(f"chunks must have one width; got {array.shape[1]} in chunk {number}, {width} before")
        elif array.dtype != dtype:
            raise InputError(f"chunks must have one dtype; got {array.dtype} in chunk {number}, {dtype} before")
        if (chunk_labels is not None) != bool(labels) and number:
            raise InputError(f"chunks must all have labels or none; chunk {number} differs from those before")
        if chunk_labels is not None:
            labels.append(label_array(chunk_labels).tolist())
            if len(labels[-1]) != len(array):
                raise InputError(f"labels must match the rows; got {len(labels[-1])} labels for {len(array)} rows in chunk {number}")
        handle.write(np.ascontiguousarray(array).data)
        n_rows += len(array)
    if not n_rows:
        raise InputError("features must have at least one row; got an empty iterator")
    handle.flush()
    values = np.memmap(handle, dtype=dtype, mode="r", shape=(n_rows, width))
    notes.append(f"{n_rows} rows of the stream were written to a temporary file for the measures that need two passes")
    return values, [label for part in labels for label in part] if labels else None, notes


def _parted(item: Any) -> tuple[Any, Any]:
    """(chunk, labels) of one step of a stream; a pair may come as a list, as from a torch DataLoader."""
    if isinstance(item, tuple) and len(item) == 2:
        return item
    if isinstance(item, list) and len(item) == 2 and getattr(item[0], "ndim", 0) >= 2:
        return item[0], item[1]
    return item, None


def _finite_rows(values: np.ndarray) -> np.ndarray:
    """(n_samples,) bool, chunk by chunk: a memory-mapped matrix is never copied."""
    good = np.ones(len(values), bool)
    step = max(1, _SCAN_BYTES // (values.shape[1] * values.dtype.itemsize))
    for start in range(0, len(values), step):
        chunk = values[start : start + step]
        with np.errstate(over="ignore", invalid="ignore"):
            if float(np.einsum("ij,ij->", chunk, chunk)) < _LARGEST**2:  # one number tells of a healthy chunk; float16 overflows
                continue
        good[start : start + step] = np.isfinite(chunk).all(axis=1)
        if values.dtype != np.float16:
            _refuse_huge(chunk, good[start : start + step], start)
    return good


def _refuse_huge(chunk: np.ndarray, good: np.ndarray, start: int) -> None:
    peak = np.where(good, np.abs(chunk).max(axis=1, initial=0.0), 0.0)
    if (peak > _LARGEST).any():
        first = int(np.argmax(peak > _LARGEST))
        raise InputError(f"features must not exceed {_LARGEST:g} in magnitude; got {peak[first]:g} in row {start + first}")


def _check(values: np.ndarray, labels: Any, class_names: Any, ids: Any, nan_policy: str | None, notes: list[str]) -> Features:
    """nan_policy None: non-finite rows are looked for later (a file opened on the way through the door)."""
    codes, names = None, tuple(class_names or ())
    if labels is not None:
        codes, names = encode_labels(_one_per_row(labels, len(values)), class_names=class_names)
    if ids is not None and len(ids) != len(values):
        raise InputError(f"ids must match the rows; got {len(ids)} ids for {len(values)} rows")
    rows = None if ids is None else tuple(str(row) for row in ids)
    if nan_policy is None:
        return Features(values, codes, names, rows, notes=tuple(notes))
    good = _finite_rows(values)
    n_bad = int((~good).sum())
    if n_bad and nan_policy == "raise":
        first = int(np.argmin(good))
        raise InputError(f"features must be finite; {n_bad} of {len(values)} rows are not, first row {first}; nan_policy='omit' drops them")
    if n_bad == len(values):
        raise InputError(f"features must have a finite row; all {n_bad} rows hold NaN or infinity")
    if n_bad:
        values, codes = values[good], None if codes is None else codes[good]
        rows = None if rows is None else tuple(row for row, kept in zip(rows, good, strict=True) if kept)
        notes = [*notes, f"{n_bad} rows with NaN or infinity were dropped (nan_policy='omit')"]
        codes = None if codes is None or not (codes >= 0).any() else codes
    return Features(values, codes, names, rows, notes=tuple(notes), n_dropped=n_bad)
