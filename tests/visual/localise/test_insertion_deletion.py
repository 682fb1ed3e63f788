from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.visual.localise.insertion_deletion import blurred, insertion_deletion_check, reveal_order
from repr_probe.visual.localise.subject import Subject
from repr_probe.visual.targets import self_target


def test_the_blur_is_torchvisions():
    gaussian_blur = pytest.importorskip("torchvision.transforms.functional").gaussian_blur
    images = torch.rand(2, 3, 40, 60, generator=torch.Generator().manual_seed(0))
    wanted = gaussian_blur(torch.nn.functional.pad(images, (20,) * 4, mode="replicate"), [13, 13], [2.0, 2.0])[..., 20:-20, 20:-20]
    torch.testing.assert_close(blurred(images), wanted, atol=1e-5, rtol=1e-5)


def test_order_is_from_high_to_low_with_ties_anywhere():
    rng = np.random.default_rng(0)
    ranks = reveal_order(np.array([[0.1, 0.9], [0.5, 0.2]]), rng)
    assert ranks.tolist() == [[3, 0], [1, 2]]
    flat = reveal_order(np.zeros((40, 40)), rng)
    assert sorted(flat.ravel()) == list(range(1600))
    assert abs(flat[:20].mean() - flat[20:].mean()) < 80


def test_the_place_that_makes_the_embedding_scores_high(input_spec):
    """The embedding reads the sharp edges of the upper left quarter only, where the blur takes them away."""
    images = torch.rand(6, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    corner = np.zeros((6, 8, 12))
    corner[:, :4, :6] = 1

    def embed(pictures):
        return pictures[:, :, :16, :24].flatten(1)

    def check(heat):
        subject = Subject(input_spec, embed, lambda images, target: {"maps": heat})
        return {one.maps: one for one in insertion_deletion_check(subject, images, torch.zeros(3 * 16 * 24), self_target())}

    right, wrong = check(corner), check(1 - corner)
    assert right["maps"].value > 0.4 and wrong["maps"].value < -0.4
    assert abs(right["random map"].value) < 0.15 and right["maps"].chance == 0
    assert {one.target for one in right.values()} == {"self", "none"}
    assert check(np.zeros((6, 4, 4)))["maps"].reason == "every map is dead"
