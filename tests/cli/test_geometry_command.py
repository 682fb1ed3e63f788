"""repro-probe geometry, end to end: what a user types and what comes out."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from repr_probe.reports.read import read_report


@pytest.fixture
def feature_file(tmp_path) -> str:
    """Sixty rows of three well separated classes."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    features = generator.normal(size=(60, 8)) + 3 * np.eye(8)[labels]
    place = tmp_path / "features.npz"
    np.savez(place, features=features, labels=labels)
    return str(place)


def test_a_feature_file_gives_the_table(run, feature_file):
    done = run("geometry", feature_file)
    assert done.code == 0, done.err
    for expected in ("60 rows x 8 features, 3 classes", "Table III of HyDeS", "ANISO", "95 % interval", "beside Table III", "  images  "):
        assert expected in done.out
    assert "published" not in done.out
    assert max(map(len, done.out.splitlines())) <= 120


def test_the_embedded_default(run):
    """The README's first command: offline, from nothing but the installed package."""
    done = run("geometry", "hydes-digits", "--dataset", "digits", "--preset", "paper")
    assert done.code == 0, done.err
    for expected in ("hydes-digits", "digits, split test", "450 images", "10 classes", "CENTROID RANK", "d′", "POS. ANGLE"):
        assert expected in done.out
    again = run("geometry", "hydes-digits", "--dataset", "digits", "--preset", "paper")
    assert again.out == done.out
    assert "store" in again.err  # answered from the store, and said so


def test_several_layers_become_columns(run):
    done = run("geometry", "hydes-digits", "--dataset", "digits", "--preset", "paper", "--layer", "stage1", "--layer", "stage2")
    assert done.code == 0, done.err
    assert "2 reports" in done.out
    assert "stage1" in done.out
    assert "stage2" in done.out


def test_json_on_stdout_is_the_report_and_nothing_else(run, feature_file):
    done = run("geometry", feature_file, "--json", "--quiet")
    assert (done.code, done.err) == (0, "")
    data = json.loads(done.out)
    assert (data["kind"], data["n_samples"], data["n_classes"]) == ("geometry", 60, 3)
    assert 0 < data["measures"]["anisotropy"]["value"] < 1


def test_csv_markdown_and_latex_on_stdout(run, feature_file):
    (row,) = csv.DictReader(io.StringIO(run("geometry", feature_file, "--csv").out))
    assert 0 < float(row["anisotropy_low"]) < float(row["anisotropy"]) < float(row["anisotropy_high"])
    assert "| ANISO | ↓ |" in run("geometry", feature_file, "--markdown").out
    assert r"\toprule" in run("geometry", feature_file, "--latex").out


def test_files_are_written_by_suffix_and_the_result_file_can_be_read_again(run, feature_file, tmp_path):
    places = [tmp_path / f"out/r{suffix}" for suffix in (".json", ".csv", ".md", ".tex", ".txt", ".html")]
    done = run("geometry", feature_file, *(text for place in places for text in ("--out", str(place))))
    assert done.code == 0, done.err
    assert all(place.stat().st_size > 500 for place in places)
    assert (tmp_path / "out" / "r.centroids.npz").exists()
    (report,) = read_report(places[0])
    assert report.n_samples == 60
    again = run("geometry", str(places[0]))
    assert again.code == 0, again.err
    assert again.out == done.out


def test_the_preset_decides_what_is_measured(run, feature_file):
    found = [run("geometry", feature_file, "--json", "--preset", preset) for preset in ("paper", "default", "full")]
    sizes = [len(json.loads(done.out)["measures"]) for done in found]
    assert sizes[:2] == [10, 23]
    assert sizes[2] > 90


def test_sampled_pairs_say_so(run, feature_file):
    data = json.loads(run("geometry", feature_file, "--json", "--pairs", "sample:1500").out)
    assert data["options"]["pairs"] == 1500


def test_an_unlabelled_file_gives_dashes_and_the_reason(run, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 4)))
    done = run("geometry", str(tmp_path / "x.npy"), "--preset", "paper")
    assert done.code == 0, done.err
    assert "undefined\n  - CENTROID RANK, d′, POS. ANGLE, POS. ANGLE SD: " in done.out


def test_rows_that_are_not_finite_are_refused_or_omitted(run, tmp_path):
    values = np.random.default_rng(0).normal(size=(30, 4))
    values[7, 2] = np.nan
    np.save(tmp_path / "x.npy", values)
    refused = run("geometry", str(tmp_path / "x.npy"))
    assert refused.code == 1
    assert refused.out == ""
    assert "1 of 30 rows" in refused.err
    assert refused.err.count("\n") == 1
    omitted = run("geometry", str(tmp_path / "x.npy"), "--nan-policy", "omit", "--json")
    assert json.loads(omitted.out)["counts"]["n_dropped"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--json", "--csv"], "error: the output must be one of --json, --csv, --markdown, --latex; got --json and --csv; write"),
        (["--markdown", "--latex"], "got --markdown and --latex"),
        (["--mean", "0.5,0.5"], "error: --mean must be one number or three"),
        (["--std", "0"], "error: --std must be positive"),
        (["--image-size", "big"], "error: --image-size must be one positive number or two"),
        (["--pairs", "some"], "error: --pairs must be exact or sample:M"),
        (["--out", "r.pdf"], "error: the result file must end in .json, .csv, .md, .tex, .txt, .html; got 'r.pdf'"),
    ],
)
def test_wrong_values_are_refused_before_any_work(run, options, message):
    done = run("geometry", "there-is-no-such-file.pth", *options)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.pth", b""), ("zeros.pth", b"\0" * 4096), ("page.pth", b"<!DOCTYPE html><html></html>"), ("cut.npy", b"\x93NUMPY\x01")],
)
def test_damaged_files_are_one_line_and_exit_code_1(run, tmp_path, name, content):
    place = tmp_path / name
    place.write_bytes(content)
    done = run("geometry", str(place), "--dataset", "digits")
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_unknown_names_get_the_nearest(run):
    for arguments, near in ((("timm:resnet81", "--dataset", "digits"), "resnet"), (("hydes-digits", "--dataset", "digit"), "digits")):
        done = run("geometry", *arguments)
        assert done.code == 1
        assert near in done.err.splitlines()[-1]
        assert sum(line.startswith("error:") for line in done.err.splitlines()) == 1


def test_a_place_that_cannot_be_written_is_one_line(run, feature_file, tmp_path):
    (tmp_path / "file").write_text("x")
    done = run("geometry", feature_file, "--preset", "paper", "--out", str(tmp_path / "file" / "r.json"))
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.err


def test_as_a_program(feature_file):
    command = [sys.executable, "-m", "repr_probe.cli.main", "geometry", feature_file, "--json", "--preset", "paper"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout)["n_features"] == 8
