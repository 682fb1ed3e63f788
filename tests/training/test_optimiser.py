"""Which weights decay, and how the learning rate runs."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn

from repr_probe.errors import UsageError
from repr_probe.training.optimiser import adamw, learning_rate_at, split_parameters


def names(module: nn.Module, parameters: list[nn.Parameter]) -> set[str]:
    known = {parameter: name for name, parameter in module.named_parameters()}
    return {known[parameter] for parameter in parameters}


def test_kernels_decay_and_norms_and_biases_do_not():
    network = torchvision.models.resnet18()
    decayed, spared = split_parameters(network)
    assert names(network, decayed) == {
        name for name, _ in network.named_parameters() if name.endswith("weight") and "bn" not in name and "downsample.1" not in name
    }
    assert len(decayed) + len(spared) == len(list(network.parameters()))


def test_a_transformer_keeps_its_positions_and_class_token():
    network = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    holder = nn.Sequential(network)  # also below another module
    decayed, spared = split_parameters(holder)
    assert {"0.pos_embed", "0.cls_token", "0.norm.weight", "0.patch_embed.proj.bias"} <= names(holder, spared)
    assert "0.patch_embed.proj.weight" in names(holder, decayed)


def test_frozen_and_shared_parameters():
    shared = nn.Linear(2, 2)
    network = nn.Sequential(shared, shared, nn.Linear(2, 2).requires_grad_(False))
    decayed, spared = split_parameters(network)
    assert (len(decayed), len(spared)) == (1, 1)


def test_decay_moves_only_what_decays():
    """With gradients of zero, an AdamW update is the decay alone."""
    network = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    before = {name: value.clone() for name, value in network.named_parameters()}
    optimiser = adamw(network, learning_rate=0.1, weight_decay=0.5)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    for name, value in network.named_parameters():
        torch.testing.assert_close(value.detach(), before[name] * (0.95 if name == "0.weight" else 1.0))


def test_the_cosine_is_torchs():
    weight = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=0.3)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 20)
    for step in range(20):
        assert learning_rate_at(step, peak=0.3, warmup_steps=0, total_steps=20) == pytest.approx(reference.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        reference.step()


def test_warm_up_meets_the_cosine_at_the_peak():
    rates = [learning_rate_at(step, peak=2.0, warmup_steps=10, total_steps=30) for step in range(31)]
    assert rates[9] == rates[10] == max(rates) == 2.0
    assert rates[0] == pytest.approx(0.2) and rates[30] == 0.0
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)


def test_constant_after_the_warm_up():
    assert [learning_rate_at(step, peak=1.0, warmup_steps=2, total_steps=5, schedule="constant") for step in range(5)] == [0.5, 1, 1, 1, 1]


def test_unknown_schedule():
    with pytest.raises(UsageError, match="schedule must be one of cosine, constant; got 'linear'"):
        learning_rate_at(0, peak=1.0, warmup_steps=0, total_steps=1, schedule="linear")
