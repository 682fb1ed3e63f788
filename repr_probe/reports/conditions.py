"""Conditions on measured numbers, for programs: `--fail-on "center_vector_norm>0.9,effective_rank<20"`."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from repr_probe.errors import UsageError
from repr_probe.metrics.measurement import Measurement

SIGNS: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
_FORM = re.compile(r"\s*([A-Za-z_][\w.@-]*)\s*(<=|>=|<|>)\s*(\S+)\s*")


@dataclass(frozen=True)
class Condition:
    """A number that must not be: `key` compared by `sign` with `limit`."""

    key: str
    sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.key} {self.sign} {self.limit:g}"

    def holds(self, value: float) -> bool:
        return SIGNS[self.sign](value, self.limit)


def read_conditions(text: str) -> tuple[Condition, ...]:
    """The conditions of a comma-separated list. Raises UsageError for anything that is not `key sign number`.

    >>> [str(condition) for condition in read_conditions("center_vector_norm>0.9, effective_rank<=20")]
    ['center_vector_norm > 0.9', 'effective_rank <= 20']
    """
    return tuple(_read(part) for part in text.split(","))


def _read(part: str) -> Condition:
    found = _FORM.fullmatch(part)
    try:
        limit = float(found[3]) if found else math.nan
    except ValueError:
        limit = math.nan
    if found is None or math.isnan(limit):
        raise UsageError(f"fail-on must be conditions such as 'effective_rank<20', separated by commas; got {part.strip()!r}")
    return Condition(found[1], found[2], limit)


def hits(conditions: Sequence[Condition], measures: Mapping[str, Measurement], name: str = "") -> list[str]:
    """One line for each condition that holds, and for each whose number is unknown or undefined: what cannot be checked must not pass.

    A limit that is reached exactly counts by its sign; a measure whose value is an infinity counts as that infinity.

    >>> hits(read_conditions("anisotropy>0.5,d_prime<1"), {"anisotropy": Measurement(0.7), "d_prime": Measurement(None, reason="no labels")})
    ['anisotropy > 0.5: it is 0.7', 'd_prime < 1: it is undefined (no labels)']
    """
    lines = [line for condition in conditions if (line := _hit(condition, measures))]
    return [f"{name}: {line}" if name else line for line in lines]


def _hit(condition: Condition, measures: Mapping[str, Measurement]) -> str | None:
    measurement = measures.get(condition.key)
    if measurement is None:
        near = difflib.get_close_matches(condition.key, list(measures), n=3, cutoff=0.4)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        return f"{condition}: there is no such number{hint}"
    value = float(measurement.degenerate) if measurement.degenerate else measurement.value
    if value is None:
        return f"{condition}: it is undefined ({measurement.reason})"
    return f"{condition}: it is {value:.6g}" if condition.holds(value) else None
