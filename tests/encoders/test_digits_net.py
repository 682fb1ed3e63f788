"""DigitsNet: shapes, size, and that every image is described on its own."""

from __future__ import annotations

import pytest
import torch

from repr_probe.encoders.digits_net import DigitsNet, ResidualBlock


@pytest.fixture
def network() -> DigitsNet:
    torch.manual_seed(0)
    return DigitsNet().eval()


def test_shapes_of_maps_and_features(network):
    images = torch.randn(5, 1, 8, 8)
    maps = network.forward_features(images)
    assert maps.shape == (5, 64, 2, 2)
    torch.testing.assert_close(network(images), maps.mean(dim=(2, 3)))


def test_the_stages_are_named_and_halve_the_maps(network):
    sizes = {}
    for name in ("stage1", "stage2", "stage3"):
        network.get_submodule(name).register_forward_hook(lambda _, __, maps, name=name: sizes.update({name: tuple(maps.shape[1:])}))
    network(torch.zeros(1, 1, 8, 8))
    assert sizes == {"stage1": (16, 8, 8), "stage2": (32, 4, 4), "stage3": (64, 2, 2)}


def test_it_stays_below_a_megabyte(network):
    assert sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values()) < 2**20


def test_an_image_does_not_see_its_neighbours(network):
    images = torch.randn(6, 1, 8, 8)
    torch.testing.assert_close(network(images)[4:5], network(images[4:5]))


def test_features_are_not_negative(network):
    assert network(torch.randn(4, 1, 8, 8)).min() >= 0


def test_every_parameter_is_used(network):
    network.train()(torch.randn(4, 1, 8, 8)).square().sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_a_block_that_adds_nothing_is_its_shortcut():
    block = ResidualBlock(3, 3, stride=1).eval()
    torch.nn.init.zeros_(block.norm2.weight)
    maps = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(block(maps), maps)
