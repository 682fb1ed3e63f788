from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.transforms.v2 import functional

from repr_probe.datasets.transform import normalise
from repr_probe.errors import UsageError
from repr_probe.preprocessing import InputSpec
from repr_probe.views import per_image as views
from repr_probe.views.per_image import draw_crop, make_view_transform

RGB = InputSpec((24, 24), (0.5,) * 3, (0.25,) * 3)
GREY = InputSpec((8, 8), (0.0,), (1.0,))


def picture(width=40, height=30):
    return Image.fromarray(np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8))


def test_view_is_a_function_of_seed_row_and_view():
    transform = make_view_transform(RGB, seed=1)
    first = transform(picture(), 3, 1)
    transform(picture(), 4, 0)  # other calls in between change nothing
    assert torch.equal(first, transform(picture(), 3, 1))
    assert torch.equal(first, pickle.loads(pickle.dumps(transform))(picture(), 3, 1))
    for other in (transform(picture(), 4, 1), transform(picture(), 3, 0), make_view_transform(RGB, seed=2)(picture(), 3, 1)):
        assert not torch.equal(first, other)


def test_global_generators_are_left_alone():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    before = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())  # noqa: NPY002
    for view in range(6):
        make_view_transform(RGB, seed=1)(picture(), 0, view)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert before[2] == random.getstate()


def test_the_image_is_not_changed():
    image = picture()
    kept = np.array(image)
    for view in range(10):
        make_view_transform(RGB, seed=1)(image, 0, view)
    assert np.array_equal(kept, np.asarray(image))


@pytest.mark.parametrize("spec", [RGB, GREY, InputSpec((16, 28), (0.5,) * 3, (0.5,) * 3)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
@pytest.mark.parametrize("shape", [(40, 30), (8, 8), (200, 3), (1, 1)])
def test_any_image_for_any_encoder(spec, mode, shape):
    image = picture(*shape).convert(mode)
    transform = make_view_transform(spec, seed=0)
    for view in range(4):
        values = transform(image, 7, view)
        assert values.shape == (spec.channels, *spec.size)
        assert values.dtype == torch.float32
        assert torch.isfinite(values).all()


def test_values_stay_in_the_range_of_the_normalisation():
    values = torch.stack([make_view_transform(RGB, seed=0)(picture(), row, row % 2) for row in range(20)])
    assert values.min() >= -2
    assert values.max() <= 2


class Scripted:
    """Stands for a generator whose numbers are known: every draw is written down beforehand."""

    def __init__(self, uniforms, randoms, order=(0, 1, 2, 3), corner=(2, 5)):
        self.uniforms, self.randoms, self.order, self.corner = iter(uniforms), iter(randoms), order, iter(corner)

    def uniform(self, low, high):
        return next(self.uniforms)

    def random(self):
        return next(self.randoms)

    def permutation(self, n):
        return np.array(self.order)

    def integers(self, stop):
        return next(self.corner)


def test_recipe_step_by_step(monkeypatch):
    """A view with everything switched on equals the same operations written out with torchvision and Pillow."""
    draws = [0.5, 0.0, 1.2, 0.7, 1.1, -0.05, 1.5]  # area, log ratio, brightness, contrast, saturation, hue, sigma
    image = picture()
    monkeypatch.setattr(views.np.random, "default_rng", lambda key: Scripted(draws, [0.49, 0.79, 0.19, 0.09, 0.19], order=(2, 0, 3, 1)))
    ours = make_view_transform(RGB, seed=0)(image, 0, 1)
    side = round((0.5 * 40 * 30) ** 0.5)
    image = functional.resized_crop(image, 2, 5, side, side, [24, 24], functional.InterpolationMode.BICUBIC)
    image = functional.horizontal_flip(image)
    image = functional.adjust_saturation(image, 1.1)
    image = functional.adjust_brightness(image, 1.2)
    image = functional.adjust_hue(image, -0.05)
    image = functional.adjust_contrast(image, 0.7)
    image = functional.rgb_to_grayscale(image, num_output_channels=3)
    image = image.filter(ImageFilter.GaussianBlur(1.5))
    image = functional.solarize(image, 128)
    assert torch.equal(ours, normalise(image, RGB))


def test_even_views_are_blurred_and_odd_views_are_not_always():
    def roughness(view):
        rows = [make_view_transform(RGB, seed=0)(picture(), row, view) for row in range(40)]
        return torch.stack([row.diff(dim=2).abs().mean() / row.std() for row in rows])

    even, odd = roughness(2), roughness(3)
    assert even.median() < 0.75 * odd.median()


def test_crops_cover_what_the_recipe_says():
    generator = np.random.default_rng(0)
    crops = np.array([draw_crop(300, 400, generator) for _ in range(3000)])
    top, left, height, width = crops.T
    assert (top >= 0).all() and (left >= 0).all() and (top + height <= 300).all() and (left + width <= 400).all()
    area, ratio = height * width / (300 * 400), width / height
    assert 0.39 < area.min() < 0.42
    assert 0.95 < area.max() <= 1
    assert 0.74 < ratio.min() < 0.77
    assert 1.30 < ratio.max() < 1.35
    assert top.max() > 80 and left.max() > 150 and top.min() == left.min() == 0


@pytest.mark.parametrize(("shape", "crop"), [((10, 1000), (0, 493, 10, 13)), ((1000, 10), (493, 0, 13, 10))])
def test_extreme_shapes_fall_back_to_the_centre(shape, crop):
    assert draw_crop(*shape, np.random.default_rng(0)) == crop


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0"])
def test_bad_seed(seed):
    with pytest.raises(UsageError, match="seed must be a non-negative integer; got"):
        make_view_transform(RGB, seed=seed)


def test_impossible_specification():
    with pytest.raises(UsageError, match="mean must have 1"):
        make_view_transform(InputSpec((8, 8), (0.0, 0.0), (1.0, 1.0)), seed=0)
