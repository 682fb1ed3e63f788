"""repro-probe segment: its options, formats and one-line failures."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from repr_probe.cli.segment import parse_classes
from repr_probe.errors import UsageError

NETWORK = ("timm:test_resnet", "--image-size", "32x32", "--layer", "stage1", "--preset", "ridge")


@pytest.fixture
def masked(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for kind in ("images", "masks"):
            (tmp_path / "masked" / split / kind).mkdir(parents=True)
        for number in range(3):
            ids = rng.integers(0, 3, (4, 4)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
            ids[0] = 9
            Image.fromarray(np.stack([ids * 28] * 3, -1)).save(tmp_path / "masked" / split / "images" / f"{number}.png")
            Image.fromarray(ids).save(tmp_path / "masked" / split / "masks" / f"{number}.png")
    return str(tmp_path / "masked")


def test_text_json_csv_and_files_say_the_same(run, masked, tmp_path):
    options = ("--dataset", masked, "--ignore-index", "9", "--classes", "road,sky,car")
    done = run("segment", *NETWORK, *options, "--csv", "--out", str(tmp_path / "r.json"), "--out", str(tmp_path / "r.txt"))
    assert done.code == 0
    rows = list(csv.DictReader(io.StringIO(done.out)))
    read = json.loads((tmp_path / "r.json").read_text())
    assert [row["kind"] for row in rows] == [row["kind"] for row in read["rows"]] == ["hypercolumn", "random", "majority"]
    assert [float(row["mean_iou"]) for row in rows] == [row["mean_iou"] for row in read["rows"]]
    assert read["class_names"] == ["road", "sky", "car"] and read["settings"]["ignore_index"] == 9
    text = (tmp_path / "r.txt").read_text()
    assert "random-initialised" in text and "majority class" in text and "Table II" not in text


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--ignore-index", "255", "--classes", "3"), 1, "mask must hold class ids 0 to 2 or void (255); got 9 in"),
        ((), 1, "got 0 to 2 and then 9 (3.1 % of the pixels) in"),
        (("--split", "val",), 1, "split must be one of train, test; got val for"),
        (("--json", "--csv"), 2, "the output must be one of"),
        (("--out", "x.png"), 2, "the result file must end in .json, .csv, .md, .tex, .txt; got 'x.png'"),
        (("--classes", "nowhere.txt"), 2, "--classes must be a number, names with commas or a text file; got 'nowhere.txt'"),
        (("--layer", "stage9", "--ignore-index", "9"), 2, "layer must be a layer of timm:test_resnet; got 'stage9'"),
    ],
)  # fmt: skip
def test_failures_are_one_line(run, masked, arguments, code, text):
    done = run("segment", *NETWORK, "--dataset", masked, *arguments)
    assert done.code == code and text in done.err
    assert "Traceback" not in done.err


def test_a_condition_on_any_row_exits_with_3_after_the_report(run, masked, tmp_path):
    options = ("--dataset", masked, "--ignore-index", "9", "--out", str(tmp_path / "r.json"), "--quiet")
    done = run("segment", *NETWORK, *options, "--fail-on", "mean_iou<1.1,mean_iou@random>1,pixel_accuracy@majority<0,mean_io<0")
    rows = {row["kind"]: row for row in json.loads((tmp_path / "r.json").read_text())["rows"]}
    first, second = done.err.splitlines()
    assert done.code == 3 and "majority class" in done.out
    assert first == f"fail-on: mean_iou < 1.1: it is {rows['hypercolumn']['mean_iou']:.6g}"
    assert second.startswith("fail-on: mean_io < 0: there is no such number; nearest: mean_iou")
    assert run("segment", "nothing.pth", *options, "--fail-on", "mean_iou=1").code == 2


def test_classes_by_number_by_name_and_from_a_file(tmp_path):
    (tmp_path / "names.txt").write_text("road\n sky \n\n")
    assert parse_classes(str(tmp_path / "names.txt")) == ["road", "sky"]
    assert (parse_classes("12"), parse_classes("a, b"), parse_classes(None)) == (12, ["a", "b"], None)
    with pytest.raises(UsageError, match="--classes must be a number, names with commas or a text file; got 'nothing'"):
        parse_classes("nothing")
