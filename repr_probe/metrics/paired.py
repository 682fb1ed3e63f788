"""Is a number of one representation larger than of another on the same images? The difference, jackknifed over what both share.

Both are measured without each image (or without each class), so that what makes an image hard for both cancels: only such an interval
licenses "A > B". Numbers of pairs, norms and classes are taken exactly without each unit; spectral ones and the feature correlation by their
influence function, the limit of the jackknife.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.centroids import leave_group_out_ranks
from repr_probe.metrics.class_measures import alignment_of, class_method, d_prime_of
from repr_probe.metrics.correlation import Correlation
from repr_probe.metrics.inference import Interval, delete_groups
from repr_probe.metrics.matrix_alignment import ACCURACY, jackknifed
from repr_probe.metrics.pair_sums import PairSums, PairTotals
from repr_probe.metrics.rows import Rows
from repr_probe.metrics.spectrum import Spectrum
from repr_probe.metrics.states import MIN_CLASSES, GeometryStates

ROWS = "delete-one-image jackknife"
INFLUENCE = "influence function over images"
_ANGLE_ACCURACY = 1e-4  # degrees: angles come from float32 products
_TIE = 4.0  # standard errors between λ₁ and λ₂ below which the influence function of λ₁ fails


@dataclass(frozen=True)
class PairedDifference:
    """a, b: the two values.  difference: a - b, with its 95 % interval and two-sided p; these are None with a `reason`. A difference that
    lies with its interval below the accuracy of the two values is 0 with p = 1.

    population: "images" or "classes": what the units that were left out stand for.  method: how.
    """

    a: float | None
    b: float | None
    difference: float | None
    ci: Interval | None = None
    p: float | None = None
    population: str | None = None
    method: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class _Left:
    """values (n_units,): the measure without each unit."""

    values: np.ndarray
    population: str
    method: str


class LeftOut:
    """The measures of one representation without each unit, each computed once, whatever the number of partners."""

    def __init__(self, states: GeometryStates) -> None:
        self.states = states
        self._known: dict[str, _Left | UndefinedMeasure] = {}

    def without_each(self, key: str) -> _Left:
        """Raises UndefinedMeasure where the measure, or its interval, does not exist."""
        if key not in self._known:
            try:
                self._known[key] = _WITHOUT_EACH[key](self.states)
            except UndefinedMeasure as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, UndefinedMeasure):
            raise UndefinedMeasure(str(found))
        return found


def paired_differences(
    first: LeftOut, second: LeftOut, keys: Iterable[str], values: Callable[[str], tuple[float | None, float | None]]
) -> dict[str, PairedDifference]:
    """Differences of the keys among `KEYS`. first, second: of the same rows in the same order, with the same labels.

    values: key -> the two measured values.
    """
    return {key: _difference(first, second, key, *values(key)) for key in keys if key in _WITHOUT_EACH}


def _difference(first: LeftOut, second: LeftOut, key: str, a: float | None, b: float | None) -> PairedDifference:
    if a is None or b is None:
        return PairedDifference(a, b, None, reason="undefined for one of the two")
    try:
        _require_same_units(first.states, second.states)
        one, other = first.without_each(key), second.without_each(key)
        accuracy = _ANGLE_ACCURACY if key.startswith("angle_") else max(ACCURACY * max(abs(a), abs(b)), 1e-14)
        return PairedDifference(a, b, *jackknifed(a - b, one.values - other.values, accuracy), one.population, one.method)
    except UndefinedMeasure as error:
        return PairedDifference(a, b, a - b, reason=str(error))


def _require_same_units(first: GeometryStates, second: GeometryStates) -> None:
    if not np.array_equal(first.zero_rows, second.zero_rows):
        raise UndefinedMeasure("the two have different rows of zeros, which have no direction")
    if not np.array_equal(first.labels, second.labels):
        raise UndefinedMeasure("the two have different labels")


# --- without each image ---------------------------------------------------------------------------------------------------------------------


def _toward_center(states: GeometryStates) -> tuple[np.ndarray, float, int]:
    """(uᵢ·S (n,), ‖S‖², n) with S the sum of the unit rows."""
    states.require_directions(3)
    total = states.unit_gram.mean() * states.n_unit
    rows = states.spectral_rows(unit=True)
    toward = np.concatenate([block @ total for _, block in rows.blocks()])
    return toward, float(total @ total), len(rows)


def _center_norm(states: GeometryStates) -> _Left:
    toward, square, n = _toward_center(states)
    return _Left(np.sqrt(np.maximum(square - 2.0 * toward + 1.0, 0.0)) / (n - 1.0), "images", ROWS)


def _mean_cosine(states: GeometryStates) -> _Left:
    toward, square, n = _toward_center(states)
    return _Left((square - 2.0 * toward + 1.0 - (n - 1.0)) / ((n - 1.0) * (n - 2.0)), "images", ROWS)


def _all_angles(number: int) -> Callable[[GeometryStates], _Left]:
    """Of the mean (0) or SD (1) of all angles."""

    def left(states: GeometryStates) -> _Left:
        states.require_directions(4)
        found = states.angles
        n = len(found.first)
        pairs = (n - 1.0) * (n - 2.0)
        mean = (found.first.sum() - 2.0 * found.first) / pairs
        if number == 0:
            return _Left(found.shift + mean, "images", ROWS)
        square = (found.second.sum() - 2.0 * found.second) / pairs
        return _Left(np.sqrt(np.maximum(square - mean**2, 0.0)), "images", ROWS)

    return left


def _spectral(
    value: Callable[[Spectrum], float], gradient: Callable[[Spectrum], np.ndarray], *, center: bool = False, top: bool = False
) -> Callable[[GeometryStates], _Left]:
    """top: the measure rests on λ₁ alone, whose influence function fails where λ₂ ties with it."""

    def left(states: GeometryStates) -> _Left:
        spectrum = states.spectrum(center=center)
        rows = states.spectral_rows(unit=False)
        middle = states.raw_gram.mean() if center else None
        chosen = [gradient(spectrum), *([np.eye(spectrum.rank)[0]] if top else [])]
        found = _influence(rows, middle, spectrum.vectors, np.column_stack(chosen))
        if top and spectrum.rank > 1 and spectrum.values[0] - spectrum.values[1] < _TIE * found[:, 1].std() / np.sqrt(len(rows)):
            raise UndefinedMeasure("the two largest eigenvalues of one of the two are not told apart")
        influence = found[:, 0] - found[:, 0].mean()
        return _Left(value(spectrum) - influence / (len(rows) - 1.0), "images", INFLUENCE)

    return left


def _influence(rows: Rows, middle: np.ndarray | None, vectors: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """(n, n_gradients) Σⱼ gradientⱼ ((xᵢ - middle)·vⱼ)²."""
    parts = []
    for _, block in rows.blocks():
        if middle is not None:
            block -= middle
        parts.append(np.square(block @ vectors) @ gradients)
    return np.concatenate(parts)


def _feature_correlation(states: GeometryStates) -> _Left:
    """Row i moves rₐᵦ by zₐzᵦ - rₐᵦ(zₐ² + zᵦ²)/2, z the standardised row; the mean |r| weighs it by the sign of rₐᵦ."""
    found: Correlation = states.correlation
    if found.r is None:
        raise UndefinedMeasure("needs more rows than features")
    sign = np.sign(found.r)
    own = np.abs(found.r).sum(axis=1)
    parts = []
    for _, block in states.rows.blocks():
        z = (block[:, found.live] - found.mean) * found.scale
        parts.append((np.einsum("ij,ij->i", z @ sign, z) - np.square(z) @ own) / found.n_pairs)
    influence = np.concatenate(parts)
    return _Left(found.mean_absolute() - (influence - influence.mean()) / (len(influence) - 1.0), "images", INFLUENCE)


# --- without each class ---------------------------------------------------------------------------------------------------------------------


def _of_classes(states: GeometryStates, values: Callable[[], np.ndarray]) -> _Left:
    states.require_labels()
    if states.n_classes < MIN_CLASSES:
        raise UndefinedMeasure(f"an interval over classes needs {MIN_CLASSES} classes; got {states.n_classes}")
    with np.errstate(invalid="ignore", divide="ignore"):
        return _Left(values(), "classes", class_method(states.n_classes))


def _pairs(statistic: Callable[[PairTotals], np.ndarray], sums: Callable[[GeometryStates], PairSums]) -> Callable[[GeometryStates], _Left]:
    return lambda states: _of_classes(states, lambda: statistic(sums(states).without_each_group()))


def _cosines(states: GeometryStates) -> PairSums:
    return states.cosine_sums


def _angles(states: GeometryStates) -> PairSums:
    if states.angles.labelled is None:
        raise UndefinedMeasure("needs labels")
    return states.angles.labelled


def _centroid_rank(center: bool) -> Callable[[GeometryStates], _Left]:
    def values(states: GeometryStates) -> np.ndarray:
        return leave_group_out_ranks(states.centroids.means, delete_groups(states.n_classes, seed=states.options.seed), center=center)

    return lambda states: _of_classes(states, lambda: values(states))


_WITHOUT_EACH: dict[str, Callable[[GeometryStates], _Left]] = {
    "anisotropy": _spectral(Spectrum.top_share, Spectrum.gradient_top_share, top=True),
    "feature_correlation": _feature_correlation,
    "center_vector_norm": _center_norm,
    "centroid_rank": _centroid_rank(False),
    "effective_rank": _spectral(Spectrum.effective_rank, Spectrum.gradient_effective_rank),
    "d_prime": _pairs(d_prime_of, _cosines),
    "angle_all_mean": _all_angles(0),
    "angle_all_std": _all_angles(1),
    "angle_positive_mean": _pairs(lambda totals: totals.same()[0], _angles),
    "angle_positive_std": _pairs(lambda totals: np.sqrt(totals.same()[1]), _angles),
    "anisotropy_mean_cosine": _mean_cosine,
    "centroid_rank_centered": _centroid_rank(True),
    "effective_rank_centered": _spectral(Spectrum.effective_rank, Spectrum.gradient_effective_rank, center=True),
    "angle_negative_mean": _pairs(lambda totals: totals.different()[0], _angles),
    "angle_negative_std": _pairs(lambda totals: np.sqrt(totals.different()[1]), _angles),
    "alignment_class": _pairs(alignment_of, _cosines),
}
KEYS = tuple(_WITHOUT_EACH)
"""The measures that have a paired difference: Table III's columns and some that stand beside them."""
