"""Random views: identity where nothing is drawn, one draw per image, range, and repetition by seed."""

from __future__ import annotations

import pytest
import torch

from repr_probe.training.digit_views import ViewRecipe, draw_views

STILL = ViewRecipe(area=(1.0, 1.0), turn=0.0, stretch=1.0, contrast=0.0, noise=0.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.rand(64, 1, 8, 8, generator=seeded(9))


def test_without_randomness_a_view_is_the_image(pixels):
    torch.testing.assert_close(draw_views(pixels, STILL, seeded()), pixels, atol=1e-6, rtol=0)


def test_a_quarter_turn_is_a_quarter_turn(pixels):
    """Drawn angles are uniform in [-90, 90] degrees; an image whose angle is near an end equals the turned image."""
    generator = seeded(1)
    views = draw_views(pixels, ViewRecipe(area=(1.0, 1.0), turn=90.0, stretch=1.0, contrast=0.0, noise=0.0), generator)
    distances = torch.stack([(views - pixels.rot90(turns, dims=(2, 3))).abs().mean(dim=(1, 2, 3)) for turns in (-1, 0, 1)], dim=1)
    assert set(distances.argmin(dim=1).tolist()) == {0, 1, 2}
    assert distances.min() < 0.1


def test_a_smaller_area_shows_a_part_larger():
    """A gradient from left to right: a crop of a quarter of the area spans half of it."""
    ramp = torch.linspace(0, 1, 8).expand(256, 1, 8, 8)
    crops = draw_views(ramp, ViewRecipe(area=(0.25, 0.25), turn=0.0, stretch=1.0, contrast=0.0, noise=0.0), seeded())
    spans = crops[..., -1] - crops[..., 0]
    assert spans.median().item() == pytest.approx(0.5, abs=0.02)
    assert crops.mean(dim=(1, 2, 3)).std() > 0.1  # and it moves from image to image


def test_a_larger_area_shrinks_the_image_into_a_border():
    views = draw_views(torch.ones(32, 1, 8, 8), ViewRecipe(area=(4.0, 4.0), turn=0.0, stretch=1.0, contrast=0.0, noise=0.0), seeded())
    assert views.mean(dim=(1, 2, 3)) == pytest.approx(torch.full((32,), 0.25), abs=0.02)


def test_every_image_draws_its_own(pixels):
    same = pixels[:1].expand(16, 1, 8, 8)
    views = draw_views(same, ViewRecipe(area=(0.5, 1.0)), seeded())
    assert len(views.flatten(1).unique(dim=0)) == 16


def test_views_stay_in_range_and_repeat_by_seed(pixels):
    recipe = ViewRecipe(area=(0.3, 1.4), noise=0.5)
    views = draw_views(pixels, recipe, seeded(3))
    assert views.shape == pixels.shape
    assert views.min() >= 0 and views.max() <= 1
    assert torch.equal(views, draw_views(pixels, recipe, seeded(3)))
    assert not torch.equal(views, draw_views(pixels, recipe, seeded(4)))


def test_the_images_and_the_global_random_state_are_left_alone(pixels):
    before, state = pixels.clone(), torch.get_rng_state()
    draw_views(pixels, ViewRecipe(area=(0.3, 1.4)), seeded())
    assert torch.equal(pixels, before)
    assert torch.equal(torch.get_rng_state(), state)
