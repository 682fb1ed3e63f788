"""What is known of the angles of one kind of pair, from the exact pass or from a sample; the measures need not know which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.angle_tiles import BIN, N_BINS
from repr_probe.metrics.pair_sample import draw_pairs, draw_same, sampled_angles
from repr_probe.metrics.states import GeometryStates


@dataclass(frozen=True, eq=False)
class AngleKind:
    """Mean and SD (degrees), counts (3600,) of 0.05-degree bins, number of pairs; standard errors of mean and SD if they need no labels."""

    mean: float
    std: float
    counts: np.ndarray
    n: int
    errors: tuple[float, float] = (0.0, 0.0)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """(mean, variance) as arrays."""
        return np.asarray(self.mean), np.asarray(self.std**2)


class AngleFacts(Protocol):
    """kind: "all", "positive" or "negative"; raises UndefinedMeasure where there is no such pair."""

    def kind(self, name: str) -> AngleKind: ...

    def uniformity(self) -> float: ...

    def uniformity_error(self) -> float: ...


def facts_of(states: GeometryStates) -> AngleFacts:
    return ExactAngles(states) if states.options.pairs is None else SampledAngles(states)


def _require(states: GeometryStates, name: str) -> None:
    states.require_directions(2)
    if name == "positive":
        states.require_same_class()
    elif name == "negative":
        states.require_labels()
        if states.n_classes < 2:
            raise UndefinedMeasure(f"needs two classes; got {states.n_classes}")


class ExactAngles:
    """From the pair pass."""

    def __init__(self, states: GeometryStates) -> None:
        self.states = states

    def kind(self, name: str) -> AngleKind:
        _require(self.states, name)
        found = self.states.angles
        if name == "all":
            return AngleKind(*found.mean_and_std(), found.histograms["all"], found.n_pairs, self._errors)
        totals = found.labelled.totals() if found.labelled is not None else None
        if totals is None:
            raise UndefinedMeasure("needs labels")
        mean, variance = totals.same() if name == "positive" else totals.different()
        mean = np.clip(mean, 0.0, 180.0)
        if self._cosine_variance(name) == 0.0:  # what float32 sums leave of an exact zero
            variance = np.zeros(())
        positive = found.histograms["positive"]
        counts = positive if name == "positive" else found.histograms["labelled"] - positive
        return AngleKind(float(mean), float(np.sqrt(variance)), counts, int(counts.sum()))

    def _cosine_variance(self, name: str) -> float:
        totals = self.states.cosine_sums.totals()
        return float((totals.same() if name == "positive" else totals.different())[1])

    @cached_property
    def _errors(self) -> tuple[float, float]:
        """Hoeffding: a U-statistic's SE is twice the SE of its row means; the SD by its derivative."""
        found = self.states.angles
        n = len(found.first)
        first, second = found.first / (n - 1.0), found.second / (n - 1.0)
        center = first.mean()
        square = second - 2.0 * center * first + center**2
        std = found.mean_and_std()[1]
        return 2.0 * float(first.std()) / np.sqrt(n), float(square.std()) / np.sqrt(n) / std if std > 0 else 0.0

    def _row_means(self) -> np.ndarray:
        self.states.require_directions(2)
        kernel = self.states.angles.kernel
        if kernel is None:
            raise UndefinedMeasure("the pair pass ran without the kernel sums")
        return kernel / (len(kernel) - 1.0)

    def uniformity(self) -> float:
        return min(0.0, float(np.log(self._row_means().mean())))

    def uniformity_error(self) -> float:
        rows = self._row_means()
        return 2.0 * float(rows.std()) / np.sqrt(len(rows)) / float(rows.mean())


class SampledAngles:
    """From states.options.pairs random pairs: half same-class, half different-class where there are labels, else uniform."""

    def __init__(self, states: GeometryStates) -> None:
        self.states = states

    @cached_property
    def _drawn(self) -> dict[str, tuple[np.ndarray, float]]:
        """name -> (angles in degrees, number of such pairs in the population)."""
        states, rng = self.states, np.random.default_rng(self.states.options.seed)
        index, codes, _ = states.order
        rows = states.directions(index)
        n, half = len(index), max(1, (states.options.pairs or 0) // 2)
        sizes = np.bincount(codes).astype(np.float64) if len(codes) else np.zeros(0)
        n_same = float((sizes * (sizes - 1.0)).sum() / 2.0)
        n_different = len(codes) * (len(codes) - 1.0) / 2.0 - n_same
        whole = len(codes) == n and n_same > 0 and n_different > 0
        drawn = {}
        if n_same > 0:
            drawn["positive"] = (sampled_angles(rows, *draw_same(rng, codes, half)), n_same)
        if n_different > 0:
            drawn["negative"] = (sampled_angles(rows, *draw_pairs(rng, len(codes), half, codes)), n_different)
        if not whole:
            drawn["all"] = (sampled_angles(rows, *draw_pairs(rng, n, 2 * half)), n * (n - 1.0) / 2.0)
        return drawn

    def kind(self, name: str) -> AngleKind:
        _require(self.states, name)
        if name == "all" and "all" not in self._drawn:
            return self._mixed()
        angles, _ = self._drawn[name]
        n = len(angles)
        square = (angles - angles.mean()) ** 2
        std = float(angles.std())
        errors = std / np.sqrt(n), float(square.std()) / np.sqrt(n) / (2.0 * std) if std > 0 else 0.0
        return AngleKind(float(angles.mean()), std, _counts(angles), n, errors)

    def _share(self) -> float:
        same, different = self._drawn["positive"][1], self._drawn["negative"][1]
        return same / (same + different)

    def _mixed(self) -> AngleKind:
        """All pairs as the mixture of both strata by their true shares."""
        p, (same, different) = self._share(), (self.kind("positive"), self.kind("negative"))
        mean = p * same.mean + (1.0 - p) * different.mean
        variance = p * same.std**2 + (1.0 - p) * different.std**2 + p * (1.0 - p) * (same.mean - different.mean) ** 2
        std = float(np.sqrt(variance))
        errors = float(np.hypot(p * same.errors[0], (1.0 - p) * different.errors[0])), self._mixed_std_error(p, mean, std)
        n = same.n + different.n
        counts = np.rint(n * (p * same.counts / same.n + (1.0 - p) * different.counts / different.n))
        return AngleKind(mean, std, counts.astype(np.int64), n, errors)

    def _mixed_std_error(self, share: float, mean: float, std: float) -> float:
        """The variance of the mixture is the mean square deviation from its own mean, whose error does not move it to first order."""
        if std == 0:
            return 0.0
        squares = {name: (self._drawn[name][0] - mean) ** 2 for name in ("positive", "negative")}
        parts = [weight * squares[name].std() / np.sqrt(len(squares[name])) for name, weight in (("positive", share), ("negative", 1.0 - share))]
        return float(np.hypot(*parts)) / (2.0 * std)

    def _kernel(self) -> tuple[float, float]:
        """(mean, standard error) of exp(-2‖u - u′‖²) over all pairs."""
        self.states.require_directions(2)
        values = {name: np.exp(4.0 * (np.cos(np.radians(angles)) - 1.0)) for name, (angles, _) in self._drawn.items()}
        if "all" in values:
            return float(values["all"].mean()), float(values["all"].std() / np.sqrt(len(values["all"])))
        p = self._share()
        same, different = values["positive"], values["negative"]
        error = np.hypot(p * same.std() / np.sqrt(len(same)), (1.0 - p) * different.std() / np.sqrt(len(different)))
        return float(p * same.mean() + (1.0 - p) * different.mean()), float(error)

    def uniformity(self) -> float:
        return float(np.log(self._kernel()[0]))

    def uniformity_error(self) -> float:
        mean, error = self._kernel()
        return error / mean

    def gap_error(self) -> float:
        """Of mean₋ - mean₊: the two kinds are drawn apart."""
        return float(np.hypot(self.kind("positive").errors[0], self.kind("negative").errors[0]))

    def d_prime_error(self) -> float:
        """Of (mean₋ - mean₊)/√((var₊ + var₋)/2), from what a single drawn pair moves it by (influence function)."""
        same, different = self.kind("positive"), self.kind("negative")
        variance = (same.std**2 + different.std**2) / 2.0
        if variance == 0:
            return 0.0
        d_prime = (different.mean - same.mean) / np.sqrt(variance)
        errors = []
        for sign, name, kind in ((-1.0, "positive", same), (1.0, "negative", different)):
            deviation = self._drawn[name][0] - kind.mean
            influence = sign * deviation / np.sqrt(variance) - d_prime / (4.0 * variance) * deviation**2
            errors.append(float(influence.std()) / np.sqrt(len(deviation)))
        return float(np.hypot(*errors))


def _counts(angles: np.ndarray) -> np.ndarray:
    return np.bincount(np.minimum((angles / BIN).astype(np.int64), N_BINS - 1), minlength=N_BINS)
