"""SimCLR (Chen et al. 2020)."""

from __future__ import annotations

import torch
from torch import nn

from repr_probe.training.objectives.heads import projector_of
from repr_probe.training.objectives.nt_xent import nt_xent
from repr_probe.training.objectives.objective import Objective, Step, features_of_views, head_of_views, pairs_with_a_global_view, spread
from repr_probe.training.objectives.option_checks import require_positive


class SimCLR(Objective):
    """NT-Xent of the two views; of more, its mean over the pairs with a global view."""

    default_projector = (2048, 128)

    def __init__(
        self, backbone: nn.Module, n_features: int, *, projector: tuple[int, ...] = default_projector, norm: bool = True, n_global: int = 2,
        temperature: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__(backbone, n_global=n_global)
        require_positive(temperature=temperature)
        self.temperature = temperature
        self.projector = projector_of(n_features, projector, norm=norm, last_norm=True)

    def step(self, views: list[torch.Tensor], labels: torch.Tensor | None) -> Step:
        z = head_of_views(self.projector, features_of_views(self.backbone, views))
        pairs = pairs_with_a_global_view(self.n_global, len(views))
        losses = [nt_xent(z[:, first], z[:, second], temperature=self.temperature) for first, second in pairs]
        return Step(torch.stack(losses).mean(), {"spread": spread(z)})
