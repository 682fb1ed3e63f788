"""VICReg (Bardes et al. 2022)."""

from __future__ import annotations

import torch
from torch import nn

from repr_probe.training.objectives.heads import projector_of
from repr_probe.training.objectives.objective import Objective, Step, features_of_views, head_of_views, pairs_with_a_global_view, spread
from repr_probe.training.objectives.option_checks import require_weight
from repr_probe.training.objectives.vicreg_loss import vicreg_terms


class VICReg(Objective):
    """The three terms of the two views with their weights; of more views, the mean over the pairs with a global view."""

    default_projector = (8192, 8192)

    def __init__(
        self, backbone: nn.Module, n_features: int, *, projector: tuple[int, ...] = default_projector, norm: bool = True, n_global: int = 2,
        invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__(backbone, n_global=n_global)
        require_weight(invariance=invariance, variance=variance, covariance=covariance)
        self.weights = {"invariance": invariance, "variance": variance, "covariance": covariance}
        self.projector = projector_of(n_features, projector, norm=norm)

    def step(self, views: list[torch.Tensor], labels: torch.Tensor | None) -> Step:
        z = head_of_views(self.projector, features_of_views(self.backbone, views))
        pairs = pairs_with_a_global_view(self.n_global, len(views))
        means = torch.stack([torch.stack(vicreg_terms(z[:, first], z[:, second])) for first, second in pairs]).mean(dim=0)
        terms = dict(zip(self.weights, means.unbind()))
        loss = torch.stack([weight * terms[name] for name, weight in self.weights.items()]).sum()
        return Step(loss, {name: term.detach() for name, term in terms.items()} | {"spread": spread(z)})
