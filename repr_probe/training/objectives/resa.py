"""ReSA (Weng et al. 2025): who resembles whom in the backbone's output tells the embeddings what to be near to."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import log_softmax, normalize

from repr_probe.training.full_precision import at_least_float32
from repr_probe.training.gathering import gather_rows
from repr_probe.training.objectives.heads import projector_of, projector_width
from repr_probe.training.objectives.objective import Objective, Step, features_of_views, head_of_views, spread
from repr_probe.training.objectives.option_checks import require_positive, require_share
from repr_probe.training.objectives.swapped_codes import sinkhorn
from repr_probe.training.objectives.teacher import Teacher


def self_assignment_loss(z: torch.Tensor, targets: torch.Tensor, assignment: torch.Tensor, *, temperature: float = 0.3) -> torch.Tensor:
    """Cross entropy of the assignment with the softmax of cosines / temperature, over rows and over columns, mean over pairs of views.

    z: (n_images, n_views, n_features) of the student; targets: (n_images, n_global, n_features) of the teacher; both of unit rows.
    assignment: (n_images, n_images), rows sum to 1. A view is not compared with itself. Source: eqs. 3 and 4 of arXiv 2501.18452, and the
    authors' code.
    """
    losses = []
    with torch.autocast(z.device.type, enabled=False):
        for student in range(z.shape[1]):
            for teacher in range(targets.shape[1]):
                if student != teacher:
                    logits = z[:, student] @ targets[:, teacher].T / temperature  # (n_images, n_images)
                    both = log_softmax(logits, dim=1) + log_softmax(logits, dim=0)
                    losses.append(-(assignment * both).sum() / (2 * len(z)))
    return torch.stack(losses).mean()


class ReSA(Objective):
    """`self_assignment_loss` over the images of all ranks; the assignment is Sinkhorn's of student against teacher backbone, first view."""

    default_projector = (2048, 2048, 512)

    def __init__(
        self, backbone: nn.Module, n_features: int, *, projector: tuple[int, ...] = default_projector, norm: bool = True, n_global: int = 2,
        predictor: int = 2048, temperature: float = 0.3, epsilon: float = 0.05, iterations: int = 3, momentum: float = 0.996,
    ) -> None:  # fmt: skip
        super().__init__(backbone, n_global=n_global)
        require_positive(predictor=predictor, temperature=temperature, epsilon=epsilon, iterations=iterations)
        require_share(momentum=momentum)
        self.temperature, self.epsilon, self.iterations, self.momentum = temperature, epsilon, iterations, momentum
        width = projector_width(n_features, projector)
        self.projector = projector_of(n_features, projector, norm=norm, last_norm=True)
        self.predictor = projector_of(width, (predictor, width), norm=norm)
        self.teacher = Teacher(self.backbone, self.projector)

    def step(self, views: list[torch.Tensor], labels: torch.Tensor | None) -> Step:
        features = features_of_views(self.backbone, views)
        z = _gathered_directions(head_of_views(self.predictor, head_of_views(self.projector, features)))
        with torch.no_grad():
            backbone, projector = self.teacher.networks
            slow = features_of_views(backbone, views[: self.n_global])
            targets = _gathered_directions(head_of_views(projector, slow))
            here, there = (_gathered_directions(both[:, 0]) for both in (features, slow))  # (images of all ranks, n_features)
            with torch.autocast(here.device.type, enabled=False):
                assignment = sinkhorn(here @ there.T, epsilon=self.epsilon, iterations=self.iterations)
        loss = self_assignment_loss(z, targets, assignment, temperature=self.temperature)
        return Step(loss, {"spread": spread(z), "self_assigned": assignment.diagonal().mean()})

    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        self.teacher.follow(self.backbone, self.projector, momentum=self.momentum)


def _gathered_directions(rows: torch.Tensor) -> torch.Tensor:
    return gather_rows(normalize(at_least_float32(rows), dim=-1))
