from __future__ import annotations

import json

import numpy as np
import pytest

from repr_probe.errors import FileFormatError, StoreError, UsageError
from repr_probe.published.table3 import published_rows
from repr_probe.reports.read import read_report
from repr_probe.reports.write import RENDERERS, to_json, write_reports


def test_json_comes_back_equal_with_its_centroids(make_report, tmp_path):
    cosines = np.array([[1.0, 0.25], [0.25, 1.0]])
    report = make_report(centroid_cosine=cosines)
    place = write_reports([report], tmp_path / "new" / "r.json")
    (back,) = read_report(place)
    assert back.to_dict() == report.to_dict()
    assert back.d_prime == report.d_prime
    np.testing.assert_array_equal(back.histograms["all"], report.histograms["all"])
    np.testing.assert_array_equal(back.centroid_cosine, cosines)
    with np.load(tmp_path / "new" / "r.centroids.npz") as arrays:
        assert arrays["class_names"].tolist() == ["cat", "dog"]
    assert "centroid_cosine" not in json.loads(place.read_text(encoding="utf-8"))


def test_several_reports_in_one_json(make_report, tmp_path):
    reports = [make_report(name="a"), make_report(name="b", centroid_cosine=np.eye(3))]
    place = write_reports(reports, tmp_path / "r.json")
    assert json.loads(place.read_text(encoding="utf-8"))["kind"] == "geometry-list"
    first, second = read_report(place)
    assert [first.to_dict(), second.to_dict()] == [report.to_dict() for report in reports]
    assert first.centroid_cosine is None
    np.testing.assert_array_equal(second.centroid_cosine, np.eye(3))


def test_centroids_of_an_earlier_run_do_not_stay(make_report, tmp_path):
    write_reports([make_report(centroid_cosine=np.eye(2))], tmp_path / "r.json")
    write_reports([make_report()], tmp_path / "r.json")
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_published_rows_are_never_in_the_json(make_report):
    assert "published" not in to_json([make_report()], published_rows("imagenet"))


def test_undefined_is_null(make_report):
    report = make_report(labelled=False)
    assert json.loads(report.to_json())["measures"]["d_prime"]["value"] is None
    assert "NaN" not in report.to_json()


@pytest.mark.parametrize("suffix", sorted(RENDERERS))
def test_every_suffix_is_written_by_save_too(make_report, tmp_path, suffix):
    place = make_report().save(tmp_path / f"r{suffix.upper()}")
    assert place.read_text(encoding="utf-8").endswith("\n")
    assert "resnet50.pth" in place.read_text(encoding="utf-8")


def test_unknown_suffix(make_report, tmp_path):
    with pytest.raises(UsageError, match=r"the result file must end in \.json, \.csv, \.md, \.tex, \.txt, \.html; got .*r\.pdf"):
        write_reports([make_report()], tmp_path / "r.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(make_report, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="must be a place for new files"):
        write_reports([make_report()], tmp_path / "file" / "r.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "result file must hold JSON; got"),
        (b"\xff\xfe\x00", "result file must hold JSON; got"),
        (b'{"kind": "geometry", "schema": 1', "result file must hold JSON; got"),
        (b'{"kind": "geometry", "schema": NaN}', "NaN is not a JSON number"),
        (b"[" * 100_000, "result file must hold JSON; got"),
        (b"[1, 2]", "result file must be of kind 'geometry', .* or 'hypercolumns'; got None"),
        (b'{"kind": "semantics"}', "result file must be of kind 'geometry', .* or 'hypercolumns'; got 'semantics'"),
        (b'{"kind": "geometry", "schema": 99}', "result file must have schema 1 or older; got 99"),
        (b'{"kind": "geometry", "schema": 1}', "result file must hold whole reports; got .*KeyError: 'measures'"),
        (b'{"kind": "geometry", "schema": 1, "measures": 3}', "result file must hold whole reports; got .*AttributeError"),
        (b'{"kind": "geometry", "schema": 1, "measures": {"d_prime": 3}}', "result file must hold whole reports; got .*TypeError"),
        (b'{"kind": "geometry", "schema": 1, "measures": {}}', "result file must hold whole reports; got .*TypeError"),
        (b'{"kind": "geometry-list", "schema": 1, "reports": {}}', "result file must hold a list of reports; got dict"),
        (b'{"kind": "geometry-list", "schema": 1, "reports": [7]}', "result file must hold whole reports; got .*TypeError"),
    ],
)
def test_bad_result_files_are_one_clear_line(tmp_path, content, message):
    place = tmp_path / "r.json"
    place.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_report(place)
    assert "\n" not in str(caught.value)


def test_absent_and_unreadable_result_files(tmp_path):
    with pytest.raises(FileFormatError, match="result file must exist; got"):
        read_report(tmp_path / "none.json")
    with pytest.raises(FileFormatError, match="result file must be readable; got 'Is a directory'"):
        read_report(tmp_path)


def test_damaged_centroids(make_report, tmp_path):
    place = write_reports([make_report()], tmp_path / "r.json")
    (tmp_path / "r.centroids.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(FileFormatError, match=r"centroid file must be a whole \.npz file; got .*; delete it to go without"):
        read_report(place)
