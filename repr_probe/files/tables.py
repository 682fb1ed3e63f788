"""Features in tables: CSV and Parquet, one row a sample, one column a feature (or one column of lists)."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np

from repr_probe.errors import FileFormatError
from repr_probe.files.array_sources import Source, check_growth
from repr_probe.files.printable import listed, printable
from repr_probe.files.sniff import separator_of

# Columns that are the features when they are numbered: embedding_0, embedding_1, ... or feature_0, x0, 0, ...
NUMBERED = re.compile(r"(?:(?:features?|embeddings?|feats?|feat|emb|dim|f|x|X|z|Z)[_.\- ]?)?(\d+)")
CLASS_NAME = "class_name"  # beside a column of codes: their names
BESIDE = {
    "labels": ("labels", "targets", "y", "label", "target", "class"),
    "ids": ("ids", "paths", "filenames", "id", "path", "filename", "file"),
}


def read_csv(path: Path, labels_key: str | None = None) -> Source:
    """A CSV table (comma, semicolon or tab). Its first line are column names unless every cell of it is a number other than 0, 1, 2, ...

    Features are the numbered columns (embedding_0, feature_1, x2, 3), else every column that is not a label or an id.
    """
    first = _first_line(path)
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
    arrays = with_class_names(arrays)
    if not has_header:
        notes.append(f"{path.name} has no line of column names: every column was taken as a feature")
    return Source(arrays, notes=tuple(notes))


def _first_line(path: Path) -> str:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline(_LONGEST_LINE)
    except UnicodeDecodeError:
        raise FileFormatError(f"{path} must be text in UTF-8", code="E_TEXT") from None
    if len(first) == _LONGEST_LINE:
        raise FileFormatError(f"{path} must be a table; its first line is longer than {_LONGEST_LINE} characters", code="E_TEXT")
    return first


_LONGEST_LINE = 1 << 26


def is_number_text(head: bytes) -> bool:
    """Whether a file that starts with `head` holds rows of numbers with spaces between them, as `numpy.savetxt` writes them."""
    try:
        lines = head.decode("ascii").splitlines()
    except UnicodeDecodeError:
        return False
    line = next((line for line in lines if line.strip() and not line.startswith("#")), "").split()
    return len(line) > 1 and all(_is_number(word) for word in line[:-1])  # the last word may have been cut


def read_numbers(path: Path) -> Source:
    """Rows of numbers with spaces between them; lines that start with # are left out."""
    try:
        return Source({"": np.loadtxt(path, ndmin=2, encoding="utf-8")})
    except (ValueError, IndexError) as failure:
        reason = printable(" ".join(str(failure).split()), limit=120)
        raise FileFormatError(f"{path} must be rows of equally many numbers; got {reason}", code="E_TEXT") from None


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
    if CLASS_NAME in names and CLASS_NAME not in beside.values():
        beside[CLASS_NAME] = CLASS_NAME
    others = [name for name in names if name not in beside.values()]
    numbered = {name: int(match[1]) for name in others if (match := NUMBERED.fullmatch(name))}
    if numbered:
        unused = [name for name in others if name not in numbered]
        notes = [f"columns left aside: {listed(unused)}"] if unused else []
        return sorted(numbered, key=lambda name: numbered[name]), beside, notes
    return others, beside, [f"features are the columns {listed(others)}"]


def with_class_names(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`classes` out of a column of codes and one of their names; a column of names alone are the labels.

    A code no row has is called by its number. Names that contradict the codes are left out.
    """
    arrays = dict(arrays)
    column = arrays.pop(CLASS_NAME, None)
    if column is None:
        return arrays
    codes = arrays.get("labels")
    if codes is None:
        return {**arrays, "labels": column}
    if codes.dtype.kind not in "iu" or not len(codes) or codes.min() < -1 or not 0 <= codes.max() < 10 * len(codes) + 1000:
        return arrays
    names = [str(code) for code in range(int(codes.max()) + 1)]
    pairs = {(int(code), str(name)) for code, name in zip(codes.tolist(), column.tolist()) if code >= 0}
    if len(pairs) > len({code for code, _ in pairs}):
        return arrays
    for code, name in pairs:
        names[code] = name
    return {**arrays, "classes": np.array(names)}


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
        claimed = pyarrow.parquet.read_metadata(path)
        check_growth(path, 4 * claimed.num_rows * claimed.num_columns, path.stat().st_size)
        table = pyarrow.parquet.read_table(path)
    except FileFormatError:
        raise
    except (pyarrow.lib.ArrowException, OSError, ValueError, MemoryError) as failure:
        raise FileFormatError(f"{path} must be a complete Parquet file; got {printable(failure, limit=120)}; copy it again") from None
    lists = [column.name for column in table.schema if pyarrow.types.is_list(column.type) or pyarrow.types.is_fixed_size_list(column.type)
             or pyarrow.types.is_large_list(column.type)]  # fmt: skip
    if lists:
        _, beside, _ = choose_columns(table.column_names, path, labels_key)
        others = with_class_names({role: table[name].to_numpy() for role, name in beside.items() if name not in lists})
        return Source({**{name: _list_column(table, name, path) for name in lists}, **others}, _metadata(table))
    columns, beside, notes = choose_columns(table.column_names, path, labels_key)
    try:
        kinds = {str(table.schema.field(name).type) for name in columns}
        dtype = {"halffloat": np.float16, "float": np.float32}.get(next(iter(kinds), ""), np.float64) if len(kinds) == 1 else np.float64
        values = np.stack([np.asarray(table[name].to_numpy(), dtype=dtype) for name in columns], axis=1)
    except (ValueError, TypeError) as failure:
        raise FileFormatError(f"{path} must hold numbers in its feature columns; got {printable(failure, limit=120)}") from None
    others = with_class_names({role: table[name].to_numpy() for role, name in beside.items()})
    metadata = _metadata(table)
    if "class_names" in metadata:
        others.pop("classes", None)
    return Source({"features": values, **others}, metadata, tuple(notes))


def _metadata(table: Any) -> dict[str, str]:
    return {key.decode("utf-8", "replace"): text.decode("utf-8", "replace") for key, text in (table.schema.metadata or {}).items()}


def _list_column(table: Any, name: str, path: Path) -> np.ndarray:
    rows = table[name].to_pylist()
    lengths = {len(row) for row in rows if row is not None}
    if len(lengths) != 1 or any(row is None for row in rows):
        got = f"column {printable(name)!r} has lengths {sorted(lengths)[:4]} or empty rows"
        raise FileFormatError(f"{path} must hold equally long lists; {got}")
    return np.asarray(rows)
