"""--fail-on: exit code 3 and a line that says which, after the report."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def feature_file(tmp_path) -> str:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    place = tmp_path / "features.npz"
    np.savez(place, features=rng.normal(size=(60, 8)) + 3 * np.eye(8)[labels], labels=labels)
    return str(place)


def test_a_condition_that_holds_exits_with_3_after_the_report(run, feature_file, tmp_path):
    written = tmp_path / "report.json"
    done = run("geometry", feature_file, "--preset", "paper", "--fail-on", "anisotropy>0.01,effective_rank<2", "--out", str(written))
    assert done.code == 3
    assert "Table III of HyDeS" in done.out and written.is_file()
    value = json.loads(written.read_text())["measures"]["anisotropy"]["value"]
    assert done.err.splitlines()[-1] == f"fail-on: anisotropy > 0.01: it is {value:.6g}"
    assert "effective_rank" not in done.err


def test_nothing_holds(run, feature_file):
    done = run("geometry", feature_file, "--preset", "paper", "--fail-on", "anisotropy>0.99", "--quiet")
    assert (done.code, done.err) == (0, "")


def test_an_unknown_or_undefined_number_fails(run, tmp_path):
    place = tmp_path / "unlabelled.npy"
    np.save(place, np.random.default_rng(0).normal(size=(30, 4)))
    done = run("geometry", str(place), "--preset", "paper", "--fail-on", "d_prime<1,effectiv_rank<1", "--json", "--quiet")
    assert done.code == 3
    assert json.loads(done.out)["kind"] == "geometry"
    first, second = done.err.splitlines()
    assert first.startswith("fail-on: d_prime < 1: it is undefined (")
    assert second.startswith("fail-on: effectiv_rank < 1: there is no such number; nearest: effective_rank")


def test_a_condition_that_cannot_be_read_is_refused_before_the_work(run, tmp_path):
    done = run("geometry", str(tmp_path / "absent.npz"), "--fail-on", "anisotropy=1")
    assert done.code == 2
    assert "fail-on must be conditions such as 'effective_rank<20', separated by commas; got 'anisotropy=1'" in done.err


def test_probe_and_semantic_take_it_too(run):
    done = run("probe", "hydes-digits", "--dataset", "digits", "--knn", "--fail-on", "knn_top1<1.1", "--quiet")
    assert done.code == 3 and done.err.startswith("fail-on: knn_top1 < 1.1: it is 0.")
    done = run("semantic", "--fail-on", "spearman_wup<2", "--permutations", "0", "--wordnet", "--quiet")
    assert done.code == 3 and done.err.startswith("fail-on: spearman_wup < 2: it is")


def test_a_figure_of_the_angles(run, feature_file, tmp_path):
    done = run("geometry", feature_file, "--preset", "paper", "--figure", str(tmp_path / "angles.png"), "--quiet")
    assert done.code == 0 and (tmp_path / "angles.png").read_bytes().startswith(b"\x89PNG")
    done = run("geometry", feature_file, "--figure", "angles.gif")
    assert done.code == 2 and "the figure must end in .png, .pdf, .svg; got 'angles.gif'" in done.err
