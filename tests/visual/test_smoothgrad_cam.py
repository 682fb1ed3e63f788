"""SmoothGrad-CAM: against a hand loop, whatever the batch; dead maps; everything left as it was; the faults of other tools."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import nn

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.errors import CheckpointError, FileFormatError, InputError, UsageError
from repr_probe.visual.cam import gradcam, layercam
from repr_probe.visual.cam_maps import SaliencyMaps
from repr_probe.visual.cam_sums import CamSums
from repr_probe.visual.noise import image_key, unit_noise
from repr_probe.visual.smoothgrad_cam import smoothgrad_cam
from repr_probe.visual.targets import Target, similar_to


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.layer2 = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU(inplace=True))
        self.layer3 = nn.Sequential(nn.Conv2d(8, 10, 3, padding=1), nn.ReLU(inplace=True))

    def forward(self, images):
        return self.layer3(self.layer2(self.layer1(images))).mean((2, 3))


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return as_encoder(Net().eval(), image_size=(16, 20), name="net", mean=0.5, std=0.5)


@pytest.fixture
def images():
    return torch.randint(0, 256, (3, 3, 16, 20), generator=torch.Generator().manual_seed(3)) / 127.5 - 1


def by_hand(encoder, image, samples, cam, layer, sigma=0.15):
    """One layer, one sample at a time, from the definition."""
    own = encoder.features(image[None])["pooled"].clone()[0]
    maps = []
    for sample in range(samples):
        noisy = image + unit_noise(image_key(image, encoder.input), sample, image.shape) * sigma / 0.5
        parts = [encoder.module.layer1, encoder.module.layer2, encoder.module.layer3]
        number = int(layer[-1])
        held = nn.Sequential(*parts[:number])(noisy[None]).detach().requires_grad_()
        score = (nn.Sequential(*parts[number:])(held.clone()).mean((2, 3))[0] * own).sum()
        maps.append(cam(held.detach(), torch.autograd.grad(score, held)[0])[0])
    return torch.stack(maps)


@pytest.mark.parametrize(("method", "cam"), [("gradcam", gradcam), ("layercam", layercam)])
def test_every_layer_is_the_hand_loops_mean(encoder, images, method, cam):
    found = smoothgrad_cam(encoder, images, method=method, samples=4)
    assert found.layers == ("stage1", "stage2", "stage3") and found.dead == ()
    loops = [torch.stack([by_hand(encoder, image, 4, cam, layer).mean(0) for image in images]) for layer in found.layers]
    for layer, wanted in zip(found.per_layer, loops):
        assert np.allclose(layer, wanted.numpy(), rtol=1e-5, atol=1e-7)
    energies = np.stack([loop.sum((1, 2)).numpy() for loop in loops], 1)
    assert np.allclose(found.energy, energies / energies.sum(1, keepdims=True), atol=1e-6)
    large = [torch.nn.functional.interpolate(loop[None], size=(16, 20), mode="bilinear")[0] for loop in loops]
    fused = sum(each / each.mean((1, 2), keepdim=True) for each in large) / 3
    assert np.allclose(found.fused, fused.numpy(), atol=1e-5) and found.fused.dtype == np.float32
    assert np.allclose(found.fused.mean((1, 2)), 1, atol=1e-5)


@pytest.mark.parametrize("method", ["gradcam", "layercam", "eigen"])
def test_no_batch_size_order_or_neighbour_changes_a_map(encoder, images, method):
    """captum's NoiseTunnel draws other noise for every nt_samples_batch_size: 12 % of the map at five samples."""
    whole = smoothgrad_cam(encoder, images, samples=5, method=method)
    for batch_size in (1, 4, 25):
        same = smoothgrad_cam(encoder, images, samples=5, method=method, batch_size=batch_size)
        assert np.allclose(same.fused, whole.fused, atol=1e-6) and np.allclose(same.standard_error, whole.standard_error, atol=1e-6)
    turned = smoothgrad_cam(encoder, images.flip(0), samples=5, method=method)
    alone = smoothgrad_cam(encoder, images[1:2], samples=5, method=method)
    assert np.allclose(turned.fused[::-1], whole.fused, atol=1e-6) and np.allclose(alone.fused[0], whole.fused[1], atol=1e-6)
    other = smoothgrad_cam(encoder, images, samples=5, method=method, seed=1)
    assert not np.allclose(other.fused, whole.fused, atol=1e-4)


def test_standard_error_is_that_of_the_spread_between_seeds(encoder, images):
    """It falls as 1 / sqrt(samples): in torchcam's SmoothGradCAM++, which keeps the last sample's gradient, it does not."""
    spread, told = {}, {}
    for samples in (8, 128):
        runs = [smoothgrad_cam(encoder, images[:1], samples=samples, seed=seed, batch_size=64) for seed in range(12)]
        spread[samples] = np.std([run.fused for run in runs], axis=0, ddof=1).mean()
        told[samples] = np.mean([run.standard_error for run in runs])
        assert told[samples] == pytest.approx(spread[samples], rel=0.25)
    assert spread[8] / spread[128] == pytest.approx(4, rel=0.3)


def test_groups_of_samples_give_the_usual_error_up_to_64():
    values = torch.rand(70, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    errors = {}
    for samples in (10, 70):
        sums = CamSums(1, samples)
        for sample in range(samples):
            sums.add(sample, [values[sample]], [1.0], 1.0)
        result = sums.result((4, 4), "mean", exact=False)
        assert np.allclose(result.fused, values[:samples].mean(0).numpy(), atol=1e-6)
        errors[samples] = result.standard_error / (values[:samples].std(0) / samples**0.5).numpy()
    assert np.allclose(errors[10], 1, atol=1e-6) and np.allclose(errors[70], 1, atol=0.3)


def test_without_noise_one_pass_without_error(encoder, images):
    found = smoothgrad_cam(encoder, images, sigma=0)
    assert found.settings["samples"] == 1 and float(found.standard_error.max()) == 0
    assert np.isnan(smoothgrad_cam(encoder, images, samples=1).standard_error).all()  # one noisy sample tells no spread


def test_at_the_image_the_self_target_is_the_norms_map(encoder, images):
    """With sigma 0 the gradients of z . z0 and of |z| differ by a factor."""
    norm = Target("norm", lambda features, owner: features.norm(dim=1))
    one, other = (smoothgrad_cam(encoder, images, sigma=0, target=target) for target in ("self", norm))
    assert np.allclose(one.fused, other.fused, atol=1e-5) and np.allclose(one.energy, other.energy, atol=1e-6)


def test_a_map_that_is_rounding_error_is_named_and_never_drawn(encoder, images):
    """The cosine to the own embedding has gradient zero at the image; others stretch the rounding noise to a full heat map."""
    own = encoder.features(images)["pooled"].clone()
    found = smoothgrad_cam(encoder, images, target=similar_to(own), sigma=0, layers=["layer3"])
    assert [dead[:2] for dead in found.dead] == [(0, "layer3"), (1, "layer3"), (2, "layer3")]
    assert all("is rounding beside the score 1.0e+00" in reason or "no place speaks" in reason for _, _, reason in found.dead)
    assert np.isnan(found.fused).all() and np.isnan(found.per_layer[0]).all() and not found.energy.any()


def test_dead_layers_leave_the_living_ones_alone(encoder, images):
    with torch.no_grad():
        encoder.module.layer3[0].weight.fill_(-1.0)
        encoder.module.layer3[0].bias.fill_(-1.0)
    against = smoothgrad_cam(encoder, images, samples=2)
    assert {reason for _, _, reason in against.dead} == {"the target's gradient is exactly 0 here"}  # an embedding of zeros
    lonely = Target("less", lambda features, owner: -features.sum(1))
    torch.manual_seed(0)
    fresh = as_encoder(Net(), image_size=(16, 20), name="net", mean=0.5, std=0.5)
    found = smoothgrad_cam(fresh, images, target=lonely, samples=2, method="gradcam")
    dead = {(image, layer) for image, layer, _ in found.dead}
    assert {(image, "stage3") for image in range(3)} <= dead  # ReLU maps times gradients below zero
    assert "no place speaks for the target: every contribution is zero or against it" in {reason for *_, reason in found.dead}
    for image in range(3):
        living = [n for n, layer in enumerate(found.layers) if (image, layer) not in dead]
        assert np.isfinite(found.fused[image]).all() == bool(living)
        assert found.energy[image].sum() == pytest.approx(1 if living else 0)


def state_of(module):
    return (
        [part.training for part in module.modules()], [p.requires_grad for p in module.parameters()], [p.grad for p in module.parameters()],
        [len(part._forward_hooks) + len(part._forward_pre_hooks) + len(part._backward_hooks) for part in module.modules()],
        {name: tensor.clone() for name, tensor in module.state_dict().items()},
    )  # fmt: skip


def same(one, other):
    return one[:2] == other[:2] and one[3] == other[3] and other[2] == [None] * len(other[2]) and all(
        torch.equal(one[4][name], other[4][name]) for name in one[4]
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["own", "captum"])
def test_a_frozen_network_and_one_in_training_mode_stay_what_they_are(encoder, images, engine):
    """grad-cam and torchcam raise on frozen networks; in captum's hands a network in training mode changes its running statistics."""
    plain = smoothgrad_cam(encoder, images, samples=2, method="gradcam", engine=engine)
    encoder.module.requires_grad_(False)
    encoder.module.train()
    encoder.module.layer2.eval()
    before, kept, random = state_of(encoder.module), images.clone(), torch.random.get_rng_state()
    found = smoothgrad_cam(encoder, images, samples=2, method="gradcam", engine=engine)
    assert np.allclose(found.fused, plain.fused, atol=1e-6)
    assert same(before, state_of(encoder.module))
    assert torch.equal(images, kept) and not images.requires_grad and torch.equal(random, torch.random.get_rng_state())


@pytest.mark.parametrize("engine", ["own", "captum"])
def test_all_is_as_it_was_after_a_failure(encoder, images, engine):
    def fails(features, owner):
        raise IndexError("from the target")  # grad-cam's context manager swallows this one

    encoder.module.train()
    before = state_of(encoder.module)
    with pytest.raises(IndexError, match="from the target"):
        smoothgrad_cam(encoder, images, target=Target("fails", fails), method="gradcam", engine=engine)
    assert same(before, state_of(encoder.module)) and torch.is_grad_enabled()


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_the_callers_gradient_mode_plays_no_part(encoder, images, context):
    plain = smoothgrad_cam(encoder, images, samples=2)
    with context():
        inside = smoothgrad_cam(encoder, images * 1, samples=2)
    assert np.array_equal(inside.fused, plain.fused)


def test_the_explained_pass_is_its_own_reference_only_through_the_target(encoder, images):
    """A target that runs the network itself disturbs nothing: the maps of the explained pass were taken before."""

    def again(features, owner):
        return (features * encoder.module(images.flip(0)).detach().mean(0)).sum(1)

    direct = encoder.module.eval()(images.flip(0)).detach().mean(0)
    one = smoothgrad_cam(encoder, images, samples=2, target=Target("again", again))
    other = smoothgrad_cam(encoder, images, samples=2, target=Target("direct", lambda features, owner: (features * direct).sum(1)))
    assert np.allclose(one.fused, other.fused, atol=1e-5)


def tokens():
    return timm.models.vision_transformer.VisionTransformer(img_size=32, patch_size=8, embed_dim=12, depth=4, num_heads=2, num_classes=0, reg_tokens=2)


def rows_last():
    return timm.models.swin_transformer.SwinTransformer(img_size=64, embed_dim=16, depths=(1, 1), num_heads=(1, 2), window_size=4, num_classes=0)


@pytest.mark.parametrize(("build", "side", "shapes"), [(tokens, 32, [(4, 4)] * 4), (rows_last, 64, [(16, 16), (8, 8)])])
def test_tokens_and_channels_last_maps(build, side, shapes):
    """captum averages the channels of tokens (1, 1, C) and takes rows for channels of Swin (1, 7, C), without a word."""
    torch.manual_seed(0)
    encoder = as_encoder(build(), image_size=side, name="layout")
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    found = smoothgrad_cam(encoder, images, samples=2, layers="all")
    assert [maps.shape for maps in found.per_layer] == [(2, *shape) for shape in shapes] and found.dead == ()
    assert found.fused.shape == (2, side, side)
    with pytest.raises(UsageError, match="engine must be own for tokens and channels-last maps, which captum misreads silently"):
        smoothgrad_cam(encoder, images, samples=2, method="gradcam", engine="captum")


def test_the_last_blocks_map_comes_from_its_normalisation():
    encoder = as_encoder(tokens(), image_size=32, name="vit")
    found = smoothgrad_cam(encoder, torch.randn(1, 3, 32, 32), samples=1)
    assert found.layers[-1] == "blocks.3.norm1" and found.settings["notes"][0].startswith("blocks.3.norm1 stands in for blocks.3")


def test_a_module_called_twice_is_refused(encoder, images):
    """captum keeps the last call without a warning."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(3, 3, 3), nn.ReLU()

        def forward(self, images):
            return self.act(self.conv(self.act(self.conv(images)))).mean((2, 3))

    with pytest.raises(UsageError, match="layer must run once in a pass; 'act' runs several times"):
        smoothgrad_cam(as_encoder(Twice(), image_size=(16, 20), name="twice"), images, layers=["act"])


def test_presets(encoder, images):
    class Rows(Net):
        def __init__(self) -> None:
            super().__init__()
            self.layer2 = nn.Sequential(Inner(), Inner())
            self.layer3 = nn.Sequential(Inner())

    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(6, 6, 3, padding=1)

        def forward(self, maps):
            return maps + self.conv(maps).relu()

    rows = as_encoder(Rows(), image_size=(16, 20), name="rows")
    paper = smoothgrad_cam(rows, images, samples=2, preset="paper")
    assert paper.layers == ("layer2.0", "layer2.1", "layer3.0") and paper.settings["method"] == "gradcam"
    assert smoothgrad_cam(rows, images, samples=2, preset="paper", method="eigen", layers=["layer2.0"]).layers == ("layer2.0",)


def test_fusion_mean_keeps_the_unit_of_the_score(encoder, images):
    found = smoothgrad_cam(encoder, images, samples=3, fusion="mean")
    large = [torch.nn.functional.interpolate(torch.from_numpy(maps)[None], size=(16, 20), mode="bilinear")[0] for maps in found.per_layer]
    assert np.allclose(found.fused, (sum(large) / 3).numpy(), rtol=1e-5)


def test_saved_and_read_again(encoder, images, tmp_path):
    found = smoothgrad_cam(encoder, images, samples=2)
    read = SaliencyMaps.load(found.save(tmp_path / "maps.npz"))
    assert np.array_equal(read.fused, found.fused) and np.array_equal(read.per_layer[1], found.per_layer[1])
    assert (read.layers, read.dead) == (found.layers, found.dead)
    assert {name: read.settings[name] for name in ("target", "layers", "sigma", "samples", "fusion", "method", "seed")} == {
        "target": "self", "layers": ["stage1", "stage2", "stage3"], "sigma": 0.15, "samples": 2, "fusion": "mean-energy",
        "method": "layercam", "seed": 0,
    }  # fmt: skip
    assert repr(read) == "SaliencyMaps(3 images, 3 layers, layercam of self)"
    with pytest.raises(UsageError, match=r"the file of maps must end in .npz; got 'maps.png'"):
        found.save(tmp_path / "maps.png")
    (tmp_path / "other.npz").write_bytes(b"no")
    with pytest.raises(FileFormatError, match=r"maps must be a .npz file of saliency maps; got"):
        SaliencyMaps.load(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "centred"}, "target must be 'self', or made by centred_target, similar_to"),
        ({"target": 3}, "target must be 'self' or a Target; got a int; a unit of the embedding means nothing by itself"),
        ({"method": "gradcam++"}, r"method must be one of layercam, gradcam, eigen; got 'gradcam\+\+'"),
        ({"fusion": "max"}, "fusion must be one of mean-energy, mean; got 'max'"),
        ({"engine": "other"}, "engine must be one of own, captum; got 'other'"),
        ({"preset": "papers"}, "preset must be one of default, paper; got 'papers'"),
        ({"engine": "captum"}, "method must be gradcam for the captum engine, which has LayerGradCam alone; got layercam"),
        ({"method": "eigen", "target": Target("t", lambda f, o: f.sum(1))}, "target must be left out for the method eigen"),
        ({"samples": 0}, "samples must be a whole number from 1; got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number from 1; got 2.5"),
        ({"sigma": -1}, "sigma must be a share of the pixel range"),
        ({"layers": ["layer9"]}, "layer must be a layer of .*; got 'layer9'; nearest: layer3"),
        ({"layers": []}, "layers must be a list of one or more names"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_used(encoder, images, options, message):
    with pytest.raises(UsageError, match=message):
        smoothgrad_cam(encoder, images, **options)


def test_inputs_that_cannot_be_used(encoder, images):
    with pytest.raises(InputError, match=r"images must be \(n, 3, height, width\), one at least; got \(3, 16, 20\)"):
        smoothgrad_cam(encoder, images[0])
    with pytest.raises(InputError, match="images must be finite; got NaN or infinity"):
        smoothgrad_cam(encoder, images / 0)
    with pytest.raises(InputError, match=r"target must give one score an image, \(8,\), computed from its embedding; got shape \(8, 10\)"):
        smoothgrad_cam(encoder, images, target=Target("vector", lambda features, owner: features))
    function = as_encoder(lambda images: images.mean((2, 3)), image_size=8, name="function")
    with pytest.raises(CheckpointError, match="encoder must offer maps; function"):
        smoothgrad_cam(function, images)
