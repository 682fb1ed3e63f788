"""docs/json.md against the objects that are written: kinds, schemas, fields, and what a reader of today does with fields of tomorrow."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repr_probe import as_features, geometry_report, knn, read_report
from repr_probe.metrics.measurement import Measurement
from repr_probe.monitor.series import Series
from repr_probe.monitor.series_formats import to_json as series_json
from repr_probe.pages.contents import Measured, PageContents
from repr_probe.probes.linear import linear
from repr_probe.reports.comparison import Comparison
from repr_probe.reports.dense_report import DenseReport
from repr_probe.reports.dense_row import MEASURES, DenseRow
from repr_probe.reports.geometry_report import GeometryReport
from repr_probe.reports.probe_report import ProbeReport, ProbeRow, compare_rows
from repr_probe.reports.semantic import semantic_report
from repr_probe.reports.semantic_comparison import SemanticComparison, compare_semantic
from repr_probe.reports.semantic_read import read_semantic
from repr_probe.reports.semantic_report import SemanticReport
from repr_probe.reports.write import to_json as geometry_json
from repr_probe.visual.localise.finding import mean_finding
from repr_probe.visual.localise.report import Examined, LocaliseReport
from repr_probe.workflows.compare import compare

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
KINDS = (
    "geometry", "geometry-list", "semantic", "semantic-comparison", "probe", "comparison", "segment", "localise", "dynamics", "saliency",
    "attention", "hypercolumns", "report-page",
)  # fmt: skip
READERS = {"geometry": GeometryReport, "semantic": SemanticReport, "semantic-comparison": SemanticComparison, "probe": ProbeReport,
           "comparison": Comparison}  # fmt: skip
OF_RECORDS = {"kind", "value", "protocol", "part", "debiased", "difference", "role", "measures"}  # one of them is in every object of fixed fields
NEW = "added_later"


def fields_of(section: str) -> dict[str, str]:
    """Field -> meaning in the table under a heading."""
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`[^|]*`) \| (.*) \|$", text, re.MULTILINE)
    return {field: meaning for names, meaning in rows for field in re.findall(r"`(\w+)`", names)}


def schemas() -> dict[str, int]:
    rows = re.findall(r"^\| (`[^|]*`) \| (\d+) \|", PAGE, re.MULTILINE)
    return {kind: int(schema) for names, schema in rows for kind in re.findall(r"`([\w-]+)`", names)}


def probe() -> dict[str, Any]:
    features, labels = cloud()
    rows = []
    for name, role, part in (("a", "checkpoint", features), ("b", "against", features[:, :3])):
        results = (knn(part, labels, part, labels, preset="uniform", k=3), linear(part, labels, part, labels, l2=0.1))
        rows.append(ProbeRow(name, role, results))
    return ProbeReport(tuple(rows), "set", "train", "test", compare_rows(*rows)).to_dict()


def cloud() -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).standard_normal((40, 6)), np.repeat(["cat", "dog", "ship", "car"], 10)


def geometry(name: str = "a") -> GeometryReport:
    return geometry_report(*cloud(), name=name)


def semantic() -> SemanticReport:
    return semantic_report(*cloud(), references="wordnet", permutations=0, name="a")


def segment() -> dict[str, Any]:
    row = DenseRow("hypercolumn", "hypercolumn", 6, dict.fromkeys(MEASURES, 0.5), np.array([0.5, np.nan]), np.eye(2, dtype=np.int64))
    return DenseReport("a", "timm:x", "shapes", "test", "lbfgs", (row,), ("cat", "dog"), 3, 2).to_dict()


def localise() -> dict[str, Any]:
    dead = mean_finding(np.full(4, np.nan), check="grid", maps="last layer", target="query", measure="energy", chance=0.25)
    return LocaliseReport((Examined("a", "timm:x", ("stage1",), {}, (dead,)),), {"method": "layercam"}).to_dict()


def comparison() -> dict[str, Any]:
    features, labels = cloud()
    found = compare(as_features(features, labels), as_features(features[:, :4], labels)).to_dict()
    assert found["pairs"][0]["differences"] and found["cka"]
    return found


def built(kind: str) -> dict[str, Any]:
    """A small object of a kind, as it is written."""
    if kind in ("saliency", "attention", "hypercolumns"):
        return json.loads(import_module(f"repr_probe.cli.{kind}")._rendered([], "json"))
    makers = {
        "geometry": lambda: geometry().to_dict(),
        "geometry-list": lambda: json.loads(geometry_json([geometry(), geometry("b")])),
        "semantic": lambda: semantic().to_dict(),
        "semantic-comparison": lambda: compare_semantic(semantic(), semantic()).to_dict(),
        "probe": probe,
        "comparison": comparison,
        "segment": segment,
        "localise": localise,
        "dynamics": lambda: json.loads(series_json([Series("a", ({"step": 1, "loss": float("inf")},))])),
        "report-page": lambda: PageContents((Measured(geometry()),)).to_dict(),
    }
    return makers[kind]()


def grown(value: Any) -> Any:
    """The same, as a later version with one more field everywhere would write it."""
    if isinstance(value, dict):
        more = {NEW: [1]} if OF_RECORDS & set(value) else {}
        return {**{key: grown(one) for key, one in value.items()}, **more}
    return [grown(one) for one in value] if isinstance(value, list) else value


def without_new(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_new(one) for key, one in value.items() if key != NEW}
    return [without_new(one) for one in value] if isinstance(value, list) else value


def test_the_page_has_every_kind_and_no_other():
    assert set(schemas()) == set(KINDS)
    assert set(KINDS) <= set(re.findall(r"^## (.*)$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_has_the_fields_on_the_page(kind):
    document = built(kind)
    optional = {field for field, meaning in fields_of(kind).items() if meaning.startswith("only with")}
    assert set(document) | optional == {"kind", "schema", *fields_of(kind)}
    assert document["kind"] == kind and type(document["schema"]) is int and document["schema"] == schemas()[kind]
    assert json.loads(json.dumps(document, allow_nan=False)) is not None


def test_what_only_an_option_brings_is_on_the_page():
    report = semantic()
    compared = dataclasses.replace(report, comparison=compare_semantic(report, report)).to_dict()
    assert set(compared) == {"kind", "schema", *fields_of("semantic")}


def test_the_fields_of_a_measurement_are_on_the_page():
    assert set(fields_of("A measurement")) == set(Measurement(1.0).to_dict())
    undefined = geometry_report(cloud()[0]).to_dict()["measures"]["d_prime"]
    assert undefined["value"] is None and undefined["reason"]


@pytest.mark.parametrize("kind", READERS)
def test_readers_pass_over_fields_of_a_later_version(kind):
    document = json.loads(json.dumps(built(kind), allow_nan=False))
    again = READERS[kind].from_dict(grown(document)).to_dict()
    assert grown(document) != document
    assert without_new(json.loads(json.dumps(again, allow_nan=False))) == document


def test_the_readers_of_files_are_those_on_the_page(tmp_path):
    readers = {"geometry": read_report, "geometry-list": read_report, "probe": read_report, "semantic": read_semantic}
    for kind, reader in readers.items():
        path = tmp_path / f"{kind}.json"
        path.write_text(json.dumps(grown(built(kind))), encoding="utf-8")
        found = reader(path)
        assert len(found if isinstance(found, list) else [found]) == (2 if kind == "geometry-list" else 1)
        assert re.search(rf"^\| `{kind}` \|.*{reader.__name__}` \|$", PAGE, re.MULTILINE)


def test_the_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(block, "docs/json.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("d_prime ") for line in printed)
    if shutil.which("jq") is None:
        return
    (line,) = re.findall(r"^```sh\n(jq .*)\n```", PAGE, re.MULTILINE)
    told = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [one.split()[0] for one in told] == [one.split()[0] for one in printed]
