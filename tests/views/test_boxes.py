from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms.v2 import RandomResizedCrop

from repr_probe.views.boxes import N_BOX_NUMBERS, TRIES, boxes_of

RULES = [((0.4, 1.0), (3 / 4, 4 / 3)), ((0.05, 0.4), (3 / 4, 4 / 3)), ((0.9, 1.0), (0.2, 5.0))]
SHAPES = [(375, 500), (32, 32), (20, 300)]


def one_by_one(numbers, height, width, area, ratio):
    """torchvision's rule, written as its loop."""
    for attempt in range(TRIES):
        pixels = height * width * (area[0] + (area[1] - area[0]) * numbers[attempt])
        low, high = np.log(ratio[0]), np.log(ratio[1])
        shape = np.exp(low + (high - low) * numbers[TRIES + attempt])
        wide, tall = round(np.sqrt(pixels * shape)), round(np.sqrt(pixels / shape))
        if 0 < wide <= width and 0 < tall <= height:
            return [int(numbers[2 * TRIES] * (height - tall + 1)), int(numbers[2 * TRIES + 1] * (width - wide + 1)), tall, wide]
    wide, tall = width, height
    if width / height < ratio[0]:
        tall = round(width / ratio[0])
    elif width / height > ratio[1]:
        wide = round(height * ratio[1])
    return [(height - tall) // 2, (width - wide) // 2, tall, wide]


@pytest.mark.parametrize(("area", "ratio"), RULES)
@pytest.mark.parametrize("shape", [*SHAPES, (3, 1000), (2, 2)])
def test_batched_equals_one_by_one(shape, area, ratio):
    numbers = np.random.default_rng(0).random((200, N_BOX_NUMBERS))
    ours = boxes_of(numbers, *shape, area=area, ratio=ratio)
    assert ours.tolist() == [one_by_one(line, *shape, area, ratio) for line in numbers]


@pytest.mark.parametrize(("area", "ratio"), RULES)
@pytest.mark.parametrize("shape", SHAPES)
def test_distribution_is_that_of_torchvision(shape, area, ratio):
    """Two-sample Kolmogorov-Smirnov on all that a box is; 27 x 4 comparisons, so the threshold is far below 0.05."""
    ours = boxes_of(np.random.default_rng(1).random((4000, N_BOX_NUMBERS)), *shape, area=area, ratio=ratio)
    image = torch.empty(1, *shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        rule = RandomResizedCrop(8, scale=area, ratio=ratio)
        drawn = [rule.make_params([image]) for _ in range(1500)]
    theirs = np.array([[box["top"], box["left"], box["height"], box["width"]] for box in drawn])
    for what in (lambda b: b[:, 2] * b[:, 3], lambda b: b[:, 3] / b[:, 2], lambda b: b[:, 0], lambda b: b[:, 1]):
        assert ks_2samp(what(ours), what(theirs)).pvalue > 1e-4


def test_a_wrong_rule_is_noticed():
    """The same comparison goes red when the aspect ratio is uniform instead of log-uniform."""
    numbers = np.random.default_rng(1).random((4000, N_BOX_NUMBERS))
    ours = boxes_of(numbers, 375, 500, area=(0.05, 0.4), ratio=(0.2, 5.0))
    ratios = ours[:, 3] / ours[:, 2]
    assert ks_2samp(ratios, np.random.default_rng(2).uniform(0.2, 5.0, 1500)).pvalue < 1e-10


def test_every_image_may_have_its_own_size():
    numbers = np.random.default_rng(0).random((2, 3, N_BOX_NUMBERS))
    heights, widths = np.array([10, 20, 30]), np.array([40, 8, 30])
    ours = boxes_of(numbers, heights, widths, area=(0.2, 1.0), ratio=(0.5, 2.0))
    assert ours.shape == (2, 3, 4)
    for image in range(3):
        alone = boxes_of(numbers[:, image], int(heights[image]), int(widths[image]), area=(0.2, 1.0), ratio=(0.5, 2.0))
        assert np.array_equal(ours[:, image], alone)


def test_every_view_may_have_its_own_ranges():
    numbers = np.random.default_rng(0).random((2, 5, N_BOX_NUMBERS))
    ends = np.array([[0.4, 1.0, 0.75, 1.25], [0.05, 0.4, 0.5, 2.0]])
    low, high, narrow, wide = ends.T[..., None]
    ours = boxes_of(numbers, 30, 40, area=(low, high), ratio=(narrow, wide))
    for view, (low, high, narrow, wide) in enumerate(ends):
        assert np.array_equal(ours[view], boxes_of(numbers[view], 30, 40, area=(low, high), ratio=(narrow, wide)))
