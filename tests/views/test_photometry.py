from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.transforms.v2 import functional

from repr_probe.views.draws import Photometry
from repr_probe.views.photometry import apply_photometry, blur, grey, jitter, solarise, turn_hue

ORDERS = np.array(list(itertools.permutations(range(4))))
CHANGES = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation, functional.adjust_hue)


def views(n, channels=3, size=10, seed=0):
    """Random colours, and among them black, white, greys and pure colours, where hue and chroma are special."""
    pixels = torch.from_numpy(np.random.default_rng(seed).random((n, channels, size, size), dtype=np.float32))
    pixels[:, :, 0, 0], pixels[:, :, 0, 1], pixels[:, :, 0, 2] = 0, 1, 0.4
    for channel in range(channels):
        pixels[:, :, 1, channel] = 0
        pixels[:, channel, 1, channel] = 1
        pixels[:, :, 2, channel] = 1
        pixels[:, channel, 2, channel] = 0
    return pixels


def factors_of(n, seed=1):
    return np.random.default_rng(seed).uniform([0.2, 0.2, 0.0, -0.5], [1.8, 1.8, 2.0, 0.5], size=(n, 4))


def close(ours, theirs, atol=1e-5):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("change", range(4), ids=["brightness", "contrast", "saturation", "hue"])
def test_each_change_is_torchvisions(change, channels):
    pixels, factors = views(24, channels), np.tile([1.0, 1.0, 1.0, 0.0], (24, 1))
    factors[:, change] = factors_of(24)[:, change]
    ours = jitter(pixels.clone(), factors, ORDERS)
    for our, pixel, factor in zip(ours, pixels, factors[:, change], strict=True):
        close(our, CHANGES[change](pixel, factor))


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_in_every_order(channels):
    pixels, factors = views(24, channels), factors_of(24)
    ours = jitter(pixels.clone(), factors, ORDERS)
    for our, expected, factor, order in zip(ours, pixels, factors, ORDERS, strict=True):
        for change in order:
            expected = CHANGES[change](expected, factor[change])
        close(our, expected)


def test_orders_matter():
    pixels = views(1).expand(24, -1, -1, -1).clone()
    ours = jitter(pixels, np.tile(factors_of(1), (24, 1)), ORDERS)
    assert len({tuple(view.round(decimals=3).flatten().tolist()) for view in ours}) > 12


def test_hue():
    pixels = views(11)
    turns = torch.linspace(-0.5, 0.5, 11)
    ours = turn_hue(pixels.clone(), turns)
    for our, pixel, turn in zip(ours, pixels, turns, strict=True):
        close(our, functional.adjust_hue(pixel, float(turn)))
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    assert turn_hue(red.clone(), torch.tensor([1 / 3])).flatten().tolist() == pytest.approx([0, 1, 0], abs=1e-6)


def test_grey():
    pixels = views(3)
    close(grey(pixels).expand(-1, 3, -1, -1), functional.rgb_to_grayscale(pixels, num_output_channels=3))
    assert torch.equal(grey(pixels[:, :1]), pixels[:, :1])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [3, 4, 10, 33])
def test_blur(size, channels):
    pixels = views(6, channels, size) if size > 3 else torch.rand(6, channels, size, size, generator=torch.Generator().manual_seed(0))
    sigma = np.array([0.1, 0.34, 0.7, 1.0, 1.7, 2.0])
    ours = blur(pixels, sigma)
    for our, pixel, width in zip(ours, pixels, sigma, strict=True):
        reach = min(int(np.ceil(3 * width)), size - 1)
        close(our, functional.gaussian_blur(pixel, [2 * reach + 1] * 2, [float(width)] * 2))


def test_blur_of_pillow_is_near():
    """Pillow's three box blurs and a true Gaussian on a photograph-like picture: below one grey level."""
    coarse = np.random.default_rng(0).integers(256, size=(8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
    for sigma in (0.5, 1.0, 2.0):
        theirs = torch.from_numpy(np.array(image.filter(ImageFilter.GaussianBlur(sigma)))).permute(2, 0, 1).float()
        inside = (blur(pixels, np.array([sigma]))[0] - theirs)[:, 6:-6, 6:-6]
        assert inside.abs().mean() < 1


def test_solarise():
    pixels = views(2)
    close(solarise(pixels), functional.solarize(pixels, 128 / 255))
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    ours = (solarise(levels.float() / 255) * 255).round().to(torch.uint8)
    assert torch.equal(ours, functional.solarize(levels, 128))


@pytest.mark.parametrize("channels", [1, 3])
def test_whole_recipe_view_by_view(channels):
    n = 64
    generator = np.random.default_rng(5)
    draws = Photometry(
        jitter=generator.random(n) < 0.8,
        factors=factors_of(n),
        order=generator.permuted(np.tile(np.arange(4), (n, 1)), axis=1),
        grey=generator.random(n) < 0.4,
        sigma=np.where(generator.random(n) < 0.5, generator.uniform(0.1, 2, n), 0.0),
        solarise=generator.random(n) < 0.3,
    )
    pixels = views(n, channels)
    ours = apply_photometry(pixels.clone(), draws)
    for row, (our, expected) in enumerate(zip(ours, pixels, strict=True)):
        for change in draws.order[row] if draws.jitter[row] else []:
            expected = CHANGES[change](expected, draws.factors[row, change])
        if draws.grey[row]:
            expected = functional.rgb_to_grayscale(expected, num_output_channels=channels)
        if draws.sigma[row]:
            reach = min(int(np.ceil(3 * draws.sigma[row])), 9)
            expected = functional.gaussian_blur(expected, [2 * reach + 1] * 2, [float(draws.sigma[row])] * 2)
        solarised = functional.solarize(expected, 128 / 255) if draws.solarise[row] else expected
        safe = (expected - 128 / 255).abs() > 1e-5  # a value that rounding puts on the other side of the threshold is no difference
        close(our[safe], solarised[safe])


def test_untouched_views_stay_bit_for_bit():
    nothing = np.zeros(5, dtype=bool)
    draws = Photometry(nothing, factors_of(5), ORDERS[:5], nothing, np.zeros(5), nothing)
    pixels = views(5)
    assert torch.equal(apply_photometry(pixels.clone(), draws), pixels)
