from __future__ import annotations

import numpy as np
import pytest

from repr_probe.visual.localise.pca import eta_squared, pca_findings

RNG = np.random.default_rng(0)
INSIDE = RNG.random((5, 12, 14)) > 0.7
NOISE = RNG.normal(0, 1, (5, 12, 14, 3))


def test_it_is_the_analysis_of_variance():
    between = whole = 0.0
    for scores, inside in zip(NOISE + 2 * INSIDE[..., None], INSIDE):
        for component in range(3):
            values = scores[..., component]
            groups = [values[inside], values[~inside]]
            between += sum(len(group) * (group.mean() - values.mean()) ** 2 for group in groups)
            whole += ((values - values.mean()) ** 2).sum()
    assert eta_squared(NOISE + 2 * INSIDE[..., None], INSIDE) == pytest.approx(between / whole)


def test_noise_has_none_and_the_region_itself_all():
    assert eta_squared(NOISE, INSIDE) < 0.03
    assert eta_squared(np.repeat(INSIDE[..., None], 3, -1).astype(float), INSIDE) == pytest.approx(1)
    shifted = INSIDE[..., None] + 10.0 * np.arange(5)[:, None, None, None]  # images of other brightness
    assert eta_squared(shifted, INSIDE) == pytest.approx(1)


def test_findings_stand_beside_the_random_network():
    learned = NOISE + 2 * INSIDE[..., None]
    own, random, ratio = pca_findings(learned, NOISE + 0.5 * INSIDE[..., None], INSIDE)
    assert own.value == pytest.approx(eta_squared(learned, INSIDE)) and own.ci[0] < own.value < own.ci[1]
    assert own.chance == pytest.approx(random.value) and ratio.value == pytest.approx(own.value / random.value) and ratio.chance == 1
    assert [one.maps for one in pca_findings(learned, None, INSIDE)] == ["PCA"]
