"""The supervised baseline: a linear classifier on the backbone."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from repr_probe.errors import UsageError
from repr_probe.training.objectives.heads import projector_of, projector_width
from repr_probe.training.objectives.objective import Objective, Step, features_of_views, given_labels, head_of_views
from repr_probe.training.objectives.option_checks import require_share


class Supervised(Objective):
    """Mean cross entropy of the global views; local views are left out, so that an epoch need not make them (n_local = 0)."""

    needs_labels = True
    least_views = 1
    default_projector = ()

    def __init__(
        self, backbone: nn.Module, n_features: int, *, projector: tuple[int, ...] = default_projector, norm: bool = True, n_global: int = 2,
        n_classes: int | None = None, label_smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(backbone, n_global=n_global)
        if n_classes is None or n_classes < 2:
            raise UsageError(f"n_classes must be at least 2 for a classifier; got {n_classes}")
        require_share(label_smoothing=label_smoothing)
        self.label_smoothing = label_smoothing
        self.projector = projector_of(n_features, projector, norm=norm)
        self.classifier = nn.Linear(projector_width(n_features, projector), n_classes)

    def step(self, views: list[torch.Tensor], labels: torch.Tensor | None) -> Step:
        features = features_of_views(self.backbone, views[: self.n_global])
        logits = self.classifier(head_of_views(self.projector, features)).float()  # (n_images, n_global, n_classes)
        targets = given_labels(labels)[:, None].expand(logits.shape[:2])
        loss = cross_entropy(logits.transpose(1, 2), targets, label_smoothing=self.label_smoothing)
        return Step(loss, {"accuracy": (logits.argmax(dim=2) == targets).float().mean()})
