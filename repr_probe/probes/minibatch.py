"""A linear layer trained by minibatches on stored features, several learning rates in one pass over the same batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from repr_probe import progress
from repr_probe.metrics.rows import Rows

if TYPE_CHECKING:
    import torch

_ADAM = (0.9, 0.999, 1e-8)


@dataclass(frozen=True)
class Recipe:
    """How a layer is trained: cross entropy, no weight decay, raw features, every batch used, the last weights kept.

    optimiser: "adam" or "sgd" (momentum 0.9).  learning_rates: what is tried.  epochs, or steps in place of them.
    cosine: the learning rate falls to 0 along half a cosine, step by step; else it is constant.
    start: "torch" (nn.Linear's own uniform start) or "normal" (SD 0.01, biases 0).
    """

    optimiser: str
    learning_rates: tuple[float, ...]
    batch_size: int
    epochs: int | None
    steps: int | None
    cosine: bool
    start: str
    momentum: float = 0.9


def train_layers(rows: Rows, codes: np.ndarray, n_classes: int, recipe: Recipe, *, seed: int, device: str) -> np.ndarray:
    """Weights (n_learning_rates, n_features + 1, n_classes), the last row the biases. codes: (n_rows,) in 0..n_classes - 1."""
    import torch

    draws = torch.Generator().manual_seed(seed)
    layer = _Layer(rows.n_features, n_classes, recipe, draws, torch.device(device))
    targets = torch.from_numpy(codes)
    n_steps = n_steps_of(recipe, len(rows))
    with progress.task("linear layer", n_steps) as advance:
        for step, batch in enumerate(_batches(len(rows), recipe.batch_size, n_steps, draws)):
            found = torch.from_numpy(_gathered(rows, batch.numpy())).to(layer.device)
            layer.learn(found, targets[batch].to(layer.device), step, n_steps)
            advance(1)
    return np.asarray(layer.weights.view(rows.n_features + 1, -1, n_classes).permute(1, 0, 2).double().cpu())


def n_steps_of(recipe: Recipe, n_rows: int) -> int:
    return recipe.steps if recipe.steps is not None else (recipe.epochs or 0) * -(-n_rows // recipe.batch_size)


def _batches(n_rows: int, size: int, n_steps: int, draws: torch.Generator) -> Iterator[torch.Tensor]:
    """Row numbers of each step: every epoch in a new order, its last batch as small as it comes."""
    import torch

    done = 0
    while done < n_steps:
        for batch in torch.randperm(n_rows, generator=draws).split(size):
            if done == n_steps:
                return
            yield batch
            done += 1


def _gathered(rows: Rows, batch: np.ndarray) -> np.ndarray:
    """(batch, n_features) float32, from a file in the order of the file."""
    where = batch if rows.index is None else rows.index[batch]
    order = np.argsort(where)
    found = np.empty((len(batch), rows.n_features), np.float32)
    found[order] = rows.values[where[order]]
    return found


class _Layer:
    """The layers of all learning rates side by side: weights (n_features + 1, n_learning_rates * n_classes), and their optimiser."""

    def __init__(self, n_features: int, n_classes: int, recipe: Recipe, draws: torch.Generator, device: torch.device) -> None:
        import torch

        one = torch.empty(n_features + 1, n_classes)
        if recipe.start == "torch":
            one.uniform_(-(n_features**-0.5), n_features**-0.5, generator=draws)
        else:
            one.normal_(0.0, 0.01, generator=draws)
            one[-1] = 0.0
        self.weights = one.repeat(1, len(recipe.learning_rates)).to(device)
        self.rates = torch.tensor(recipe.learning_rates).repeat_interleave(n_classes).to(device)
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.recipe, self.n_classes, self.device = recipe, n_classes, device

    def learn(self, batch: torch.Tensor, targets: torch.Tensor, step: int, n_steps: int) -> None:
        """One step on a batch (rows, n_features) with classes (rows,)."""
        import torch

        scores = torch.addmm(self.weights[-1], batch, self.weights[:-1]).view(len(batch), -1, self.n_classes)
        residual = scores.softmax(2)
        true = targets[:, None, None].expand(-1, residual.shape[1], 1)
        residual.scatter_add_(2, true, torch.full_like(true, -1, dtype=residual.dtype))
        residual = residual.view(len(batch), -1) / len(batch)
        gradient = torch.cat([batch.T @ residual, residual.sum(0, keepdim=True)])
        pace = 0.5 * (1 + np.cos(np.pi * step / n_steps)) if self.recipe.cosine else 1.0
        if self.recipe.optimiser == "sgd":
            self.first.mul_(self.recipe.momentum).add_(gradient)
            self.weights -= pace * self.rates * self.first
            return
        fade_1, fade_2, least = _ADAM
        self.first.lerp_(gradient, 1 - fade_1)
        self.second.mul_(fade_2).addcmul_(gradient, gradient, value=1 - fade_2)
        scale = (self.second / (1 - fade_2 ** (step + 1))).sqrt_().add_(least)
        self.weights -= pace * self.rates / (1 - fade_1 ** (step + 1)) * self.first / scale
