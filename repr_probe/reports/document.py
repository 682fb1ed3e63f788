"""A result as JSON, from its file or from inside its page: whole, of a known kind and schema, and every number a number."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

from repr_probe.errors import FileFormatError, InputError, UsageError
from repr_probe.files.printable import printable

Made = TypeVar("Made")
_INSIDE = re.compile(r'<script type="application/json" id="report">(.*?)</script>', re.DOTALL)


def read_document(path: str | Path, schemas: Mapping[str, int]) -> dict[str, Any]:
    """The object in a .json file, or in the page that `repro-probe report` wrote (.html).

    schemas: kind -> the newest schema of it that is known here.
    Raises FileFormatError, one line, for a file that is not there, is no JSON, of another kind, of a newer schema, or with a field of another type.
    """
    path = Path(path)
    document = _parsed(path)
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(kind, str) or kind not in schemas:
        *first, last = map(repr, schemas)
        wanted = f"{', '.join(first)} or {last}" if first else last
        raise FileFormatError(f"result file must be of kind {wanted}; got {_shown(kind)} in {path}")
    schema = document.get("schema")
    if isinstance(schema, bool) or not isinstance(schema, int) or schema > schemas[kind]:
        got = f"{_shown(schema)} in {path}; a newer version wrote it"
        raise FileFormatError(f"result file must have schema {schemas[kind]} or older; got {got}")
    return document


def whole(make: Callable[[Any], Made], data: Any, path: str | Path) -> Made:
    """`make(data)`; FileFormatError, one line, where a part is missing or something else than it should be."""
    try:
        made = make(data)
        _check_fields(data)
        return made
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError, InputError, UsageError) as failure:
        reason = f"{type(failure).__name__}: {_one_line(failure)}"
        raise FileFormatError(f"result file must hold whole reports; got {path} ({reason})") from failure


def _parsed(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() in (".html", ".htm"):
            inside = _INSIDE.search(text)
            if inside is None:
                raise FileFormatError(f"page must be one that repro-probe report wrote; got no numbers inside {path}")
            text = inside.group(1)
        return json.loads(text, parse_constant=_no_constant)
    except FileNotFoundError:
        raise FileFormatError(f"result file must exist; got {path}") from None
    except OSError as failure:
        raise FileFormatError(f"result file must be readable; got {failure.strerror!r} at {path}") from failure
    except (ValueError, RecursionError) as failure:
        if isinstance(failure, FileFormatError):
            raise
        raise FileFormatError(f"result file must hold JSON; got {path} ({_one_line(failure)})") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _one_line(failure: BaseException) -> str:
    return printable(" ".join(str(failure).split()), limit=200)


def _shown(value: Any) -> str:
    return printable(repr(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and bool(abs(value) < float("inf"))  # type: ignore[operator]


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


# A name means one thing in every kind (docs/json.md), so one table holds for all of them.
_CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("value", "p", "difference", "top1", "top5", "debiased", "biased", "chance"), _or_none(_is_number)),
    **dict.fromkeys(("mean_iou", "pixel_accuracy", "mean_class_accuracy"), _is_number),
    **dict.fromkeys(("ci", "top5_ci"), _or_none(_is_interval)),
    **dict.fromkeys(("n", "n_train", "n_test", "n_queries", "n_dead", "n_absent"), _or_none(_is_count)),
    **dict.fromkeys(("n_samples", "n_features", "n_classes"), _is_count),
    **dict.fromkeys(("name", "created", "dataset", "split", "train_split", "protocol", "architecture", "variant", "first", "second"), _is_text),
    **dict.fromkeys(("reason", "ci_reason", "top5_reason", "ci_method", "population"), _or_none(_is_text)),
    **dict.fromkeys(("classes", "groups", "left_out", "pairs", "cka", "comparisons", "results"), _are_objects),
    **dict.fromkeys(("networks", "findings", "reports", "series"), _are_objects),
    "leaf_order": lambda value: isinstance(value, list) and all(map(_is_count, value)),
    **dict.fromkeys(("notes", "names", "class_names", "identity_failures"), _are_texts),
    **dict.fromkeys(("measures", "differences", "options", "versions", "provenance", "identity", "settings"), lambda value: isinstance(value, dict)),
}
# What somebody else filled: there a name may mean anything.
_FREE = ("options", "versions", "provenance", "identity", "settings", "control", "ceiling", "counts", "flags", "histograms", "iou", "series", "curves")


def _check_fields(value: Any, at: str = "") -> None:
    """ValueError with the place of the first field that is of another type than its name says."""
    if isinstance(value, list):
        for place, one in enumerate(value):
            _check_fields(one, f"{at}[{place}]")
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in _CHECKS and not _CHECKS[name](one):
                raise ValueError(f"{at}.{name}".lstrip(".") + f" is {_shown(one)}")
            if name not in _FREE:
                _check_fields(one, f"{at}.{name}")
