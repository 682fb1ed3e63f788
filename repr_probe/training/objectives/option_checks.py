"""Ranges of the options of methods."""

from __future__ import annotations

import math

from repr_probe.errors import UsageError


def require_positive(**options: float) -> None:
    """Raise UsageError unless every option is a positive finite number."""
    for name, value in options.items():
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} must be a positive finite number; got {value}")


def require_weight(**options: float) -> None:
    """Raise UsageError unless every option is a finite number of at least 0."""
    for name, value in options.items():
        if not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{name} must be a finite number of at least 0; got {value}")


def require_share(**options: float) -> None:
    """Raise UsageError unless every option is in [0, 1]."""
    for name, value in options.items():
        if not 0 <= value <= 1:
            raise UsageError(f"{name} must be in [0, 1]; got {value}")
