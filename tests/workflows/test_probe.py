"""probe: from names to a report, with the numbers of the functions it is made of."""

from __future__ import annotations

import dataclasses
import json

import pytest

from repr_probe.errors import FileFormatError, InputError, UsageError
from repr_probe.probes.knn import KnnResult, knn
from repr_probe.probes.linear import LinearResult, linear
from repr_probe.reports.probe_report import ProbeReport, compare_rows
from repr_probe.reports.read import read_geometry, read_report
from repr_probe.workflows.extract import extract
from repr_probe.workflows.probe import probe


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def report(home):
    return probe("hydes-digits", dataset="digits", store=home, baselines=True, against="hydes-digits", limit=300, l2=0.1)


def test_numbers_are_those_of_the_functions(home, report):
    stores = [extract("hydes-digits", dataset="digits", split=split, limit=300, store=home)[0] for split in ("train", "test")]
    by_knn, by_linear = knn(stores[0], None, stores[1]), linear(stores[0], None, stores[1], l2=0.1)
    first = report.rows[0]
    assert [result.protocol for result in first.results] == [by_knn.protocol, by_linear.protocol]
    assert [result.top1 for result in first.results] == [by_knn.top1, by_linear.top1]
    assert (first.results[0].n_train, first.results[0].n_test) == (300, 300)


def test_baselines_are_rows_below(report):
    assert [(row.name, row.role) for row in report.rows] == [
        ("hydes-digits", "checkpoint"), ("hydes-digits", "against"), ("random weights", "baseline"), ("raw pixels, 8 x 8", "baseline"),
    ]  # fmt: skip
    trained, random = report.rows[0].results[0].top1, report.rows[2].results[0].top1
    assert trained > random + 0.1


def test_a_network_against_itself_differs_nowhere(report):
    assert len(report.comparisons) == 2
    for comparison in report.comparisons:
        assert (comparison.test.difference, comparison.test.only_first, comparison.test.p) == (0.0, 0, 1.0)


def test_one_table_a_protocol(report):
    assert report.protocols == ("knn k=200 T=0.1 cosine", "linear lbfgs standardised l2=0.1")
    for protocol in report.protocols:
        assert {result.protocol for _, result in report.of(protocol)} == {protocol}
        assert len(report.of(protocol)) == 4


def test_every_format(report, tmp_path):
    text = str(report)
    assert "digits (train → test): 300 to learn from, 300 tested, 10 classes" in text
    assert text.count("raw pixels, 8 x 8") == 2
    assert report.to_markdown().count("| raw pixels, 8 x 8 |") == 2
    assert report.to_latex().count(r"\begin{table}") == 3
    assert len(report.to_csv().splitlines()) == 1 + 8
    loaded = json.loads(report.to_json())
    assert (loaded["kind"], loaded["schema"], len(loaded["rows"])) == ("probe", 1, 4)
    assert "hits" not in loaded["rows"][0]["results"][0]
    for suffix in (".json", ".csv", ".md", ".tex", ".txt"):
        assert report.save(tmp_path / f"r{suffix}").stat().st_size > 100
    with pytest.raises(UsageError, match=r"the result file must end in \.json, \.csv, \.md, \.tex, \.txt; got"):
        report.save(tmp_path / "r.xlsx")


def test_a_saved_report_reads_back(report, tmp_path):
    (again,) = read_report(report.save(tmp_path / "r.json"))
    assert isinstance(again, ProbeReport)
    assert again.to_dict() == report.to_dict()
    assert (str(again), again.to_csv(), again.to_markdown()) == (str(report), report.to_csv(), report.to_markdown())
    assert [type(result) for result in again.rows[0].results] == [KnnResult, LinearResult]
    assert again.rows[0].results[0].hits is None
    with pytest.raises(InputError, match="must hold the answers to single images; got a report read from a file; run the probe anew"):
        compare_rows(again.rows[0], again.rows[1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.pop("rows"), "KeyError: 'rows'"),
        (lambda data: data["rows"][0]["results"][0].pop("top1"), "TypeError: .*missing .* argument: 'top1'"),
        (lambda data: data["rows"][0]["results"][0].update(protocol="svm C=1"), "ValueError: a result of probe 'svm'"),
        (lambda data: data["comparisons"][0].update(ci=[1, 2, 3]), "ValueError: too many values"),
        (lambda data: data.update(rows=7), "TypeError"),
    ],
)
def test_a_damaged_report_is_one_clear_line(report, tmp_path, change, reason):
    data = json.loads(report.to_json())
    change(data)
    place = tmp_path / "r.json"
    place.write_text(json.dumps(data))
    with pytest.raises(FileFormatError, match=f"result file must hold whole reports; got .*{reason}") as caught:
        read_report(place)
    assert "\n" not in str(caught.value)


def test_a_probe_report_is_no_geometry(report, tmp_path):
    place = report.save(tmp_path / "r.json")
    with pytest.raises(FileFormatError, match="result file must be of kind 'geometry' or 'geometry-list'; got 'probe' in"):
        read_geometry(place)


def test_a_note_on_every_probe_is_printed_once(report):
    row = report.rows[0]
    noted = [dataclasses.replace(result, notes=("kept by order, not by name", str(place))) for place, result in enumerate(row.results)]
    several = dataclasses.replace(report, rows=(dataclasses.replace(row, results=tuple(noted)),), notes=("of the report",))
    for text in (str(several), several.to_markdown(), several.to_latex()):
        assert text.count("hydes-digits: kept by order, not by name") == 1
        assert text.index("hydes-digits: 1") < text.index("kept by order") < text.index("of the report")
    alone = dataclasses.replace(several, rows=(dataclasses.replace(row, results=tuple(noted[:1])),))
    assert str(alone).count("kept by order") == 1


def test_published_rows_stand_apart(report):
    from repr_probe.published.table1 import published_accuracy
    from repr_probe.reports.probe_formats import to_csv, to_text

    rows = published_accuracy("cifar10")
    text = to_text(report, rows)
    assert "published: HyDeS Table I, arXiv 2604.24498 (another protocol than any above)" in text
    assert "84.16" in text.split("published:")[1]
    assert "published" not in report.to_json()
    assert to_csv(report, rows).count(",published,") == 14


def test_one_split_is_left_one_out(home):
    found = probe("hydes-digits", dataset="digits", split="train", linear=False, limit=200, store=home)
    assert found.protocols == ("knn k=199 T=0.1 cosine leave-one-out",)
    with pytest.raises(UsageError, match="train_split must differ from split for a linear probe; got 'train' twice"):
        probe("hydes-digits", dataset="digits", split="train", limit=200, store=home)


def test_a_sweep_is_a_protocol_each(home):
    found = probe("hydes-digits", dataset="digits", linear=False, k=[1, 5], temperature=[0.07, 0.1], limit=200, store=home)
    assert found.protocols == tuple(f"knn k={k} T={t} cosine" for k in (1, 5) for t in (0.07, 0.1))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"knn": False, "linear": False}, UsageError, "knn or linear must be on; got neither"),
        ({"knn": False, "k": 5}, UsageError, "k and temperature must go with kNN; got them without it"),
        ({"linear": False, "l2": 0.1}, UsageError, "l2 and epochs must go with the linear probe; got them without it"),
        ({"k": 0}, InputError, "k must be an integer, 1 or more; got 0"),
        ({"linear_preset": "adam"}, InputError, "preset must be one of lbfgs, paper, sgd, dinov2; got 'adam'"),
    ],
)
def test_wrong_options_are_refused_before_any_work(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        probe("no-such-network", dataset="digits", store=tmp_path, **options)
