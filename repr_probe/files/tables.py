"""Features in tables: CSV and Parquet, one row a sample, one column a feature (or one column of lists)."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.array_sources import Source
from repr_probe.files.printable import listed, printable
from repr_probe.files.sniff import separator_of

# Columns that are the features when they are numbered: embedding_0, embedding_1, ... or feature_0, x0, 0, ...
NUMBERED = re.compile(r"(?:(?:features?|embeddings?|feats?|feat|emb|dim|f|x|X|z|Z)[_.\- ]?)?(\d+)")
BESIDE = {
    "labels": ("labels", "targets", "y", "label", "target", "class"),
    "ids": ("ids", "paths", "filenames", "id", "path", "filename", "file"),
}


def read_csv(path: Path, labels_key: str | None = None) -> Source:
    """A CSV table (comma, semicolon or tab). Its first line are column names unless every cell of it is a number other than 0, 1, 2, ...

    Features are the numbered columns (embedding_0, feature_1, x2, 3), else every column that is not a label or an id.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        first = file.readline()
    separator = separator_of(first)
    cells = [cell.strip() for cell in next(csv.reader([first], delimiter=separator))]
    has_header = not all(_is_number(cell) for cell in cells) or cells == [str(number) for number in range(len(cells))]
    names = cells if has_header else [str(number) for number in range(len(cells))]
    if len(set(names)) < len(names):
        twice = listed(sorted({name for name in names if names.count(name) > 1}))
        raise FileFormatError(f"{path} must name every column once; got some twice ({twice})")
    feature_columns, beside, notes = choose_columns(names, path, labels_key)
    values = _load(path, separator, has_header, [names.index(name) for name in feature_columns], np.float64)
    arrays = {"features": values}
    for name, column in beside.items():
        arrays[name] = _numbers_where_all_are(_load(path, separator, has_header, [names.index(column)], str)[:, 0])
    if not has_header:
        notes.append(f"{path.name} has no line of column names: every column was taken as a feature")
    return Source(arrays, notes=tuple(notes))


def choose_columns(names: list[str], path: Path, labels_key: str | None) -> tuple[list[str], dict[str, str], list[str]]:
    """(feature columns in the order of their numbers, {"labels" | "ids": column}, notes)."""
    beside: dict[str, str] = {}
    if labels_key is not None and labels_key not in names:
        raise FileFormatError(f"--labels-key must name a column of {path}; got {labels_key!r}; there are: {listed(names, limit=10)}")
    for role, words in BESIDE.items():
        there = [name for name in names if name in words]
        if role == "labels" and labels_key is not None:
            there = [labels_key]
        if len(there) > 1:
            remedy = "choose with --labels-key" if role == "labels" else "drop one"
            raise FileFormatError(f"{path} must have one column of {role}; got {' and '.join(there)}; {remedy}")
        beside |= {role: there[0]} if there else {}
    others = [name for name in names if name not in beside.values()]
    numbered = {name: int(match[1]) for name in others if (match := NUMBERED.fullmatch(name))}
    if numbered:
        unused = [name for name in others if name not in numbered]
        notes = [f"columns left aside: {listed(unused)}"] if unused else []
        return sorted(numbered, key=lambda name: numbered[name]), beside, notes
    return others, beside, [f"features are the columns {listed(others)}"]


def _load(path: Path, separator: str, has_header: bool, columns: list[int], dtype: type) -> np.ndarray:
    try:
        return np.loadtxt(
            path, dtype=dtype, delimiter=separator, skiprows=int(has_header), usecols=columns, ndmin=2, quotechar='"', comments=None,
            encoding="utf-8-sig",
        )  # fmt: skip
    except (ValueError, IndexError, UnicodeDecodeError) as failure:
        reason = printable(" ".join(str(failure).split()), limit=120)
        raise FileFormatError(f"{path} must be a table of numbers, the same columns in every row; got {reason}") from None


def _numbers_where_all_are(column: np.ndarray) -> np.ndarray:
    """Whole numbers as int64; anything else stays text."""
    if all(re.fullmatch(r"\s*[+-]?\d{1,18}\s*", cell) for cell in column.tolist()):
        return column.astype(np.int64)
    return column


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def read_parquet(path: Path, labels_key: str | None = None) -> Source:
    """A Parquet table: a column of equally long lists named like a matrix of features, else columns as in a CSV."""
    try:
        import pyarrow.lib
        import pyarrow.parquet
    except ImportError as failure:
        remedy = 'pip install "repr-probe[parquet]"'
        raise FileFormatError(f"{path} is a Parquet file, and pyarrow is not installed; run: {remedy}") from failure

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.lib.ArrowException, OSError, ValueError) as failure:
        raise FileFormatError(f"{path} must be a complete Parquet file; got {printable(failure, limit=120)}; copy it again") from None
    lists = [column.name for column in table.schema if pyarrow.types.is_list(column.type) or pyarrow.types.is_fixed_size_list(column.type)
             or pyarrow.types.is_large_list(column.type)]  # fmt: skip
    if lists:
        _, beside, _ = choose_columns(table.column_names, path, labels_key)
        others = {role: table[name].to_numpy() for role, name in beside.items() if name not in lists}
        return Source({**{name: _list_column(table, name, path) for name in lists}, **others}, _metadata(table))
    columns, beside, notes = choose_columns(table.column_names, path, labels_key)
    try:
        values = np.stack([np.asarray(table[name].to_numpy(), dtype=np.float64) for name in columns], axis=1)
    except (ValueError, TypeError) as failure:
        raise FileFormatError(f"{path} must hold numbers in its feature columns; got {printable(failure, limit=120)}") from None
    return Source({"features": values, **{role: table[name].to_numpy() for role, name in beside.items()}}, _metadata(table), tuple(notes))


def _metadata(table: Any) -> dict[str, str]:
    return {key.decode("utf-8", "replace"): text.decode("utf-8", "replace") for key, text in (table.schema.metadata or {}).items()}


def _list_column(table: Any, name: str, path: Path) -> np.ndarray:
    rows = table[name].to_pylist()
    lengths = {len(row) for row in rows if row is not None}
    if len(lengths) != 1 or any(row is None for row in rows):
        got = f"column {printable(name)!r} has lengths {sorted(lengths)[:4]} or empty rows"
        raise FileFormatError(f"{path} must hold equally long lists; {got}")
    return np.asarray(rows)
