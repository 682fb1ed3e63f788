"""The codes and the loss of SwAV."""

from __future__ import annotations

import torch
from torch.nn.functional import log_softmax

from repr_probe.training.full_precision import at_least_float32


@torch.no_grad()
def sinkhorn(scores: torch.Tensor, *, epsilon: float = 0.05, iterations: int = 3) -> torch.Tensor:
    """Soft codes (n, n_prototypes) of scores (n, n_prototypes): rows sum to 1, columns nearly to n / n_prototypes.

    exp(scores / epsilon), columns and rows scaled in turn, in logarithms. Source: Caron et al. 2020, eq. 3 (arXiv 2006.09882).

    >>> sinkhorn(torch.zeros(2, 4))[0].tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    logs = at_least_float32(scores) / epsilon
    for _ in range(iterations):
        logs = logs - torch.logsumexp(logs, dim=0, keepdim=True)
        logs = logs - torch.logsumexp(logs, dim=1, keepdim=True)
    return logs.exp()


def swapped_prediction(codes: torch.Tensor, scores: torch.Tensor, *, temperature: float = 0.1) -> torch.Tensor:
    """Mean cross entropy of the codes of each global view with the softmax of every other view's scores, scalar.

    codes: (n_global, n_images, n_prototypes); scores: (n_views, n_images, n_prototypes), the global views first.
    """
    with torch.autocast(scores.device.type, enabled=False):
        log_p = log_softmax(at_least_float32(scores) / temperature, dim=2)
        entropies = -torch.einsum("gik,vik->gv", codes, log_p) / codes.shape[1]  # (n_global, n_views)
    same = torch.eye(*entropies.shape, dtype=torch.bool, device=scores.device)
    return entropies.masked_fill(same, 0.0).sum() / (len(codes) * (len(scores) - 1))
