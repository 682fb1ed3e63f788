from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import UsageError
from repr_probe.visual.localise.grids import cell_masks, draw_grids, grid_check, grid_pictures


def test_every_grid_has_four_pictures_and_every_picture_its_turn():
    grids = draw_grids(10, 20, seed=3)
    assert all(len(set(grid)) == 4 for grid in grids.tolist())
    counts = np.bincount(grids.ravel(), minlength=10)
    assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(grids, draw_grids(10, 20, seed=3))
    assert (grids != draw_grids(10, 20, seed=4)).any()
    places = [np.bincount(grids[:, cell], minlength=10).max() for cell in range(4)]
    assert max(places) <= 8  # no picture keeps to one cell


def test_the_classes_of_a_grid_differ():
    labels = ["a"] * 5 + ["b", "c", "c", "d", "e"]
    for grid in draw_grids(10, 30, labels=labels):
        assert len({labels[picture] for picture in grid}) == 4
    with pytest.raises(UsageError, match="the folder must hold 4 classes or more for grids; got 3"):
        draw_grids(6, 2, labels=list("aabbcc"))
    with pytest.raises(UsageError, match="the folder must hold 4 pictures or more for grids; got 3"):
        draw_grids(3, 2)


@pytest.mark.parametrize("size", [(32, 48), (7, 9)])
def test_cells_hold_their_pictures_and_cover_the_grid(size):
    pixels = np.stack([np.full((*size, 3), 40 * number, np.uint8) for number in range(5)])
    grid = np.array([[4, 0, 3, 1]])
    made, masks = grid_pictures(pixels, grid)[0], cell_masks(*size)
    assert (masks.sum(0) == 1).all()
    for cell, picture in enumerate(grid[0]):
        assert (made[masks[cell]] == 40 * picture).all()


def test_maps_that_follow_the_query_find_the_cell_and_random_directions_do_not(colour_subject, photos):
    found = {(one.target, one.measure): one for one in grid_check(colour_subject, photos, n_grids=24)}
    assert set(found) == {(target, measure) for target in ("query", "random direction") for measure in ("energy", "pointing")}
    assert found["query", "energy"].value > 0.5 and found["query", "pointing"].value > 0.8
    assert found["random direction", "energy"].value == pytest.approx(0.25, abs=0.12)
    assert all(one.chance == 0.25 and one.unit == "cells" and one.n + one.n_dead == 96 for one in found.values())


def test_a_flat_map_is_at_chance(subject_with, photos):
    for one in grid_check(subject_with(lambda images: np.ones((len(images), 4, 4))), photos, n_grids=4):
        assert one.value == pytest.approx(0.25)
