from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from repr_probe.errors import UsageError
from repr_probe.views.draws import N_NUMBERS, draw_numbers, photometry_of, uniform_numbers
from repr_probe.views.recipe import ViewRecipe, dino_views


def test_a_row_has_a_stream_of_its_own():
    together = uniform_numbers((3, 1), np.array([5, 2, 9]), 40)
    assert np.array_equal(together[1:2], uniform_numbers((3, 1), np.array([2]), 40))
    assert np.array_equal(together[:, :7], uniform_numbers((3, 1), np.array([5, 2, 9]), 7))
    assert len(np.unique(together)) == together.size


def test_every_part_of_the_seed_counts():
    rows = np.arange(2)
    seeds = [(1,), (1, 0), (0, 1), (1, 1), (1, 0, 0), (2**40, 1)]
    drawn = np.stack([uniform_numbers(seed, rows, 4) for seed in seeds])
    assert len(np.unique(drawn)) == drawn.size


def test_numbers_are_uniform_along_and_across_rows():
    numbers = uniform_numbers((0,), np.arange(3000), 3)
    assert all(kstest(column, "uniform").pvalue > 1e-3 for column in numbers.T)
    assert abs(np.corrcoef(numbers.T)[np.triu_indices(3, 1)]).max() < 0.06
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.06


def test_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    draw_numbers((0,), np.arange(3), dino_views())
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("seed", [(), (-1,), (1.5,), (True,), ("1",)])
def test_bad_seed(seed):
    with pytest.raises(UsageError, match="seed must be one or more non-negative integers; got"):
        uniform_numbers(seed, np.arange(2), 3)


def test_colours_are_drawn_as_the_recipe_says():
    view = ViewRecipe(32, brightness=1.5, contrast=0.4, saturation=0.2, hue=0.1, blur_p=0.3, solarise_p=0.2)
    numbers = np.random.default_rng(0).random((1, 20000, N_NUMBERS))
    draws = photometry_of(numbers, [view])
    rates = [mask.mean() for mask in (draws.jitter, draws.grey, draws.sigma > 0, draws.solarise)]
    assert rates == pytest.approx([0.8, 0.2, 0.3, 0.2], abs=0.015)
    for column, (low, high) in enumerate([(0, 2.5), (0.6, 1.4), (0.8, 1.2), (-0.1, 0.1)]):
        assert kstest(draws.factors[0, :, column], "uniform", (low, high - low)).pvalue > 1e-3
    assert kstest(draws.sigma[draws.sigma > 0], "uniform", (0.1, 1.9)).pvalue > 1e-3
    codes = (draws.order[0] * [64, 16, 4, 1]).sum(axis=1)
    counts = np.unique(codes, return_counts=True)[1]
    assert len(counts) == 24 and chisquare(counts).pvalue > 1e-3


def test_views_of_a_row_differ():
    numbers = draw_numbers((0,), np.arange(4), dino_views())
    assert numbers.shape == (8, 4, N_NUMBERS)
    assert len(np.unique(numbers)) == numbers.size
