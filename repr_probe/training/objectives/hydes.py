"""HyDeS: hyperspherical density shaping, the method of the paper."""

from __future__ import annotations

import torch
from torch import nn

from repr_probe.training.hydes_loss import HyDeSLoss, Local, Marginal
from repr_probe.training.objectives.heads import projector_of
from repr_probe.training.objectives.objective import Objective, Step, features_of_views, head_of_views, spread


class Hydes(Objective):
    """`hydes_loss` of all views behind a projector; alpha = beta = kappa = 1 as in the paper."""

    default_projector = (2048, 128)  # an assumption: the paper names the last width only, 128 to 4096, and finds it without effect

    def __init__(
        self, backbone: nn.Module, n_features: int, *, projector: tuple[int, ...] = default_projector, norm: bool = True, n_global: int = 2,
        alpha: float = 1.0, beta: float = 1.0, kappa: float = 1.0, marginal: Marginal = "all", local: Local = "log_mean",
    ) -> None:  # fmt: skip
        super().__init__(backbone, n_global=n_global)
        self.projector = projector_of(n_features, projector, norm=norm)
        self.loss = HyDeSLoss(alpha=alpha, beta=beta, kappa=kappa, marginal=marginal, local=local)

    def step(self, views: list[torch.Tensor], labels: torch.Tensor | None) -> Step:
        z = head_of_views(self.projector, features_of_views(self.backbone, views))  # (n_images, n_views, width)
        entropies = self.loss.entropies(z)
        terms = {
            "h_global": entropies.h_global.detach(),
            "h_local": entropies.h_local.detach(),
            "mutual_information": entropies.mutual_information.detach(),
            "ceiling": torch.full((), entropies.ceiling, device=z.device),
            "spread": spread(z),
        }
        return Step(entropies.loss(alpha=self.loss.alpha, beta=self.loss.beta), terms)
