"""repro-probe compare, end to end."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from repr_probe.cli.compare import compare_command
from repr_probe.cli.main import app


@pytest.fixture(autouse=True)
def known(monkeypatch):
    if all(command.name != "compare" for command in app.registered_commands):
        monkeypatch.setattr(app, "registered_commands", [*app.registered_commands])
        app.command("compare")(compare_command)


@pytest.fixture
def files(tmp_path) -> list[str]:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    places = []
    for name, width in (("first", 8), ("second", 5)):
        np.savez(tmp_path / f"{name}.npz", features=rng.normal(size=(60, width)) + 3 * np.eye(width)[labels], labels=labels)
        places.append(str(tmp_path / f"{name}.npz"))
    return places


def test_two_files_in_one_table(run, files, tmp_path):
    done = run("compare", *files, "--out", str(tmp_path / "c.json"), "--out", str(tmp_path / "c.tex"))
    assert done.code == 0, done.err
    for expected in ("geometry (Table III)", "first.npz", "second.npz", "paired differences: geometry", "similarity (debiased linear CKA)", "‹"):
        assert expected in done.out
    assert json.loads((tmp_path / "c.json").read_text())["names"] == ["first.npz", "second.npz"]
    assert r"\toprule" in (tmp_path / "c.tex").read_text()
    rows = list(csv.DictReader(io.StringIO(run("compare", *files, "--csv", "--quiet").out)))
    assert {row["source"] for row in rows} == {"measured", "difference", "cka"}


def test_the_embedded_network_against_its_own_result(run, tmp_path):
    run("geometry", "hydes-digits", "--dataset", "digits", "--out", str(tmp_path / "r.json"), "--quiet")
    done = run("compare", str(tmp_path / "r.json"), "hydes-digits", "--dataset", "digits", "--json", "--quiet")
    assert done.code == 0, done.err
    data = json.loads(done.out)
    first, second = (row["measures"] for row in data["rows"]["geometry"])
    assert first == second
    assert data["cka"][0]["debiased"] == pytest.approx(1.0, abs=1e-9)  # from the store of the result
    assert all(one["difference"] == 0.0 for one in data["pairs"][0]["differences"].values())


def test_refusals_and_conditions(run, files, tmp_path):
    done = run("compare", files[0])
    assert (done.code, done.err.strip()) == (2, "error: sources must be two or more; got 1")
    done = run("compare", *files, "--out", "table.docx")
    assert done.code == 2 and "the result file must end in .json" in done.err
    done = run("compare", *files, "--fail-on", "effective_rank<6", "--quiet", "--no-pairs")
    assert done.code == 3
    assert "geometry (Table III)" in done.out
    assert done.err.startswith("fail-on: second.npz: effective_rank < 6: it is") and "first.npz" not in done.err


def test_accuracies_from_result_files_and_from_the_network(run, tmp_path):
    place = tmp_path / "probe.json"
    run("probe", "hydes-digits", "--dataset", "digits", "--knn", "--out", str(place), "--quiet")
    done = run("compare", str(place), str(place), "--quiet")
    assert done.code == 0, done.err
    assert "accuracy, % (Table I)" in done.out and "a result file does not hold single answers" in " ".join(done.out.split())
    assert "‹" not in done.out  # alike in every column: there is no best
    done = run("compare", str(place), str(place), "--with", "geometry")
    assert done.code == 2 and "must hold geometry results; got a result file of probe; choose parts with --with" in done.err
    place.write_text(place.read_text().replace('"schema": 1', '"schema": 9', 1))
    done = run("compare", str(place), "hydes-digits", "--dataset", "digits")
    assert done.code == 1 and "result file must have schema 1 or older; got 9 in" in done.err


def test_what_was_loaded_is_said_once(run):
    done = run("compare", "hydes-digits", "hydes-digits", "--dataset", "digits", "--limit", "30", "--no-pairs")
    assert done.code == 0, done.err
    lines = done.err.splitlines()
    assert [line for line in lines if lines.count(line) > 1] == []
    assert sum("45 of 45 tensors" in line for line in lines) == 1
