"""Measurement: one number with its interval, variant and count, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measurement:
    """One measured value.

    value: the number, or None where it is undefined (then `reason` says why).
    ci: two-sided 95 % interval (low, high) clipped to the measure's range, or None (then `ci_reason` says why).
    ci_method: how the interval was made ("influence function", "delete-one-class jackknife", ...).
    population: what the interval generalises to: "images" (other images, same classes) or "classes" (other classes).
    variant: the exact definition in a few words.
    n: how many units the value is made of (rows, pairs or classes, as the definition says).
    degenerate: "+inf" or "-inf" where the limit exists but is not a number JSON could hold.
    standard_error: of a value from sampled pairs, over other draws of as many pairs of the same rows; None for what is not sampled.
    """

    value: float | None
    ci: tuple[float, float] | None = None
    ci_method: str | None = None
    population: str | None = None
    variant: str = ""
    n: int | None = None
    reason: str | None = None
    ci_reason: str | None = None
    degenerate: str | None = None
    standard_error: float | None = None

    def __float__(self) -> float:
        if self.value is None:
            raise ValueError(f"the measure is undefined: {self.reason}")
        return self.value

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; None stays None (null)."""
        return {
            "value": self.value,
            "ci": None if self.ci is None else list(self.ci),
            "ci_method": self.ci_method,
            "population": self.population,
            "variant": self.variant,
            "n": self.n,
            "reason": self.reason,
            "ci_reason": self.ci_reason,
            "degenerate": self.degenerate,
            "standard_error": self.standard_error,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measurement:
        """The inverse of `to_dict`; keys it does not know are ignored (the schema only grows)."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        if known.get("ci") is not None:
            known["ci"] = (float(known["ci"][0]), float(known["ci"][1]))
        return cls(**known)
