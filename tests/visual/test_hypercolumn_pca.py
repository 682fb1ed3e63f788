"""hypercolumn_pca on networks: fits, layers, sizes, matching, files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import timm
import torch

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.load import load_encoder
from repr_probe.encoders.maps import feature_maps
from repr_probe.errors import CheckpointError, InputError, UndefinedMeasure, UsageError
from repr_probe.visual.hypercolumns import hypercolumn_pca
from repr_probe.visual.lean_pca import lean_pca


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("timm:test_resnet", image_size=64)


@pytest.fixture(scope="module")
def images():
    noise = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, size=(64, 64), mode="bicubic")


@pytest.fixture(scope="module")
def joint(encoder, images):
    return hypercolumn_pca(encoder, images)


def test_a_joint_fit_is_the_pca_of_all_pixels(encoder, images, joint):
    maps = feature_maps(encoder, images, ["stage1", "stage2", "stage3", "stage4"])
    pca = lean_pca(maps, (64, 64))
    assert joint.scores.shape == (3, 64, 64, 3) and joint.scores.dtype == np.float32 and joint.colours.dtype == np.uint8
    np.testing.assert_allclose(np.abs(joint.scores), np.abs(pca.scores.permute(0, 2, 3, 1).numpy()), atol=1e-5)
    np.testing.assert_allclose(joint.explained, pca.explained[None].numpy(), rtol=1e-6)
    assert joint.layers == ("stage1", "stage2", "stage3", "stage4") and joint.loading_share.shape == (1, 4, 3)
    np.testing.assert_allclose(joint.loading_share.sum(1), 1.0, rtol=1e-9)
    np.testing.assert_allclose(joint.layer_variance, 0.25, rtol=1e-9)
    edge = np.ones((64, 64), bool)
    edge[1:-1, 1:-1] = False
    assert (joint.scores[:, edge].mean((0, 1)) < 0).all()
    assert joint.settings["converged"] and joint.settings["residual"] < 1e-8


def test_colours_share_their_range_over_the_images_of_a_fit(joint):
    limits = np.percentile(joint.scores.reshape(-1, 3), (1, 99), axis=0)
    share = np.clip((joint.scores - limits[0]) / (limits[1] - limits[0]), 0, 1)
    np.testing.assert_allclose(joint.colours, share * 255, atol=0.51)


def test_per_image_fits_are_those_of_each_image_alone(encoder, images):
    several = hypercolumn_pca(encoder, images, fit="per-image")
    alone = hypercolumn_pca(encoder, images[1:2])
    np.testing.assert_allclose(several.scores[1:2], alone.scores, atol=1e-4)
    np.testing.assert_array_equal(several.colours[1:2], alone.colours)
    assert several.explained.shape == (3, 3) and several.layer_variance.shape == (3, 4)


def test_batches_do_not_matter(encoder, images, joint):
    np.testing.assert_allclose(hypercolumn_pca(encoder, images, batch_size=1).scores, joint.scores, atol=1e-4)


def test_float32_and_other_sizes(encoder, images, joint):
    single = hypercolumn_pca(encoder, images, precision="float32")
    for number in range(3):
        assert np.corrcoef(single.scores[..., number].ravel(), joint.scores[..., number].ravel())[0, 1] > 1 - 1e-6
    assert hypercolumn_pca(encoder, images, size=(16, 20), n_components=5).scores.shape == (3, 16, 20, 5)


def test_a_match_reorders_everything_together(encoder, images, joint):
    other = hypercolumn_pca(encoder, images, scaling="none", n_components=4)
    matched = other.matched_to(joint)
    order = matched.settings["order"][0]
    for place, own in enumerate(order):
        correlation = np.corrcoef(other.scores[..., own].ravel(), joint.scores[..., place].ravel())[0, 1]
        assert matched.correlations[0, place] == pytest.approx(abs(correlation), abs=1e-4)
        assert matched.explained[0, place] == other.explained[0, own]
        np.testing.assert_array_equal(matched.loading_share[0, :, place], other.loading_share[0, :, own])
    np.testing.assert_array_equal(matched.scores[..., 3], other.scores[..., 3])
    assert (joint.matched_to(joint).correlations > 1 - 1e-6).all()
    np.testing.assert_array_equal(joint.matched_to(joint).colours, joint.colours)


def test_per_image_fits_are_matched_image_by_image(encoder, images):
    one = hypercolumn_pca(encoder, images, fit="per-image")
    other = hypercolumn_pca(encoder, images, fit="per-image", scaling="z-score").matched_to(one)
    assert other.correlations.shape == (3, 3) and len(other.settings["order"]) == 3
    with pytest.raises(UsageError, match="fit must be the same for a match; got 'joint' and 'per-image'"):
        hypercolumn_pca(encoder, images).matched_to(one)
    with pytest.raises(InputError, match="scores must be of the pixels of the reference"):
        hypercolumn_pca(encoder, images, fit="per-image", size=(8, 8)).matched_to(one)


def test_blocks_of_a_transformer_and_all_blocks(images):
    module = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=4, embed_dim=48, num_heads=2).eval()
    encoder = as_encoder(module, image_size=64)
    found = hypercolumn_pca(encoder, images, layers="all")
    assert found.layers == tuple(f"blocks.{number}" for number in range(4)) and found.scores.shape == (3, 64, 64, 3)


def test_notes_name_a_layer_that_does_not_vary_and_a_pca_that_did_not_get_there(encoder, images, monkeypatch):
    import repr_probe.visual.hypercolumns as module

    monkeypatch.setattr(module, "lean_pca", lambda *args, **options: lean_pca(*args, **{**options, "max_iterations": 1}))
    found = hypercolumn_pca(encoder, images)
    assert "1 of 1 PCAs stopped at a residual of" in found.notes[0] and not found.settings["converged"]
    monkeypatch.undo()
    small = hypercolumn_pca(encoder, images[:, :, :16, :16])  # stage4 has a single place
    assert small.notes == () or "does not vary over the pixels" in small.notes[0]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fit": "each"}, "fit must be one of joint, per-image; got 'each'"),
        ({"precision": "half"}, "precision must be one of float64, float32; got 'half'"),
        ({"n_components": 2}, "n_components must be 3 or more, for three colours; got 2"),
        ({"batch_size": 0}, "batch_size must be 1 or more; got 0"),
        ({"scaling": "l2"}, "scaling must be one of equal-trace, none"),
        ({"layers": ["stage9"]}, "layer must be a layer of timm:test_resnet; got 'stage9'"),
    ],
)
def test_options_that_cannot_be(encoder, images, options, text):
    with pytest.raises(UsageError, match=text):
        hypercolumn_pca(encoder, images, **options)


def test_encoders_without_maps_and_images_without_content(encoder):
    function = as_encoder(lambda batch: batch.reshape(len(batch), -1)[:, :7], image_size=64)
    with pytest.raises(CheckpointError, match="encoder must offer maps"):
        hypercolumn_pca(function, torch.zeros(1, 3, 64, 64))
    flat = as_encoder(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()), image_size=64)
    with pytest.raises(UndefinedMeasure, match="maps must vary over the pixels for a PCA; they are constant"):
        hypercolumn_pca(flat, torch.zeros(2, 3, 64, 64), layers=["0"])


def test_files_hold_arrays_and_what_made_them(joint, tmp_path):
    with np.load(joint.save(tmp_path / "pca.npz")) as held:
        for name, array in joint.arrays().items():
            np.testing.assert_array_equal(held[name], array)
        settings = json.loads(str(held["settings"]))
    assert settings["scaling"] == "equal-trace" and settings["layers"] == ["stage1", "stage2", "stage3", "stage4"]
    with pytest.raises(UsageError, match=r"the file of the scores must end in \.npz; got"):
        joint.save(tmp_path / "pca.json")
