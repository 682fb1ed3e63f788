"""May these rows stand in one table? What differs is refused by name; what is not known of a row is said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from repr_probe.errors import InputError, UsageError
from repr_probe.reports.comparison import MeasuredRow
from repr_probe.reports.facts import input_text
from repr_probe.reports.safe_text import printable

PREPROCESSING = "preprocessing"
ALLOWED = (PREPROCESSING,)
_OPTIONS = {
    "geometry": ("pairs", "population"),
    "semantic": ("source", "prototypes", "wordnet", "linkage", "text_model", "template", "exact_only", "shared_synsets"),
    "probe": (),
}
_Reader = Callable[[MeasuredRow], Any]


def check_comparable(part: str, rows: Sequence[MeasuredRow], *, allow: Collection[str] = ()) -> tuple[str, ...]:
    """Notes on what is not known or was allowed to differ.

    allow: "preprocessing" lets the input specification differ.
    Raises InputError where the rows differ in data set, split, draw, images, their number, classes, preprocessing or the protocol of `part`.
    """
    for name in allow:
        if name not in ALLOWED:
            raise UsageError(f"allow must be {', '.join(ALLOWED)}; got {name!r}")
    notes: list[str] = []
    for field, read in _fields(part, rows):
        notes += _notes_of(part, field, [(row.name, read(row)) for row in rows], allow)
    return tuple(notes)


def check_preprocessing(part: str, inputs: Sequence[tuple[str, Any]], *, allow: Collection[str] = ()) -> None:
    """`check_comparable` of the input specification alone, as (name, specification or None), before there are rows. Raises InputError."""
    _notes_of(part, PREPROCESSING, [(name, input_text(known) or None) for name, known in inputs], allow)


def _notes_of(part: str, field: str, values: Sequence[tuple[str, Any]], allow: Collection[str]) -> list[str]:
    """Of one field, as (name of the row, value or None)."""
    known = [(name, printable(value)) for name, value in values if value is not None]
    differing = next((pair for pair in known if pair[1] != known[0][1]), None)
    if differing is not None and field not in allow:
        raise InputError(_refusal(part, field, known[0], differing))
    if differing is not None:
        return [f"{field} differs ({known[0][0]}: {known[0][1]}; {differing[0]}: {differing[1]}), so no paired differences"]
    if known and len(known) < len(values) and field in ("data set", PREPROCESSING):
        missing = next(name for name, value in values if value is None)
        return [f"{field} is not known of {missing}: taken on trust to be that of {known[0][0]}"]
    return []


def _refusal(part: str, field: str, first: tuple[str, str], other: tuple[str, str]) -> str:
    hint = ""
    if field == PREPROCESSING:
        hint = "; --allow preprocessing shows them side by side, without paired differences"
    elif field == "number of images":
        hint = "; ranks grow with it: measure both on as many (--limit)"
    elif field == "fingerprint of the images":
        hint = "; the files of the data set changed in between: measure both again"
    return f"{part} results to compare must have one {field}; got {first[1]} ({first[0]}) and {other[1]} ({other[0]}){hint}"


def _fields(part: str, rows: Sequence[MeasuredRow]) -> Iterator[tuple[str, _Reader]]:
    yield "data set", lambda row: row.provenance.get("dataset")
    yield "split", lambda row: row.provenance.get("split")
    if part == "probe":
        yield "training split", lambda row: row.provenance.get("train_split")
    yield "draw", _draw
    yield "number of images", lambda row: row.n_samples
    yield "fingerprint of the images", lambda row: _short(row.provenance.get("fingerprint"))
    yield "number of classes", lambda row: row.n_classes
    place = next((place for place, names in enumerate(zip(*(row.class_names for row in rows if row.class_names))) if len(set(names)) > 1), None)
    if place is not None:
        yield f"class {place}", lambda row: row.class_names[place] if row.class_names else None
    yield PREPROCESSING, lambda row: input_text(row.provenance.get("input")) or None
    for option in _OPTIONS[part]:
        yield option.replace("_", " "), _option(option)
    if part == "probe":
        yield "protocol", lambda row: ", ".join(dict.fromkeys(one.variant for one in row.measures.values()))


def _draw(row: MeasuredRow) -> str | None:
    if "limit" not in row.provenance:
        return None
    limit = row.provenance["limit"]
    return "all" if limit is None else f"{limit} by seed {row.provenance.get('seed')}"


def _short(fingerprint: Any) -> str | None:
    return None if not fingerprint else str(fingerprint)[:12]


def _option(name: str) -> _Reader:
    return lambda row: row.options.get(name)
