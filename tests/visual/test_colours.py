"""Signs, ranges and matching of colours."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.visual.colours import best_match, border_signs, coloured, robust_limits


def random_scores(seed=0, k=3, n=2, side=9):
    return np.random.default_rng(seed).standard_normal((n, side, side, k))


def test_the_border_is_negative_whatever_sign_the_solver_gave():
    scores = random_scores()
    scores[:, 3:6, 3:6] += 4
    scores -= scores.mean((0, 1, 2))
    turned = scores * np.array([1.0, -1.0, 1.0])
    assert border_signs(scores).tolist() == [1.0, 1.0, 1.0] and border_signs(turned).tolist() == [1.0, -1.0, 1.0]


def test_without_a_border_the_skewness_decides():
    scores = np.zeros((1, 5, 5, 1))
    scores[0, 2, 2], scores[0, 1, 1:4], scores[0, 2, 1] = 4.0, -1.0, -1.0  # border 0, sum 0, one large positive value
    assert border_signs(scores).tolist() == [1.0] and border_signs(-scores).tolist() == [-1.0]


def test_colours_are_clipped_at_the_limits_shared_by_all_images():
    scores = random_scores(n=3)
    limits = robust_limits(scores)
    np.testing.assert_allclose(limits[1], np.percentile(scores[..., 1], (1, 99)))
    found = coloured(scores, limits)
    assert found.dtype == np.uint8 and found.shape == scores.shape
    assert (found[scores <= limits[:, 0]] == 0).all() and (found[scores >= limits[:, 1]] == 255).all()
    middle = coloured(np.broadcast_to(limits.mean(1), (1, 1, 1, 3)), limits)
    assert np.abs(middle.astype(int) - 128).max() <= 1


def test_a_component_without_variance_is_not_stretched():
    scores = random_scores()
    scores[..., 2] *= 1e-12
    assert set(coloured(scores, robust_limits(scores))[..., 2].ravel()) == {128}


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1.0, -1.0), repeat=3)))
def test_every_signed_permutation_is_found(order, signs):
    reference = random_scores()
    shuffled = np.empty_like(reference)
    for place, (own, sign) in enumerate(zip(order, signs)):
        shuffled[..., own] = sign * (5 * reference[..., place] + 2)
    match = best_match(shuffled, reference)
    assert match.order == order and match.signs == signs
    np.testing.assert_allclose(match.correlations, 1.0)
    np.testing.assert_allclose(np.corrcoef(match.applied(shuffled)[..., 0].ravel(), reference[..., 0].ravel())[0, 1], 1.0)


def test_the_best_of_48_is_the_best_by_brute_force():
    scores, reference = random_scores(1), random_scores(2) + 0.3 * random_scores(1)[..., [1, 2, 0]]
    match = best_match(scores, reference)
    flat, target = scores.reshape(-1, 3), reference.reshape(-1, 3)
    sums = [
        sum(sign * np.corrcoef(flat[:, own], target[:, place])[0, 1] for place, (own, sign) in enumerate(zip(order, signs)))
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]
    assert sum(match.correlations) == pytest.approx(max(sums))


def test_further_components_stay_and_constant_ones_correlate_with_nothing():
    scores = random_scores(k=5)
    scores[..., 1] = 3.0
    match = best_match(scores, random_scores(3))
    np.testing.assert_array_equal(match.applied(scores)[..., 3:], scores[..., 3:])
    assert match.correlations[match.order.index(1)] == 0.0


def test_shapes_that_do_not_fit():
    with pytest.raises(InputError, match="scores must have 3 components or more for colours; got shape"):
        coloured(random_scores(k=2), np.zeros((2, 2)))
    with pytest.raises(InputError, match="scores must be of the pixels of the reference, with 3 components; got"):
        best_match(random_scores(), random_scores(side=8))
