"""SwAV (Caron et al. 2020): predict the cluster of one view from another."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import normalize

from repr_probe.training.full_precision import at_least_float32
from repr_probe.training.gathering import gather_rows, ranks
from repr_probe.training.objectives.heads import Prototypes, projector_of, projector_width
from repr_probe.training.objectives.objective import Objective, Step, features_of_views, head_of_views, spread
from repr_probe.training.objectives.option_checks import require_positive, require_share, require_weight
from repr_probe.training.objectives.swapped_codes import sinkhorn, swapped_prediction


class SwAV(Objective):
    """Codes by Sinkhorn over the global views of all ranks, predicted from every other view.

    frozen: share of training in which prototypes stand still. queue: earlier rows that take part in the codes once they are as many and the
    share `queue_start` of training is done, for batches smaller than the number of prototypes; 0 for none.
    """

    default_projector = (2048, 128)
    queue_rows: torch.Tensor

    def __init__(
        self, backbone: nn.Module, n_features: int, *, projector: tuple[int, ...] = default_projector, norm: bool = True, n_global: int = 2,
        n_prototypes: int = 3000, temperature: float = 0.1, epsilon: float = 0.05, iterations: int = 3, frozen: float = 0.01,
        queue: int = 3840, queue_start: float = 0.15,
    ) -> None:  # fmt: skip
        super().__init__(backbone, n_global=n_global)
        require_positive(n_prototypes=n_prototypes, temperature=temperature, epsilon=epsilon, iterations=iterations)
        require_share(frozen=frozen, queue_start=queue_start)
        require_weight(queue=queue)
        self.temperature, self.epsilon, self.iterations = temperature, epsilon, iterations
        self.frozen, self.queue_start = frozen, queue_start
        width = projector_width(n_features, projector)
        self.projector = projector_of(n_features, projector, norm=norm)
        self.prototypes = Prototypes(width, n_prototypes)
        self.register_buffer("queue_rows", torch.zeros(n_global, queue, width))  # the same on all ranks, newest first
        self.n_queued = 0

    def step(self, views: list[torch.Tensor], labels: torch.Tensor | None) -> Step:
        z = normalize(at_least_float32(head_of_views(self.projector, features_of_views(self.backbone, views))), dim=2)
        scores = self.prototypes(z, frozen=self.progress < self.frozen)  # (n_images, n_views, n_prototypes)
        seen = gather_rows(z[:, : self.n_global].detach()).transpose(0, 1)  # (n_global, images of all ranks, width)
        codes = self._codes(seen, len(z))
        if self.training:
            self._enqueue(seen)
        loss = swapped_prediction(codes, scores.transpose(0, 1), temperature=self.temperature)
        used = torch.exp(torch.special.entr(codes.mean(dim=(0, 1))).sum())  # prototypes in use: exp of the entropy of the mean code
        return Step(loss, {"spread": spread(z), "prototypes_used": used})

    @torch.no_grad()
    def _codes(self, seen: torch.Tensor, n_images: int) -> torch.Tensor:
        """(n_global, n_images, n_prototypes): codes of this rank's rows of `seen`, among all of them and the queue."""
        use_queue = self.progress >= self.queue_start and self.n_queued >= self.queue_rows.shape[1]
        rows = torch.cat([seen, self.queue_rows[: len(seen)]], dim=1) if use_queue else seen
        own = slice(ranks()[0] * n_images, (ranks()[0] + 1) * n_images)
        return torch.stack([sinkhorn(s, epsilon=self.epsilon, iterations=self.iterations)[own] for s in self.prototypes(rows)])

    @torch.no_grad()
    def _enqueue(self, seen: torch.Tensor) -> None:
        size = self.queue_rows.shape[1]
        self.queue_rows[: len(seen)] = torch.cat([seen, self.queue_rows[: len(seen)]], dim=1)[:, :size]
        self.n_queued = min(self.n_queued + seen.shape[1], size)

    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        self.prototypes.renormalise()

    def get_extra_state(self) -> torch.Tensor:
        return torch.tensor([self.progress, self.n_queued], dtype=torch.float64)

    def set_extra_state(self, state: torch.Tensor) -> None:
        self.progress, n_queued = state.tolist()
        self.n_queued = int(n_queued)
