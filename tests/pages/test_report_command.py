from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer

from repr_probe.cli import main as program
from repr_probe.cli.report import report_command
from repr_probe.errors import UsageError
from repr_probe.pages.gallery import Gallery, Picture
from repr_probe.reports.geometry import geometry_report
from repr_probe.workflows.compare import compare
from repr_probe.workflows.probe import probe
from repr_probe.workflows.report import MOST_RUNS, learning_curves, read_runs, report, spectra_of

parts = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("page_parts.py"))))
CLASSES = ["cat", "dog", "ship", "truck"]
PNG = b"\x89PNG\r\n\x1a\n" + b"rest"


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """`repro-probe report ...` in this process: (exit code, stdout, stderr)."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    app.command("report")(report_command)
    monkeypatch.setattr(program, "app", app)
    monkeypatch.setenv("REPR_PROBE_HOME", str(tmp_path / "home"))

    def run(*arguments):
        code = program.main(["report", *map(str, arguments)])
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return run


@pytest.fixture
def feature_file(tmp_path):
    """Write features of the same images under a name."""

    def write(name, seed=0, classes=CLASSES, n=48):
        rng = np.random.default_rng(seed)
        labels = np.arange(n) % len(classes)
        values = rng.standard_normal((len(classes), 6))[labels] + 0.5 * rng.standard_normal((n, 6))
        np.savez(tmp_path / name, features=values.astype(np.float32), labels=np.array(classes)[labels])
        return tmp_path / name

    return write


def read(path):
    return parts.PageParts(Path(path).read_text(encoding="utf-8"))


def test_two_feature_files_on_one_page(command, feature_file, tmp_path):
    a, b = feature_file("a.npz"), feature_file("b.npz", 1)
    done = command(a, b, "--out", tmp_path / "page.html", "--no-semantic", "--preset", "paper")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{tmp_path / 'page.html'}: ") and done.out.endswith("opens offline\n")
    page = read(tmp_path / "page.html")
    assert page.json()["names"] == ["a.npz", "b.npz"]
    for place, source in enumerate((a, b)):
        alone = geometry_report(source, preset="paper", name=source.name).to_dict()
        for key, one in alone["measures"].items():
            assert page.json()["geometry"][place]["measures"][key] == one
    assert "left out (--no-semantic)" in page.text
    here, there = page.json()["comparison"], json.loads(compare(a, b).to_json())
    assert here["cka"] == there["cka"]
    found = here["pairs"][0]["differences"]
    assert found == {key: there["pairs"][0]["differences"][key] for key in found} and len(found) >= 8


def test_result_files_go_on_a_page_too(command, feature_file, tmp_path):
    geometry_report(feature_file("a.npz"), preset="paper", name="saved").save(tmp_path / "a.json")
    done = command(tmp_path / "a.json", "--out", tmp_path / "page.html")
    assert done.code == 0, done.err
    page = read(tmp_path / "page.html")
    assert page.json()["names"] == ["saved"] and page.json("map-data")["classes"] == CLASSES
    assert "a result file holds no spectrum" in page.text and "a result file holds no features" in page.text


def test_accuracies_are_those_of_probe(command, tmp_path):
    done = command("hydes-digits", "--dataset", "digits", "--limit", "100", "--out", tmp_path / "page.html", "--no-semantic", "--preset", "paper",
                   "--with", "probe")  # fmt: skip
    assert done.code == 0, done.err
    assert sum("45 of 45 tensors" in line for line in done.err.splitlines()) == 1
    page = read(tmp_path / "page.html")
    (row,) = page.json()["comparison"]["rows"]["probe"]
    alone = probe("hydes-digits", dataset="digits", limit=100).rows[0].results
    assert [row["measures"][key]["value"] for key in ("knn_top1", "linear_top1")] == [result.top1 for result in alone]
    assert "Guessing gives 10\u00a0% top-1" in page.text and page.json()["comparison"]["pairs"] == []


def test_an_embedded_encoder_on_its_digits(command, tmp_path):
    done = command("hydes-digits", "--dataset", "digits", "--limit", "60", "--out", tmp_path / "page.html", "--no-semantic", "--preset", "paper")
    assert done.code == 0, done.err
    page = read(tmp_path / "page.html")
    first = page.json()["geometry"][0]
    assert first["n_samples"] == 60 and first["provenance"]["dataset"] == "digits" and "digits_net" in page.text
    share = page.json()["spectra"][0]["raw"]
    assert share[0] / sum(share) == pytest.approx(first["measures"]["anisotropy"]["value"], rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["a.npz", "c.npz"], 2, "must be measured on the same images; got 48 and 40 images (a.npz, c.npz); make a page for each"),
        (["a.npz"] * 9, 2, "checkpoints must be 1 to 8 on one page; got 9; make several pages"),
        (["new.json"], 1, "must have schema 1 or older; got 99"),
        (["a.npz", "--gallery", "nothing"], 2, "gallery must be one of saliency, attention, hypercolumns, a picture or a folder of pictures; got"),
        (["a.npz", "--gallery", "saliency"], 2, "--gallery saliency must go with --dataset and checkpoints"),
        (["none.npz"], 2, "which is not there"),
        (["a.npz", "--with", "probe"], 2, "--with probe must go with --dataset and checkpoints; got features or result files"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_page(command, feature_file, tmp_path, monkeypatch, arguments, code, told):
    monkeypatch.chdir(tmp_path)
    feature_file("a.npz")
    feature_file("c.npz", n=40)
    known = json.loads(geometry_report(np.eye(3), preset="paper").to_json())
    Path("new.json").write_text(json.dumps({**known, "schema": 99}))
    done = command(*arguments, "--no-semantic", "--quiet", "--out", "page.html")
    assert done.code == code and done.err.count("\n") == 1 and told in done.err
    assert not Path("page.html").exists()


def test_a_target_that_cannot_be_is_refused_before_the_work(command, tmp_path):
    (tmp_path / "file").write_text("")
    done = command("no-such-network", "--dataset", "digits", "--out", tmp_path / "file" / "page.html")
    assert done.code == 2 and "the page must lie in a folder" in done.err


def test_galleries_that_exist_already(feature_file, tmp_path):
    own = Gallery("mine", (Picture("a map", PNG),))
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "one.png").write_bytes(PNG)
    path = report(feature_file("a.npz"), out=tmp_path / "page.html", semantic=False, preset="paper", galleries=[own, tmp_path / "maps"])
    assert [known["alt"] for known in read(path).all("img")] == ["a map", "one"]


@pytest.fixture
def run_folder(tmp_path):
    def write(name, rows):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    return write


ROWS = [{"step": step, "epoch": step // 2, "loss": 3.0 - step, "knn_top1": 0.1 * step, "other": 1.0} for step in range(3)]


def test_curves_of_runs(run_folder, feature_file, tmp_path):
    path = report(feature_file("a.npz"), out=tmp_path / "page.html", semantic=False, preset="paper", runs=[run_folder("one", ROWS)])
    curves = read(path).json()["curves"]
    assert list(curves) == ["loss", "knn_top1"]
    assert curves["loss"]["one"] == {"x": [0.0, 1.0, 2.0], "y": [3.0, 2.0, 1.0]}
    assert "kNN, top-1" in read(path).text


def test_the_run_beside_a_checkpoint_is_found_once(run_folder):
    folder = run_folder("one", ROWS)
    (folder / "ckpt_last.pt").write_bytes(b"")
    (folder / "ckpt_2.pt").write_bytes(b"")
    assert [one.name for one in read_runs([], [folder / "ckpt_last.pt", folder / "ckpt_2.pt"])] == ["one"]
    assert [one.name for one in read_runs([folder / "metrics.jsonl"], [folder / "ckpt_2.pt"])] == ["one"]


def test_runs_of_one_name_are_told_apart(run_folder):
    assert [one.name for one in read_runs([run_folder("a/run", ROWS), run_folder("b/run", ROWS)], [])] == ["a/run", "b/run"]


def test_curves_run_over_epochs_where_steps_are_not_known(run_folder):
    rows = [{"epoch": row["epoch"], "loss": row["loss"]} for row in ROWS]
    curves, labels, over = learning_curves(read_runs([run_folder("one", rows)], []))
    assert over == "epoch" and labels == {"loss": "loss"} and curves["loss"]["one"].x.tolist() == [0.0, 1.0]


def test_too_many_runs(run_folder):
    folders = [run_folder(f"run{number}", ROWS) for number in range(MOST_RUNS + 1)]
    with pytest.raises(UsageError, match="runs must be at most 8 on one page; got 9"):
        read_runs(folders, [])


def test_spectra_are_those_of_numpy():
    values = np.random.default_rng(0).standard_normal((30, 4)) + 1.0
    found = spectra_of(values)
    np.testing.assert_allclose(found["raw"], np.linalg.svd(values, compute_uv=False) ** 2 / 30, rtol=1e-8)
    np.testing.assert_allclose(found["centred"], np.linalg.svd(values - values.mean(axis=0), compute_uv=False) ** 2 / 30, rtol=1e-8)


def test_rows_that_are_all_alike_have_no_spectrum():
    assert spectra_of(np.ones((5, 3))) == {}


@pytest.mark.slow
def test_a_gallery_that_is_drawn(tmp_path):
    galleries = ["saliency,hypercolumns"]
    path = report("torchvision:resnet18", dataset="digits", limit=20, image_size=32, out=tmp_path / "page.html", semantic=False,
                  preset="paper", galleries=galleries, store=tmp_path / "home")  # fmt: skip
    page = read(path)
    assert [known["alt"].split(" of ")[0] for known in page.all("img")] == ["saliency", "hypercolumns"]
    assert "Saliency" in page.text and "Hypercolumns" in page.text
