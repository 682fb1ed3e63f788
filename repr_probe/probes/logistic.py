"""Multinomial logistic regression for many penalties at once: L-BFGS in float64, every pass over the rows shared by all of them.

Loss: mean cross entropy + (l2 / 2) ‖weights‖², biases free; strictly convex, so the optimum does not depend on how it is found. A small
gradient alone does not say that it is near: at small penalties a gradient of 1e-6 stops up to 3 % above it. The loss is l2-strongly convex in
the weights, so it lies at most ‖gradient‖² / (2 l2) above its minimum, and that must be small beside the loss too. The first
guess of the inverse Hessian is (a Σ + l2)⁻¹, Σ the covariance of the rows and a the mean of p (1 - p): near Newton's step where plain L-BFGS
starts from a multiple of the identity, which saves most of its iterations on correlated features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from repr_probe import progress
from repr_probe.probes.row_space import RowSpace
from repr_probe.probes.standardised import Standardised
from repr_probe.ranks import ALONE, Ranks

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-6  # on the largest entry of the gradient
GAP = 1e-6  # on the bound of (loss - optimum) / loss
MAX_ITERATIONS = 1000
_HISTORY = 12
_ARMIJO = 1e-4
_LOGITS = 1 << 21  # numbers of a block's scores


@dataclass(frozen=True, eq=False)
class Fit:
    """weights (n_penalties, n_features + 1, n_classes), the last row the biases; the rest per penalty.

    losses; gradients: largest entry of each (with fewer rows than features: in a basis of the rows); gaps: how far above the optimum the
    loss can lie, relative; iterations.
    """

    weights: np.ndarray
    losses: np.ndarray
    gradients: np.ndarray
    gaps: np.ndarray
    iterations: np.ndarray

    @property
    def converged(self) -> np.ndarray:
        return (self.gradients <= TOLERANCE) & (self.gaps <= GAP)


def fit_logistic(
    rows: Standardised, codes: np.ndarray, n_classes: int, penalties: np.ndarray, *, device: str = "cpu", memory: int = 1 << 30, ranks: Ranks = ALONE
) -> Fit:
    """Minimise the loss for each of `penalties`, from zero. codes: (n_rows,) in 0..n_classes - 1.

    As many penalties go together as their histories fit into `memory` bytes.
    ranks: every process passes over its part of the rows, the first one takes the steps, and all get the fit. Fewer rows than features are
    the first one's alone.
    """
    if len(rows) < rows.n_features:
        return ranks.first_does(lambda: _fit_in_span(rows, codes, n_classes, penalties, device, memory))
    start, stop = ranks.run_of(len(rows))
    return _fit(rows.part(start, stop), codes[start:stop], n_classes, penalties, device=device, memory=memory, ranks=ranks)


def _fit_in_span(rows: Standardised, codes: np.ndarray, n_classes: int, penalties: np.ndarray, device: str, memory: int) -> Fit:
    span = RowSpace(rows)
    fit = _fit(span, codes, n_classes, penalties, device=device, memory=memory)
    return replace(fit, weights=span.lifted(fit.weights))


def _fit(
    rows: Standardised | RowSpace, codes: np.ndarray, n_classes: int, penalties: np.ndarray, *, device: str, memory: int, ranks: Ranks = ALONE
) -> Fit:
    """rows, codes: this rank's."""
    problem = _Problem(rows, codes, n_classes, device, ranks)
    if not ranks.is_first:
        return problem.follow()
    return ranks.of_first(_descended(problem, penalties, memory))


def _descended(problem: _Problem, penalties: np.ndarray, memory: int) -> Fit:
    each = 8 * (problem.rows.n_features + 1) * problem.n_classes * (2 * _HISTORY + 6)
    together = int(np.clip(memory // each, 1, len(penalties)))
    fits = []
    with progress.task("logistic regression", len(penalties)) as advance:
        for start in range(0, len(penalties), together):
            fits.append(_Descent(problem, penalties[start : start + together]).run(advance))
    return Fit(*(np.concatenate([getattr(fit, name) for fit in fits]) for name in ("weights", "losses", "gradients", "gaps", "iterations")))


class _Problem:
    """The rows with their labels, this rank's part of them, and, on the first, the eigenvectors of the covariance of all."""

    def __init__(self, rows: Standardised | RowSpace, codes: np.ndarray, n_classes: int, device: str, ranks: Ranks) -> None:
        import torch

        self.rows, self.n_classes, self.device, self.ranks = rows, n_classes, torch.device(device), ranks
        self.codes = torch.from_numpy(codes).to(self.device)
        count = np.array([len(rows)])
        ranks.sum(count)
        self.n = int(count[0])
        width = rows.n_features
        covariance = torch.zeros(width, width, dtype=torch.float64, device=self.device)
        for _, block in self.blocks(4096):
            covariance.addmm_(block.T, block, alpha=1 / self.n)
        self.add_up(covariance)
        if ranks.is_first:
            self.spread, self.axes = torch.linalg.eigh(covariance)
            self.spread.clamp_(min=0.0)

    def blocks(self, size: int):  # pairs of a slice and a (rows, n_features) tensor
        import torch

        for where, block in self.rows.blocks(size):
            yield where, torch.from_numpy(block).to(self.device)

    def evaluate(self, weights: torch.Tensor, penalties: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(loss (P,), gradient like weights, mean of p (1 - p) (P,)) at weights (P, n_features + 1, n_classes); the first rank alone asks."""
        if self.ranks.world_size > 1:
            self.ranks.of_first(weights.cpu().numpy())
        count, _, n_classes = weights.shape
        loss, square, gradient = self.sums(weights)
        gradient = (gradient / self.n).view(-1, count, n_classes).permute(1, 0, 2).contiguous()
        gradient[:, :-1] += penalties[:, None, None] * weights[:, :-1]
        loss = loss / self.n + 0.5 * penalties * weights[:, :-1].square().sum((1, 2))
        return loss, gradient, (1 - square / self.n) / n_classes

    def follow(self) -> Fit:
        """Add this rank's part to every sum that the first one needs; what it says last is the fit."""
        import torch

        while not isinstance(said := self.ranks.of_first(None), Fit):
            self.sums(torch.from_numpy(said).to(self.device))
        return said

    def sums(self, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Over the rows of all ranks: (cross entropy (P,), p² (P,), gradient (n_features + 1, P n_classes))."""
        import torch

        count, _, n_classes = weights.shape
        flat = weights.permute(1, 0, 2).reshape(weights.shape[1], -1)
        whole = torch.zeros(2 * count + flat.numel(), dtype=torch.float64, device=self.device)  # as one, so that ranks meet once
        loss, square, gradient = whole[:count], whole[count : 2 * count], whole[2 * count :].view_as(flat)
        size = max(64, _LOGITS // (count * n_classes))
        for where, block in self.blocks(size):
            scores = torch.addmm(flat[-1], block, flat[:-1]).view(-1, count, n_classes)
            true = self.codes[where, None, None].expand(-1, count, 1)
            scores -= scores.amax(2, keepdim=True)
            chosen = scores.gather(2, true).squeeze(2)
            total = scores.exp_().sum(2)
            loss += (total.log() - chosen).sum(0)
            scores /= total[:, :, None]
            square += torch.linalg.vector_norm(scores, dim=2).square().sum(0)
            scores.scatter_add_(2, true, torch.full_like(true, -1, dtype=scores.dtype))
            residual = scores.view(len(block), -1)
            gradient[:-1].addmm_(block.T, residual)
            gradient[-1] += residual.sum(0)
        self.add_up(whole)
        return loss, square, gradient

    def add_up(self, values: torch.Tensor) -> None:
        """Replace `values` by their sum over the ranks."""
        if self.ranks.world_size > 1:
            here = values.cpu()
            self.ranks.sum(here.numpy())
            values.copy_(here)

    def precondition(self, vectors: torch.Tensor, curvature: torch.Tensor, penalties: torch.Tensor) -> torch.Tensor:
        """(a Σ + l2)⁻¹ applied to weights, 1 / a to biases; a = curvature (P,)."""
        import torch

        a = curvature.clamp(min=1e-12)[:, None]
        turned = torch.einsum("de,pdk->pek", self.axes, vectors[:, :-1]) / (a * self.spread + penalties[:, None])[:, :, None]
        return torch.cat([torch.einsum("de,pek->pdk", self.axes, turned), vectors[:, -1:] / a[:, :, None]], 1)


class _Descent:
    """L-BFGS of several penalties in step; those that have converged leave."""

    def __init__(self, problem: _Problem, penalties: np.ndarray) -> None:
        import torch

        self.problem = problem
        self.penalties = torch.from_numpy(np.asarray(penalties, np.float64)).to(problem.device)
        shape = (len(penalties), len(problem.spread) + 1, problem.n_classes)
        self.weights = torch.zeros(shape, dtype=torch.float64, device=problem.device)
        self.loss, self.gradient, self.curvature = problem.evaluate(self.weights, self.penalties)
        self.steps: list[torch.Tensor] = []
        self.changes: list[torch.Tensor] = []
        self.left = torch.arange(len(penalties))  # which penalties are still here
        self.done: dict[int, tuple] = {}

    def run(self, advance) -> Fit:
        for iteration in range(MAX_ITERATIONS + 1):
            peaks, gaps = self.gradient.abs().amax((1, 2)), self.gaps()
            self.leave(peaks, gaps, iteration, (peaks <= TOLERANCE) & (gaps <= GAP), advance)
            if not len(self.left) or iteration == MAX_ITERATIONS or not self.advance():
                break
        peaks = self.gradient.abs().amax((1, 2))
        self.leave(peaks, self.gaps(), iteration, peaks >= 0, advance)
        columns = list(zip(*(self.done[number] for number in sorted(self.done)), strict=True))
        return Fit(np.stack(columns[0]), *(np.array(column) for column in columns[1:]))

    def gaps(self) -> torch.Tensor:
        """(P,) bounds of (loss - optimum) / loss: by the penalty for the weights, by the mean of p (1 - p) for the biases, which have none."""
        square = self.gradient.square().sum(2)
        return (square[:, :-1].sum(1) / self.penalties + square[:, -1] / self.curvature.clamp(min=1e-12)) / (2 * self.loss)

    def leave(self, peaks: torch.Tensor, gaps: torch.Tensor, iteration: int, which: torch.Tensor, advance) -> None:
        if not which.any():
            return
        for place in which.nonzero().flatten().tolist():
            numbers = float(self.loss[place]), float(peaks[place]), float(gaps[place]), iteration
            self.done[int(self.left[place])] = (self.weights[place].cpu().numpy(), *numbers)
            advance(1)
        for name in ("weights", "loss", "gradient", "curvature", "penalties"):
            setattr(self, name, getattr(self, name)[~which])
        self.left = self.left[~which.cpu()]
        self.steps, self.changes = [one[~which] for one in self.steps], [one[~which] for one in self.changes]

    def direction(self) -> torch.Tensor:
        """The two-loop recursion, all penalties at once."""
        vector, factors = self.gradient.clone(), []
        for step, change in zip(reversed(self.steps), reversed(self.changes), strict=True):
            alpha = _dot(step, vector) / _dot(step, change)
            vector -= alpha[:, None, None] * change
            factors.append(alpha)
        vector = self.problem.precondition(vector, self.curvature, self.penalties)
        if self.steps:
            step, change = self.steps[-1], self.changes[-1]
            bent = self.problem.precondition(change, self.curvature, self.penalties)
            vector *= (_dot(step, change) / _dot(change, bent))[:, None, None]
        for step, change, alpha in zip(self.steps, self.changes, reversed(factors), strict=True):
            beta = _dot(change, vector) / _dot(step, change)
            vector += (alpha - beta)[:, None, None] * step
        return -vector

    def advance(self) -> bool:
        """One step of every penalty, halved until the loss falls enough; False where rounding forbids any further step."""
        import torch

        direction = self.direction()
        slope = _dot(direction, self.gradient)
        length = torch.ones_like(slope)
        waiting = torch.arange(len(slope), device=slope.device)
        weights, loss, gradient, curvature = self.weights.clone(), self.loss.clone(), self.gradient.clone(), self.curvature.clone()
        for _ in range(40):
            trial = self.weights[waiting] + length[waiting, None, None] * direction[waiting]
            found = self.problem.evaluate(trial, self.penalties[waiting])
            allowed = self.loss[waiting] + _ARMIJO * length[waiting] * slope[waiting] + 1e-14 * self.loss[waiting].abs()
            good = found[0] <= allowed
            kept = waiting[good]
            weights[kept] = trial[good]
            loss[kept], gradient[kept], curvature[kept] = (part[good] for part in found)
            waiting = waiting[~good]
            if not len(waiting):
                break
            length[waiting] *= 0.5
        step, change = weights - self.weights, gradient - self.gradient
        moved = bool((_dot(step, change) > 0).all())
        self.weights, self.loss, self.gradient, self.curvature = weights, loss, gradient, curvature
        if moved:
            self.steps, self.changes = [*self.steps, step][-_HISTORY:], [*self.changes, change][-_HISTORY:]
        else:
            self.steps, self.changes = [], []
        return len(waiting) < len(slope)


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum((1, 2))
