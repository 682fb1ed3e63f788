"""Features in one file for other programs, with labels, class names, ids and origin; read back by `repr_probe.files.arrays.read_arrays`."""

from __future__ import annotations

import csv
import difflib
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe import progress
from repr_probe.errors import UsageError
from repr_probe.features.feature_set import Features
from repr_probe.features.store_key import canonical_json
from repr_probe.files.atomic import atomic_file, need_space

_ROWS = 1024  # rows turned into text or columns at a time: a memory-mapped matrix is never copied whole into a table


def check_export(path: str | Path) -> None:
    """UsageError when no writer exists for the suffix of `path`, or the library it needs is not installed; asked before the work begins."""
    suffix = Path(path).suffix
    if suffix not in _WRITERS:
        near = difflib.get_close_matches(suffix, _WRITERS, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"export must end in one of {', '.join(_WRITERS)}; got {Path(path).name!r}{hint}")
    library, extra = _LIBRARIES.get(suffix, ("numpy", ""))
    if importlib.util.find_spec(library) is None:
        raise UsageError(f"export to {suffix} must have {library}; got no such package; pip install 'repr-probe[{extra}]'")


def export_features(features: Features, path: str | Path) -> Path:
    """Write `features` to `path`, format by suffix, whole or not at all.

    .npz .safetensors .pt .h5: `features` (n_samples, n_features), `labels` (codes, -1 unlabelled), `class_names`, `ids`, `views`,
    `provenance` and `notes` (JSON text; the texts of .safetensors and .parquet are metadata). .parquet .csv: one row an image with `id`,
    `label` (code), `class_name`, `feature_0`, `feature_1`, ...; .csv holds no provenance, and no class without an image.
    .npy: the matrix alone (a note says so).
    Raises UsageError for another suffix, StoreError when the place cannot be written.
    """
    path = Path(path).expanduser()
    check_export(path)
    need_space(path, features.values.nbytes + (0 if features.views is None else features.views.nbytes))
    with atomic_file(path) as temporary:
        _WRITERS[path.suffix](features, temporary)
    left_out = _LEFT_OUT.get(path.suffix, "") if path.suffix != ".parquet" or features.views is not None else ""
    progress.note(f"features written to {path}{left_out}")
    return path


def _texts(features: Features) -> dict[str, str]:
    """The texts that go beside the arrays."""
    described = {"provenance": canonical_json(features.provenance)}
    if features.class_names:
        described["class_names"] = canonical_json(features.class_names)
    if features.ids is not None:
        described["ids"] = canonical_json(features.ids)
    if features.notes:
        described["notes"] = canonical_json(features.notes)
    return described


def _arrays(features: Features) -> dict[str, np.ndarray]:
    arrays = {"features": features.values, "labels": features.labels, "views": features.views}
    return {name: array for name, array in arrays.items() if array is not None}


def _write_npy(features: Features, path: Path) -> None:
    np.save(path, features.values)


def _write_npz(features: Features, path: Path) -> None:
    texts = {name: np.array(text) for name, text in _texts(features).items() if name in ("provenance", "notes")}
    if features.class_names:
        texts["class_names"] = np.array(features.class_names)
    if features.ids is not None:
        texts["ids"] = np.array(features.ids)
    np.savez(path, allow_pickle=False, **_arrays(features), **texts)


def _write_safetensors(features: Features, path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in _arrays(features).items()}, path, metadata=_texts(features))


def _write_pt(features: Features, path: Path) -> None:
    import torch

    content: dict[str, Any] = {name: torch.from_numpy(np.array(array)) for name, array in _arrays(features).items()}
    # Plain containers of plain values: readable with weights_only=True.
    if features.class_names:
        content["class_names"] = list(features.class_names)
    if features.ids is not None:
        content["ids"] = list(features.ids)
    content["provenance"] = json.loads(canonical_json(features.provenance))
    if features.notes:
        content["notes"] = canonical_json(features.notes)
    torch.save(content, path)


def _write_h5(features: Features, path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in _arrays(features).items():
            file.create_dataset(name, data=array)
        for name, values in (("class_names", features.class_names), ("ids", features.ids)):
            if values:
                file.create_dataset(name, data=[_encodable(value) for value in values], dtype=h5py.string_dtype())
        file.attrs.update({name: text for name, text in _texts(features).items() if name in ("provenance", "notes")})


def _write_parquet(features: Features, path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    kinds = {"id": pyarrow.string(), "label": pyarrow.int64(), "class_name": pyarrow.string()}
    number = pyarrow.from_numpy_dtype(features.values.dtype)
    described = {name: text.encode() for name, text in _texts(features).items() if name != "ids"}
    schema = pyarrow.schema([(name, kinds.get(name, number)) for name in _columns(features)], metadata=described)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for beside, values in _table(features, 16 * _ROWS):
            columns = [*map(pyarrow.array, beside), *(pyarrow.array(np.ascontiguousarray(column)) for column in values.T)]
            writer.write_table(pyarrow.table(columns, schema=schema))


def _write_csv(features: Features, path: Path) -> None:
    digits = {"float16": 5, "float32": 9, "float64": 17}[features.values.dtype.name]  # the fewest from which every number comes back
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_columns(features))
        for beside, values in _table(features, _ROWS):
            for *head, row in zip(*beside, values.tolist()):
                writer.writerow([*head, *(f"{value:.{digits}g}" for value in row)])


def _columns(features: Features) -> list[str]:
    labels = [] if features.labels is None else ["label", "class_name"]
    return ["id", *labels, *(f"feature_{column}" for column in range(features.n_features))]


def _table(features: Features, rows: int) -> Iterator[tuple[list[list[Any]], np.ndarray]]:
    """([ids, labels, class names], values) of `rows` rows at a time; labels and class names only where there are labels."""
    for start in range(0, features.n_samples, rows):
        stop = min(start + rows, features.n_samples)
        ids: Sequence[str] = [str(row) for row in range(start, stop)] if features.ids is None else features.ids[start:stop]
        beside: list[list[Any]] = [[_encodable(name) for name in ids]]
        if features.labels is not None:
            codes = features.labels[start:stop].tolist()
            beside += [codes, [_encodable(features.class_names[code]) if code >= 0 else None for code in codes]]
        yield beside, features.values[start:stop]


def _encodable(name: str) -> str:
    """A file name that is no valid Unicode, spelled so that every format takes it."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


_WRITERS: dict[str, Callable[[Features, Path], None]] = {
    ".npz": _write_npz,
    ".safetensors": _write_safetensors,
    ".pt": _write_pt,
    ".npy": _write_npy,
    ".parquet": _write_parquet,
    ".h5": _write_h5,
    ".csv": _write_csv,
}
_LIBRARIES = {".parquet": ("pyarrow", "parquet"), ".h5": ("h5py", "h5")}
_LEFT_OUT = {
    ".npy": " (the matrix alone: .npy holds no labels, ids or views)",
    ".parquet": " (without the augmented views)",
    ".csv": " (without provenance and views)",
}
