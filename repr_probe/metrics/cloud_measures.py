"""Measures of the cloud without labels or pairs: center vector norm, mean cosine, feature correlation, norms, sparsity."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.correlation import Correlation, influence_errors
from repr_probe.metrics.inference import Z95, half_sampling_error, normal_interval
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.measuring import IntervalPlan, measure, no_interval
from repr_probe.metrics.row_pass import RowPass, row_pass
from repr_probe.metrics.rows import Rows
from repr_probe.metrics.states import GeometryStates

_HALVES = "half-sampling of rows"
_HOEFFDING = "Hoeffding (row means)"
_INFLUENCE = "influence function"


class _Cloud:
    """Values shared by several keys."""

    def __init__(self, states: GeometryStates) -> None:
        self.states = states
        self.n = states.features.n_samples

    # --- directions ---------------------------------------------------------------------------------------------------

    @cached_property
    def center(self) -> np.ndarray:
        return self.states.unit_gram.mean()

    @property
    def n_unit(self) -> int:
        return int(self.states.unit_gram.count)

    def center_norm(self) -> float:
        return min(1.0, float(np.linalg.norm(self.center)))

    def mean_cosine(self) -> float:
        self.states.require_directions(2)
        n = self.n_unit
        return float((n * np.sum(self.center**2) - 1.0) / (n - 1.0))

    @cached_property
    def direction_covariance(self) -> np.ndarray:
        return self.states.unit_gram.scatter() / self.n_unit

    def center_square_error(self) -> float:
        """SE of CVN²: first order 2 sd(u·m)/√N, and the second-order term that is left when the mean vanishes."""
        covariance = self.direction_covariance
        first = 4.0 * float(self.center @ covariance @ self.center) / self.n_unit
        return float(np.sqrt(max(first, 0.0) + 2.0 * np.einsum("ij,ij->", covariance, covariance) / self.n_unit**2))

    def center_interval(self, value: float) -> tuple[float, float]:
        if value < 3.0 / np.sqrt(self.n_unit):
            half = Z95 * self.center_square_error()
            return float(np.sqrt(max(0.0, value**2 - half))), float(min(1.0, np.sqrt(value**2 + half)))
        error = np.sqrt(max(0.0, float(self.center @ self.direction_covariance @ self.center)) / self.n_unit) / value
        return normal_interval(value, float(error), 0.0, 1.0)

    def debiased_interval(self, value: float) -> tuple[float, float]:
        low, high = self.cosine_interval(self.mean_cosine())
        return float(np.sqrt(max(0.0, low))), float(np.sqrt(max(0.0, high)))

    def cosine_interval(self, value: float) -> tuple[float, float]:
        scale = self.n_unit / (self.n_unit - 1.0)
        return normal_interval(value, scale * self.center_square_error(), -1.0 / (self.n_unit - 1.0), 1.0)

    # --- rows ---------------------------------------------------------------------------------------------------------

    @cached_property
    def rows(self) -> RowPass:
        """In the features' own coordinates: sparsity and per-feature SD are not rotation invariant."""
        mean, variance = self.states.unit_column_moments
        spread = np.sqrt(variance)
        weight = np.divide(0.5, spread, out=np.zeros_like(spread), where=spread > 0) / self.states.features.n_features
        return row_pass(Rows(self.states.features.values), mean, self._tilt(mean), weight, self.states.algebra)

    def _tilt(self, mean_unit: np.ndarray) -> np.ndarray:
        """∂ norm_alignment/∂m up to scale, (D,): Σ (rᵢ - r̄) uᵢ/n with r the norms, which is mean x - r̄ m over the non-zero rows."""
        sums = self.states.moments.scalars
        mean_x, _ = self.states.column_moments
        share = self.n / max(self.n_unit, 1)
        return mean_x * share - sums.norm / max(self.n_unit, 1) * mean_unit

    def norm_alignment(self) -> float:
        self.states.require_directions(3)
        r, t = self.rows.norm[self.rows.norm > 0], self.rows.toward
        if r.std() <= 1e-12 * r.mean() or t.std() <= 1e-14:
            raise UndefinedMeasure("norms or cosines to the mean do not vary")
        return float(np.corrcoef(r, t)[0, 1])

    def norm_alignment_interval(self, value: float) -> tuple[float, float]:
        """Influence of row i on corr(r, u·m): the usual one for fixed m, plus that of the estimated m (its direction moves with uᵢ)."""
        r, t = self.rows.norm[self.rows.norm > 0], self.rows.toward
        zr, zt = (r - r.mean()) / r.std(), (t - t.mean()) / t.std()
        fixed = zr * zt - value * (zr**2 + zt**2) / 2.0
        covariance_tilt = self.rows.tilt - self.rows.tilt.mean()
        own = self._mean_variance_tilt()
        moved = covariance_tilt / (r.std() * t.std()) - value * (own - own.mean()) / t.var()
        return normal_interval(value, float((fixed + moved).std() / np.sqrt(len(r))), -1.0, 1.0)

    def _mean_variance_tilt(self) -> np.ndarray:
        """uᵢ·(Cov m): how the variance of u·m answers to row i through m."""
        direction = self.direction_covariance @ self.center
        index = np.flatnonzero(~self.states.zero_rows)
        unit = self.states.directions(index)
        return np.concatenate([block @ direction for _, block in unit.blocks()])

    def norm_cv(self) -> float:
        sums = self.states.moments.scalars
        if sums.norm == 0:
            raise UndefinedMeasure("all rows are zero")
        return sums.norm_std() * self.n / sums.norm

    def norm_cv_of(self, which: np.ndarray) -> float:
        norm = self.rows.norm[which]
        return float(norm.std() / norm.mean()) if norm.any() else 0.0

    def zero_fraction_of(self, which: np.ndarray) -> float:
        return float(self.rows.n_zero[which].mean() / self.states.features.n_features)

    def unit_std(self) -> float:
        self.states.require_directions(2)
        _, variance = self.states.unit_column_moments
        return float(np.sqrt(variance * self.n_unit / (self.n_unit - 1.0)).mean())


def _with_mean_error(total: float, square: float, n: float, low: float, high: float) -> Callable[[float], tuple[float, float]]:
    variance = max(0.0, square / n - (total / n) ** 2)
    return lambda value: normal_interval(value, float(np.sqrt(variance / n)), low, high)


def _correlation_plan(states: GeometryStates, of: Callable[[], Correlation], rows: Callable[[], Rows], kind: str) -> IntervalPlan:
    def interval(value: float) -> tuple[float, float]:
        correlation = of()
        if correlation.r is None:
            raise UndefinedMeasure("needs more rows than features")
        r = correlation.r
        weight = {"absolute": np.sign(r), "signed": 1.0 - np.eye(len(r)), "rms": 2.0 * r}[kind]
        error = influence_errors(rows(), correlation, [weight], states.algebra)[0]
        if kind == "rms":
            error = error / (2.0 * value) if value > 0 else 0.0
        return normal_interval(value, error, -1.0 if kind == "signed" else 0.0, 1.0)

    return IntervalPlan(interval, _INFLUENCE)


def cloud_measures(states: GeometryStates, keys: Iterable[str]) -> dict[str, Measurement]:
    """Measurements of the unlabelled, pair-free, non-spectral keys among `keys`."""
    cloud = _Cloud(states)
    table = _table(cloud)
    off = no_interval("intervals were switched off")
    chosen = {key: table[key] for key in keys if key in table}
    return {key: measure(key, value, plan if states.options.intervals else off, n) for key, (value, plan, n) in chosen.items()}


_Entry = tuple[Callable[[], float], IntervalPlan, int | Callable[[], int]]


def _table(cloud: _Cloud) -> dict[str, _Entry]:
    return _directions(cloud) | _correlations(cloud) | _norms(cloud) | _sparsity(cloud)


def _directions(cloud: _Cloud) -> dict[str, _Entry]:
    n_unit = lambda: cloud.n_unit  # noqa: E731
    spread = IntervalPlan(lambda value: normal_interval(value, float(cloud.rows.spread.std() / np.sqrt(cloud.n_unit)), 0.0), _INFLUENCE)
    return {
        "center_vector_norm": (cloud.center_norm, IntervalPlan(cloud.center_interval, _HOEFFDING), n_unit),
        "center_vector_norm_debiased": (
            lambda: float(np.sqrt(max(0.0, cloud.mean_cosine()))), IntervalPlan(cloud.debiased_interval, _HOEFFDING), n_unit),
        "anisotropy_mean_cosine": (cloud.mean_cosine, IntervalPlan(cloud.cosine_interval, _HOEFFDING), n_unit),
        "std_of_l2_normalized": (cloud.unit_std, spread, n_unit),
    }  # fmt: skip


def _correlations(cloud: _Cloud) -> dict[str, _Entry]:
    states = cloud.states
    raw, unit = (lambda: states.correlation), (lambda: states.unit_correlation)
    raw_rows, unit_rows = (lambda: states.rows), (lambda: states.unit_rows)
    n, n_unit = cloud.n, (lambda: states.n_unit)
    plan = lambda kind: _correlation_plan(states, raw, raw_rows, kind)  # noqa: E731
    return {
        "feature_correlation": (lambda: raw().mean_absolute(), plan("absolute"), n),
        "feature_correlation_signed": (lambda: raw().mean_signed(), plan("signed"), n),
        "feature_correlation_rms": (lambda: float(np.sqrt(raw().mean_square())), plan("rms"), n),
        "feature_correlation_max": (lambda: raw().largest, no_interval("an extreme over pairs of features"), n),
        "feature_correlation_unit": (lambda: unit().mean_absolute(), _correlation_plan(states, unit, unit_rows, "absolute"), n_unit),
        "feature_correlation_noise_floor": (lambda: raw().noise_floor(), no_interval("a function of N alone"), n),
        "feature_correlation_debiased_rms": (lambda: raw().debiased_rms(), no_interval("see feature_correlation_rms"), n),
    }


def _norms(cloud: _Cloud) -> dict[str, _Entry]:
    n, seed = cloud.n, cloud.states.options.seed
    sums = lambda: cloud.states.moments.scalars  # noqa: E731
    cv = IntervalPlan(lambda value: normal_interval(value, half_sampling_error(cloud.norm_cv_of, n, seed), 0.0), _HALVES)
    mean = IntervalPlan(lambda value: normal_interval(value, float(cloud.rows.norm.std() / np.sqrt(n)), 0.0), "standard error of a mean")
    extreme = no_interval("an extreme of the sample")
    return {
        "norm_cv": (cloud.norm_cv, cv, n),
        "norm_alignment": (cloud.norm_alignment, IntervalPlan(cloud.norm_alignment_interval, _INFLUENCE), lambda: cloud.n_unit),
        "mean_norm": (lambda: sums().norm / n, mean, n),
        "norm_min": (lambda: sums().norm_low, extreme, n),
        "norm_max": (lambda: sums().norm_high, extreme, n),
    }


def _sparsity(cloud: _Cloud) -> dict[str, _Entry]:
    states, n, width = cloud.states, cloud.n, cloud.states.features.n_features
    sums = lambda: states.moments.scalars  # noqa: E731
    n_unit = lambda: n - states.moments.n_zero  # noqa: E731

    def per_row(total: str, square: str) -> _Entry:
        def value() -> float:
            if width < 2 or not n_unit():
                raise UndefinedMeasure(f"needs 2 features; got {width}" if width < 2 else "all rows are zero")
            return getattr(sums(), total) / n_unit()

        plan = IntervalPlan(lambda value: _with_mean_error(getattr(sums(), total), getattr(sums(), square), n_unit(), 0.0, 1.0)(value),
                            "standard error of a mean")  # fmt: skip
        return value, plan, n_unit

    def lifetime() -> float:
        columns = states.moments.columns
        live = columns.square > 0
        if n < 2 or not live.any():
            raise UndefinedMeasure(f"needs 2 rows; got {n}" if n < 2 else "all features are zero")
        return float(np.mean((1.0 - columns.absolute[live] ** 2 / n / columns.square[live]) / (1.0 - 1.0 / n)))

    zeros_error = lambda: half_sampling_error(cloud.zero_fraction_of, n, states.options.seed)  # noqa: E731
    active_error = lambda: float(cloud.rows.n_zero.std() / np.sqrt(n))  # noqa: E731
    halves = IntervalPlan(lambda value: normal_interval(value, zeros_error(), 0.0, 1.0), _HALVES)
    active = IntervalPlan(lambda value: normal_interval(value, active_error(), 0.0, width), "standard error of a mean")
    return {
        "zero_fraction": (lambda: float(states.moments.columns.zeros.sum() / (n * width)), halves, n),
        "dead_features": (lambda: float((states.moments.columns.zeros == n).mean()), no_interval("a count of features, not of images"), n),
        "active_per_sample_mean": (lambda: sums().active / n, active, n),
        "active_per_sample_min": (lambda: sums().active_low, no_interval("an extreme of the sample"), n),
        "hoyer": per_row("hoyer", "hoyer2"),
        "treves_rolls_population": per_row("treves", "treves2"),
        "treves_rolls_lifetime": (lifetime, no_interval("a mean over features, not over images"), n),
    }
