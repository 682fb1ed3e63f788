"""attention() on files: several transformers beside each other, rows, figure and arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.errors import CheckpointError, DatasetError, UsageError
from repr_probe.workflows.attention import attention, attention_rows, described, draw_attention
from repr_probe.workflows.beside import save_maps


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(rng.integers(0, 256, (80, 100, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def other():
    torch.manual_seed(1)
    options = {"img_size": 48, "depth": 2, "embed_dim": 48, "num_heads": 3}
    return as_encoder(timm.create_model("vit_tiny_patch16_224", **options).eval(), image_size=48, crop_pct=0.5, name="small")


@pytest.fixture(scope="module")
def results(photos, other):
    return attention("timm:test_vit", photos, against=[other, "timm:test_vit"], image_size=64)


def test_checkpoints_see_the_same_part_of_the_pictures(results):
    assert [one.name for one in results] == ["timm:test_vit", "small", "timm:test_vit (2)"]
    assert results[0].label == "timm:test_vit (random weights, seed 0)" and results[1].label == "small"
    assert results[0].pictures.names == ("a.png", "b.png") and results[1].pictures.shown.shape == (2, 48, 48, 3)
    assert results[1].maps.settings["input"]["crop_pct"] == results[0].maps.settings["input"]["crop_pct"] != 0.5
    assert results[2].pictures.shown.shape[1] == 160  # options are of the first alone


def test_rows_say_how_concentrated_attention_is(results):
    rows = attention_rows(results)
    assert len(rows) == 6 and {row["head"] for row in rows} == {None}
    values = results[0].maps.maps[1].ravel().astype(float)
    assert rows[1]["peak"] == pytest.approx(values.max() / values.mean()) and rows[1]["on_patches"] == pytest.approx(values.sum(), rel=1e-5)
    kept = round(rows[1]["half_within"] * values.size)
    ordered = np.sort(values)[::-1] / values.sum()
    assert ordered[:kept].sum() >= 0.5 - 1e-6 > ordered[: kept - 1].sum() - 1e-6
    json.dumps(rows, allow_nan=False)


def test_heads_have_rows_of_their_own(photos):
    results = attention("timm:test_vit", photos / "a.png", per_head=True, reduce="last", image_size=64)
    assert [row["head"] for row in attention_rows(results)] == [0, 1]
    assert described(results[0].maps) == "attention, class token to patches; last of 6 blocks, each head"
    assert {text.get_text() for text in draw_attention(results).texts} >= {"image"}


def test_the_line_that_describes_maps_leaves_out_what_differs(results):
    assert described(results[0].maps) == "attention, class token to patches; mean of 6 blocks, mean of 2 heads"
    assert described(*(one.maps for one in results)) == "attention, class token to patches; mean of all blocks, mean of all heads"


def test_files(results, tmp_path):
    written = save_maps(results, tmp_path / "maps.npz")
    assert [path.name for path in written] == ["maps.npz", "maps-2.npz", "maps-3.npz"]
    with np.load(written[1]) as held:
        np.testing.assert_array_equal(held["maps"], results[1].maps.maps)
        settings = json.loads(str(held["settings"]))
    assert settings["images"] == ["a.png", "b.png"] and settings["versions"]["torch"] and settings["encoder"] == "small"
    assert len(draw_attention(results).axes) >= 8


def test_what_cannot_be(photos, other):
    with pytest.raises(CheckpointError, match="encoder must offer attention; timm:test_resnet"):
        attention("timm:test_resnet", photos)
    with pytest.raises(DatasetError, match="which is not there"):
        attention(other, photos / "c.png")
    with pytest.raises(UsageError, match="image_size must go with a checkpoint; got it beside an encoder that is open already"):
        attention(other, photos, image_size=64)
