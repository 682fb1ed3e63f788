"""NT-Xent, the loss of SimCLR."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, normalize

from repr_probe.training.full_precision import at_least_float32
from repr_probe.training.gathering import gather_rows, ranks


def nt_xent(first: torch.Tensor, second: torch.Tensor, *, temperature: float = 0.1) -> torch.Tensor:
    """Mean over both views of every image of -log(e^(s+/T) / sum of e^(s/T) over all other rows), s cosines, s+ with the image's other view.

    first, second: (n_images, n_features), rows scaled to length 1 here. Rows of all ranks are negatives; the value is of this rank's rows.
    Source: Chen et al. 2020, eq. 1 (arXiv 2002.05709). At least 0; log(2N - 1) when all rows are equal.

    >>> round(nt_xent(torch.ones(2, 3), torch.ones(2, 3)).item(), 4)  # log 3
    1.0986
    """
    with torch.autocast(first.device.type, enabled=False):
        views = [normalize(at_least_float32(view), dim=1) for view in (first, second)]
        all_first, all_second = (gather_rows(view) for view in views)
        n_images, n_all = len(first), len(all_first)
        own = ranks()[0] * n_images + torch.arange(n_images, device=first.device)
        itself, partner = torch.cat([own, own + n_all]), torch.cat([own + n_all, own])  # columns of this rank's rows
        logits = torch.cat(views) @ torch.cat([all_first, all_second]).T / temperature  # (2 n_images, 2 n_all)
        return cross_entropy(logits.scatter(1, itself[:, None], -torch.inf), partner)
