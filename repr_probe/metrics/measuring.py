"""From a computation to a Measurement: undefined values get their reason, intervals their method and population."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.metrics.inference import Interval
from repr_probe.metrics.measurement import Measurement


@dataclass(frozen=True)
class IntervalPlan:
    """How the interval of a value is made: `compute` turns the value into (low, high); `missing` says why there is none.

    error: the standard error, where it is printed as a number of its own.
    """

    compute: Callable[[float], Interval] | None = None
    method: str = ""
    population: str = "images"
    missing: str = ""
    error: Callable[[], float] | None = None


def no_interval(reason: str) -> IntervalPlan:
    return IntervalPlan(missing=reason)


def measure(key: str, value: Callable[[], float], plan: IntervalPlan, n: int | Callable[[], int]) -> Measurement:
    """Run `value` and its interval. An UndefinedMeasure becomes value None with its reason; ±inf is None and `degenerate`."""
    variant = DEFINITIONS[key].variant
    try:
        number = float(value())
        units = int(n() if callable(n) else n)
    except UndefinedMeasure as error:
        return Measurement(None, variant=variant, reason=str(error))
    if np.isinf(number):
        sign = "+inf" if number > 0 else "-inf"
        return Measurement(None, variant=variant, n=units, reason=f"the limit is {sign}: no spread within the pairs", degenerate=sign)
    if np.isnan(number):
        return Measurement(None, variant=variant, n=units, reason="not a number on this input")
    result = Measurement(number, variant=variant, n=units, standard_error=None if plan.error is None else plan.error())
    if plan.compute is None:
        return replace(result, ci_reason=plan.missing)
    try:
        low, high = plan.compute(number)
    except UndefinedMeasure as error:
        return replace(result, ci_reason=str(error))
    if not (np.isfinite(low) and np.isfinite(high)):
        return replace(result, ci_reason="leaving out one unit leaves the measure undefined")
    return replace(result, ci=(low, high), ci_method=plan.method, population=plan.population)
