"""repro-probe attention: formats, files, one-line failures."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

NETWORK = ("timm:test_vit", "--image-size", "64")


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_text_json_csv_and_files_say_the_same(run, photo, tmp_path):
    name, *options = NETWORK
    done = run("attention", name, photo, *options, "--json", "--out", str(tmp_path / "m.npz"), "--figure", str(tmp_path / "m.svg"))
    assert done.code == 0
    found = json.loads(done.out)
    assert found["settings"]["timm:test_vit"]["query"] == "class token" and found["settings"]["timm:test_vit"]["n_blocks"] == 6
    rows = list(csv.DictReader(io.StringIO(run("attention", name, photo, *options, "--csv").out)))
    assert [float(row["peak"]) for row in rows] == [row["peak"] for row in found["rows"]]
    text = run("attention", name, photo, *options, "--per-head", "--reduce", "last").out
    assert "timm:test_vit (random weights, seed 0): attention, class token to patches; last of 6 blocks, each head" in text
    with np.load(tmp_path / "m.npz") as held:
        assert held["maps"].shape == (1, 4, 4)
    assert (tmp_path / "m.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--out", "maps.json"), 2, "the file of arrays must end in .npz; got 'maps.json'"),
        (("--figure", "maps.gif"), 2, "the figure must end in .png"),
        (("--block", "9"), 2, "blocks must be numbers from 0 to 5, or negative from the end; got 9"),
        (("--reduce", "rollout", "--per-head"), 2, "heads must be left out for rollout"),
        (("--against", "timm:test_resnet"), 1, "encoder must offer attention; timm:test_resnet"),
        (("--json", "--csv"), 2, "the output must be one of"),
    ],
)
def test_failures_are_one_line(run, photo, arguments, code, text):
    name, *options = NETWORK
    done = run("attention", name, photo, *options, *arguments, "--quiet")
    assert done.code == code and text in done.err and len(done.err.strip().splitlines()) == 1 and done.out == ""
