"""The HyDeS loss: entropies on the hypersphere by von Mises-Fisher kernel density, eqs. 1-4 of the paper."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from repr_probe.errors import InputError, UsageError
from repr_probe.training.full_precision import at_least_float32
from repr_probe.training.gathering import gather_rows, ranks
from repr_probe.training.vmf import log_sphere_area, log_uniform_mean, require_concentration

Marginal = Literal["all", "negatives"]
Local = Literal["log_mean", "mean_log"]
Chunk = int | Literal["auto"]
Gather = Literal["auto", False]

# torch's default of 1e-12 lets a zero row have gradients of 1e11; rows of a real projector are many orders longer than this.
SHORTEST_ROW = 1e-6
DENSE_BYTES = 256 * 2**20  # a larger matrix of cosines is computed in blocks of rows of at most this size


@dataclass(frozen=True)
class HydesEntropies:
    """Both entropies in nats relative to the uniform density: 0 = uniform, negative = concentrated (finite samples may end just above).

    Relative, because the absolute values of eqs. 2 and 3 are these plus `log_area`, which swamps them (-127 at 128 dimensions) and makes
    projectors of different width incomparable. They describe the density smoothed by the kernel, not Z itself: at kappa = 1 the kernel is
    nearly flat. On several ranks they are means over the rows of this rank, each against the rows of all.
    """

    global_log_mean: torch.Tensor  # scalar: mean over rows of log mean exp(kappa * cosine) to the marginal
    local_log_mean: torch.Tensor  # scalar: the same to the other views of the row's image
    log_uniform_mean: float  # what both would be for uniform directions
    log_area: float  # log |S^(D-1)|, the entropy of the uniform density
    ceiling: float  # no encoder can bring mutual_information above it; see `information_ceiling`

    @property
    def h_global(self) -> torch.Tensor:
        """Eq. 2 minus log_area, scalar."""
        return self.log_uniform_mean - self.global_log_mean

    @property
    def h_local(self) -> torch.Tensor:
        """Eq. 3 minus log_area, scalar."""
        return self.log_uniform_mean - self.local_log_mean

    @property
    def mutual_information(self) -> torch.Tensor:
        """Eq. 4 with alpha = beta = 1: H_global - H_local, scalar, in nats; at most `ceiling`."""
        return self.local_log_mean - self.global_log_mean

    def loss(self, *, alpha: float = 1.0, beta: float = 1.0) -> torch.Tensor:
        """-(alpha * H_global - beta * H_local) with the absolute entropies of eqs. 2 and 3: a scalar to minimise."""
        loss = alpha * self.global_log_mean - beta * self.local_log_mean
        if alpha == beta:
            return loss  # the normaliser cancels; subtracting two numbers of its size would cost float32 its digits
        return loss - (alpha - beta) * (self.log_area + self.log_uniform_mean)


def hydes_loss(
    z: torch.Tensor, *, alpha: float = 1.0, beta: float = 1.0, kappa: float = 1.0,
    marginal: Marginal = "all", local: Local = "log_mean", chunk: Chunk = "auto", gather: Gather = "auto",
) -> torch.Tensor:  # fmt: skip
    """-(alpha * H_global - beta * H_local), a scalar to minimise; eq. 4 with the entropies of eqs. 2 and 3.

    z: (n_images, n_views, n_features) projector outputs, at least 2 images and 2 views; rows are scaled to length 1 here, in float32 or
    float64, also under autocast.
    alpha, beta: weights of spread and of invariance, >= 0; only 1, 1 estimates the mutual information between views.
    kappa: concentration of the kernel, > 0. Small values move little but the mean cosine, large values look at near neighbours.
    marginal: what spreads row i, H_global. "all": every row but itself (eq. 2 as written); "negatives": only rows of other images.
    local: "log_mean", the log of the mean kernel over the other views (eq. 3); "mean_log", the mean of the log, kappa * mean cosine, which
    pulls all views alike where log_mean with a large kappa pulls the nearest.
    chunk: rows of cosines held at a time; blocks are computed again for the gradient, with the same result. "auto": all rows at once up to
    256 MB, else as many as fit there.
    gather: "auto": with torch.distributed, rows of all ranks spread and every rank must bring equally many images; the value is the mean over
    this rank's rows, and gradients averaged over ranks are those of one process. False: only this rank's rows.

    With alpha = beta = 1 the loss is, up to a constant, NT-Xent with temperature 1 / kappa for two views, SupCon with the logarithm outside
    the mean over positives (L_in) for more, and Decoupled Contrastive with marginal="negatives". See docs/hydes.md.

    Raises InputError for another shape, UsageError for an option that cannot be.

    >>> round(hydes_loss(torch.eye(2).repeat_interleave(2, 0).view(2, 2, 2)).item(), 6)  # -log(e / ((e + 1 + 1) / 3))
    -0.547168
    """
    _require_weights(alpha, beta)
    return hydes_entropies(z, kappa=kappa, marginal=marginal, local=local, chunk=chunk, gather=gather).loss(alpha=alpha, beta=beta)


class HyDeSLoss(nn.Module):
    """Hyperspherical density shaping as a module: `hydes_loss` with its options kept. Options are checked here, not at the first batch.

    >>> HyDeSLoss(kappa=10.0)
    HyDeSLoss(alpha=1.0, beta=1.0, kappa=10.0, marginal='all', local='log_mean', chunk='auto', gather='auto')
    """

    def __init__(
        self, *, alpha: float = 1.0, beta: float = 1.0, kappa: float = 1.0,
        marginal: Marginal = "all", local: Local = "log_mean", chunk: Chunk = "auto", gather: Gather = "auto",
    ) -> None:  # fmt: skip
        super().__init__()
        _require_weights(alpha, beta)
        _require_options(kappa, marginal, local, chunk, gather)
        self.alpha, self.beta, self.kappa = alpha, beta, kappa
        self.marginal, self.local, self.chunk, self.gather = marginal, local, chunk, gather

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """The loss of z (n_images, n_views, n_features), scalar."""
        return self.entropies(z).loss(alpha=self.alpha, beta=self.beta)

    def entropies(self, z: torch.Tensor) -> HydesEntropies:
        """What the loss is made of: `.loss(alpha=..., beta=...)` of them is the loss, with gradients."""
        return hydes_entropies(z, kappa=self.kappa, marginal=self.marginal, local=self.local, chunk=self.chunk, gather=self.gather)

    def extra_repr(self) -> str:
        return (
            f"alpha={self.alpha}, beta={self.beta}, kappa={self.kappa}, marginal={self.marginal!r}, local={self.local!r}, "
            f"chunk={self.chunk!r}, gather={self.gather!r}"
        )


def hydes_entropies(
    z: torch.Tensor, *, kappa: float = 1.0, marginal: Marginal = "all", local: Local = "log_mean", chunk: Chunk = "auto",
    gather: Gather = "auto",
) -> HydesEntropies:  # fmt: skip
    """H_global and H_local of eqs. 2 and 3, relative to the uniform density, with the ceiling of their difference; as in `hydes_loss`.

    >>> equal = hydes_entropies(torch.ones(4, 2, 3))  # a single point: log F - kappa
    >>> round(equal.h_global.item(), 4), abs(equal.mutual_information.item()) < 1e-6, round(equal.ceiling, 4)
    (-0.8386, True, 0.9975)
    """
    _require_views(z)
    _require_options(kappa, marginal, local, chunk, gather)
    rank, n_ranks = ranks() if gather else (0, 1)
    n_images, n_views, n_features = z.shape
    _require_pairs(n_images * n_ranks, n_views)
    with torch.autocast(z.device.type, enabled=False):  # half-precision cosines are coarser than the differences that are learnt
        views = normalize(at_least_float32(z), dim=2, eps=SHORTEST_ROW)
        rows = views.flatten(0, 1)  # (n_rows, n_features)
        columns = gather_rows(rows) if n_ranks > 1 else rows
        shared = n_views if marginal == "negatives" else 1  # so many rows in a run are no part of each other's marginal
        return HydesEntropies(
            global_log_mean=_global_log_means(kappa * rows, columns, rank * len(rows), shared, chunk).mean(),
            local_log_mean=_local_log_means(views, kappa, local).mean(),
            log_uniform_mean=log_uniform_mean(n_features, kappa),
            log_area=log_sphere_area(n_features),
            ceiling=information_ceiling(n_images * n_ranks, n_views, kappa, marginal=marginal),
        )


def information_ceiling(n_images: int, n_views: int, kappa: float, *, marginal: Marginal = "all") -> float:
    """The largest mutual information, in nats, that N images in V views can be estimated to have, however good the encoder.

    -log((V-1)/(VN-1) + (N-1)V/(VN-1) * exp(-kappa N/(N-1))), reached by N directions in a regular simplex whose views agree. It is below the
    log((VN-1)/(V-1)) of InfoNCE, which it meets for a large kappa, and close to kappa for a small one. With marginal="negatives" it is
    kappa N/(N-1). On several ranks N counts the images of all, and it bounds the mean over ranks.

    Raises InputError below 2 images or 2 views, UsageError for a kappa or marginal that cannot be.

    >>> [round(information_ceiling(128, 8, kappa), 3) for kappa in (0.1, 1.0, 10.0, 1000.0)]  # log(1023 / 7) = 4.985
    [0.1, 0.996, 4.979, 4.985]
    """
    _require_pairs(n_images, n_views)
    _require_options(kappa, marginal=marginal)
    widest = kappa * n_images / (n_images - 1)  # the log-ratio of positive to negative kernels, by Jensen and |sum of rows|^2 >= 0
    if marginal == "negatives":
        return widest
    others = n_images * n_views - 1
    return -math.log((n_views - 1) / others + (n_images - 1) * n_views / others * math.exp(-widest))


def _global_log_means(scaled: torch.Tensor, columns: torch.Tensor, first: int, shared: int, chunk: Chunk) -> torch.Tensor:
    """(n_rows,) log mean exp of scaled (n_rows, D) times columns (n_columns, D); row i is column `first` + i."""
    row_bytes = len(columns) * columns.element_size()
    size = max(1, DENSE_BYTES // row_bytes) if chunk == "auto" else chunk
    if size >= len(scaled):
        return _log_means_of_block(scaled, columns, first, shared)
    blocks = []
    for start in range(0, len(scaled), size):
        block = scaled[start : start + size]
        blocks.append(checkpoint(_log_means_of_block, block, columns, first + start, shared, use_reentrant=False, preserve_rng_state=False))
    return torch.cat(blocks)


def _log_means_of_block(scaled: torch.Tensor, columns: torch.Tensor, first: int, shared: int) -> torch.Tensor:
    """`_global_log_means` of a block of rows, over the columns outside its own run of `shared` ones."""
    logits = scaled @ columns.T  # (n_block, n_columns)
    own = torch.arange(first, first + len(scaled), device=scaled.device) // shared
    owner = torch.arange(len(columns), device=scaled.device) // shared
    logits = logits.masked_fill_(own[:, None] == owner[None, :], -torch.inf)
    return torch.logsumexp(logits, dim=1) - math.log(len(columns) - shared)


def _local_log_means(views: torch.Tensor, kappa: float, local: Local) -> torch.Tensor:
    """(n_images, n_views) log mean, or mean log, of exp(kappa * cosine) to the other views of the same image."""
    n_views = views.shape[1]
    itself = torch.eye(n_views, dtype=torch.bool, device=views.device)
    logits = (kappa * views) @ views.mT  # (n_images, n_views, n_views)
    if local == "mean_log":
        return logits.masked_fill(itself, 0.0).sum(dim=2) / (n_views - 1)
    return torch.logsumexp(logits.masked_fill(itself, -torch.inf), dim=2) - math.log(n_views - 1)


def _require_views(z: torch.Tensor) -> None:
    if z.ndim != 3:
        raise InputError(f"z must have shape (n_images, n_views, n_features); got {tuple(z.shape)}")
    if z.shape[2] < 2:
        raise InputError(f"z must have at least 2 features to lie on a sphere; got {z.shape[2]}")


def _require_pairs(n_images: int, n_views: int) -> None:
    if n_images < 2:
        raise InputError(f"z must hold at least 2 images, or no other image spreads it; got {n_images}")
    if n_views < 2:
        raise InputError(f"z must hold at least 2 views of each image, or there is no positive pair; got {n_views}")


def _require_weights(alpha: float, beta: float) -> None:
    for name, weight in (("alpha", alpha), ("beta", beta)):
        if not (math.isfinite(weight) and weight >= 0):
            raise UsageError(f"{name} must be a finite number of at least 0; got {weight}")


def _require_options(
    kappa: float, marginal: Marginal = "all", local: Local = "log_mean", chunk: Chunk = "auto", gather: Gather = "auto"
) -> None:
    require_concentration(kappa)
    for name, value, kinds in (("marginal", marginal, get_args(Marginal)), ("local", local, get_args(Local))):
        if value not in kinds:
            raise UsageError(f"{name} must be {' or '.join(kinds)}; got {value!r}")
    if chunk != "auto" and not (type(chunk) is int and chunk >= 1):
        raise UsageError(f"chunk must be auto or a number of rows of at least 1; got {chunk!r}")
    if gather != "auto" and gather is not False:
        raise UsageError(f"gather must be auto or False; got {gather!r}")
