from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
import typer

from repr_probe.cli import main as program
from repr_probe.cli.semantic import semantic_command
from repr_probe.reports.semantic_read import read_semantic

CIFAR10 = np.array(["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"])
QUICK = ("--wordnet", "--permutations", "49")


@pytest.fixture
def semantic(run, monkeypatch):
    """`repro-probe semantic ...` in this process."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    app.command("semantic")(semantic_command)
    monkeypatch.setattr(program, "app", app)
    return lambda *arguments: run("semantic", *map(str, arguments))


@pytest.fixture
def features(tmp_path):
    """A file of features of ten named classes: animals near each other, artifacts near each other."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 10
    kind = np.isin(labels, [2, 3, 4, 5, 6, 7])[:, None] * np.array([[3.0, 0, 0, 0, 0, 0, 0, 0]])
    values = rng.standard_normal((10, 8))[labels] + 0.2 * rng.standard_normal((200, 8)) + kind
    np.savez(tmp_path / "found.npz", features=values.astype(np.float32), labels=CIFAR10[labels])
    return tmp_path / "found.npz"


def test_a_feature_file_is_compared_with_wordnet(semantic, features):
    done = semantic(features, *QUICK)
    assert done.code == 0, done.err
    assert "Spearman WuP" in done.out
    assert "bundled WordNet 3.0" in done.out
    assert "6 animals, 4 artifacts, 0 others" in done.out
    assert "Mantel test, 49 permutations, seed 0" in done.out


@pytest.mark.parametrize(
    ("flag", "begins"),
    [("--json", "{"), ("--csv", "name,origin"), ("--markdown", "### found"), ("--latex", "% needs"), ("--html", "<!doctype html>")],
)
def test_formats_of_stdout(semantic, features, flag, begins):
    done = semantic(features, *QUICK, flag)
    assert done.code == 0, done.err
    assert done.out.startswith(begins)


@pytest.fixture
def other(tmp_path):
    """Features of the same classes that know nothing of animals and artifacts."""
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "other.npz", features=rng.standard_normal((10, 8))[np.arange(200) % 10], labels=CIFAR10[np.arange(200) % 10])
    return tmp_path / "other.npz"


def test_a_second_checkpoint_is_compared_on_the_same_classes(semantic, features, other, tmp_path):
    out, table = tmp_path / "found.json", tmp_path / "found.csv"
    done = semantic(features, *QUICK, "--against", other, "--out", out, "--out", table)
    assert done.code == 0, done.err
    assert "against other.npz" in done.out and "10 classes of both" in done.out
    known = json.loads(out.read_text())
    alone = json.loads(semantic(other, *QUICK, "--json").out)
    found = known["comparison"]["differences"]["spearman_wup"]
    assert known["comparison"]["names"] == ["found.npz", "other.npz"]
    assert found["a"] == pytest.approx(known["measures"]["spearman_wup"]["value"], abs=1e-12)
    assert found["b"] == pytest.approx(alone["measures"]["spearman_wup"]["value"], abs=1e-12)
    assert found["difference"] == pytest.approx(found["a"] - found["b"]) and 0 <= found["p"] <= 1
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert row["against"] == "other.npz" and float(row["spearman_wup_difference"]) == found["difference"]
    assert read_semantic(out).to_dict() == known


def test_a_second_checkpoint_of_other_classes_is_one_line(semantic, features, tmp_path):
    trees = np.array(["oak.n.02", "pine.n.01", "beech.n.01", "rose.n.01"])
    np.savez(tmp_path / "other.npz", features=np.random.default_rng(2).standard_normal((4, 3)), labels=trees)
    done = semantic(features, *QUICK, "--against", tmp_path / "other.npz", "--out", tmp_path / "found.json")
    assert done.code == 1
    assert "reports to compare must share 3 classes; got 0 of" in done.err and done.err.count("\n") == 1
    assert done.out == "" and not (tmp_path / "found.json").exists()


def test_a_page_holds_its_figure_and_needs_no_other_file(semantic, features, other, tmp_path):
    done = semantic(features, *QUICK, "--against", other, "--out", tmp_path / "page.html")
    assert done.code == 0, done.err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and page.count('src="') == 1
    assert 'src="data:image/png;base64,iVBOR' in page
    assert "Spearman WuP" in page and "Against other.npz" in page
    assert not re.search(r"<script|<link|https?://", page)


def test_files_and_figure(semantic, features, tmp_path):
    out, figure = tmp_path / "found.json", tmp_path / "found.png"
    done = semantic(features, *QUICK, "--out", out, "--out", tmp_path / "found.md", "--figure", figure)
    assert done.code == 0, done.err
    document = json.loads(out.read_text())
    assert document["kind"] == "semantic"
    assert document["options"]["linkage"] == "average"
    assert (tmp_path / "found.centroids.npz").is_file()
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--json", "--csv"), "the output must be one of --json, --csv"),
        (("--json", "--html"), "the output must be one of --json, --csv, --markdown, --latex, --html; got --json and --html"),
        (("--out", "x.docx"), "the result file must end in .json"),
        (("--figure", "x.docx"), "the figure must end in .png"),
        (("--split", "test"), "--split must go with --dataset"),
    ],
)
def test_wrong_usage_is_refused_before_any_work(semantic, features, arguments, told):
    done = semantic(features, *arguments)
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1


def test_without_a_checkpoint_and_without_stores(semantic):
    done = semantic(*QUICK)
    assert done.code == 0
    assert "EfficientNet-Lite0" in done.err and "EfficientNet-Lite0" in done.out and "class centroids as given" in done.out


def test_an_option_of_a_checkpoint_without_one(semantic):
    done = semantic("--dataset", "cifar10", *QUICK)
    assert done.code == 2
    assert "--dataset must go with a checkpoint; got it without one" in done.err


def test_siblings_give_one_line(semantic, tmp_path):
    words = ("zero.n.02", "one.n.01", "two.n.01", "three.n.01")
    np.savez(tmp_path / "digits.npz", features=np.random.default_rng(0).standard_normal((8, 4)), labels=np.array(words * 2))
    done = semantic(tmp_path / "digits.npz", *QUICK)
    assert done.code == 1
    assert "all 4 classes are siblings in WordNet (children of digit.n.01)" in done.err
    assert done.err.rstrip().endswith("[E_CONSTANT]")
    assert done.out == ""


def test_a_text_model_that_is_nowhere_is_one_line(semantic, features, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = semantic(features, "--minilm", "--text-model", tmp_path / "no-such-model")
    assert done.code == 1
    assert "[E_TEXT_MODEL]" in done.err
    assert done.out == ""


def test_the_help_names_its_parts(semantic):
    done = semantic("--help")
    assert done.code == 0
    for option in ("--wordnet", "--minilm", "--source", "--exact-only", "--linkage", "--permutations", "--figure"):
        assert option in done.out
