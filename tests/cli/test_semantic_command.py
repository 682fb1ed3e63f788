from __future__ import annotations

import csv
import json
import re
import socket
import zipfile

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
    assert "CIFAR-10 in hydes-cifar10" in done.err and "CIFAR-10 in hydes-cifar10" in done.out and "class centroids as given" in done.out


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


def write_wordnet(folder, version):
    folder.mkdir()
    (folder / "data.noun").write_text(f"  1 WordNet {version} Copyright 2006 by Princeton University.\n00001740 03 n 01 entity 0 000 | that which is\n")
    (folder / "index.noun").write_text("entity n 1 0 1 1 00001740\n")


@pytest.fixture
def sources(tmp_path):
    """What may be given in place of WordNet 3.0 and of a table of synsets."""
    (tmp_path / "empty").mkdir()
    write_wordnet(tmp_path / "v31", "3.1")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "photos")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 and then nothing")
    for name, synset in (("name", "dgo.n.01"), ("wnid", "n02084072")):
        (tmp_path / f"{name}.csv").write_text(f"class,synset\ndog,{synset}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--wordnet-dir", "nowhere"), "E_WORDNET", "wordnet_dir must exist; got "),
        (("--wordnet-dir", "empty"), "E_WORDNET", "wordnet_dir must be a folder with data.noun, an NLTK data folder or wordnet.zip; got "),
        (("--wordnet-dir", "other.zip"), "E_WORDNET", "other.zip, a zip without data.noun and index.noun"),
        (("--wordnet-dir", "cut.zip"), "E_WORDNET", "cut.zip, which cannot be read as a zip"),
        (("--wordnet-dir", "v31"), "E_WORDNET_VERSION", "got WordNet 3.1, where the same numbers are other synsets"),
        (("--synsets", "name.csv"), "E_SYNSET", "got 'dgo.n.01'; nearest: dog.n.01, "),
        (("--synsets", "wnid.csv"), "E_SYNSET", "got 'n02084072'; nearest: n02084071 (dog.n.01), "),
    ],
)
def test_a_source_that_cannot_be_used_is_one_line_and_writes_nothing(semantic, features, sources, arguments, code, told):
    out = sources / "found.json"
    done = semantic(features, *QUICK, arguments[0], sources / arguments[1], "--out", out)
    assert (done.code, done.out) == (1, "")
    assert told in done.err and done.err.rstrip().endswith(f"[{code}]")
    assert done.err.count("\n") == 1 and "--dataset" not in done.err  # the features are not what is wrong
    assert not out.exists()


def test_sources_are_refused_before_any_image_is_read(semantic, sources):
    done = semantic("hydes-digits", "--dataset", "digits", *QUICK, "--wordnet-dir", sources / "v31")
    assert done.code == 1 and "[E_WORDNET_VERSION]" in done.err
    assert not (sources / "home" / "features").exists()


def test_unknown_wnids_among_folder_names(semantic, tmp_path):
    np.savez(tmp_path / "wnids.npz", features=np.eye(3), labels=np.array(["n02084071", "n02084072", "n02121808"]))
    done = semantic(tmp_path / "wnids.npz", *QUICK)
    assert (done.code, done.out) == (1, "")
    assert "it stands for class 'n02084072' (wnid) [E_SYNSET]" in done.err and done.err.count("\n") == 1


def test_too_few_classes_with_a_synset(semantic, tmp_path):
    labels = np.array(["dog.n.01", "cat.n.01", "xyzzy", "plugh"])
    np.savez(tmp_path / "few.npz", features=np.eye(4), labels=labels)
    done = semantic(tmp_path / "few.npz", *QUICK)
    assert (done.code, done.out) == (1, "")
    assert "classes must be 3 or more to compare; got 2 usable of 4 (no synset for plugh, xyzzy); name synsets in a CSV" in done.err
    assert done.err.count("\n") == 1


def test_equal_prototypes_are_said_to_be_the_features(semantic, tmp_path):
    np.savez(tmp_path / "one.npz", features=np.eye(10), labels=CIFAR10)
    done = semantic(tmp_path / "one.npz", *QUICK)
    assert done.code == 1 and "error: features must tell pairs of classes apart; all 45 pairs are equally far (1)" in done.err


@pytest.mark.parametrize("download", [(), ("--allow-download",)])
def test_offline_there_is_no_attempt_to_reach_the_network(semantic, features, tmp_path, monkeypatch, download):
    from huggingface_hub import constants

    def refuse(*arguments, **options):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    done = semantic(features, "--minilm", "--text-model", "nobody/nothing", *download, "--out", tmp_path / "found.json")
    assert (done.code, done.out) == (1, "")
    assert done.err.rstrip().endswith("[E_TEXT_MODEL]") and done.err.count("\n") == 1
    assert not (tmp_path / "found.json").exists()
