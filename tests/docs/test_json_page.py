"""docs/json.md against the objects that are written: kinds, schemas, fields, and what a reader of today does with fields of tomorrow."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from repr_probe import as_features, geometry_report, knn
from repr_probe.cli.picture_results import as_json
from repr_probe.errors import FileFormatError
from repr_probe.metrics.measurement import Measurement
from repr_probe.monitor.series import Series
from repr_probe.monitor.series_formats import to_json as series_json
from repr_probe.pages.contents import Measured, PageContents
from repr_probe.pages.document import write_page
from repr_probe.probes.linear import linear
from repr_probe.reports.comparison import Comparison
from repr_probe.reports.dense_report import DenseReport
from repr_probe.reports.dense_row import MEASURES, DenseRow
from repr_probe.reports.geometry_report import GeometryReport
from repr_probe.reports.probe_report import ProbeReport, ProbeRow, compare_rows
from repr_probe.reports.semantic import semantic_report
from repr_probe.reports.semantic_comparison import SemanticComparison, compare_semantic
from repr_probe.reports.semantic_report import SemanticReport
from repr_probe.reports.write import to_json as geometry_json
from repr_probe.visual.localise.finding import mean_finding
from repr_probe.visual.localise.report import Examined, LocaliseReport
from repr_probe.workflows.compare import compare
from repr_probe.workflows.read_report import read_report

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
        return json.loads(as_json(kind, [SimpleNamespace(name="a", settings={"layers": ["stage1"]})], [{"checkpoint": "a", "peak": None}]))
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


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_back_as_it_was(kind, tmp_path):
    document = json.loads(json.dumps(built(kind)))
    path = tmp_path / "result.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    found = read_report(path)
    assert re.search(rf"^\| (`[\w-]+`, )*`{kind}`.* \| `{type(found[0]).__name__}` \|$", PAGE, re.MULTILINE)
    if kind == "dynamics":
        assert json.loads(series_json(found)) == document
    elif kind == "geometry-list":
        assert json.loads(geometry_json(found)) == document
    else:
        (report,) = found
        assert json.loads(json.dumps(report.to_dict())) == document


def test_matrices_and_numbers_come_back_from_the_files_that_save_writes(tmp_path):
    made = semantic()
    made.save(tmp_path / "semantic.json")
    (again,) = read_report(tmp_path / "semantic.json")
    assert np.array_equal(again.centroid_cosine, made.centroid_cosine) and str(again) == str(made)
    dense = DenseReport.from_dict(segment())
    (again,) = read_report(dense.save(tmp_path / "segment.json"))
    assert str(again) == str(dense) and np.array_equal(again.rows[0].counts, np.eye(2)) and np.isnan(again.rows[0].iou[1])
    (page,) = read_report(write_page(PageContents((Measured(geometry()),)), tmp_path / "page.html"))
    assert page.reports[0].d_prime == geometry().d_prime
    (tmp_path / "other.html").write_text("<html></html>")
    with pytest.raises(FileFormatError, match="page must be one that repro-probe report wrote; got no numbers inside"):
        read_report(tmp_path / "other.html")


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_or_broken_file_is_refused_in_one_line(kind, tmp_path):
    """Cut anywhere; each field taken away or another thing: either read as something that can be written again, or one line."""
    document = built(kind)
    text = json.dumps(document)
    path = tmp_path / "result.json"
    for end in (0, 1, len(text) // 2, len(text) - 1):
        assert "must hold JSON" in refused(path, text[:end])
    assert "must have schema 1 or older; got 2" in refused(path, json.dumps({**document, "schema": 2}))
    for field in document:
        for other in (None, 7, "x", [7], {"x": 7}, [["x"]], {"name": {}}):
            refused(path, json.dumps({**document, field: other}), surely=False)
        refused(path, json.dumps({name: value for name, value in document.items() if name != field}), surely=field in ("kind", "schema"))


@pytest.mark.parametrize("broken", ['"abc"', "1e999", "true", "[]", "{}"])
def test_a_number_must_be_a_number(broken, tmp_path):
    text = json.dumps(geometry().to_dict())
    value = re.search(r'"d_prime": {"value": ([^,]*),', text)
    assert value is not None
    told = refused(tmp_path / "result.json", text[: value.start(1)] + broken + text[value.end(1) :])
    assert "result file must hold whole reports" in told and "measures.d_prime.value is" in told


@pytest.mark.parametrize("text", ["[" * 100_000, '{"kind": ' * 100_000, '{"kind": ["probe"]}', "NaN", '{"kind": "geometry", "schema": true}', "7"])
def test_what_is_no_result_is_refused_in_one_line(text, tmp_path):
    refused(tmp_path / "result.json", text)


def refused(path: Path, text: str, *, surely: bool = True) -> str:
    """What is said of a file of this text, in one line; "" where it is read, and can be written again."""
    path.write_text(text, encoding="utf-8")
    try:
        for report in read_report(path):
            if hasattr(report, "to_dict"):
                json.dumps(report.to_dict(), allow_nan=False)
    except FileFormatError as told:
        assert "\n" not in str(told) and len(str(told)) < 600
        return str(told)
    assert not surely, text[:200]
    return ""


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
