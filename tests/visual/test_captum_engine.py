"""captum beside our own engine: its NoiseTunnel(LayerGradCam) on the very same noise, and its single faults."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from repr_probe.encoders.adapters.as_encoder import as_encoder
from repr_probe.visual import smoothgrad_cam as module
from repr_probe.visual.smoothgrad_cam import smoothgrad_cam

captum = pytest.importorskip("captum.attr")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU())
        self.layer3 = nn.Sequential(nn.Conv2d(8, 10, 3, padding=1), nn.ReLU())

    def forward(self, images):
        return self.layer3(self.layer2(self.layer1(images))).mean((2, 3))


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return as_encoder(Net(), image_size=24, name="net", mean=0.5, std=0.5)


@pytest.fixture
def images():
    return torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(5)) * 2 - 1


@pytest.mark.parametrize("layer", ["layer1", "layer2", "layer3"])
def test_noise_tunnel_of_layer_grad_cam_gives_the_same_maps(encoder, images, monkeypatch, layer):
    """Three images, so that any mix-up of noisy copies and owners would show (36 to 39 % in a tool that tiles where captum interleaves)."""
    samples, sigma = 4, 0.15
    own = encoder.features(images)["pooled"].clone()
    tunnel = captum.NoiseTunnel(captum.LayerGradCam(lambda noisy, own: (encoder.module(noisy) * own).sum(1), getattr(encoder.module, layer)))
    torch.manual_seed(11)
    asked = {"nt_samples": samples, "stdevs": sigma / 0.5, "additional_forward_args": (own,), "relu_attributions": True}
    theirs = tunnel.attribute(images.clone().requires_grad_(), **asked)[:, 0]
    torch.manual_seed(11)
    drawn = torch.normal(0, torch.full((3 * samples, 3, 24, 24), sigma / 0.5)).unflatten(0, (3, samples))
    monkeypatch.setattr(module, "_noise_of", lambda *_: lambda image, sample: drawn[image, sample])
    for batch_size in (1, 5, 12):
        ours = smoothgrad_cam(encoder, images, layers=[layer], method="gradcam", samples=samples, sigma=sigma, batch_size=batch_size)
        assert np.abs(ours.per_layer[0] - theirs.detach().numpy()).max() <= 1e-6 * float(theirs.max())


def test_the_engine_gives_the_same_maps(encoder, images):
    own, other = (smoothgrad_cam(encoder, images, method="gradcam", samples=3, engine=engine) for engine in ("own", "captum"))
    assert np.allclose(own.fused, other.fused, atol=1e-6) and np.allclose(own.energy, other.energy, atol=1e-6)
    assert (own.settings["engine"], other.settings["engine"]) == ("own", "captum")
