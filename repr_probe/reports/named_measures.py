"""What the reports of measures share: a measure is an attribute too, and a copy goes through pickle."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from repr_probe.metrics.measurement import Measurement


class NamedMeasures:
    """Of a dataclass with a field `measures`: `report.d_prime` is `report.measures["d_prime"]`."""

    measures: Mapping[str, Measurement]

    def __getattr__(self, key: str) -> Measurement:
        measures = self.__dict__.get("measures", {})
        if key in measures:
            return measures[key]
        near = [] if key.startswith("_") else get_close_matches(key, measures, n=2)  # IPython asks for many names with _
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise AttributeError(f"{type(self).__name__} has no attribute or measure {key!r}{hint}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.measures]

    def __reduce__(self) -> tuple[Any, ...]:
        plain = {name: getattr(self, name) for name in type(self).__dataclass_fields__}  # type: ignore[attr-defined]
        return _rebuild, (type(self), {name: dict(value) if isinstance(value, MappingProxyType) else value for name, value in plain.items()})


def _rebuild(kind: Any, fields: dict[str, Any]) -> Any:
    return kind(**fields)
