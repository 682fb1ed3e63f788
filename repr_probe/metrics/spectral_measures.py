"""Measures of eigenvalues: anisotropy, effective ranks, RankMe, participation ratio, spectral decay, NESum, IsoScore."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from repr_probe import progress
from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.inference import half_samples, half_sampling_error, normal_interval, projected_influence
from repr_probe.metrics.measurement import Measurement
from repr_probe.metrics.measuring import IntervalPlan, measure, no_interval
from repr_probe.metrics.spectrum import Spectrum, entropy_rank, power_law, rankme_from_sigma, second_moment, spectrum_of
from repr_probe.metrics.states import GeometryStates

_INFLUENCE = "influence function"
_TIE = 4.0  # standard errors between λ₁ and λ₂ below which the influence function of λ₁ fails
_HALVES_FLOPS = 1e12
_MIN_HALVES = 20
_EXTRAPOLATION_HALVES = 20


@dataclass(frozen=True)
class _Spectral:
    """A measure of one spectrum: which rows, which centre, the value and its derivative by eigenvalue."""

    unit: bool
    center: bool
    value: Callable[[Spectrum], float]
    gradient: Callable[[Spectrum], np.ndarray]
    low: float = 1.0
    top: bool = False  # rests on λ₁ alone: ties matter
    square: bool = False  # rests on Σλ²: the influence function vanishes for a flat spectrum, the next order does not


def _isoscore(spectrum: Spectrum) -> float:
    if spectrum.n_features < 2:
        raise UndefinedMeasure("needs 2 features; got 1")
    return (spectrum.participation_ratio() - 1.0) / (spectrum.n_features - 1.0)


_SPECTRAL = {
    "anisotropy": _Spectral(False, False, Spectrum.top_share, Spectrum.gradient_top_share, 0.0, top=True),
    "anisotropy_unit": _Spectral(True, False, Spectrum.top_share, Spectrum.gradient_top_share, 0.0, top=True),
    "anisotropy_centered": _Spectral(False, True, Spectrum.top_share, Spectrum.gradient_top_share, 0.0, top=True),
    "anisotropy_sigma_share": _Spectral(False, False, Spectrum.sigma_share, Spectrum.gradient_sigma_share, 0.0, top=True),
    "effective_rank": _Spectral(False, False, Spectrum.effective_rank, Spectrum.gradient_effective_rank),
    "effective_rank_centered": _Spectral(False, True, Spectrum.effective_rank, Spectrum.gradient_effective_rank),
    "effective_rank_unit": _Spectral(True, False, Spectrum.effective_rank, Spectrum.gradient_effective_rank),
    "effective_rank_unit_centered": _Spectral(True, True, Spectrum.effective_rank, Spectrum.gradient_effective_rank),
    "effective_rank_eigenvalues": _Spectral(False, False, Spectrum.eigenvalue_rank, Spectrum.gradient_eigenvalue_rank),
    "effective_rank_eigenvalues_centered": _Spectral(False, True, Spectrum.eigenvalue_rank, Spectrum.gradient_eigenvalue_rank),
    "participation_ratio": _Spectral(False, True, Spectrum.participation_ratio, Spectrum.gradient_participation_ratio, square=True),
    "participation_ratio_uncentered": _Spectral(
        False, False, Spectrum.participation_ratio, Spectrum.gradient_participation_ratio, square=True),
    "participation_ratio_unit": _Spectral(True, True, Spectrum.participation_ratio, Spectrum.gradient_participation_ratio, square=True),
    "nesum": _Spectral(False, True, Spectrum.nesum, Spectrum.gradient_nesum, top=True),
    "isoscore": _Spectral(False, True, _isoscore, lambda s: s.gradient_participation_ratio() / (s.n_features - 1.0), 0.0,
                          square=True),
}
_DEBIASED = {"participation_ratio_debiased": "participation_ratio", "isoscore_debiased": "isoscore"}
_SAME_ERROR = {"rankme": "effective_rank"}
_BORROWED = _DEBIASED | _SAME_ERROR


def spectral_measures(states: GeometryStates, keys: Iterable[str]) -> dict[str, Measurement]:
    """Measurements of the spectral keys among `keys`."""
    wanted = [key for key in keys if key in _SPECTRAL or key in _VALUES]
    errors = _standard_errors(states, {_BORROWED.get(key, key) for key in wanted} & set(_SPECTRAL)) if states.options.intervals else {}
    return {key: _measure(states, key, errors) for key in wanted}


def _measure(states: GeometryStates, key: str, errors: dict[str, float]) -> Measurement:
    n = states.features.n_samples
    if key in _SPECTRAL:
        spec = _SPECTRAL[key]
        count = (lambda: states.n_unit) if spec.unit else n
        return measure(key, lambda: spec.value(states.spectrum(unit=spec.unit, center=spec.center)), _plan(states, key, errors), count)
    return measure(key, lambda: _VALUES[key](states), _plan(states, key, errors), n)


def _plan(states: GeometryStates, key: str, errors: dict[str, float]) -> IntervalPlan:
    if not states.options.intervals:
        return no_interval("intervals were switched off")
    if key in _NO_INTERVAL:
        return no_interval(_NO_INTERVAL[key])
    source = _BORROWED.get(key, key)
    if source not in errors:
        return no_interval("undefined without the measure it is made from")
    spec = _SPECTRAL[source]
    spectrum = states.spectrum(unit=spec.unit, center=spec.center)
    high = spectrum.n_features if spec.low == 1.0 else 1.0
    if spec.top and _tied(states, spec, spectrum, errors):
        return _half_sampling_plan(states, spec, high)
    if key in _DEBIASED:  # same relative error as the plain one; the estimate may exceed D
        offset = 1.0 / (spectrum.n_features - 1.0) if source == "isoscore" else 0.0  # isoscore + offset is proportional to the ratio
        relative = errors[source] / (spec.value(spectrum) + offset)
        return IntervalPlan(lambda value: normal_interval(value, relative * (value + offset), spec.low), _INFLUENCE)
    return IntervalPlan(lambda value: normal_interval(value, errors[source], spec.low, max(high, value)), _INFLUENCE)


# --- standard errors: one projection pass for each kind of rows and centre --------------------------------------------


def _standard_errors(states: GeometryStates, keys: set[str]) -> dict[str, float]:
    """Key -> standard error; "λ₁ unit center" entries carry that of the largest eigenvalue."""
    errors: dict[str, float] = {}
    for unit in (False, True):
        for center in (False, True):
            chosen = sorted(key for key in keys if (_SPECTRAL[key].unit, _SPECTRAL[key].center) == (unit, center))
            if not chosen:
                continue
            try:
                spectrum = states.spectrum(unit=unit, center=center)
            except UndefinedMeasure:
                continue
            first = np.zeros(spectrum.rank)
            first[0] = 1.0
            chosen = [key for key in chosen if key != "isoscore" or spectrum.n_features > 1]
            gradients = np.column_stack([first, *(_SPECTRAL[key].gradient(spectrum) for key in chosen)])
            rows = states.spectral_rows(unit=unit)
            gram = states.unit_gram if unit else states.raw_gram
            found = projected_influence(rows, gram.mean() if center else None, spectrum.vectors, gradients, states.algebra)
            errors[_top_name(unit, center)] = float(found[0])
            for key, error in zip(chosen, found[1:], strict=True):
                errors[key] = _with_second_order(key, float(error), spectrum, len(rows))
    return errors


def _with_second_order(key: str, error: float, spectrum: Spectrum, n: int) -> float:
    """Add the second-order variance of the estimate of Σλ², relative 4/N² (1 + Σλ⁴/(Σλ²)²) for normal rows: it rules when N is near D."""
    if not _SPECTRAL[key].square:
        return error
    square = (spectrum.values / spectrum.values[0]) ** 2
    relative = 2.0 / n * np.sqrt(1.0 + float(square @ square) / float(square.sum()) ** 2)
    scale = spectrum.participation_ratio() / (spectrum.n_features - 1.0 if key == "isoscore" else 1.0)
    return float(np.hypot(error, relative * scale))


def _top_name(unit: bool, center: bool) -> str:
    return f"λ₁ {unit} {center}"


def _tied(states: GeometryStates, spec: _Spectral, spectrum: Spectrum, errors: dict[str, float]) -> bool:
    if spectrum.rank < 2:
        return False
    return bool(spectrum.values[0] - spectrum.values[1] < _TIE * errors[_top_name(spec.unit, spec.center)])


def _half_sampling_plan(states: GeometryStates, spec: _Spectral, high: float) -> IntervalPlan:
    """λ₁ and λ₂ are not told apart: subsample rows instead, as often as a bounded cost allows."""
    rows = states.spectral_rows(unit=spec.unit)
    cost = len(rows) * rows.n_features**2 + 5.0 * rows.n_features**3
    count = int(min(200, _HALVES_FLOPS / cost))
    if count < _MIN_HALVES:
        return no_interval("the two largest eigenvalues tie, and half-sampling would take too long on a matrix of this size")

    def value_of(which: np.ndarray) -> float:
        matrix = second_moment(rows.select(np.sort(which)), center=spec.center, algebra=states.algebra)
        return spec.value(spectrum_of(matrix, len(which), n_features=states.features.n_features, vectors=False, algebra=states.algebra))

    def interval(value: float) -> tuple[float, float]:
        return normal_interval(value, half_sampling_error(value_of, len(rows), states.options.seed, count), spec.low, max(high, value))

    return IntervalPlan(interval, f"half-sampling of rows ({count} halves)")


# --- values that are not a function of one spectrum alone -------------------------------------------------------------


def _debiased_participation(states: GeometryStates) -> float:
    n = states.features.n_samples
    if n < 4:
        raise UndefinedMeasure(f"needs 4 rows; got {n}")
    states.spectrum(center=True)
    square = states.raw_gram.hsic1()
    if square <= 0:
        raise UndefinedMeasure("the unbiased estimate of ‖C‖² is not positive: too few rows")
    return float((np.trace(states.raw_gram.scatter()) / (n - 1.0)) ** 2 / square)


def _debiased_isoscore(states: GeometryStates) -> float:
    if states.features.n_features < 2:
        raise UndefinedMeasure("needs 2 features; got 1")
    return (_debiased_participation(states) - 1.0) / (states.features.n_features - 1.0)


def _mean_ratio(states: GeometryStates) -> float:
    states.spectrum()
    sums = states.moments.scalars
    return float(np.sum(states.raw_gram.mean() ** 2) * states.features.n_samples / sums.norm2)


def _rankme(states: GeometryStates, epsilon: float) -> float:
    sigma = np.sqrt(states.spectrum().values)
    return rankme_from_sigma(sigma, min(states.features.n_samples, states.features.n_features), epsilon)


def _rankme_reptrix(states: GeometryStates) -> float:
    values = states.spectrum(center=True).values
    return rankme_from_sigma(values, min(states.features.n_samples, states.features.n_features), 1e-7)


def _extrapolated(states: GeometryStates) -> float:
    n, width = states.features.n_samples, states.features.n_features
    if n < 4 * width:
        raise UndefinedMeasure(f"needs 4 D = {4 * width} rows; got {n}")
    rows, halves = states.space, []
    with progress.task("effective rank of random halves", _EXTRAPOLATION_HALVES) as advance:
        for which in half_samples(n, states.options.seed, _EXTRAPOLATION_HALVES):
            gram = second_moment(rows.select(np.sort(which)), algebra=states.algebra)
            halves.append(entropy_rank(np.sqrt(spectrum_of(gram, n // 2, vectors=False, algebra=states.algebra).values)))
            advance(1)
    return 2.0 * states.spectrum().effective_rank() - float(np.mean(halves))


_VALUES: dict[str, Callable[[GeometryStates], float]] = {
    "participation_ratio_debiased": _debiased_participation,
    "isoscore_debiased": _debiased_isoscore,
    "anisotropy_mean_ratio": _mean_ratio,
    "rankme": lambda states: _rankme(states, 1e-7),
    "rankme_stable_pretraining": lambda states: _rankme(states, 1e-5),
    "rankme_reptrix": _rankme_reptrix,
    "effective_rank_extrapolated": _extrapolated,
    "alpha_req": lambda states: power_law(states.spectrum(center=True).values).slope,
    "alpha_req_unweighted": lambda states: power_law(states.spectrum(center=True).values, weighted=False).slope,
    "alpha_req_r2": lambda states: power_law(states.spectrum(center=True).values).r2,
}
_FIT = "a fit over a range of eigenvalues: look at the value on subsamples instead"
_NO_INTERVAL = {
    "anisotropy_mean_ratio": "not worked out for this variant",
    "rankme_stable_pretraining": "a reading for comparison with another tool",
    "rankme_reptrix": "a reading for comparison with another tool",
    "effective_rank_extrapolated": "an extrapolation; see the interval of effective_rank",
    "alpha_req": _FIT,
    "alpha_req_unweighted": _FIT,
    "alpha_req_r2": _FIT,
}
