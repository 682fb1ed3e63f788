from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from repr_probe.cli.probe import probe_command

APP = typer.Typer()
APP.command()(probe_command)


def run(*arguments: str):
    return CliRunner().invoke(APP, list(arguments))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return str(tmp_path_factory.mktemp("home"))


def test_json_on_stdout_and_files_by_suffix(home, tmp_path):
    table = tmp_path / "table.tex"
    done = run("hydes-digits", "--dataset", "digits", "--limit", "200", "--l2", "0.1", "--json", "--quiet", "--store", home, "--out", str(table))
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert [result["protocol"] for result in told["rows"][0]["results"]] == ["knn k=200 T=0.1 cosine", "linear lbfgs standardised l2=0.1"]
    assert r"\toprule" in table.read_text(encoding="utf-8")


def test_knn_alone_with_a_sweep(home):
    done = run("hydes-digits", "--dataset", "digits", "--limit", "200", "--knn", "--k", "1", "--k", "5", "--csv", "--quiet", "--store", home)
    assert [line.split(",")[2] for line in done.stdout.splitlines()[1:]] == ["knn k=1 T=0.1 cosine", "knn k=5 T=0.1 cosine"]


def test_what_is_missing_is_said(home):
    assert "--dataset must name the images for 'hydes-digits'" in str(run("hydes-digits").exception)
    assert "the result file must end in" in str(run("hydes-digits", "--dataset", "digits", "--out", "x.doc").exception)
