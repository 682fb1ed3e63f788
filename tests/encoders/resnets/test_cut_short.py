"""Files that lost blocks at the end of a stage: said aloud; whole networks, the usual and the unusual, stay quiet."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torchvision

from repr_probe.encoders.load import load_encoder
from repr_probe.encoders.resnets.cut_short import DEPTHS, cut_short
from repr_probe.encoders.resnets.network import build_resnet
from repr_probe.encoders.resnets.recognise import read_resnet
from repr_probe.encoders.resnets.standard import STANDARD

PLANES = (64, 128, 256, 512)


@pytest.mark.parametrize(("bottleneck", "whole"), [(kind, whole) for kind, known in DEPTHS.items() for whole in known])
def test_every_loss_at_the_end_is_named(bottleneck, whole):
    assert cut_short(whole, PLANES, bottleneck=bottleneck) == ""
    for n_lost in range(1, whole[-1]):
        found = cut_short((*whole[:-1], whole[-1] - n_lost), PLANES, bottleneck=bottleneck)
        assert found.endswith(f"without the last {n_lost} of stage 4")
    assert cut_short(whole[:-1], PLANES[:3], bottleneck=bottleneck).endswith("without stage 4")


@pytest.mark.parametrize(
    ("layers", "planes", "bottleneck", "text"),
    [
        ((3, 4, 22, 3), PLANES, True, "ResNet-101 (3-4-23-3) without the last 1 of stage 3"),
        ((3, 4, 5), PLANES[:3], True, "ResNet-50 (3-4-6-3) without the last 1 of stage 3 and stage 4"),
        ((9, 9, 8), (16, 32, 64), False, "a network of 9 blocks a stage (9-9-9) without the last 1 of stage 3"),
        ((3, 4, 6, 2), (128, 256, 512, 1024), True, "ResNet-50 (3-4-6-3) without the last 1 of stage 4"),
    ],
)
def test_losses(layers, planes, bottleneck, text):
    assert cut_short(layers, planes, bottleneck=bottleneck) == f"those of {text}"


@pytest.mark.parametrize("layers", [(1, 1, 1, 1), (3, 4, 7, 3), (5, 5, 5, 5), (2, 3, 2, 3), (4, 5, 7, 4), (1, 2, 3, 4)])
@pytest.mark.parametrize("bottleneck", [False, True])
def test_networks_of_other_depths_are_quiet(layers, bottleneck):
    assert cut_short(layers, PLANES, bottleneck=bottleneck) == ""


@pytest.mark.parametrize("blocks", range(1, 20))
def test_small_networks_of_equal_stages_are_quiet(blocks):
    assert cut_short((blocks,) * 3, (16, 32, 64), bottleneck=False) == cut_short((blocks,) * 3, (16, 32, 64), bottleneck=True) == ""


def test_a_part_is_never_said_to_lack_what_it_has():
    for layers in product(range(1, 5), repeat=4):
        for bottleneck in (False, True):
            found = cut_short(layers, PLANES, bottleneck=bottleneck)
            assert not found or any(all(ours <= full for ours, full in zip(layers, whole)) for whole in DEPTHS[bottleneck])


@pytest.mark.parametrize("name", sorted(name for name in STANDARD.values() if name.startswith("torchvision")))
def test_networks_of_torchvision_are_quiet(name):
    with torch.device("meta"):
        module = torchvision.models.get_model(name.rpartition(":")[2], weights=None)
    assert read_resnet({key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}, {}).notes == ()


def test_the_note_of_a_file(tmp_path):
    module = build_resnet({"layers": "3-3-3", "width": 8, "stem": "cifar"})
    torch.save(module.state_dict(), tmp_path / "whole.pth")
    assert not any("DEPTH" in note for note in load_encoder(tmp_path / "whole.pth").notes)
    torch.save({key: value for key, value in module.state_dict().items() if not key.startswith("layer3.2.")}, tmp_path / "cut.pth")
    encoder = load_encoder(tmp_path / "cut.pth")
    (note,) = [note for note in encoder.notes if "DEPTH" in note]
    assert note.startswith("DEPTH IN DOUBT: the file holds 8 blocks in 3 stages (3-3-2), those of a network of 3 blocks a stage (3-3-3) without")
    assert note.endswith(f'; if not: --arch "{encoder.architecture}"')
    sure = load_encoder(tmp_path / "cut.pth", arch=encoder.architecture)  # who names the network has looked
    assert not any("DEPTH" in note for note in sure.notes)
