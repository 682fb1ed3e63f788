from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe.visual.localise.randomisation import randomisation_check, rank_correlations
from repr_probe.visual.targets import self_target


def test_it_is_scipys_spearman():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (3, 6, 7)), rng.random((3, 6, 7))
    wanted = [spearmanr(one.ravel(), other.ravel()).statistic for one, other in zip(first, second)]
    np.testing.assert_allclose(rank_correlations(first, second), wanted)


def test_a_flat_map_has_no_correlation():
    assert np.isnan(rank_correlations(np.ones((1, 3, 3)), np.arange(9.0).reshape(1, 3, 3))).all()


def test_maps_that_ignore_the_weights_correlate_and_noise_does_not(subject_with):
    images = torch.rand(8, 3, 32, 48)
    brightness = subject_with(lambda images: images.mean(1).numpy())
    noise = subject_with(lambda images: np.random.default_rng(5).random((8, 32, 48)))
    same = randomisation_check(brightness, brightness, images, self_target())[0]
    assert same.value == pytest.approx(1) and same.chance == 0 and same.measure == "Spearman"
    assert abs(randomisation_check(brightness, noise, images, self_target())[0].value) < 0.05
