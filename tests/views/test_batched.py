from __future__ import annotations

import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional
from torchvision.transforms.v2.functional import InterpolationMode

from repr_probe.errors import InputError, UsageError
from repr_probe.views import batched
from repr_probe.views.batched import colour_views, crop_views, draw_views
from repr_probe.views.boxes import boxes_of
from repr_probe.views.draws import draw_numbers, flips_of, photometry_of
from repr_probe.views.recipe import dino_views

RECIPE = dino_views(global_size=16, local_size=8, n_local=3)
RGB = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3)}
GREY = {"mean": (0.1,), "std": (0.3,)}
CHANGES = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation, functional.adjust_hue)


def pictures(n=6, channels=3, height=20, width=24):
    return torch.from_numpy(np.random.default_rng(0).integers(256, size=(n, channels, height, width), dtype=np.uint8))


def one_by_one(image, row, view, *, mean, std, seed):
    """The same view from torchvision's operations, one image at a time; also before normalising what solarising would find."""
    numbers = draw_numbers(seed, np.array([row]), RECIPE)[view]
    recipe = RECIPE.views[view]
    (box,), (flip,) = boxes_of(numbers, *image.shape[-2:], area=recipe.area, ratio=recipe.ratio), flips_of(numbers[None], [recipe])[0]
    draws = photometry_of(numbers[None], [recipe]).of_images(slice(None))
    values = functional.resized_crop(image.float() / 255, *box.tolist(), [recipe.size] * 2, InterpolationMode.BICUBIC).clamp(0, 1)
    values = values.flip(-1) if flip else values
    for change in draws.order[0] if draws.jitter[0] else []:
        values = CHANGES[change](values, draws.factors[0, change])
    if draws.grey[0]:
        values = functional.rgb_to_grayscale(values, num_output_channels=image.shape[0])
    if draws.sigma[0]:
        reach = min(int(np.ceil(3 * draws.sigma[0])), recipe.size - 1)
        values = functional.gaussian_blur(values, [2 * reach + 1] * 2, [float(draws.sigma[0])] * 2)
    near = (values - 128 / 255).abs() < 1e-4
    if draws.solarise[0]:
        values = functional.solarize(values, 128 / 255)
    return functional.normalize(values, mean, std), near


@pytest.mark.parametrize("colours", [RGB, GREY], ids=["rgb", "grey"])
def test_batch_equals_torchvision_one_image_at_a_time(colours):
    images = pictures(n=24, channels=len(colours["mean"]))
    ours = draw_views(images, RECIPE, **colours, seed=(3, 1))
    assert [tuple(view.shape[2:]) for view in ours] == [(16, 16)] * 2 + [(8, 8)] * 3
    for view in range(RECIPE.n_views):
        for row, image in enumerate(images):
            theirs, near = one_by_one(image, row, view, **colours, seed=(3, 1))
            torch.testing.assert_close(ours[view][row][~near], theirs[~near], atol=1e-4, rtol=0)  # 1e-5 of the pixel / std of 0.2


def test_a_view_depends_on_seed_and_row_alone(monkeypatch):
    images = pictures(n=7)
    together = draw_views(images, RECIPE, **RGB, seed=(3, 1), rows=[4, 9, 2, 7, 0, 1, 30])
    monkeypatch.setattr(batched, "_CPU_BLOCK", 1)
    alone = draw_views(images[2:4], RECIPE, **RGB, seed=(3, 1), rows=[2, 7])
    other = draw_views(images[2:4], RECIPE, **RGB, seed=(3, 2), rows=[2, 7])
    for a, b, c in zip(together, alone, other, strict=True):
        torch.testing.assert_close(a[2:4], b, atol=1e-5, rtol=0)
        assert not torch.allclose(b, c, atol=0.1)


def test_same_call_same_bits():
    first, second = (draw_views(pictures(), RECIPE, **RGB, seed=(0,)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_nothing_outside_is_touched():
    images = pictures()
    kept = images.clone()
    before = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())  # noqa: NPY002
    views = draw_views(images, RECIPE, **RGB, seed=(0,))
    assert torch.equal(images, kept)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert before[2] == random.getstate()
    assert not any(view.requires_grad or view.is_inference() for view in views)  # a network trains on them


def test_half_precision_of_a_training_loop_stays_outside():
    plain = draw_views(pictures(), RECIPE, **RGB, seed=(0,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = draw_views(pictures(), RECIPE, **RGB, seed=(0,))
    assert all(torch.equal(a, b) for a, b in zip(plain, inside, strict=True))


def test_images_of_many_sizes():
    images = [pictures(n=1, height=20 + 3 * (row % 2), width=24)[0] for row in range(5)]
    together = draw_views(images, RECIPE, **RGB, seed=(2,))
    for row, image in enumerate(images):
        alone = draw_views(image[None], RECIPE, **RGB, seed=(2,), rows=[row])
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[row], b[0], atol=1e-5, rtol=0)


def test_crops_of_a_worker_and_whole_images_give_the_same_views():
    """The two ways differ by the rounding of the crops to whole grey levels, which a jitter may enlarge."""
    images = pictures(n=12)
    rows = np.arange(12) + 5
    whole = draw_views(images, RECIPE, **RGB, seed=(4, 0), rows=rows)
    crops = [crop_views(image, RECIPE, seed=(4, 0), row=int(row)) for image, row in zip(images, rows, strict=True)]
    assert [tuple(crop.shape) for crop in crops[0]] == [(2, 3, 16, 16), (3, 3, 8, 8)]
    stacked = [torch.stack(group, dim=1) for group in zip(*crops, strict=True)]
    parts = colour_views(stacked, RECIPE, **RGB, seed=(4, 0), rows=rows)
    for a, b in zip(whole, parts, strict=True):
        assert (a - b).abs().median() < 1 / 255 / 0.2


def test_smallest_images():
    views = draw_views(pictures(height=2, width=2), RECIPE, **RGB, seed=(0,))
    assert all(torch.isfinite(view).all() for view in views)


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (torch.zeros(2, 3, 1, 9, dtype=torch.uint8), "image must have 2 x 2 pixels or more; got 1 x 9"),
        (torch.zeros(2, 3, 9, 9), r"images must be uint8 of shape \(n, 3, height, width\); got torch.float32 of shape \(2, 3, 9, 9\)"),
        (torch.zeros(2, 1, 9, 9, dtype=torch.uint8), "images must be uint8 of shape"),
        ([torch.zeros(9, 9, dtype=torch.uint8)], "images must be uint8 of shape"),
        ([], "images must hold one image or more; got none"),
    ],
)
def test_bad_images(images, text):
    with pytest.raises(InputError, match=text):
        draw_views(images, RECIPE, **RGB, seed=(0,))


@pytest.mark.parametrize("rows", [[0], [0, 1, -1], [0.0, 1.0, 2.0]])
def test_bad_rows(rows):
    with pytest.raises(UsageError, match="rows must be one non-negative integer for each of the 3 images; got"):
        draw_views(pictures(n=3), RECIPE, **RGB, seed=(0,), rows=rows)


def test_bad_normalisation():
    with pytest.raises(UsageError, match=r"mean and std must have 1 \(grey\) or 3 \(RGB\) values, std above 0; got"):
        draw_views(pictures(), RECIPE, mean=(0.5,) * 3, std=(0.5, 0.0, 0.5), seed=(0,))


def test_a_device_is_never_waited_for(monkeypatch):
    """On the meta device there are no values: reading one back, as a mask or a branch on pixels would, raises."""
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **options: nullcontext())  # knows real devices only
    views = draw_views(pictures(n=9), RECIPE, **RGB, seed=(0,), device="meta")
    assert [(view.shape[-1], view.device.type) for view in views] == [(16, "meta")] * 2 + [(8, "meta")] * 3
    crops = [torch.empty(2, 9, 3, 16, 16, dtype=torch.uint8, device="meta"), torch.empty(3, 9, 3, 8, 8, dtype=torch.uint8, device="meta")]
    assert len(colour_views(crops, RECIPE, **RGB, seed=(0,), rows=np.arange(9))) == 5


@pytest.mark.gpu
def test_views_on_a_gpu_are_those_on_the_cpu():
    images = pictures(n=40)
    on_cpu, on_gpu = (draw_views(images, RECIPE, **RGB, seed=(1,), device=device) for device in ("cpu", "cuda"))
    for a, b in zip(on_cpu, on_gpu, strict=True):
        assert (a - b.cpu()).abs().quantile(0.999) < 1e-3  # a value at the threshold of solarising may fall on its other side
