"""Barlow Twins (Zbontar et al. 2021)."""

from __future__ import annotations

import torch
from torch import nn

from repr_probe.training.objectives.barlow_twins_loss import barlow_twins_terms
from repr_probe.training.objectives.heads import projector_of
from repr_probe.training.objectives.objective import Objective, Step, features_of_views, head_of_views, pairs_with_a_global_view, spread
from repr_probe.training.objectives.option_checks import require_weight


class BarlowTwins(Objective):
    """invariance + `redundancy` * redundancy of the two views; of more, the mean over the pairs with a global view."""

    default_projector = (8192, 8192, 8192)

    def __init__(
        self, backbone: nn.Module, n_features: int, *, projector: tuple[int, ...] = default_projector, norm: bool = True, n_global: int = 2,
        redundancy: float = 5e-3,
    ) -> None:  # fmt: skip
        super().__init__(backbone, n_global=n_global)
        require_weight(redundancy=redundancy)
        self.redundancy = redundancy
        self.projector = projector_of(n_features, projector, norm=norm)

    def step(self, views: list[torch.Tensor], labels: torch.Tensor | None) -> Step:
        z = head_of_views(self.projector, features_of_views(self.backbone, views))
        pairs = pairs_with_a_global_view(self.n_global, len(views))
        terms = torch.stack([torch.stack(barlow_twins_terms(z[:, first], z[:, second])) for first, second in pairs]).mean(dim=0)
        invariance, redundancy = terms.unbind()
        loss = invariance + self.redundancy * redundancy
        return Step(loss, {"invariance": invariance.detach(), "redundancy": redundancy.detach(), "spread": spread(z)})
