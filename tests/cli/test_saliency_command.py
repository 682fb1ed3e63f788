"""repro-probe saliency: its formats, files and one-line failures."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from repr_probe.visual.cam_maps import SaliencyMaps

NETWORK = "timm:test_resnet"
QUICK = ("--image-size", "32", "--samples", "2")


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(2):
        colours = np.random.default_rng(number).integers(0, 256, (5, 5, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(colours).save(tmp_path / "photos" / f"{number}.png")
    return str(tmp_path / "photos")


def test_text_json_and_csv_say_the_same_and_files_are_written(run, photos, tmp_path):
    files = ("--out", str(tmp_path / "maps.npz"), "--figure", str(tmp_path / "maps.png"))
    texts = {kind: run("saliency", NETWORK, photos, *QUICK, *flags) for kind, flags in
             (("text", files), ("json", ("--json",)), ("csv", ("--csv",)))}  # fmt: skip
    assert all(done.code == 0 for done in texts.values())
    read = json.loads(texts["json"].out)
    rows = list(csv.DictReader(io.StringIO(texts["csv"].out)))
    assert [(row["image"], row["layer"]) for row in rows] == [(one["image"], layer) for one in read["rows"] for layer in one["energy"]]
    assert [float(row["energy"]) for row in rows] == [share for one in read["rows"] for share in one["energy"].values()]
    assert "LayerCAM of the target self; " in texts["text"].out and f"{read['rows'][0]['peak']:.2f}" in texts["text"].out
    maps = SaliencyMaps.load(tmp_path / "maps.npz")
    assert float(maps.fused[0].max()) == read["rows"][0]["peak"]
    assert json.loads(json.dumps(maps.settings)) == read["settings"][NETWORK]
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")


def test_preset_layers_and_a_second_checkpoint(run, photos, tmp_path):
    done = run("saliency", NETWORK, photos, *QUICK, "--preset", "paper", "--against", NETWORK, "--out", str(tmp_path / "m.npz"), "--json")
    settings = json.loads(done.out)["settings"]
    assert list(settings) == [NETWORK, f"{NETWORK} (2)"]
    assert settings[NETWORK]["method"] == "gradcam" and len(settings[NETWORK]["layers"]) == 4
    assert (tmp_path / "m.npz").exists() and (tmp_path / "m-2.npz").exists()
    named = run("saliency", NETWORK, photos, *QUICK, "--layers", "stage1", "--layers", "stage2", "--sigma", "0", "--json")
    assert json.loads(named.out)["settings"][NETWORK]["layers"] == ["stage1", "stage2"]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--target", "selfish"), 2, "target must be one of self, centred, similar-to=IMAGE, centroid=CLASS, class=N; got 'selfish'"),
        (("--target", "centred"), 2, "target centred must have a reference; got none"),
        (("--target", "class=3"), 2, "target class=N must have a checkpoint file"),
        (("--target", "similar-to=none.jpg"), 1, "image must be a file or a folder of images; got none.jpg"),
        (("--layers", "stage9"), 2, "layer must be a layer of timm:test_resnet; got 'stage9'; nearest: stage"),
        (("--engine", "captum"), 2, "method must be gradcam for the captum engine"),
        (("--out", "maps.png"), 2, "the file of arrays must end in .npz; got 'maps.png'"),
        (("--figure", "maps.npz"), 2, "maps.npz"),
        (("--json", "--csv"), 2, "the output must be one of"),
        (("--reference", "a", "--reference", "b"), 2, "reference must be one a checkpoint, in their order; got 2 for 1"),
        (("--samples", "0"), 2, "samples"),
    ],
)  # fmt: skip
def test_failures_are_one_line(run, photos, arguments, code, text):
    done = run("saliency", NETWORK, photos, *QUICK, *arguments)
    assert done.code == code and text in done.err
    assert "Traceback" not in done.err and done.out == ""
