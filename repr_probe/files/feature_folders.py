"""Features that lie in several files: a folder as thingsvision writes it, DINO's trainfeat.pth beside trainlabels.pth, X.npy beside y.npy."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.array_sources import read_npy, read_torch_arrays
from repr_probe.files.printable import listed, printable

SUFFIXES = (".npy", ".npz", ".txt", ".h5", ".hdf5", ".pt", ".pth", ".mat", ".safetensors", ".parquet", ".csv")
LABEL_SUFFIXES = (".npy", ".pt", ".pth", ".txt")
NAME_FILES = ("file_names.txt", "filenames.txt", "ids.txt")
FEATURE_WORD = re.compile(r"(features?|feats?|embeddings?|embeds?)(?!.*(?:features?|feats?|embeddings?|embeds?))", re.IGNORECASE)
PART = re.compile(r"features_(\d+)")
_MOST_TEXT = 1 << 30


def features_in(folder: Path) -> list[Path]:
    """The file `features.npy` (or .npz, .txt, .h5, .pt, ...) of a folder, or its parts features_01.npy, ... in order; empty: neither.

    Raises FileFormatError (E_AMBIGUOUS) when there are features in two formats.
    """
    whole = [path for suffix in SUFFIXES if (path := folder / f"features{suffix}").is_file()]
    numbered = [path for path in folder.glob("features_*") if path.suffix in SUFFIXES and PART.fullmatch(path.stem) and path.is_file()]
    if len(whole) > 1 or (not whole and len({path.suffix for path in numbered}) > 1):
        found = listed(sorted(path.name for path in whole or numbered))
        raise FileFormatError(f"{folder} must hold one file of features; got {found}; give the file that is meant", code="E_AMBIGUOUS")
    return whole or sorted(numbered, key=lambda path: int(path.stem.rpartition("_")[2]))


def is_feature_folder(path: Path) -> bool:
    """Whether `path` is a folder with features in it that is no store."""
    return path.is_dir() and not (path / "meta.json").is_file() and bool(features_in(path))


def labels_beside(path: Path, wanted: str | None) -> Path | None:
    """The file of labels that belongs to a file of features by its name: trainfeat.pth - trainlabels.pth, X_test.npy - y_test.npy.

    wanted: name of the file, where the user says it. Raises FileFormatError (E_AMBIGUOUS) when several names fit.
    """
    if wanted is not None:
        beside = path.with_name(Path(wanted).name)
        return beside if beside.is_file() and beside.name == wanted else None
    stem = PART.sub("features", path.stem)
    stems = [FEATURE_WORD.sub(word, stem) for word in ("labels", "targets")] if FEATURE_WORD.search(stem) else [f"{stem}_labels"]
    if stem == "X" or stem.startswith("X_"):
        stems.append("y" + stem[1:])
    found = [beside for name in stems for suffix in LABEL_SUFFIXES if (beside := path.with_name(name + suffix)).is_file()]
    same = [beside for beside in found if beside.suffix == path.suffix]
    found = same if len(same) == 1 else found
    if len(found) > 1:
        names = listed([beside.name for beside in found])
        message = f"{path.name} must have one file of labels beside it; got {names}; choose with --labels-key FILE"
        raise FileFormatError(message, code="E_AMBIGUOUS")
    return found[0] if found else None


def names_beside(path: Path) -> Path | None:
    """The list of image files that thingsvision writes beside its features."""
    if not path.stem.startswith("features"):
        return None
    return next((names for name in NAME_FILES if (names := path.with_name(name)).is_file()), None)


def read_labels(path: Path, n_rows: int) -> np.ndarray:
    """One label a row: a NumPy array, a tensor or a list that torch wrote, or lines of text (whole numbers as such)."""
    if path.suffix == ".txt":
        lines = read_lines(path, n_rows, "label")
        whole = all(re.fullmatch(r"[+-]?\d{1,18}", line) for line in lines)
        return np.array([int(line) for line in lines], dtype=np.int64) if whole else np.array(lines)
    source = read_npy(path) if path.suffix == ".npy" else read_torch_arrays(path, lists=True)
    arrays = list(source.arrays.values())
    if len(arrays) != 1 or len(arrays[0].reshape(-1)) != max(arrays[0].shape, default=0):
        got = listed([f"{printable(name) or 'an array'} {array.shape}" for name, array in source.arrays.items()]) or "nothing"
        raise FileFormatError(f"{path} must hold one label a row; got {got}", code="E_LABELS")
    _check_count(path, arrays[0].size, n_rows, "label")
    return np.asarray(arrays[0]).reshape(-1)


def read_lines(path: Path, n_rows: int, what: str) -> list[str]:
    """The lines of a text file, one a row of the features."""
    if path.stat().st_size > _MOST_TEXT:
        raise FileFormatError(f"{path} must be a list of one {what} a line; got {path.stat().st_size} bytes", code="E_LABELS")
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip("\r\n").split("\n")
    except UnicodeDecodeError:
        raise FileFormatError(f"{path} must be text in UTF-8, one {what} a line", code="E_LABELS") from None
    _check_count(path, len(lines), n_rows, what)
    return [line.strip() for line in lines]


def _check_count(path: Path, count: int, n_rows: int, what: str) -> None:
    if count != n_rows:
        remedy = "; name the right file with --labels-key FILE, or move this one away" if what == "label" else "; move it away"
        message = f"{path.name} must have one {what} a row of the features beside it; got {count} for {n_rows} rows{remedy}"
        raise FileFormatError(message, code="E_LABELS")
