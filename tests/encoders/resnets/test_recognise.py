"""What is read from shapes: standard names, clues, what is refused, and that damage never turns one network into another."""

from __future__ import annotations

import random
import re

import pytest
import timm
import torch
import torchvision

from repr_probe.encoders.reading import Clue
from repr_probe.encoders.resnets.network import build_resnet
from repr_probe.encoders.resnets.recognise import read_resnet
from repr_probe.encoders.resnets.standard import STANDARD
from repr_probe.errors import CheckpointError

TORCHVISION = sorted(name for name in STANDARD.values() if name.startswith("torchvision"))
SMALL = {"layers": "2-2-2-2", "width": 8}


def shapes_of(module):
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def on_meta(name, **options):
    library, _, plain = name.rpartition(":")
    with torch.device("meta"):
        return shapes_of(timm.create_model(plain, **options) if library == "timm" else torchvision.models.get_model(plain, weights=None))


def small(**options):
    with torch.device("meta"):
        return shapes_of(build_resnet({**SMALL, **options}))


@pytest.mark.parametrize("name", TORCHVISION)
def test_every_resnet_of_torchvision(name):
    reading = read_resnet(on_meta(name), {})
    assert str(reading.architecture) == name and reading.input is None
    assert set(on_meta(name)) - set(reading.pieces) == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timm:resnet50", "torchvision:resnet50"),
        ("timm:resnetblur50", "torchvision:resnet50"),
        ("timm:resnet26t", "timm:resnet26t"),
        ("timm:resnetaa50d", "timm:resnet50d"),
    ],
)
def test_networks_of_timm(name, expected):
    reading = read_resnet(on_meta(name), {})
    assert str(reading.architecture) == expected
    assert {"torchvision:resnet50": "timm:resnetaa50", "timm:resnet50d": "timm:resnetaa50d"}.get(expected) in (*reading.also, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:seresnet18", "a ResNet with squeeze-and-excitation or another channel attention"),
        ("timm:legacy_seresnet18", "channel attention"),
        ("timm:ecaresnet26t", "channel attention"),
        ("timm:resnetrs50", "channel attention"),
        ("timm:resnest14d", r"split attention \(ResNeSt\)"),
        ("timm:res2net50_14w_8s", r"a hierarchy of convolutions \(Res2Net\)"),
        ("timm:resnet50_gn", "running statistics of its normalisation; got none: GroupNorm"),
    ],
)
def test_relatives_are_refused(name, message):
    with pytest.raises(CheckpointError, match=f"{message}.*--arch"):
        read_resnet(on_meta(name), {})


@pytest.mark.parametrize(
    "name", ["timm:test_resnet", "timm:skresnet18", "timm:hrnet_w18_small", "timm:resnetv2_18", "timm:regnetx_002", "timm:test_convnext"]
)
def test_other_families_are_left_to_others(name):
    assert read_resnet(on_meta(name), {}) is None


def test_normalisation_before_convolution():
    shapes = {"conv1.weight": (8, 3, 3, 3), "bn1.running_mean": (8,)}
    for stage, (inputs, width) in enumerate([(8, 8), (8, 16), (16, 32)], start=1):
        shapes |= {f"layer{stage}.0.bn1.weight": (inputs,), f"layer{stage}.0.conv1.weight": (width, inputs, 3, 3)}
        shapes |= {f"layer{stage}.0.bn2.weight": (width,), f"layer{stage}.0.conv2.weight": (width, width, 3, 3)}
    with pytest.raises(CheckpointError, match=r"pre-activation ResNet.*--arch"):
        read_resnet(shapes, {})


def test_selective_kernels_of_simclr_v2():
    with pytest.raises(CheckpointError, match=r"with selective kernels, which is not rebuilt from shapes \(net.1.blocks.0.net.2.main_conv.0.weight\)"):
        read_resnet({"net.1.blocks.0.net.0.weight": (64, 64, 1, 1), "net.1.blocks.0.net.2.main_conv.0.weight": (128, 64, 3, 3)}, {})


def test_simclr_v2_wants_pixels_as_they_are_also_for_a_standard_network():
    def renamed(name):
        place, stage, index, part = re.fullmatch(r"(layer(\d)\.(\d+)\.)(.+)", name).groups() if name.startswith("layer") else ("", 0, 0, name)
        if not place:
            return {"conv1": "net.0.0", "bn1": "net.0.1.0"}[name.partition(".")[0]] + "." + name.partition(".")[2]
        part = part.replace("downsample.0", "projection.shortcut").replace("downsample.1", "projection.bn.0")
        part = re.sub(r"^conv(\d)", lambda found: f"net.{2 * int(found[1]) - 2}", part)
        return f"net.{stage}.blocks.{index}." + re.sub(r"^bn(\d)", lambda found: f"net.{2 * int(found[1]) - 1}.0", part)

    shapes = {renamed(name): shape for name, shape in on_meta("resnet50").items() if not name.startswith("fc")}
    reading = read_resnet(shapes, {})
    assert str(reading.architecture) == "torchvision:resnet50" and len(reading.pieces) == 318
    assert reading.input.mean == (0, 0, 0) and reading.input.interpolation == "bicubic"


def test_pruned_bottlenecks():
    shapes = small(block="bottleneck")
    shapes |= {name: (19, *shape[1:]) for name, shape in shapes.items() if name.startswith(("layer1.0.conv3", "layer1.0.bn3")) and shape}
    shapes |= {name: (19, *shape[1:]) for name, shape in shapes.items() if name.startswith(("layer1.1.conv3", "layer1.1.bn3")) and shape}
    with pytest.raises(CheckpointError, match=r"stage 1 of the file's ResNet has 19 channels, which its bottlenecks cannot have.*--arch"):
        read_resnet(shapes, {})


@pytest.mark.parametrize("channels", [1, 4])
def test_other_images(channels):
    shapes = small() | {"conv1.weight": (8, channels, 7, 7)}
    reading = read_resnet(shapes, {})
    assert reading.channels == channels
    assert reading.input.channels == (1 if channels == 1 else 3)  # what is done with a fourth channel is not the recogniser's to say


@pytest.mark.parametrize(
    ("clue", "options"),
    [
        (None, {"stem": "cifar"}),
        (Clue("cifar", "--stem"), {"stem": "cifar"}),
        (Clue("solo", "args in the file"), {"stem": "solo"}),
        (Clue("imagenet", "--stem"), {"stem_kernel": 3}),
    ],
)
def test_the_stem_of_small_kernels(clue, options):
    reading = read_resnet(small(stem="cifar"), {} if clue is None else {"stem": clue})
    assert dict(reading.architecture.options) == {"width": 8} | options
    stem = next(assumption for assumption in reading.assumptions if assumption.what == "stem")
    assert stem.flag == "--stem" and stem.source == (clue.source if clue else "usual for a stem of 3 x 3")


def test_a_stem_that_the_file_denies():
    with pytest.raises(CheckpointError, match="stem must fit the file, whose stem has kernels of 7 x 7; got cifar; leave --stem out"):
        read_resnet(small(), {"stem": Clue("cifar", "--stem")})
    assert read_resnet(small(), {"stem": Clue("cifar", "args in the file")}).architecture.options == (("width", 8),)
    with pytest.raises(CheckpointError, match="stem must be one of imagenet, cifar, solo; got tiny from --stem"):
        read_resnet(small(), {"stem": Clue("tiny", "--stem")})


def test_clues_change_the_network_and_are_its_source():
    shapes = on_meta("resnet50")
    reading = read_resnet(shapes, {"stride_place": Clue("1x1", "config.json"), "eps": Clue(1e-3, "--eps")})
    assert str(reading.architecture) == "repr_probe:resnet(block=bottleneck, eps=0.001, layers=3-4-6-3, stride_place=1x1)"
    assert {assumption.what: assumption.source for assumption in reading.assumptions} == {
        "stem": "usual for a stem of 7 x 7", "stride place": "config.json", "normalisation constant": "--eps",
    }  # fmt: skip
    assert reading.input.size == (224, 224) and reading.input.crop_pct == 0.875 and "large images" in reading.input.sources["mean"]
    plain = next(assumption for assumption in read_resnet(shapes, {}).assumptions if assumption.what == "stride place")
    assert plain.flag == '--arch "repr_probe:resnet(block=bottleneck, layers=3-4-6-3, stride_place=1x1)"'
    with pytest.raises(CheckpointError, match="stride_place must be 3x3 or 1x1; got 2 from args"):
        read_resnet(shapes, {"stride_place": Clue(2, "args")})
    with pytest.raises(CheckpointError, match=r"config.json says that the ResNet's activation is gelu; only networks with relu"):
        read_resnet(shapes, {"activation": Clue("gelu", "config.json")})


def test_heads_and_task_tensors_are_spare():
    reading = read_resnet(small() | {"fc.weight": (10, 64), "fc.0.weight": (64, 64), "projection_head.layers.0.weight": (8, 8), "queue": (8, 8)}, {})
    names = ("fc.weight", "fc.2.bias", "linear.weight", "projector.0.weight", "momentum_projector.0.weight", "prototypes.weight", "head.mlp.0.weight")
    for name in names:
        assert any(re.fullmatch(spare, name) for spare in reading.spare), name
    for name in ("layer1.0.conv1.weight", "conv1.weight", "bn1.weight", "stem.0.weight"):
        assert not any(re.fullmatch(spare, name) for spare in reading.spare), name


@pytest.mark.parametrize("options", [{}, {"block": "bottleneck"}, {"stem": "deep", "avg_down": True}, {"shortcut": "A", "stem": "cifar"}], ids=str)
def test_damage_never_makes_another_network(options):
    """Any tensor gone or of another shape: the same network is read (what is wrong is seen when it is built), or none."""
    shapes = small(**options, layers="1-2-2-1")
    whole = read_resnet(shapes, {}).architecture
    for name in shapes:
        without = {other: shape for other, shape in shapes.items() if other != name}
        larger = shapes | {name: tuple(size + 1 for size in shapes[name])}
        for damaged in (without, larger):
            try:
                reading = read_resnet(damaged, {})
            except CheckpointError:
                continue
            if reading is None or name.endswith("num_batches_tracked"):
                continue
            missing = {other for other in without if other not in reading.pieces}
            if reading.architecture != whole:  # then some tensor does not fit what was read
                with torch.device("meta"):
                    own = shapes_of(build_resnet(dict(reading.architecture.options), channels=reading.channels))
                found = {other: piece.shape for other, piece in reading.pieces.items()}
                assert any(found.get(other) != shape for other, shape in own.items()), (name, str(reading.architecture))
            assert not missing


def test_a_stage_or_blocks_gone():
    shapes = small()
    with pytest.raises(CheckpointError, match="must hold a whole ResNet; got one without stage 2 of 4; use the unchanged file"):
        read_resnet({name: shape for name, shape in shapes.items() if not name.startswith("layer2")}, {})
    with pytest.raises(CheckpointError, match="got one without 3 blocks of 8"):
        read_resnet({name: shape for name, shape in shapes.items() if not name.startswith(("layer2.0", "layer3.0", "layer4.0"))}, {})
    three = read_resnet({name: shape for name, shape in shapes.items() if not name.startswith("layer4")}, {})
    assert dict(three.architecture.options)["layers"] == "2-2-2"  # a network of its own; its classifier's width says whether it is whole


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"conv1.weight": (8, 3, 7, 5)}, "the stem's kernel is 7 x 5, not square"),
        ({"conv1.weight": (8, 3, 5, 5)}, r"a 5 x 5 stem \(blocks 2-2-2-2.*its stride, padding and pooling are not in the file.*--arch"),
        ({"conv1.weight": (8, 13, 7, 7)}, "must take images of 1, 3 or 4 channels; the file's ResNet takes 13"),
        ({"conv1.weight": (8,)}, "must hold the first convolution of its ResNet; got none"),
        ({"layer1.0.conv1.bias": (8,)}, r"with tensors that a plain one has not \(layer1.0.conv1.bias\)"),
        ({"conv2.weight": (8, 8, 3, 3), "conv3.weight": (8, 8, 3, 3)}, "a stem of three convolutions without CLIP's attention pool"),
    ],
)
def test_refused_stems_and_strangers(changed, message):
    with pytest.raises(CheckpointError, match=message):
        read_resnet(small() | changed, {})


def test_a_bottleneck_without_shortcuts():
    shapes = {name: shape for name, shape in small(block="bottleneck").items() if "downsample" not in name}
    with pytest.raises(CheckpointError, match=r"without any weights on its shortcuts, where its channels change.*--arch"):
        read_resnet(shapes, {})


def test_a_convolution_behind_numbered_children():
    module = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])
    children = torch.nn.Sequential(*list(module.children())[:-1], torch.nn.Conv2d(512, 32, 1))
    with pytest.raises(CheckpointError, match=r"with tensors that a plain one has not \(9.weight\)"):
        read_resnet(shapes_of(children), {})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"attnpool.positional_embedding": None}, "must hold a whole CLIP ResNet; got shapes"),
        ({"attnpool.positional_embedding": (6, 128)}, "which no square map of a CLIP ResNet has"),
        ({"layer1.0.se.weight": (1,)}, "a CLIP ResNet of width 4 with layer1.0.se.weight"),
        ({"layer3.0.conv1.weight": None, "layer3.0.": None}, "got stages of .* blocks with gaps"),
    ],
)
def test_clip_resnets_that_are_not_whole(changed, message):
    shapes = small(stem="clip", width=4, grid=2, out=6)
    for name, shape in changed.items():
        shapes = {other: size for other, size in shapes.items() if not other.startswith(name)} | ({} if shape is None else {name: shape})
    if "layer3.0." in changed:
        shapes = {name: shape for name, shape in shapes.items() if not name.startswith("layer3")}
    with pytest.raises(CheckpointError, match=message):
        read_resnet(shapes, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", [f"timm:{name}" for name in timm.list_models(module="resnet")])
def test_every_resnet_of_timm_is_named_right_or_not_at_all(name):
    try:
        reading = read_resnet(on_meta(name), {})
    except CheckpointError:
        return
    if reading is None:
        return
    plain = f"{reading.architecture}".rpartition(":")[2]
    also = [other.rpartition(":")[2] for other in reading.also]
    assert name.rpartition(":")[2] in (plain, *also)


ODD_SHAPES = [(), (0,), (1,), (0, 0, 0, 0), (1,) * 7, (2**40, 3, 7, 7), (8, 0, 3, 3), (8, 8)]
ODD_NAMES = ["", ".", "é", "layer9.999.x", "layer1.999.conv1.weight", "conv1.0.weight", "0.weight", "stem.0.weight", "params.ResNetBlock_999.x"]


@pytest.mark.parametrize("options", [{}, {"block": "bottleneck"}, {"stem": "clip", "width": 4, "grid": 2, "out": 3}], ids=str)
def test_hostile_names_and_shapes_are_read_or_refused(options):
    whole = small(**options)
    chance = random.Random(0)
    for _ in range(300):
        shapes = dict(whole)
        for _ in range(chance.randint(1, 6)):
            name = chance.choice([*shapes, *ODD_NAMES])
            if chance.random() < 0.4:
                shapes.pop(name, None)
            else:
                shapes[name] = chance.choice(ODD_SHAPES)
        try:
            read_resnet(shapes, {})
        except CheckpointError as refused:
            assert "\n" not in str(refused) and len(str(refused)) < 1000
