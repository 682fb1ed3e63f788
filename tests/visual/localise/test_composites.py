from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import UsageError
from repr_probe.visual.localise.composites import composite_check, make_composites, phase_scrambled
from repr_probe.visual.targets import self_target


def test_the_box_is_a_quarter_and_holds_the_shrunk_photo(photos):
    made = make_composites(photos, seed=1)
    assert (made.inside.sum((1, 2)) == 16 * 24).all()
    for number in range(len(photos)):
        rows, columns = (np.flatnonzero(made.inside[number].any(axis)) for axis in (1, 0))
        box = made.pixels[number, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        np.testing.assert_allclose(box.mean((0, 1)), photos[number].mean((0, 1)), atol=2)
    assert len({tuple(np.argwhere(inside)[0]) for inside in made.inside}) > 1
    np.testing.assert_array_equal(made.pixels, make_composites(photos, seed=1).pixels)


def test_scrambling_keeps_spectrum_and_colours_and_moves_the_rest():
    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.normal(0, 1, (32, 48, 1)), 0), 1) * np.array([1.0, 0.8, 0.5])
    picture = (127 + 30 * (smooth - smooth.mean((0, 1))) / smooth.std()).clip(0, 255).astype(np.uint8)
    found = phase_scrambled(picture, rng)
    np.testing.assert_allclose(found.mean((0, 1)), picture.mean((0, 1)), atol=1.5)
    np.testing.assert_allclose(found.std((0, 1)), picture.std((0, 1)), rtol=0.05)
    spectra = [np.abs(np.fft.fft2(values[..., 0].astype(float)))[1:4, 1:4] for values in (picture, found)]
    np.testing.assert_allclose(spectra[1], spectra[0], rtol=0.3)
    correlation = lambda one, other: abs(np.corrcoef(one.ravel(), other.ravel())[0, 1])  # noqa: E731
    assert correlation(found[..., 0], picture[..., 0]) < 0.5  # another picture
    assert correlation(found[..., 0], found[..., 2]) > 0.95  # whose channels still go together


def test_a_map_of_the_box_scores_one_and_a_flat_map_the_area(subject_with, photos):
    made = make_composites(photos)
    right = {one.maps + one.measure: one for one in composite_check(subject_with(lambda images: made.inside.astype(float)), made, self_target())}
    assert right["mapsenergy"].value == right["mapspointing"].value == 1
    assert right["mapsenergy"].chance == pytest.approx(0.25) and right["mapsenergy"].target == "self"
    assert right["centre priorenergy"].value < 0.6 and right["centre priorenergy"].target == "none"
    flat = composite_check(subject_with(lambda images: np.ones((len(images), 8, 8))), made, self_target())
    assert flat[0].value == pytest.approx(flat[0].chance)


def test_one_photo_is_refused(photos):
    with pytest.raises(UsageError, match="the folder must hold 2 pictures or more for composites; got 1"):
        make_composites(photos[:1])
