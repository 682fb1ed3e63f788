"""ProbeReport: accuracies of frozen features of one or more encoders on one data set, with everything needed to read and repeat them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from repr_probe.errors import InputError
from repr_probe.probes.accuracy import McNemar, mcnemar
from repr_probe.probes.probe_result import ProbeResult

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class ProbeRow:
    """One encoder.  name: what it is called in a table.  role: "checkpoint", "against" or "baseline".

    results: one a protocol.  provenance: where the features of the test images came from.
    """

    name: str
    role: str
    results: tuple[ProbeResult, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        results = [result.to_dict() for result in self.results]
        return {"name": self.name, "role": self.role, "results": results, "provenance": dict(self.provenance)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProbeRow:
        """A row as `to_dict` gave it. ValueError for a result of an unknown probe."""
        results = tuple(_result_of(result) for result in data["results"])
        return cls(str(data["name"]), str(data["role"]), results, dict(data["provenance"]))


@dataclass(frozen=True)
class ProbeComparison:
    """McNemar's test of two rows under one protocol, on the same test images."""

    first: str
    second: str
    protocol: str
    test: McNemar

    def to_dict(self) -> dict[str, Any]:
        return {"first": self.first, "second": self.second, "protocol": self.protocol, **dataclasses.asdict(self.test), "ci": list(self.test.ci)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProbeComparison:
        low, high = data["ci"]
        test = {field.name: data[field.name] for field in dataclasses.fields(McNemar)}
        return cls(data["first"], data["second"], data["protocol"], McNemar(**{**test, "ci": (low, high)}))


@dataclass(frozen=True, eq=False)
class ProbeReport:
    """Result of the workflow `probe`. Accuracies are shares in [0, 1]; tables show percent.

    rows: the checkpoint first.  comparisons: the checkpoint against a second one, protocol by protocol.
    """

    rows: tuple[ProbeRow, ...]
    dataset: str
    train_split: str
    split: str
    comparisons: tuple[ProbeComparison, ...] = ()
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    def __post_init__(self) -> None:
        for name in ("options", "versions"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def protocols(self) -> tuple[str, ...]:
        """In the order of the first row that has each."""
        return tuple(dict.fromkeys(result.protocol for row in self.rows for result in row.results))

    def of(self, protocol: str) -> tuple[tuple[ProbeRow, ProbeResult], ...]:
        """The rows measured under `protocol`, with their results: what may stand in one column."""
        return tuple((row, result) for row in self.rows for result in row.results if result.protocol == protocol)

    def __str__(self) -> str:
        from repr_probe.reports.probe_formats import to_text

        return to_text(self)

    def __repr__(self) -> str:
        return f"ProbeReport({self.dataset}: {len(self.rows)} rows, {len(self.protocols)} protocols)"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; nothing of single images."""
        return {
            "kind": "probe",
            "schema": SCHEMA,
            "dataset": self.dataset,
            "train_split": self.train_split,
            "split": self.split,
            "rows": [row.to_dict() for row in self.rows],
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "notes": list(self.notes),
            "options": dict(self.options),
            "versions": dict(self.versions),
            "created": self.created,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProbeReport:
        """The report that `to_dict` gave; its results hold no answers to single images, so that they cannot be compared anew.

        Raises KeyError, TypeError or ValueError for anything else; `read_report` says it in one line.
        """
        return cls(
            rows=tuple(ProbeRow.from_dict(row) for row in data["rows"]),
            comparisons=tuple(ProbeComparison.from_dict(comparison) for comparison in data["comparisons"]),
            notes=tuple(data["notes"]),
            **{name: data[name] for name in ("dataset", "train_split", "split", "options", "versions", "created")},
        )

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)

    def to_markdown(self) -> str:
        from repr_probe.reports.probe_formats import to_markdown

        return to_markdown(self)

    def to_latex(self) -> str:
        from repr_probe.reports.probe_formats import to_latex

        return to_latex(self)

    def to_csv(self) -> str:
        from repr_probe.reports.probe_formats import to_csv

        return to_csv(self)

    def save(self, path: str | Path) -> Path:
        """Write by suffix: .json, .csv, .md, .tex or .txt."""
        from repr_probe.reports.probe_write import write_probe

        return write_probe(self, path)


def _result_of(data: Mapping[str, Any]) -> ProbeResult:
    """A result by the first word of its protocol."""
    from repr_probe.probes.knn import KnnResult
    from repr_probe.probes.linear import LinearResult

    kinds: Mapping[str, type[ProbeResult]] = {"knn": KnnResult, "linear": LinearResult}
    kind, _, _ = str(data["protocol"]).partition(" ")
    if kind not in kinds:
        raise ValueError(f"a result of probe {kind!r}")
    return kinds[kind].from_dict(data)


def compare_rows(first: ProbeRow, second: ProbeRow) -> tuple[ProbeComparison, ...]:
    """McNemar's test for every protocol that both rows have.

    Raises InputError where the two were not measured on the same test images.
    """
    found = []
    others = {result.protocol: result for result in second.results}
    for result in first.results:
        other = others.get(result.protocol)
        if other is None:
            continue
        (hits, images), (other_hits, other_images) = _answers(result), _answers(other)
        if not np.array_equal(images, other_images) or first.provenance.get("images") != second.provenance.get("images"):
            raise InputError(f"rows to compare must be of the same test images; got {result.n_test} and {other.n_test} that differ")
        found.append(ProbeComparison(first.name, second.name, result.protocol, mcnemar(hits, other_hits)))
    return tuple(found)


def _answers(result: ProbeResult) -> tuple[np.ndarray, np.ndarray]:
    """(hits, test_rows) of a result that has them."""
    if result.hits is None or result.test_rows is None:
        raise InputError("rows to compare must hold the answers to single images; got a report read from a file; run the probe anew")
    return result.hits, result.test_rows
