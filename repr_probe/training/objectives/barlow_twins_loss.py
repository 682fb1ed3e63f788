"""The loss of Barlow Twins."""

from __future__ import annotations

import torch
from torch.nn.functional import batch_norm

from repr_probe.training.full_precision import at_least_float32
from repr_probe.training.gathering import gather_rows


def barlow_twins_terms(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(sum over i of (1 - C_ii)^2, sum over i != j of C_ij^2), C the correlations of the features of two views over the images of all ranks.

    first, second: (n_images, n_features). The loss is the first plus 5e-3 times the second. Standard deviations have 1e-5 added under the
    root, as BatchNorm. Source: Zbontar et al. 2021, eq. 1 (arXiv 2103.03230).

    >>> z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> [round(term.item(), 4) for term in barlow_twins_terms(z, z)]
    [0.0, 0.0]
    """
    with torch.autocast(first.device.type, enabled=False):
        views = (gather_rows(at_least_float32(view)) for view in (first, second))
        a, b = (batch_norm(view, None, None, training=True) for view in views)  # each feature to mean 0, variance 1
        correlation = a.T @ b / len(a)  # (n_features, n_features)
        diagonal = correlation.diagonal()
        return (1.0 - diagonal).square().sum(), correlation.square().sum() - diagonal.square().sum()
