"""Bad input to geometry, as a user meets it: one line on stderr with an exit code, before any long work; what is left out is said."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from repr_probe.metrics import pass_cost
from repr_probe.metrics.definitions import DEFINITIONS


def rows(n=300, width=6):
    return np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)


def only_line(done):
    """The last line of stderr, which must be the only one that tells of an error."""
    assert "Traceback" not in done.err
    lines = done.err.splitlines()
    assert [line for line in lines if line.startswith(("error", "internal"))] == lines[-1:], done.err
    return lines[-1]


def test_without_labels_every_measure_left_out_has_its_reason(run, tmp_path):
    np.save(tmp_path / "X.npy", rows())
    done = run("geometry", str(tmp_path / "X.npy"), "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["n_samples"], report["n_classes"], report["counts"]["n_unlabelled"]) == (300, 0, 300)
    for key, measurement in report["measures"].items():
        needs_labels = "labels" in DEFINITIONS[key].needs
        assert (measurement["reason"] == "needs labels") == needs_labels, key
        assert measurement["value"] is None or not needs_labels, key
    told = run("geometry", str(tmp_path / "X.npy"))
    assert "no labels" in told.out
    assert "needs labels" in " ".join(told.out.split())


def test_rows_without_a_label_are_counted_and_said(run, tmp_path):
    labels = np.arange(300) % 12
    labels[:100] = -1
    np.savez(tmp_path / "part.npz", features=rows(), labels=labels)
    done = run("geometry", str(tmp_path / "part.npz"))
    assert done.code == 0
    assert "100 rows without a label" in done.out
    assert "100 rows have no label: they count in measures without labels only" in done.out


@pytest.mark.parametrize("n_labels", [299, 301, 0])
def test_labels_of_another_length_are_refused_before_the_rows_are_read(run, tmp_path, n_labels):
    values = rows()
    values[7] = np.nan  # what the first pass over the rows would find
    np.savez(tmp_path / "two.npz", features=values, labels=np.zeros(n_labels, np.int64))
    done = run("geometry", str(tmp_path / "two.npz"))
    assert done.code == 1
    assert only_line(done) == f"error: labels must match the rows; got {n_labels} labels for 300 rows"
    np.save(tmp_path / "X.npy", values)
    np.save(tmp_path / "y.npy", np.zeros(n_labels, np.int64))
    done = run("geometry", str(tmp_path / "X.npy"))
    assert done.code == 1
    assert only_line(done).startswith(f"error: y.npy must have one label a row of the features beside it; got {n_labels} for 300 rows; ")


def test_long_work_is_announced_once_and_not_under_quiet(run, tmp_path, monkeypatch):
    monkeypatch.setattr(pass_cost, "_WORTH_TRYING", 0.0)
    monkeypatch.setattr(pass_cost, "SLOW_SECONDS", 0.0)
    np.save(tmp_path / "X.npy", rows())
    done = run("geometry", str(tmp_path / "X.npy"), "--preset", "paper")
    assert [line for line in done.err.splitlines() if line.startswith("angles of all 44,850 pairs take about ")] == done.err.splitlines()[:1]
    assert "--pairs sample:M (pairs=M) draws M of them instead" in done.err
    assert run("geometry", str(tmp_path / "X.npy"), "--preset", "paper", "--quiet").err == ""
    assert "take about" not in run("geometry", str(tmp_path / "X.npy"), "--preset", "paper", "--pairs", "sample:1000").err


def test_a_home_that_cannot_be_one_is_one_line(run, tmp_path):
    (tmp_path / "home").write_text("a file")
    done = run("extract", "hydes-digits", "--dataset", "digits", "--limit", "20", "--store", str(tmp_path / "home"))
    assert done.code == 1
    line = only_line(done)
    assert line.startswith(f"error: {tmp_path / 'home'}")
    assert " must be a place for new files; got " in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_so_is_one_without_permission(run, tmp_path):
    tmp_path.chmod(0o500)
    try:
        done = run("extract", "hydes-digits", "--dataset", "digits", "--limit", "20", "--store", str(tmp_path / "home"))
    finally:
        tmp_path.chmod(0o700)
    assert done.code == 1
    assert only_line(done).endswith("; choose another place")


def test_features_that_exist_need_no_home(run, tmp_path):
    (tmp_path / "home").write_text("a file")
    np.save(tmp_path / "X.npy", rows())
    assert run("geometry", str(tmp_path / "X.npy"), "--preset", "paper").code == 0
