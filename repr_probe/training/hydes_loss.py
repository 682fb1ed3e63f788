"""The HyDeS loss: entropies on the hypersphere by von Mises-Fisher kernel density, eqs. 1-4 of the paper."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from repr_probe.errors import InputError, UsageError

# torch's default of 1e-12 lets a zero row have gradients of 1e11; rows of a real projector are many orders longer than this.
SHORTEST_ROW = 1e-6


class HydesEntropies(NamedTuple):
    """Both entropies in nats, relative to the uniform density: 0 = uniform, negative = concentrated (finite samples may end just above).

    Relative, because the absolute values of eqs. 2 and 3 are these plus `log_area`, which swamps them (-127 at 128 dimensions) and makes
    projectors of different width incomparable. They describe the density smoothed by the kernel, not Z itself: at kappa = 1 the kernel is
    nearly flat.
    """

    h_global: torch.Tensor  # scalar, eq. 2 minus log_area
    h_local: torch.Tensor  # scalar, eq. 3 minus log_area
    log_area: float  # log |S^(D-1)|, the entropy of the uniform density
    ceiling: float  # mutual_information cannot exceed log((M - 1) / (V - 1)) for M rows in V views, however good the encoder

    @property
    def mutual_information(self) -> torch.Tensor:
        """Eq. 4 with alpha = beta = 1: H_global - H_local in nats."""
        return self.h_global - self.h_local


def hydes_loss(z: torch.Tensor, *, alpha: float = 1.0, beta: float = 1.0, kappa: float = 1.0) -> torch.Tensor:
    """-(alpha * H_global - beta * H_local), a scalar to minimise; eq. 4 with the entropies of eqs. 2 and 3.

    z: (n_images, n_views, n_features) projector outputs, at least 2 images and 2 views; rows are scaled to length 1 here.
    alpha, beta: weights of spread and of invariance; only 1, 1 estimates the mutual information between views.
    kappa: concentration of the kernel, > 0. Small values move little but the mean cosine, large values look at near neighbours.

    Every view of every image but row i itself enters H_global of row i (eq. 2 as written); the other views of its image enter H_local.
    With alpha = beta = 1 the loss is, up to a constant, NT-Xent with temperature 1 / kappa for two views, and SupCon with the logarithm
    outside the mean over positives (L_in) for more.

    Raises InputError for another shape, UsageError for a kappa that is not positive.

    >>> round(hydes_loss(torch.eye(2).repeat_interleave(2, 0).view(2, 2, 2)).item(), 6)  # -log(e / ((e + 1 + 1) / 3))
    -0.547168
    """
    global_log_mean, local_log_mean = _log_kernel_means(z, kappa)
    loss = alpha * global_log_mean - beta * local_log_mean
    if alpha == beta:
        return loss  # the normaliser cancels; subtracting two numbers of its size would cost float32 its digits
    return loss + (alpha - beta) * log_normaliser(z.shape[-1], kappa)


def hydes_entropies(z: torch.Tensor, *, kappa: float = 1.0) -> HydesEntropies:
    """H_global and H_local of eqs. 2 and 3, relative to the uniform density, with the ceiling of their difference; z as in `hydes_loss`.

    >>> equal = hydes_entropies(torch.ones(4, 2, 3))  # a single point: log F - kappa
    >>> round(equal.h_global.item(), 4), round(equal.ceiling, 4)
    (-0.8386, 1.9459)
    """
    global_log_mean, local_log_mean = _log_kernel_means(z, kappa)
    n_images, n_views, n_features = z.shape
    log_series = _log_series(n_features, kappa)
    return HydesEntropies(
        h_global=log_series - global_log_mean,
        h_local=log_series - local_log_mean,
        log_area=log_sphere_area(n_features),
        ceiling=math.log((n_images * n_views - 1) / (n_views - 1)),
    )


def _log_kernel_means(z: torch.Tensor, kappa: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean over rows of log mean exp(kappa * cosine), over all other rows and over the other views: eqs. 2 and 3 without sign and C_D."""
    _require_views(z)
    _require_concentration(kappa)
    n_images, n_views, n_features = z.shape
    n_rows = n_images * n_views
    with torch.autocast(z.device.type, enabled=False):  # half-precision cosines are coarser than the differences that are learnt
        rows = z.reshape(n_rows, n_features)
        rows = normalize(rows if rows.dtype == torch.float64 else rows.float(), dim=1, eps=SHORTEST_ROW)
        logits = kappa * (rows @ rows.T)  # (n_rows, n_rows)
        itself = torch.eye(n_rows, dtype=torch.bool, device=z.device)
        image = torch.arange(n_images, device=z.device).repeat_interleave(n_views)
        others = logits.masked_fill(itself, -torch.inf)
        positives = others.masked_fill(image[:, None] != image[None, :], -torch.inf)
        global_log_means = torch.logsumexp(others, dim=1) - math.log(n_rows - 1)  # (n_rows,)
        local_log_means = torch.logsumexp(positives, dim=1) - math.log(n_views - 1)  # (n_rows,)
        return global_log_means.mean(), local_log_means.mean()


def log_normaliser(n_features: int, kappa: float) -> float:
    """log C_D(kappa) of eq. 1, so that C_D(kappa) * exp(kappa * cosine) integrates to 1 over the sphere in n_features dimensions.

    Through 0F1, whose terms are all positive; the textbook form with the Bessel function I underflows in float64 from about 200 dimensions.

    >>> round(log_normaliser(3, 1.0), 6)  # kappa / (4 pi sinh kappa)
    -2.692464
    """
    _require_concentration(kappa)
    return -log_sphere_area(n_features) - _log_series(n_features, kappa)


def log_sphere_area(n_features: int) -> float:
    """log of 2 pi^(D/2) / Gamma(D/2), the area of the unit sphere in D dimensions.

    >>> round(math.exp(log_sphere_area(3)) / math.pi, 6)
    4.0
    """
    half = n_features / 2
    return math.log(2.0) + half * math.log(math.pi) - math.lgamma(half)


@lru_cache(maxsize=256)
def _log_series(n_features: int, kappa: float) -> float:
    """log 0F1(; D/2; kappa^2 / 4), summed in logarithms until the terms are e^-45 of the largest."""
    half, step = n_features / 2, 2.0 * math.log(kappa / 2)
    terms, k = [0.0], 0
    largest = 0.0
    while terms[-1] > largest - 45.0:
        terms.append(terms[-1] + step - math.log(k + 1) - math.log(half + k))
        largest = max(largest, terms[-1])
        k += 1
    return largest + math.log(math.fsum(math.exp(term - largest) for term in terms))


def _require_views(z: torch.Tensor) -> None:
    if z.ndim != 3:
        raise InputError(f"z must have shape (n_images, n_views, n_features); got {tuple(z.shape)}")
    n_images, n_views, n_features = z.shape
    if n_images < 2:
        raise InputError(f"z must hold at least 2 images, or no other image spreads it; got {n_images}")
    if n_views < 2:
        raise InputError(f"z must hold at least 2 views of each image, or there is no positive pair; got {n_views}")
    if n_features < 2:
        raise InputError(f"z must have at least 2 features to lie on a sphere; got {n_features}")


def _require_concentration(kappa: float) -> None:
    if not (math.isfinite(kappa) and kappa > 0):
        raise UsageError(f"kappa must be a positive finite number; got {kappa}")
