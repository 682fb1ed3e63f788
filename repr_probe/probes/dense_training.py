"""The dense probe by gradient descent: AdamW over minibatches, seeded, resumable between epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from repr_probe import progress
from repr_probe.probes.dense_data import DenseData
from repr_probe.probes.dense_head import DenseHead, folded
from repr_probe.probes.dense_presets import DensePreset

if TYPE_CHECKING:
    import torch


class DenseState(Protocol):
    """Keeps the state of a training between its epochs."""

    def read(self) -> dict[str, Any] | None: ...
    def write(self, state: dict[str, Any]) -> None: ...


class DenseTraining:
    """AdamW over minibatches for all heads at once: their losses share no weight, so the sum trains each as if it were alone."""

    def __init__(self, data: DenseData, heads: dict[str, tuple[str, ...]], n_classes: int, preset: DensePreset, seed: int) -> None:
        import torch

        self.data, self.heads, self.preset, self.seed = data, heads, preset, seed
        self.weights: dict[str, dict[str, torch.Tensor]] = {}
        self.biases: dict[str, torch.Tensor] = {}
        for name, layers in heads.items():
            generator = torch.Generator().manual_seed(seed)
            channels = {layer: data.arrays[layer].shape[1] for layer in layers}
            bound = sum(channels.values()) ** -0.5  # what torch.nn.Conv2d draws for a 1x1 convolution over the concatenation

            def drawn(*shape: int, bound: float = bound, generator: torch.Generator = generator) -> torch.Tensor:
                start = torch.empty(shape).uniform_(-bound, bound, generator=generator)
                return start.to(data.device).requires_grad_()

            self.weights[name] = {layer: drawn(n_classes, channels[layer]) for layer in layers}
            self.biases[name] = drawn(n_classes)
        self.scales = {
            layer: (scale.mean.float().to(data.device), scale.inverse_std.float().to(data.device)) for layer, scale in data.scales.items()
        }
        self.optimiser = torch.optim.AdamW(self.parameters(), lr=preset.learning_rate, weight_decay=preset.weight_decay)

    def parameters(self) -> list[torch.Tensor]:
        return [tensor for name in self.heads for tensor in (*self.weights[name].values(), self.biases[name])]

    def run(self, state: DenseState | None) -> dict[str, DenseHead]:
        first = self._resume(state)
        with progress.task(f"training the dense probe ({self.preset.epochs} epochs)", self.preset.epochs * len(self.data)) as advance:
            advance(first * len(self.data))
            for epoch in range(first, self.preset.epochs):
                self._epoch(epoch, advance)
                if state is not None:
                    tensors = [tensor.detach().cpu() for tensor in self.parameters()]
                    state.write({"epoch": epoch + 1, "tensors": tensors, "optimiser": self.optimiser.state_dict()})
        return {name: self._folded(name, detached=True) for name in self.heads}

    def _epoch(self, epoch: int, advance: Callable[[int], None]) -> None:
        # The order is a function of seed and epoch alone: a resumed training sees what an uninterrupted one would have seen.
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.data))
        for start in range(0, len(order), self.preset.batch_size):
            rows = np.sort(order[start : start + self.preset.batch_size])
            self.step(rows)
            advance(len(rows))

    def step(self, rows: np.ndarray) -> None:
        import torch

        targets = self.data.targets(rows)
        if not (targets >= 0).any():  # a batch of void alone has no loss
            return
        maps = self.data.maps(rows)
        self.optimiser.zero_grad()
        for name in self.heads:  # one after the other, so that the logits of one head alone are in memory
            logits = self._folded(name).logits(maps, self.data.size)
            torch.nn.functional.cross_entropy(logits, targets, ignore_index=-100).backward()
        self.optimiser.step()

    def _folded(self, name: str, *, detached: bool = False) -> DenseHead:
        return folded(self.weights[name], self.biases[name], self.scales, detached=detached)

    def _resume(self, state: DenseState | None) -> int:
        import torch

        kept = state.read() if state is not None else None
        if kept is None:
            return 0
        with torch.no_grad():
            for tensor, old in zip(self.parameters(), kept["tensors"], strict=True):
                tensor.copy_(old)
        self.optimiser.load_state_dict(kept["optimiser"])
        return int(kept["epoch"])
