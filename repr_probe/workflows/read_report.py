"""read_report: any result that the package writes, back from its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repr_probe.reports import read
from repr_probe.reports.read import READERS, Reader, one


def read_report(path: str | Path) -> list[Any]:
    """The reports of a result file, as the Python call gave them: what `--json`, `--out FILE.json` and `save` wrote, or a page (.html).

    geometry, geometry-list: GeometryReport.  semantic: SemanticReport, both with the centroid cosines where their .npz lies beside the file.
    semantic-comparison: SemanticComparison.  probe: ProbeReport, without the answers to single images.  comparison: Comparison.
    segment: DenseReport.  localise: LocaliseReport.  dynamics: one Series a run.  saliency, attention, hypercolumns: MapSummary, for maps
    are not in JSON.  report-page: PageContents, without pictures and rows of the paper.

    Raises FileFormatError, one line, when the file is something else, was cut, or was written by a newer version.
    """
    from repr_probe.monitor import series_formats
    from repr_probe.pages import contents
    from repr_probe.visual.localise import report as localise

    above = {
        "localise": Reader(localise.SCHEMA, one(_localise)),
        series_formats.KIND: Reader(series_formats.SCHEMA, _series),
        contents.KIND: Reader(contents.SCHEMA, one(contents.PageContents.from_dict)),
    }
    return read.read_report(path, {**READERS, **above})


def _series(document: dict[str, Any], path: Path) -> list[Any]:
    from repr_probe.monitor.series import Series
    from repr_probe.reports.document import whole

    def made(data: Mapping[str, Any]) -> list[Series]:
        return [Series(str(run["name"]), tuple(dict(row) for row in run["rows"]), tuple(map(str, run["notes"]))) for run in data["series"]]

    return whole(made, document, path)


def _localise(data: Mapping[str, Any]) -> Any:
    from repr_probe.visual.localise.finding import Finding
    from repr_probe.visual.localise.report import Examined, LocaliseReport

    def finding(known: Mapping[str, Any]) -> Finding:
        fields = {name: known[name] for name in Finding.__dataclass_fields__ if name in known}
        return Finding(**{**fields, "ci": None if known["ci"] is None else tuple(known["ci"])})

    networks = tuple(
        Examined(network["name"], network["architecture"], tuple(network["layers"]), dict(network["identity"]),
                 tuple(finding(known) for known in network["findings"]))
        for network in data["networks"]
    )  # fmt: skip
    return LocaliseReport(networks, dict(data["settings"]), tuple(data["notes"]), dict(data["versions"]), data["created"])
