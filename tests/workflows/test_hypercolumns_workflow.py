"""hypercolumns() on files: random weights beside, matching across checkpoints, rows, figure and arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.load import load_encoder
from repr_probe.errors import UsageError
from repr_probe.progress import reporting
from repr_probe.workflows.hypercolumns import RANDOM, described, draw_hypercolumns, hypercolumn_rows, hypercolumns, save_hypercolumns


class Told:
    """Keeps notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def task(self, description: str, total: int | None):
        from contextlib import nullcontext

        return nullcontext(lambda steps: None)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        small = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        small.resize((100, 80), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file of weights that are not those of a fresh network."""
    import timm

    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "net.pth"
    torch.save(timm.create_model("test_resnet").state_dict(), path)
    return path


@pytest.fixture(scope="module")
def results(trained, photos):
    return hypercolumns(trained, photos, against=["timm:test_vit"], arch="timm:test_resnet", image_size=64)


def test_random_weights_of_the_same_architecture_stand_last(results):
    assert [one.name for one in results] == ["net.pth", "timm:test_vit", RANDOM]
    assert results[2].pca.settings["architecture"] == "timm:test_resnet" and results[2].pca.layers == results[0].pca.layers
    assert results[2].pca.settings["identity"]["weights"] == "random, seed 0" and results[2].pictures is results[0].pictures
    assert not np.array_equal(results[2].pca.scores, results[0].pca.scores)


def test_all_are_matched_to_the_first_on_its_pixels(results):
    assert results[0].pca.correlations is None
    for one in results[1:]:
        assert one.pca.scores.shape == (2, 64, 64, 3) and one.pca.settings["matched_to"] == "net.pth"
        for number in range(3):
            found = np.corrcoef(one.pca.scores[..., number].ravel(), results[0].pca.scores[..., number].ravel())[0, 1]
            assert found == pytest.approx(one.pca.correlations[0, number], abs=1e-4) and found >= -1e-4


def test_rows_figure_and_files(results, tmp_path):
    rows = hypercolumn_rows(results)
    assert [(row["checkpoint"], row["colour"]) for row in rows[:4]] == [
        ("net.pth", "red"), ("net.pth", "green"), ("net.pth", "blue"), ("timm:test_vit", "red"),
    ]  # fmt: skip
    assert [row["component"] for row in rows[:3]] == [1, 2, 3] and sorted(row["component"] for row in rows[3:6]) == [1, 2, 3]
    assert all(sum(row["loading_share"].values()) == pytest.approx(1) for row in rows) and rows[0]["correlation"] is None
    json.dumps(rows, allow_nan=False)
    figure = draw_hypercolumns(results)
    assert [ax.get_ylabel().replace("\n", "") for ax in figure.axes if ax.get_ylabel()] == [
        "image", "net.pth", "timm:test_vit (random weights, seed 0)", RANDOM,
    ]  # fmt: skip
    written = save_hypercolumns(results, tmp_path / "pca.npz")
    assert [path.name for path in written] == ["pca.npz", "pca-2.npz", "pca-random.npz"]
    with np.load(written[2]) as held:
        assert json.loads(str(held["settings"]))["versions"]["torch"] and held["correlations"].shape == (1, 3)


def test_per_image_and_without_random_weights(trained, photos):
    only = hypercolumns(trained, photos, fit="per-image", random=False, layers=["stage2", "stage3"], arch="timm:test_resnet", image_size=64)
    assert len(only) == 1 and only[0].pca.explained.shape == (2, 3)
    assert described(only[0].pca).startswith("hypercolumns of 2 layers, layers scaled to equal variance; a PCA for each image")


def test_a_network_whose_weights_are_random_needs_no_twin(photos):
    told = Told()
    with reporting(told):
        found = hypercolumns("timm:test_resnet", photos / "a.png", image_size=64)
    assert len(found) == 1 and "no network with random weights beside: its own weights are the random ones" in told.notes


def test_what_differs_between_checkpoints_is_said(photos):
    wide = as_encoder(load_encoder("timm:test_resnet").module, image_size=(32, 64), name="wide")
    told = Told()
    with reporting(told):
        found = hypercolumns("timm:test_vit", photos / "a.png", layers=["blocks.1", "blocks.2"], against=[wide], random=False, image_size=64)
    assert found[1].pca.layers == ("stage1", "stage2", "stage3", "stage4") and found[1].pca.correlations is None
    assert "wide: it has no layer blocks.1; its stages are taken" in told.notes
    assert "wide: its pictures have another shape, so its colours are not matched to those of timm:test_vit" in told.notes


def test_results_are_needed_for_a_figure():
    with pytest.raises(UsageError, match="results must hold at least one checkpoint; got none"):
        draw_hypercolumns([])
