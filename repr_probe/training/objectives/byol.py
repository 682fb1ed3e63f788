"""BYOL (Grill et al. 2020): predict what a slow teacher sees in another view."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from repr_probe.training.full_precision import at_least_float32
from repr_probe.training.objectives.heads import projector_of, projector_width
from repr_probe.training.objectives.objective import Objective, Step, features_of_views, head_of_views, spread
from repr_probe.training.objectives.option_checks import require_positive, require_share
from repr_probe.training.objectives.teacher import Teacher, momentum_at


def byol_loss(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Twice the mean of 2 - 2 cosine between the prediction of a view and the target of every other one, in [0, 8].

    predictions: (n_images, n_views, n_features); targets: (n_images, n_global, n_features), of the first views. For two views that is the sum
    over both directions. Source: eqs. 2 and 3 of arXiv 2006.07733.

    >>> byol_loss(torch.ones(3, 2, 4), torch.ones(3, 2, 4)).item()
    0.0
    """
    cosines = cosine_similarity(at_least_float32(predictions)[:, None], at_least_float32(targets)[:, :, None], dim=3)  # (n_images, n_global, n_views)
    different = ~torch.eye(*cosines.shape[1:], dtype=torch.bool, device=cosines.device)
    return 4.0 - 4.0 * (cosines * different).sum(dim=(1, 2)).mean() / (targets.shape[1] * (predictions.shape[1] - 1))


class BYOL(Objective):
    """`byol_loss` with a teacher of backbone and projector; its momentum goes from `momentum` to 1 by a cosine."""

    default_projector = (4096, 256)

    def __init__(
        self, backbone: nn.Module, n_features: int, *, projector: tuple[int, ...] = default_projector, norm: bool = True, n_global: int = 2,
        predictor: int = 4096, momentum: float = 0.99,
    ) -> None:  # fmt: skip
        super().__init__(backbone, n_global=n_global)
        require_positive(predictor=predictor)
        require_share(momentum=momentum)
        width = projector_width(n_features, projector)
        self.momentum = momentum
        self.projector = projector_of(n_features, projector, norm=norm)
        self.predictor = projector_of(width, (predictor, width), norm=norm)
        self.teacher = Teacher(self.backbone, self.projector)

    def step(self, views: list[torch.Tensor], labels: torch.Tensor | None) -> Step:
        z = head_of_views(self.projector, features_of_views(self.backbone, views))
        predictions = head_of_views(self.predictor, z)
        with torch.no_grad():
            backbone, projector = self.teacher.networks
            targets = head_of_views(projector, features_of_views(backbone, views[: self.n_global]))
        return Step(byol_loss(predictions, targets), {"spread": spread(z), "teacher_spread": spread(targets)})

    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        self.teacher.follow(self.backbone, self.projector, momentum=momentum_at(progress, self.momentum))
