"""Noise belongs to a picture and a sample, and to nothing else."""

from __future__ import annotations

import pytest
import torch

from repr_probe.errors import UsageError
from repr_probe.preprocessing import InputSpec
from repr_probe.visual.noise import image_key, noise_scale, unit_noise

HALF = InputSpec(size=(6, 5), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
IMAGENET = InputSpec(size=(6, 5), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def normalised(pixels, input):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (input.mean, input.std))
    return (pixels / 255 - mean) / std


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (3, 6, 5), generator=torch.Generator().manual_seed(0)).float()


def test_the_key_is_that_of_the_pixels_whatever_the_normalisation(pixels):
    assert image_key(normalised(pixels, HALF), HALF) == image_key(normalised(pixels, IMAGENET), IMAGENET)
    other = pixels.clone()
    other[0, 0, 0] = (other[0, 0, 0] + 1) % 256
    assert image_key(normalised(other, HALF), HALF) != image_key(normalised(pixels, HALF), HALF)


def test_noise_is_a_function_of_key_sample_and_seed():
    before = torch.random.get_rng_state()
    first = unit_noise(b"a", 0, (3, 50, 50))
    assert torch.equal(first, unit_noise(b"a", 0, (3, 50, 50)))
    for other in (unit_noise(b"b", 0, (3, 50, 50)), unit_noise(b"a", 1, (3, 50, 50)), unit_noise(b"a", 0, (3, 50, 50), seed=1)):
        assert abs(float(torch.corrcoef(torch.stack([first.flatten(), other.flatten()]))[0, 1])) < 0.05
    assert abs(float(first.mean())) < 0.05 and float(first.std()) == pytest.approx(1, abs=0.05)
    assert torch.equal(before, torch.random.get_rng_state())


def test_sigma_is_a_share_of_the_pixel_range():
    """captum's stdevs are absolute in normalised units, so that 0.3 is 15 % of the range for one network and 7 % for another."""
    assert torch.allclose(noise_scale(0.15, HALF).flatten(), torch.tensor([0.3, 0.3, 0.3]))
    assert torch.allclose(noise_scale(0.15, IMAGENET).flatten() * torch.tensor(IMAGENET.std), torch.full((3,), 0.15))
    assert torch.equal(noise_scale(1, HALF), noise_scale(1.0, HALF))  # captum refuses the whole number


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), 1.5, float("inf"), True])
def test_other_sigmas_are_refused(sigma):
    with pytest.raises(UsageError, match="sigma must be a share of the pixel range from 0 to 1; got"):
        noise_scale(sigma, HALF)
