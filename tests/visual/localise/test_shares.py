from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.visual.localise.shares import area_share, centre_prior, energy_inside, pointing_hits

RNG = np.random.default_rng(0)
INSIDE = np.zeros((3, 16, 24), dtype=bool)
INSIDE[0, :8, :12], INSIDE[1, 4:12, 6:], INSIDE[2, 15:, :] = True, True, True


def test_a_flat_map_has_the_area_and_a_perfect_map_all():
    np.testing.assert_allclose(energy_inside(np.ones((3, 4, 6)), INSIDE), area_share(INSIDE))
    np.testing.assert_allclose(pointing_hits(np.ones((3, 4, 6)), INSIDE), area_share(INSIDE))
    np.testing.assert_allclose(energy_inside(INSIDE.astype(float), INSIDE), 1)
    np.testing.assert_allclose(energy_inside((~INSIDE).astype(float), INSIDE), 0)
    np.testing.assert_allclose(pointing_hits(INSIDE.astype(float), INSIDE), 1)


def test_regions_that_fill_the_picture_share_the_energy_between_them():
    heat = RNG.random((3, 5, 7))
    np.testing.assert_allclose(energy_inside(heat, INSIDE) + energy_inside(heat, ~INSIDE), 1)
    np.testing.assert_allclose(energy_inside(heat, INSIDE), energy_inside(7.5 * heat, INSIDE))


def test_void_pixels_count_nowhere():
    heat = RNG.random((3, 16, 24))
    valid = RNG.random((3, 16, 24)) > 0.3
    wanted = [(h * (i & v)).sum() / (h * v).sum() for h, i, v in zip(heat, INSIDE, valid)]
    np.testing.assert_allclose(energy_inside(heat, INSIDE, valid), wanted)
    spike = np.where(valid, heat, 100.0)
    np.testing.assert_allclose(pointing_hits(spike, INSIDE, valid), pointing_hits(np.where(valid, heat, 0.0), INSIDE, valid))


def test_negative_places_are_no_energy_and_a_dead_map_says_nothing():
    heat = np.stack([-np.ones((4, 6)), np.zeros((4, 6)), np.full((4, 6), np.nan)])
    assert np.isnan(energy_inside(heat, INSIDE)).all() and np.isnan(pointing_hits(heat, INSIDE)).all()
    signed = np.where(INSIDE[:1], 1.0, -5.0)
    assert energy_inside(signed, INSIDE[:1])[0] == 1


def test_the_centre_prior_is_even_and_highest_in_the_middle():
    prior = centre_prior((6, 9))
    np.testing.assert_allclose(prior, prior[::-1, ::-1])
    assert prior.max() == pytest.approx(prior[2, 4]) == pytest.approx(prior[3, 4])


def test_maps_and_regions_must_belong_together():
    with pytest.raises(InputError, match=r"maps and regions must be \(n, height, width\) of the same images; got \(2, 4, 4\) and \(3, 16, 24\)"):
        energy_inside(np.ones((2, 4, 4)), INSIDE)
