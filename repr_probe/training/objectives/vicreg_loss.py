"""The loss of VICReg."""

from __future__ import annotations

import torch
from torch.nn.functional import mse_loss, relu

from repr_probe.training.full_precision import at_least_float32
from repr_probe.training.gathering import gather_rows


def vicreg_terms(first: torch.Tensor, second: torch.Tensor, *, eps: float = 1e-4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(invariance, variance, covariance) of two views over the images of all ranks; the loss is 25, 25 and 1 times them.

    invariance: mean squared difference. variance: mean over features of max(0, 1 - sqrt(variance + eps)), mean of both views. covariance: sum
    over pairs of different features of their squared covariance, divided by n_features, sum of both views.
    first, second: (n_images, n_features). Source: Bardes et al. 2022, eqs. 1-6 (arXiv 2105.04906).

    >>> [round(term.item(), 4) for term in vicreg_terms(torch.zeros(4, 2), torch.ones(4, 2))]
    [1.0, 0.99, 0.0]
    """
    with torch.autocast(first.device.type, enabled=False):
        a, b = (gather_rows(at_least_float32(view)) for view in (first, second))
        variances, covariances = [], []
        for view in (a, b):
            centred = view - view.mean(dim=0)
            covariance = centred.T @ centred / (len(view) - 1)  # (n_features, n_features)
            variance = covariance.diagonal()
            variances.append(relu(1.0 - (variance + eps).sqrt()).mean())
            covariances.append((covariance.square().sum() - variance.square().sum()) / view.shape[1])
        return mse_loss(a, b), (variances[0] + variances[1]) / 2, covariances[0] + covariances[1]
