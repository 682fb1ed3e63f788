"""A network whose embedding is the mean colour and whose maps are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.preprocessing import InputSpec
from repr_probe.visual.localise.subject import Subject

INPUT = InputSpec(size=(32, 48), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def embed(images):
    return images.mean((2, 3))


@pytest.fixture
def input_spec():
    return INPUT


@pytest.fixture
def photos():
    """(6, 32, 48, 3) uint8, each of one colour and a little noise."""
    rng = np.random.default_rng(0)
    colours = rng.integers(30, 226, (6, 1, 1, 3))
    return (colours + rng.integers(-20, 21, (6, 32, 48, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture
def colour_subject():
    """Explains by colour: the score of every pixel as if it were the whole image."""

    def explain(images, target):
        n, channels, height, width = images.shape
        pixels = images.permute(0, 2, 3, 1).reshape(-1, channels)
        goal = target.of(embed(images)) if hasattr(target, "of") else target
        owner = torch.arange(n).repeat_interleave(height * width)
        return {"pixels": goal.score(pixels, owner).reshape(n, height, width).clamp_min(0).numpy()}

    return Subject(INPUT, embed, explain)


@pytest.fixture
def subject_with():
    """A subject whose maps are given as a function of the images."""
    return lambda maps: Subject(INPUT, embed, lambda images, target: {"maps": maps(images)})
