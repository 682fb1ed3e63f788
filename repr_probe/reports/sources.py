"""What the formats draw, as they see it: a measured report and a published row.

Protocols, because a report can print itself: if the formats imported its class, the two would import each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from repr_probe.metrics.measurement import Measurement


class MeasuredReport(Protocol):
    """The part of `GeometryReport` that is printed; its docstring says what each field is."""

    @property
    def measures(self) -> Mapping[str, Measurement]: ...

    @property
    def name(self) -> str: ...

    @property
    def n_samples(self) -> int: ...

    @property
    def n_features(self) -> int: ...

    @property
    def n_classes(self) -> int: ...

    @property
    def counts(self) -> Mapping[str, int | None]: ...

    @property
    def flags(self) -> Mapping[str, bool]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def identity_failures(self) -> tuple[str, ...]: ...

    @property
    def provenance(self) -> Mapping[str, Any]: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def centroid_cosine(self) -> np.ndarray | None: ...

    def to_dict(self) -> dict[str, Any]: ...

    def to_json(self) -> str: ...


class PublishedValues(Protocol):
    """A row of a published table. printed: measure key -> digits as printed, without unit.  protocol, note: footnotes, or ""."""

    @property
    def method(self) -> str: ...

    @property
    def printed(self) -> Mapping[str, str]: ...

    @property
    def source(self) -> str: ...

    @property
    def protocol(self) -> str: ...

    @property
    def note(self) -> str: ...
