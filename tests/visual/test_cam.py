"""Class activation maps: worked by hand, against full singular value decompositions, and what follows from the definitions."""

from __future__ import annotations

import pytest
import torch

from repr_probe.visual.cam import METHODS, eigen, gradcam, layercam


@pytest.fixture
def layer():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 6, 4, 5, generator=generator), torch.randn(3, 6, 4, 5, generator=generator)


def test_gradcam_and_layercam_as_loops(layer):
    activations, gradients = layer
    for n, y, x in ((0, 0, 0), (1, 3, 2), (2, 2, 4)):
        plain = sum(float(gradients[n, k].mean() * activations[n, k, y, x]) for k in range(6))
        placed = sum(max(0.0, float(gradients[n, k, y, x])) * float(activations[n, k, y, x]) for k in range(6))
        assert float(gradcam(activations, gradients)[n, y, x]) == pytest.approx(max(0.0, plain), abs=1e-6)
        assert float(layercam(activations, gradients)[n, y, x]) == pytest.approx(max(0.0, placed), abs=1e-6)


def test_both_agree_where_the_gradient_is_the_same_everywhere_and_positive(layer):
    activations, gradients = layer
    even = gradients.abs().mean((2, 3), keepdim=True).expand_as(activations)
    assert torch.allclose(gradcam(activations, even), layercam(activations, even), atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 30, 3, 4)])  # the Gram matrix of the channels, and that of the places
def test_eigen_is_the_first_singular_direction(shape):
    activations = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    for n, found in enumerate(eigen(activations)):
        places = activations[n].flatten(1).T.double()
        left, values, _ = torch.linalg.svd(places, full_matrices=True)
        wanted = left[:, 0] * values[0]
        wanted = wanted * wanted.sum().sign()
        assert torch.allclose(found.double().flatten(), wanted.clamp_min(0), atol=1e-6)


@pytest.mark.parametrize("name", list(METHODS))
def test_maps_are_not_negative_and_scale_with_the_activations(layer, name):
    activations, gradients = layer
    found = METHODS[name](activations, gradients)
    assert found.shape == (3, 4, 5) and float(found.min()) >= 0
    assert torch.allclose(METHODS[name](2 * activations, gradients), 2 * found, atol=1e-5)


def test_a_method_of_gradients_needs_them(layer):
    with pytest.raises(TypeError, match="gradients must be given for this method; got None"):
        layercam(layer[0], None)
