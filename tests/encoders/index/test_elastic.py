from __future__ import annotations

import pytest

from repr_probe.encoders.index.elastic import LENGTHS, Axis, fit_axis, fit_table, image_size_of


@pytest.mark.parametrize("form", LENGTHS)
@pytest.mark.parametrize("grid", [1, 2, 7, 14, 37])
def test_an_axis_gives_back_the_side_it_was_made_from(form: str, grid: int) -> None:
    constant = 3 if form in ("square", "spans") else 0
    axis = Axis(1, form, constant, 14)
    assert axis.side(LENGTHS[form](grid) + constant) == grid


@pytest.mark.parametrize(("form", "length"), [("square", 1 + 15), ("spans", 2 + 3), ("span", 4), ("square", 1), ("side", 0), ("square", 10**15)])
def test_a_length_no_grid_gives_is_refused(form: str, length: int) -> None:
    assert Axis(1, form, 1 if form == "square" else 3 if form == "spans" else 0, 14).side(length) is None


@pytest.mark.parametrize(
    ("native", "doubled", "form", "constant", "grid"),
    [
        (197, 785, "square", 1, 14),
        (196, 784, "square", 0, 14),
        (27, 55, "span", 0, 14),
        (14, 28, "side", 0, 14),
        (732, 3028, "spans", 3, 14),  # BEiT: (2 * 14 - 1)^2 + 3
    ],
)
def test_the_form_of_an_axis_is_found_from_two_image_sizes(native: int, doubled: int, form: str, constant: int, grid: int) -> None:
    assert fit_axis(1, native, doubled) == Axis(1, form, constant, grid)


def test_a_change_of_no_known_form_has_no_table() -> None:
    assert fit_table((1, 100, 8), (1, 107, 8)) is None
    assert fit_table((1, 100), (1, 100, 8)) is None
    assert fit_table((1, 100), (1, 100)) is None


def test_two_axes_of_places_allow_an_image_that_is_not_square() -> None:
    axes = fit_table((1, 14, 14, 8), (1, 28, 28, 8))
    assert axes is not None
    assert image_size_of((1, 7, 21, 8), (1, 14, 14, 8), axes, (224, 224)) == (112, 336)


@pytest.mark.parametrize("shape", [(1, 1371, 384), (1, 1370, 383), (1, 1370), (2, 1370, 384)])
def test_a_table_that_no_image_size_gives_is_refused(shape: tuple[int, ...]) -> None:
    assert image_size_of(shape, (1, 197, 384), (Axis(1, "square", 1, 14),), (224, 224)) is None
