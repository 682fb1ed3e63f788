"""The parametric ResNet against torchvision and timm: same names, same numbers; and its options."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision

from repr_probe.encoders.architectures import resolve_architecture
from repr_probe.encoders.forward import run_network
from repr_probe.encoders.resnets.network import PaddedShortcut, SameMaxPool2d, build_resnet
from repr_probe.encoders.resnets.options import DEFAULTS, architecture
from repr_probe.encoders.resnets.standard import SAME_TENSORS, STANDARD
from repr_probe.errors import CheckpointError

THIN = {"layers": "1-1-1-1", "width": 8}


def theirs(text: str) -> torch.nn.Module:
    library, name = text.split(":")
    if library == "timm":
        return timm.create_model(name, num_classes=0)
    module = torchvision.models.get_model(name, weights=None)
    module.fc = torch.nn.Identity()
    return module


def shapes(module: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in module.state_dict().items()}


DEEP = ("101", "152", "200")  # the same blocks more often


@pytest.mark.parametrize(
    ("ours", "standard"),
    [pytest.param(*item, id=item[1], marks=[pytest.mark.slow] * any(depth in item[1] for depth in DEEP)) for item in STANDARD.items()],
)
def test_every_standard_name_has_the_tensors_of_its_options(ours, standard):
    with torch.device("meta"):
        assert shapes(build_resnet(dict(resolve_architecture(ours).options))) == shapes(theirs(standard))


def test_networks_with_the_same_tensors():
    for name, others in SAME_TENSORS.items():
        if any(depth in name for depth in DEEP):
            continue
        with torch.device("meta"):
            assert all(shapes(theirs(other)) == shapes(theirs(name)) for other in others)


@pytest.mark.parametrize(
    ("options", "block", "arguments"),
    [
        ({}, "BasicBlock", {}),
        ({"groups": 4, "base_width": 16, "block": "bottleneck"}, "Bottleneck", {"cardinality": 4, "base_width": 16}),
        ({"base_width": 128, "block": "bottleneck"}, "Bottleneck", {"base_width": 128}),
        ({"stem": "deep", "block": "bottleneck"}, "Bottleneck", {"stem_type": "deep", "stem_width": 8}),
        ({"stem": "deep", "avg_down": True, "stem_widths": "6-8-16"}, "BasicBlock", {"stem_type": "deep_tiered", "stem_width": 8, "avg_down": True}),
    ],
)  # fmt: skip
def test_features_are_those_of_timm(options, block, arguments, random_values):
    options = {"layers": "2-1-1-1", "width": 16, **options} | ({} if "stem" in options else {"stem_widths": 64})  # timm's plain stems have 64
    reference = timm.models.resnet.ResNet(getattr(timm.models.resnet, block), (2, 1, 1, 1), channels=(16, 32, 64, 128), num_classes=0, **arguments)
    random_values(reference)
    module = build_resnet(options).eval()
    module.load_state_dict(reference.state_dict())
    images = torch.randn(2, 3, 49, 64)
    with torch.inference_mode():
        assert torch.equal(module(images), reference(images))


@pytest.mark.parametrize(
    ("stem", "side"), [("imagenet", 2), ("cifar", 8), ("solo", 9), ("deep", 2)], ids=str
)  # fmt: skip
def test_last_maps_by_stem(stem, side):
    module = build_resnet({**THIN, "stem": stem}, channels=1).eval()
    maps, pooled = run_network(module, torch.randn(1, 1, 64, 64))
    assert maps.shape == (1, 64, side, side)
    torch.testing.assert_close(pooled, maps.mean((2, 3)))


def test_options_change_the_features(random_values):
    images = torch.randn(1, 3, 64, 64)
    options = {**THIN, "block": "bottleneck"}
    state = random_values(build_resnet(options)).state_dict()

    def features(**changed):
        module = build_resnet({**options, **changed}).eval()
        module.load_state_dict({name: tensor for name, tensor in state.items() if name in module.state_dict()})
        with torch.inference_mode():
            return module(images)

    plain = features()
    changes = [
        {"stride_place": "1x1"}, {"eps": 1e-3}, {"padding": "same"}, {"stem_relu": False}, {"stem_pool": False}, {"shortcut": "none"},
    ]  # fmt: skip
    for changed in changes:
        assert not torch.allclose(features(**changed), plain, rtol=1e-3), changed


def test_option_a_takes_every_second_pixel_and_pads_both_sides():
    x = torch.arange(2.0 * 4 * 4).view(1, 2, 4, 4) + 1
    out = PaddedShortcut(2, 4, 2)(x)
    assert out.shape == (1, 4, 2, 2)
    assert torch.equal(out[:, 1:3], x[:, :, ::2, ::2]) and not out[:, [0, 3]].any()


@pytest.mark.parametrize("size", [7, 8])
def test_same_padding_pools_like_tensorflow(size):
    x = -1 - torch.rand(1, 1, size, size)
    windows = range(0, size, 2)
    start = 1 if size % 2 else 0  # the odd pixel of padding is at the end
    expected = [[x[0, 0, max(i - start, 0) : i - start + 3, max(j - start, 0) : j - start + 3].max() for j in windows] for i in windows]
    assert torch.equal(SameMaxPool2d(3, 2)(x)[0, 0], torch.tensor(expected))


def test_clip_wants_the_size_of_its_positions():
    module = build_resnet({"stem": "clip", "layers": "1-1-1-1", "width": 8, "grid": 2, "out": 5}).eval()
    assert module(torch.randn(2, 3, 64, 64)).shape == (2, 5)
    with pytest.raises(CheckpointError, match=r"image_size must be 64 for this network.*got maps of 3 x 3 instead of 2 x 2"):
        module(torch.randn(2, 3, 96, 96))


def test_usual_options_are_not_written():
    assert str(architecture(**DEFAULTS)) == "repr_probe:resnet"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "1-1-1"}, "must have options of repr_probe:resnet .*; got layer; nearest: layers"),
        ({"block": "wide"}, "must have block as one of basic, bottleneck; got block=wide"),
        ({"width": "64"}, "must have width as a whole number from 1 to 16384; got width=64"),
        ({"width": 0}, "must have width as a whole number from 1 to 16384; got width=0"),
        ({"heads": -1}, "must have heads as a whole number from 0 to 1024; got heads=-1"),
        ({"avg_down": 1}, "must have avg_down as True or False; got avg_down=1"),
        ({"eps": 2}, "must have eps as a number between 0 and 1; got eps=2"),
        ({"layers": "1-1"}, "must have 3 or 4 stages and up to 16384 channels for each; got layers=1-1"),
        ({"planes": "8-8"}, "must have 3 or 4 stages and up to 16384 channels for each; got layers=2-2-2-2, planes=8-8"),
        ({"layers": "1-x-1"}, "must have layers as whole numbers such as 3-4-6-3, up to 200; got layers=1-x-1"),
        ({"layers": "9" * 99}, "must have layers as whole numbers"),
        ({"stem_pool": 3}, "must have stem_pool as True or False; got stem_pool=3"),
        ({"stem_kernel": 4}, "must have an odd stem_kernel, 3 for stem=deep; got stem_kernel=4"),
        ({"stem": "deep", "stem_widths": 32}, "must have 3 stem_widths for stem=deep; got 32"),
        ({"grid": 3}, "must have stem=clip for grid; got stem=imagenet"),
        ({"stem": "clip", "eps": 1e-3, "block": "basic"}, "must leave block out for stem=clip; it has eps, grid"),
        ({"stem": "clip", "layers": "1-1-1"}, "must have 4 stages and an even width for stem=clip; got layers=1-1-1"),
        ({"stem": "clip", "width": 4, "heads": 3}, "must have heads that divide 128 channels; got heads=3"),
        ({"groups": 2}, "must have block=bottleneck for groups and base_width; got block=basic"),
        ({"block": "bottleneck", "shortcut": "A"}, "must have block=basic for shortcut=A; got block=bottleneck"),
        ({"avg_down": True, "shortcut": "A"}, "must have shortcut=conv and padding=torch for avg_down; got another"),
    ],
)
def test_options_that_do_not_exist(options, message):
    with pytest.raises(CheckpointError, match=f"^arch {message}"):
        build_resnet(options)
