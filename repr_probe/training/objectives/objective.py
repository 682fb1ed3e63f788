"""What a training method is: a module from views (and labels) to a loss, with its backbone below it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.functional import normalize

from repr_probe.errors import InputError
from repr_probe.training.full_precision import at_least_float32


@dataclass(frozen=True)
class Step:
    """One forward pass: what to minimise and what to log."""

    loss: torch.Tensor  # scalar with a gradient
    terms: dict[str, torch.Tensor] = field(default_factory=dict)  # detached scalars, of this rank's images


class Objective(nn.Module, ABC):
    """A training method. DistributedDataParallel wraps it, so that everything trainable hangs below it.

    views: one (n_images, C, height, width) tensor a view, the `n_global` global ones first; sizes may differ between views.
    """

    needs_labels = False
    least_views = 2  # of them at least one global

    def __init__(self, backbone: nn.Module, *, n_global: int = 2) -> None:
        super().__init__()
        self.backbone = backbone  # images -> (n, n_features)
        self.n_global = n_global
        self.progress = 0.0  # share of all steps done; part of the state, so that a resumed run goes on with it

    def forward(self, views: list[torch.Tensor], labels: torch.Tensor | None = None) -> Step:
        """The loss of a batch; labels (n_images,) integer codes where `needs_labels`."""
        if len(views) < self.least_views:
            raise InputError(f"views must be at least {self.least_views} of each image for this method; got {len(views)}")
        return self.step(views, labels)

    @abstractmethod
    def step(self, views: list[torch.Tensor], labels: torch.Tensor | None) -> Step:
        """What a method does with views that are enough; called by `forward`."""

    def after_step(self, progress: float) -> None:
        """Called after every optimiser step, progress = share of all steps done, in [0, 1]: for teachers and prototypes."""
        self.progress = progress

    def get_extra_state(self) -> torch.Tensor:
        """`progress`, which `state_dict` holds beside the weights as a tensor of one number."""
        return torch.tensor([self.progress], dtype=torch.float64)

    def set_extra_state(self, state: torch.Tensor) -> None:
        (self.progress,) = state.tolist()


def given_labels(labels: torch.Tensor | None) -> torch.Tensor:
    """The labels of a method that cannot do without."""
    if labels is None:
        raise InputError("labels must be given, one an image, for this method; got none")
    return labels


def features_of_views(network: nn.Module, views: list[torch.Tensor]) -> torch.Tensor:
    """(n_images, n_views, n_features): the network run once per run of views of one size, as multi-crop is done in SwAV and DINO.

    >>> features_of_views(nn.Flatten(), [torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2)]).shape
    torch.Size([3, 2, 4])
    """
    features: list[torch.Tensor] = []
    start = 0
    for stop in range(1, len(views) + 1):
        if stop == len(views) or views[stop].shape != views[start].shape:
            features += network(torch.cat(views[start:stop])).chunk(stop - start)
            start = stop
    return torch.stack(features, dim=1)


def head_of_views(head: nn.Module, features: torch.Tensor) -> torch.Tensor:
    """(n_images, n_views, n_out) from (n_images, n_views, n_features): all views through the head jointly, in one batch for its BatchNorm."""
    return head(features.flatten(0, 1)).unflatten(0, features.shape[:2])


def pairs_with_a_global_view(n_global: int, n_views: int) -> list[tuple[int, int]]:
    """Every pair of views, one of them global, once: what a method for two views takes the mean over when there are more.

    >>> pairs_with_a_global_view(2, 2), pairs_with_a_global_view(2, 4)
    ([(0, 1)], [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)])
    """
    return [(first, second) for first in range(min(n_global, n_views)) for second in range(first + 1, n_views)]


@torch.no_grad()
def spread(z: torch.Tensor) -> torch.Tensor:
    """1 - |mean of the unit rows|^2 over all but the last axis, scalar in [0, 1]: 0 when all rows point the same way, which is collapse.

    >>> spread(torch.ones(4, 2, 3)).item() < 1e-6, spread(torch.eye(2)).item()
    (True, 0.5)
    """
    return 1.0 - normalize(at_least_float32(z.detach()).flatten(0, -2), dim=1).mean(dim=0).square().sum()
