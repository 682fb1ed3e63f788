"""Products of tiles against float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repr_probe import progress
from repr_probe.metrics.integer_products import LARGEST_WIDTH, IntegerProduct
from repr_probe.metrics.products import Trial, fast_product, fastest_product


def unit_rows(n: int, width: int, offset: float, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).standard_normal((n, width)) + offset
    return torch.from_numpy(values / np.linalg.norm(values, axis=1, keepdims=True)).float()


def cosines(product, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    out, work = torch.empty(len(left), len(right)), torch.empty(len(left), len(right), dtype=torch.int32)
    product(product.prepare(left), product.prepare(right), out, work)
    return out.double()


@pytest.mark.parametrize("offset", [0.0, 3.0, 300.0])
def test_integer_cosines_are_off_by_no_more_than_two_roundings_of_the_residuals(offset: float) -> None:
    left, right = unit_rows(33, 64, offset), unit_rows(20, 64, offset, seed=1)
    centre = torch.cat([left, right]).mean(dim=0)
    found, exact = cosines(IntegerProduct(centre), left, right), left.double() @ right.double().T
    residuals = [(rows - centre).double() for rows in (left, right)]
    half = [part.abs().amax(dim=1) / 254 for part in residuals]  # at most half a step in every feature
    one, two = (part.abs().sum(dim=1) for part in residuals)
    bound = half[0][:, None] * two + half[1] * one[:, None] + 64 * half[0][:, None] * half[1] + 4e-7
    assert ((found - exact).abs() <= bound).all()
    assert (found - exact).abs().max() > 0  # they are coarse


def test_integer_cosines_of_a_row_at_the_centre_and_of_the_widest_rows() -> None:
    rows = unit_rows(4, 16, 1.0)
    exact = rows.double() @ rows.double().T
    assert cosines(IntegerProduct(rows[0].clone()), rows, rows)[0].numpy() == pytest.approx(exact[0].numpy(), abs=4e-7)
    wide = torch.full((1, LARGEST_WIDTH), LARGEST_WIDTH**-0.5)
    assert cosines(IntegerProduct(torch.zeros(LARGEST_WIDTH)), wide, wide).item() == pytest.approx(1.0, abs=1e-5)


def test_fast_takes_the_quickest_within_its_error_and_says_which() -> None:
    trials = {"highest": Trial(1.0, 0.0, 0.0, 0.0, 9), "medium": Trial(0.6, 1e-5, 1e-5, 1e-3, 9), "int8": Trial(0.3, 9e-4, 9e-4, 0.1, 9)}
    name, said = fast_product("highest", trials)
    assert name == "int8"
    assert said.startswith("fast products (8-bit integers): 3.3 times as fast as exact ones; on 9 pairs the mean angle is off by 0.0009 deg")
    trials["int8"] = Trial(0.3, 9e-4, 1.1e-3, 0.1, 9)
    assert fast_product("highest", trials)[0] == "medium"
    trials["medium"] = Trial(0.96, 0.0, 0.0, 0.0, 9)
    assert fast_product("highest", trials) == ("highest", "fast products: those that are quicker are off by more than 0.001 deg; taking exact ones")


@pytest.mark.parametrize("matmul", ["exact", "fast"])
def test_the_chosen_product_is_as_near_as_promised(matmul: str) -> None:
    rows = unit_rows(1024, 256, 0.3)
    with progress.reporting(None), fastest_product(rows, race=True, matmul=matmul) as product:
        found = cosines(product, rows[:300], rows[300:700])
    exact = rows[:300].double() @ rows[300:700].double().T
    worst = (found - exact).abs().max()
    assert worst <= (1e-6 if matmul == "exact" else 3e-3)
    angles = [torch.rad2deg(torch.arccos(part)) for part in (found, exact)]
    assert abs(angles[0].mean() - angles[1].mean()) <= 1e-3
    assert abs(angles[0].std() - angles[1].std()) <= 1e-3
