"""DINO (Caron et al. 2021): self-distillation with a slow, centred, sharpened teacher."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import softmax

from repr_probe.training.gathering import gather_rows
from repr_probe.training.objectives.heads import Prototypes, projector_of, projector_width
from repr_probe.training.objectives.objective import Objective, Step, features_of_views, head_of_views, spread
from repr_probe.training.objectives.option_checks import require_positive, require_share
from repr_probe.training.objectives.swapped_codes import swapped_prediction
from repr_probe.training.objectives.teacher import Teacher, momentum_at


class DINO(Objective):
    """Cross entropy of the teacher's softmax on each global view with the student's on every other view.

    frozen: share of training in which prototypes stand still. The centre of the teacher's scores is a moving average over all ranks.
    """

    default_projector = (2048, 2048, 256)
    centre: torch.Tensor

    def __init__(
        self, backbone: nn.Module, n_features: int, *, projector: tuple[int, ...] = default_projector, norm: bool = True, n_global: int = 2,
        n_prototypes: int = 65536, student_temperature: float = 0.1, teacher_temperature: float = 0.04, momentum: float = 0.996,
        centre_momentum: float = 0.9, frozen: float = 0.01,
    ) -> None:  # fmt: skip
        super().__init__(backbone, n_global=n_global)
        require_positive(n_prototypes=n_prototypes, student_temperature=student_temperature, teacher_temperature=teacher_temperature)
        require_share(momentum=momentum, centre_momentum=centre_momentum, frozen=frozen)
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.momentum, self.centre_momentum, self.frozen = momentum, centre_momentum, frozen
        self.projector = projector_of(n_features, projector, norm=norm, activation=nn.GELU)
        self.prototypes = Prototypes(projector_width(n_features, projector), n_prototypes)
        self.teacher = Teacher(self.backbone, self.projector, self.prototypes)
        self.register_buffer("centre", torch.zeros(n_prototypes))

    def step(self, views: list[torch.Tensor], labels: torch.Tensor | None) -> Step:
        z = head_of_views(self.projector, features_of_views(self.backbone, views))
        scores = self.prototypes(z, frozen=self.progress < self.frozen)  # (n_images, n_views, n_prototypes)
        with torch.no_grad():
            backbone, projector, prototypes = self.teacher.networks
            targets = prototypes(head_of_views(projector, features_of_views(backbone, views[: self.n_global])))
            codes = softmax((targets - self.centre) / self.teacher_temperature, dim=2)
            if self.training:
                mean = gather_rows(targets.mean(dim=(0, 1))[None]).mean(dim=0)
                self.centre.lerp_(mean, 1.0 - self.centre_momentum)
        loss = swapped_prediction(codes.transpose(0, 1), scores.transpose(0, 1), temperature=self.student_temperature)
        entropy = torch.special.entr(codes).sum(dim=2).mean()  # of the teacher; 0 or log(n_prototypes) for long is collapse
        return Step(loss, {"spread": spread(z), "teacher_entropy": entropy})

    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        self.teacher.follow(self.backbone, self.projector, self.prototypes, momentum=momentum_at(progress, self.momentum))
