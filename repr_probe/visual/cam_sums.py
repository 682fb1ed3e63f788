"""Running sums of one image's maps over its noisy samples, and what follows from them: means, dead layers, fused map, standard error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

MOST_GROUPS = 64
DEAD = 1e-6  # of the score: below it a map is rounding error
FUSIONS = ("mean-energy", "mean")


@dataclass(frozen=True, eq=False)
class FusedMaps:
    """One image: layers[l] (h, w), energies (L,), fused and standard_error (H, W), and reasons {layer number: why it is dead}."""

    layers: tuple[np.ndarray, ...]
    energies: np.ndarray
    fused: np.ndarray
    standard_error: np.ndarray
    reasons: dict[int, str]


class CamSums:
    """Adds the maps of one image, sample after sample; memory does not grow with the samples.

    The standard error is that of group means: sample s counts in group s mod 64, so up to 64 samples each is a group of its own and the
    number is the usual one; with more it is as unbiased, with 63 degrees of freedom.
    """

    def __init__(self, n_layers: int, samples: int) -> None:
        self.samples = samples
        self.counts = np.zeros(min(samples, MOST_GROUPS), np.int64)
        self.groups: list[torch.Tensor | None] = [None] * n_layers  # each (groups, h, w) float64
        self.steepest = np.zeros(n_layers)
        self.score = 0.0

    @property
    def full(self) -> bool:
        return int(self.counts.sum()) == self.samples

    def add(self, sample: int, maps: Sequence[torch.Tensor], steepest: Sequence[float], score: float) -> None:
        """maps: (h, w) of every layer.  steepest: largest absolute gradient of every layer.  score: the target's."""
        group = sample % len(self.counts)
        self.counts[group] += 1
        for layer, values in enumerate(maps):
            held = self.groups[layer]
            if held is None:
                held = self.groups[layer] = torch.zeros(len(self.counts), *values.shape, dtype=torch.float64)
            held[group] += values.detach().cpu().double()
        self.steepest = np.maximum(self.steepest, steepest)
        self.score += abs(score)

    def result(self, size: tuple[int, int], fusion: str, *, exact: bool) -> FusedMaps:
        """size: height and width of the fused map.  fusion: see `smoothgrad_cam`.  exact: without noise there is no error to estimate."""
        sums = [group for group in self.groups if group is not None]
        means = [group.sum(0) / self.samples for group in sums]
        energies = np.array([float(mean.sum()) for mean in means])
        reasons = {layer: reason for layer, mean in enumerate(means) if (reason := self._why_dead(layer, mean, energies[layer])) is not None}
        live = [layer for layer in range(len(means)) if layer not in reasons]
        blank = np.full(size, np.nan, np.float32)
        fused, error = blank, blank
        if live:
            fused, error = self._fused([sums[layer] for layer in live], size, fusion)
            error = np.zeros_like(error) if exact else error
        maps = tuple(
            np.full(mean.shape, np.nan, np.float32) if layer in reasons else mean.float().numpy() for layer, mean in enumerate(means)
        )  # fmt: skip
        return FusedMaps(maps, np.array([0.0 if layer in reasons else energies[layer] for layer in range(len(means))]), fused, error, reasons)

    def _why_dead(self, layer: int, mean: torch.Tensor, energy: float) -> str | None:
        score = self.score / self.samples
        if not np.isfinite(energy) or not np.isfinite(score):
            return "its values are not finite"
        if self.steepest[layer] == 0:
            return "the target's gradient is exactly 0 here"
        if energy == 0:
            return "no place speaks for the target: every contribution is zero or against it"
        if float(mean.max()) < DEAD * score:
            return f"its largest value {float(mean.max()):.1e} is rounding beside the score {score:.1e}"
        return None

    def _fused(self, sums: Sequence[torch.Tensor], size: tuple[int, int], fusion: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean over the layers of their upsampled maps, and its standard error with that of the divisors in it (delta method).

        Upsampling is linear, so maps of one resolution are added first and upsampled together.
        """
        counts = torch.from_numpy(self.counts).double()[:, None, None]
        by_shape: dict[tuple[int, ...], torch.Tensor] = {}
        for group in sums:
            mean = group.sum(0) / self.samples  # (h, w)
            away = group / counts - mean  # (groups, h, w)
            if fusion == "mean-energy":  # each layer's upsampled map averages to 1
                weights = _mean_weights((mean.shape[0], mean.shape[1]), size)
                divisor = (weights * mean).sum()
                away = (away - mean / divisor * (weights * away).sum((1, 2), keepdim=True)) / divisor
                mean = mean / divisor
            both = torch.cat([mean[None], away]) / len(sums)
            shape = tuple(mean.shape)
            by_shape[shape] = by_shape[shape] + both if shape in by_shape else both
        large = torch.stack([_upsampled(both, size) for both in by_shape.values()]).sum(0)  # (1 + groups, H, W)
        fused = large[0]
        if len(self.counts) < 2:
            return fused.float().numpy(), np.full(size, np.nan, np.float32)
        variance = (counts * large[1:].square()).sum(0) / ((len(self.counts) - 1) * self.samples)
        return fused.float().numpy(), variance.sqrt().float().numpy()


def _mean_weights(shape: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """(h, w): how much each cell counts in the mean of the upsampled map; their sum is 1."""
    rows, columns = (
        torch.nn.functional.interpolate(torch.eye(small, dtype=torch.float64)[None], size=large, mode="linear", align_corners=False)[0].mean(1)
        for small, large in zip(shape, size)
    )
    return rows[:, None] * columns


def _upsampled(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(k, h, w) -> (k, H, W), bilinear between the centres of cells (align_corners=False)."""
    return torch.nn.functional.interpolate(maps[None], size=size, mode="bilinear", align_corners=False)[0]
