"""Lean PCA against the definition: upsample, concatenate, centre, singular values."""

from __future__ import annotations

import math

import pytest
import torch

from repr_probe.errors import InputError, UndefinedMeasure, UsageError
from repr_probe.probes.hypercolumns import Hypercolumns
from repr_probe.visual.krylov import leading_eigenpairs
from repr_probe.visual.lean_pca import lean_pca

SHAPES = {"stage1": (2, 6, 16, 12), "stage2": (2, 10, 8, 6), "stage3": (2, 20, 3, 2)}  # n, channels, height, width
SIZE = (18, 14)


def random_maps(shapes=SHAPES, seed=0, mean=3.0):
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for number, (name, shape) in enumerate(shapes.items()):
        mixing = torch.randn(shape[1], shape[1], generator=generator) / (1 + torch.arange(shape[1]))
        found[name] = torch.einsum("nchw,dc->ndhw", torch.randn(shape, generator=generator), mixing) * 10.0 ** (number - 1) + mean
    return found


def columns_of(maps, scaling="none"):
    """(pixels, channels) float64 of every layer, upsampled by torch and scaled, by the definition."""
    parts = {}
    for name, each in maps.items():
        each = each.double()
        if scaling == "position":
            each = each / each.norm(dim=1, keepdim=True)
        up = torch.nn.functional.interpolate(each, size=SIZE, mode="bilinear", align_corners=False)
        part = up.permute(0, 2, 3, 1).flatten(0, 2)
        if scaling == "equal-trace":
            part = part / part.var(0).sum().sqrt()
        elif scaling == "z-score":
            part = part / part.std(0)
        elif scaling == "channels":
            part = part / math.sqrt(part.shape[1])
        parts[name] = part
    return parts


@pytest.mark.parametrize("scaling", ["equal-trace", "none", "z-score", "channels", "position"])
def test_scores_variances_and_shares_are_those_of_the_concatenation(scaling):
    maps = random_maps()
    parts = columns_of(maps, scaling)
    whole = torch.cat(list(parts.values()), 1)
    left, singular, right = torch.linalg.svd(whole - whole.mean(0), full_matrices=False)
    variances = singular.square() / (len(whole) - 1)
    found = lean_pca(maps, SIZE, scaling=scaling)
    assert found.converged and found.scores.shape == (2, 3, *SIZE)
    torch.testing.assert_close(found.variances, variances[:3], rtol=1e-10, atol=0.0)
    assert found.total == pytest.approx(float(variances.sum()), rel=1e-10)
    scores = found.scores.permute(0, 2, 3, 1).flatten(0, 2)
    expected = left[:, :3] * singular[:3]
    correlation = (scores * expected).sum(0) / (scores.norm(dim=0) * expected.norm(dim=0))
    assert (1 - correlation.abs() < 1e-8).all()
    torch.testing.assert_close(scores.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0.0)
    for number, name in enumerate(maps):
        start = sum(shape[1] for shape in list(SHAPES.values())[:number])
        block = right[:3, start : start + SHAPES[name][1]]
        torch.testing.assert_close(found.loading_share[name], block.square().sum(1), rtol=1e-6, atol=1e-9)
        assert found.layer_variance[name] == pytest.approx(float(parts[name].var(0).sum() / variances.sum()), rel=1e-9)
    raw = {name: float(part.var(0).sum()) for name, part in columns_of(maps, "position" if scaling == "position" else "none").items()}
    for name, share in found.raw_layer_variance.items():
        assert share == pytest.approx(raw[name] / sum(raw.values()), rel=1e-9)


def test_the_loading_share_is_the_share_of_the_variance_that_comes_through_the_layer():
    maps = random_maps()
    found = lean_pca(maps, SIZE, scaling="none")
    for name, each in maps.items():
        part = Hypercolumns({name: each.double()}, SIZE).projected({name: found.loadings[name]})
        covariance = ((part - part.mean((0, 2, 3), keepdim=True)) * found.scores).sum((0, 2, 3)) / (found.scores[:, 0].numel() - 1)
        torch.testing.assert_close(covariance / found.variances, found.loading_share[name], rtol=1e-5, atol=1e-9)


def test_equal_trace_does_not_know_units_and_channel_counts():
    maps = random_maps()
    twice = {**maps, "stage1": torch.cat([maps["stage1"]] * 2, 1) * 7 + 100}  # copies, another unit, another origin
    one, other = (lean_pca(each, SIZE) for each in (maps, twice))
    assert list(one.layer_variance.values()) == pytest.approx([1 / 3] * 3, rel=1e-9)
    torch.testing.assert_close(one.variances, other.variances, rtol=1e-7, atol=0.0)


def test_float32_keeps_its_promise():
    maps = random_maps(mean=0.5)
    exact, single = lean_pca(maps, SIZE), lean_pca(maps, SIZE, dtype=torch.float32)
    assert single.scores.dtype == torch.float32 and single.converged
    assert (1 - correlations(exact.scores, single.scores) < 1e-6).all()


def correlations(one, other):
    one, other = (each.double().transpose(0, 1).flatten(1) for each in (one, other))
    return ((one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1))).abs()


def test_downsampled_maps_and_single_pixels():
    maps = {"fine": torch.randn(1, 4, 24, 24, generator=torch.Generator().manual_seed(1)), "coarse": torch.randn(1, 5, 1, 1)}
    found = lean_pca(maps, (8, 8))
    assert found.layer_variance["coarse"] == 0.0 and found.scores.shape == (1, 3, 8, 8)  # one place is constant once upsampled


def test_a_component_without_variance_is_zero_and_not_noise():
    pattern = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    found = lean_pca({"one": torch.cat([pattern, 2 * pattern, -pattern, 0 * pattern], 1)}, (6, 6), scaling="none")
    assert found.converged
    assert found.explained[0] == pytest.approx(1.0) and (found.variances[1:] <= 1e-12 * found.total).all()


@pytest.mark.parametrize("scaling", ["none", "equal-trace", "z-score"])
def test_maps_that_nowhere_vary_have_no_components(scaling):
    with pytest.raises(UndefinedMeasure, match="maps must vary over the pixels for a PCA; they are constant"):
        lean_pca({"one": torch.full((2, 5, 3, 3), 0.1)}, (12, 11), scaling=scaling)


def test_one_constant_layer_or_channel_counts_as_nothing():
    maps = random_maps()
    maps["stage2"] = torch.full_like(maps["stage2"], 0.3)
    for scaling in ("equal-trace", "z-score"):
        found = lean_pca(maps, SIZE, scaling=scaling)
        assert found.layer_variance["stage2"] == pytest.approx(0.0, abs=1e-20) and bool(torch.isfinite(found.scores).all())


def test_the_maps_are_left_alone_and_the_seed_does_not_matter():
    maps = {name: each.double() for name, each in random_maps().items()}
    before = {name: each.clone() for name, each in maps.items()}
    one, other = lean_pca(maps, SIZE, seed=0), lean_pca(maps, SIZE, seed=5)
    assert all(torch.equal(maps[name], before[name]) for name in maps)
    assert (1 - correlations(one.scores, other.scores) < 1e-10).all()


def test_too_few_products_are_said():
    found = lean_pca(random_maps(), SIZE, max_iterations=1)
    assert not found.converged and found.residual > 1e-8 and found.iterations == 1


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"scaling": "l2"}, UsageError, "scaling must be one of equal-trace, none, z-score, channels, position; got 'l2'"),
        ({"dtype": torch.float16}, UsageError, "dtype must be float64 or float32; got float16"),
        ({"n_components": 37}, UsageError, "n_components must be from 1 to 36, the channels and pixels there are; got 37"),
        ({"n_components": 0}, UsageError, "n_components must be from 1"),
    ],
)
def test_options_that_cannot_be(options, error, text):
    with pytest.raises(error, match=text):
        lean_pca(random_maps(), SIZE, **options)


def test_maps_that_are_not_finite_are_named():
    maps = random_maps()
    maps["stage2"][0, 3, 1, 1] = math.nan
    with pytest.raises(InputError, match="maps must be finite; those of stage2 are not"):
        lean_pca(maps, SIZE)


@pytest.mark.parametrize("width", [4, 9, 60, 400])
def test_eigenpairs_of_every_width_and_of_close_values(width):
    generator = torch.Generator().manual_seed(width)
    vectors = torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64)).Q
    values = 1.03 ** -torch.arange(width, dtype=torch.float64)  # 3 % apart
    matrix = vectors * values @ vectors.T
    found = leading_eigenpairs(lambda x: matrix @ x, width, 3, like=matrix, tolerance=1e-9, scale=float(values.sum()))
    assert found.converged and found.residual <= 1e-9
    torch.testing.assert_close(found.values, values[:3], rtol=1e-9, atol=0.0)
    torch.testing.assert_close((found.vectors * vectors[:, :3]).sum(0).abs(), torch.ones(3, dtype=torch.float64), rtol=1e-10, atol=0.0)
    torch.testing.assert_close(found.vectors.T @ found.vectors, torch.eye(3, dtype=torch.float64), rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("rank", [0, 1, 2, 11])
def test_eigenpairs_of_a_matrix_of_low_rank(rank):
    generator = torch.Generator().manual_seed(rank)
    factor = torch.randn(80, rank, generator=generator, dtype=torch.float64)
    found = leading_eigenpairs(lambda x: factor @ (factor.T @ x), 80, 3, like=factor, tolerance=1e-9, scale=float(factor.square().sum()) or 1.0)
    expected = torch.zeros(3, dtype=torch.float64)
    expected[: min(rank, 3)] = torch.linalg.svdvals(factor)[:3].square()
    assert found.converged
    torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-10)
