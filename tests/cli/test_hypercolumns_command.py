"""repro-probe hypercolumns: formats, files, one-line failures."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

OPTIONS = ("--image-size", "64", "--no-random")


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((90, 70), Image.Resampling.BICUBIC).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_text_json_csv_and_files_say_the_same(run, photo, tmp_path):
    files = ("--out", str(tmp_path / "h.npz"), "--figure", str(tmp_path / "h.png"))
    done = run("hypercolumns", "timm:test_resnet", photo, *OPTIONS, "--against", "timm:test_vit", "--json", *files)
    assert done.code == 0
    found = json.loads(done.out)
    assert [row["checkpoint"] for row in found["rows"][::3]] == ["timm:test_resnet", "timm:test_vit"]
    assert found["settings"]["timm:test_resnet"]["scaling"] == "equal-trace" and found["settings"]["timm:test_resnet"]["converged"]
    rows = list(csv.DictReader(io.StringIO(run("hypercolumns", "timm:test_resnet", photo, *OPTIONS, "--csv").out)))
    assert len(rows) == 12 and float(rows[0]["explained"]) == found["rows"][0]["explained"]
    text = run("hypercolumns", "timm:test_resnet", photo, *OPTIONS, "--fit", "per-image", "--layers", "all").out
    assert "red, PC1" in text and "a PCA for each image" in text and "all, before scaling" in text
    with Image.open(tmp_path / "h.png") as drawn:
        assert drawn.size[0] > 500
    assert (tmp_path / "h-2.npz").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--out", "scores.csv"), 2, "the file of arrays must end in .npz; got 'scores.csv'"),
        (("--figure", "colours.gif"), 2, "the figure must end in .png"),
        (("--layers", "stage9"), 2, "layer must be a layer of timm:test_resnet; got 'stage9'; nearest: stage"),
    ],
)
def test_failures_are_one_line(run, photo, arguments, code, text):
    done = run("hypercolumns", "timm:test_resnet", photo, *OPTIONS, *arguments, "--quiet")
    assert done.code == code and text in done.err and len(done.err.strip().splitlines()) == 1 and done.out == ""
