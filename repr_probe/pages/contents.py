"""What stands on a page: the reports of each checkpoint, learning curves, pictures; and what may stand beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from repr_probe.errors import UsageError
from repr_probe.monitor.series import Curve
from repr_probe.pages.gallery import Gallery
from repr_probe.published.printed import PublishedRow
from repr_probe.reports.comparison import Comparison
from repr_probe.reports.geometry_report import GeometryReport
from repr_probe.reports.safe_text import printable
from repr_probe.reports.semantic_report import SemanticReport
from repr_probe.reports.table import row_names

SCHEMA = 1
KIND = "report-page"
MOST_CHECKPOINTS = 8  # as many as there are looks that can be told apart
_SAME = ("dataset", "split", "limit", "fingerprint")  # what must not differ where both reports know it


@dataclass(frozen=True, eq=False)
class Measured:
    """One checkpoint.

    spectra: "raw" (rows as they are) and "centred" (column means subtracted) -> (rank,) eigenvalues, falling; {} where features are not at hand.
    semantic: None where it was not measured; semantic_reason then says why.
    """

    geometry: GeometryReport
    spectra: Mapping[str, np.ndarray] = field(default_factory=dict)
    semantic: SemanticReport | None = None
    semantic_reason: str = ""


@dataclass(frozen=True, eq=False)
class PageContents:
    """A page before it is drawn.

    published: rows of the paper for this data set.  curves: measure -> run -> its points.  galleries: pictures, in the order to show.
    notes: what a reader must know beyond the reports' own notes.  comparison: of these checkpoints, in their order and by `names`: accuracies,
        paired differences, CKA.

    Raises UsageError for no checkpoint, too many, and reports of different images.
    """

    measured: tuple[Measured, ...]
    published: tuple[PublishedRow, ...] = ()
    curves: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    galleries: tuple[Gallery, ...] = ()
    notes: tuple[str, ...] = ()
    comparison: Comparison | None = None

    def __post_init__(self) -> None:
        check_count(len(self.measured))
        check_same_images([one.geometry for one in self.measured])
        if self.comparison is not None and self.comparison.names != self.names:
            raise UsageError(f"comparison must be of {', '.join(self.names)}; got {', '.join(self.comparison.names)}")

    @property
    def reports(self) -> tuple[GeometryReport, ...]:
        return tuple(one.geometry for one in self.measured)

    @property
    def names(self) -> tuple[str, ...]:
        """Names that tell the checkpoints apart."""
        return row_names(self.reports)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: every number that the page shows; `geometry` and `semantic` are the reports' own `to_dict`."""
        return {
            "kind": KIND,
            "schema": SCHEMA,
            "names": list(self.names),
            "geometry": [one.geometry.to_dict() for one in self.measured],
            "semantic": [None if one.semantic is None else one.semantic.to_dict() for one in self.measured],
            "semantic_reasons": [one.semantic_reason for one in self.measured],
            "spectra": [{name: values.tolist() for name, values in one.spectra.items()} for one in self.measured],
            "curves": {
                key: {run: {"x": curve.x.tolist(), "y": curve.y.tolist()} for run, curve in runs.items()} for key, runs in self.curves.items()
            },
            "notes": list(self.notes),
            "comparison": None if self.comparison is None else self.comparison.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PageContents:
        """The inverse of `to_dict`; unknown fields are passed over. KeyError, TypeError or ValueError for anything else."""
        semantic = [None if one is None else SemanticReport.from_dict(one) for one in data["semantic"]]
        spectra = [{name: np.array(values, dtype=float) for name, values in one.items()} for one in data["spectra"]]
        reasons = data.get("semantic_reasons", [""] * len(semantic))
        parts = zip((GeometryReport.from_dict(one) for one in data["geometry"]), spectra, semantic, reasons, strict=True)
        curves = {
            key: {run: Curve(np.array(one["x"], dtype=float), np.array(one["y"], dtype=float)) for run, one in runs.items()}
            for key, runs in data["curves"].items()
        }
        comparison = data.get("comparison")
        return cls(
            tuple(Measured(*one) for one in parts),
            curves=curves,
            notes=tuple(data.get("notes", ())),
            comparison=None if comparison is None else Comparison.from_dict(comparison),
        )


def check_count(count: int) -> None:
    """Raise UsageError unless so many checkpoints fit one page."""
    if not 1 <= count <= MOST_CHECKPOINTS:
        raise UsageError(f"checkpoints must be 1 to {MOST_CHECKPOINTS} on one page; got {count}; make several pages")


def check_same_images(reports: Sequence[GeometryReport]) -> None:
    """Raise UsageError, naming both, unless all reports speak of the same images and classes."""
    first, *others = reports
    for other in others:
        differing = _difference(first, other)
        if differing:
            wanted = "checkpoints of one page must be measured on the same images"
            raise UsageError(f"{wanted}; got {differing} ({printable(first.name)}, {printable(other.name)}); make a page for each")


def _difference(first: GeometryReport, other: GeometryReport) -> str:
    for key in _SAME:
        a, b = first.provenance.get(key), other.provenance.get(key)
        if key in first.provenance and key in other.provenance and a != b:
            return f"{key} {_short(a)} and {_short(b)}"
    if first.n_samples != other.n_samples:
        return f"{first.n_samples:,} and {other.n_samples:,} images"
    return "" if class_names(first) == class_names(other) else "different classes"


def class_names(report: GeometryReport) -> tuple[str, ...]:
    """Names of the classes in the order of the centroid matrix."""
    return tuple(str(row["name"]) for row in report.classes)


def _short(value: Any) -> str:
    return "none" if value is None else printable(value)[:60]
