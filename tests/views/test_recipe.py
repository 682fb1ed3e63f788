from __future__ import annotations

import math

import pytest

from repr_probe.errors import UsageError
from repr_probe.views import recipe as recipes
from repr_probe.views.recipe import MultiCrop, ViewRecipe, dino_views


def test_default_recipe_is_the_one_of_lightly():
    """Two libraries wrote DINO's appendix down; the numbers must be the same."""
    transforms = pytest.importorskip("lightly.transforms")
    theirs = transforms.DINOTransform().transforms
    ours = dino_views().views
    assert len(theirs) == len(ours) == 8
    for their, our in zip(theirs, ours, strict=True):
        steps = {type(step).__name__: step for step in their.transform.transforms}
        crop, choice = steps["RandomResizedCrop"], steps["RandomApply"]
        assert (crop.size[0], tuple(crop.scale), tuple(crop.ratio)) == (our.size, our.area, our.ratio)
        jitter = choice.transforms[0]
        assert choice.p == our.jitter_p
        assert jitter.brightness == pytest.approx((1 - our.brightness, 1 + our.brightness))
        assert jitter.contrast == pytest.approx((1 - our.contrast, 1 + our.contrast))
        assert jitter.saturation == pytest.approx((1 - our.saturation, 1 + our.saturation))
        assert jitter.hue == pytest.approx((-our.hue, our.hue))
        assert steps["RandomHorizontalFlip"].p == our.flip
        assert steps["RandomGrayscale"].p == our.grey
        assert steps["GaussianBlur"].prob == our.blur_p
        assert tuple(steps["GaussianBlur"].sigmas) == our.blur_sigma
        assert steps["RandomSolarization"].prob == our.solarise_p


def test_switches():
    plain = dino_views(n_global=3, n_local=1, strength=0, blur=False, solarise=False, flip=0, grey=0)
    assert plain.n_views == 4 and plain.n_global == 3
    for view in plain.views:
        assert (view.jitter_p, view.blur_p, view.solarise_p, view.flip, view.grey) == (0, 0, 0, 0, 0)
    strong = dino_views(strength=10).views[0]
    assert (strong.brightness, strong.hue) == (4.0, 0.5)
    assert [view.blur_p for view in dino_views(n_global=4, n_local=0).views] == [1.0, 0.1, 1.0, 0.1]


def test_views_of_one_size_form_one_group():
    assert dino_views(global_size=32, local_size=32).sizes == {32: tuple(range(8))}


def test_extraction_and_training_share_the_recipe():
    from repr_probe.views import per_image

    assert dino_views(n_local=0).views == per_image._GLOBAL_VIEWS
    assert recipes.GLOBAL_AREA == per_image.GLOBAL_AREA


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"size": 1}, "size must be a whole number of 2 pixels or more; got 1"),
        ({"size": 8.0}, "size must be a whole number"),
        ({"size": 8, "area": (0.5, 1.2)}, r"area must be two numbers \(low, high\) with 0 < low <= high <= 1; got"),
        ({"size": 8, "area": (0.5, 0.2)}, "area must be"),
        ({"size": 8, "area": 0.5}, "area must be"),
        ({"size": 8, "ratio": (0, 1)}, "ratio must be"),
        ({"size": 8, "blur_sigma": (0.1, math.nan)}, "blur_sigma must be"),
        ({"size": 8, "flip": 1.5}, "flip must be a probability between 0 and 1; got 1.5"),
        ({"size": 8, "grey": math.nan}, "grey must be a probability"),
        ({"size": 8, "brightness": -1}, "brightness must be a finite number of 0 or more; got -1"),
        ({"size": 8, "contrast": math.inf}, "contrast must be a finite number"),
        ({"size": 8, "hue": 0.6}, "hue must be between 0 and 0.5 of the colour circle; got 0.6"),
    ],
)
def test_impossible_recipes(options, text):
    with pytest.raises(UsageError, match=text):
        ViewRecipe(**options)


def test_impossible_sets_of_views():
    with pytest.raises(UsageError, match="views must hold one recipe or more; got none"):
        dino_views(n_global=0, n_local=0)
    with pytest.raises(UsageError, match="n_local must be a whole number of 0 or more; got -1"):
        dino_views(n_local=-1)
    with pytest.raises(UsageError, match="strength must be a finite number of 0 or more; got nan"):
        dino_views(strength=math.nan)
    with pytest.raises(UsageError, match=r"n_global must be between 0 and the number of views \(1\); got 2"):
        MultiCrop((ViewRecipe(8),), 2)
