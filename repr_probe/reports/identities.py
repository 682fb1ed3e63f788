"""Exact identities between reported numbers, checked on every report along independent routes; a failure is a bug, never noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.angle_tiles import BIN, N_BINS
from repr_probe.metrics.states import GeometryStates

_TIGHT = 1e-9


def identity_failures(states: GeometryStates) -> tuple[str, ...]:
    """One line for each identity that does not hold (I1, I4, I8 of docs/definitions.md), empty when all hold."""
    return tuple(text for check in (_mean_cosine, _total_law, _rank_chain, _histogram, _squares) for text in check(states))


def _mean_cosine(states: GeometryStates) -> list[str]:
    """I1: mean cosine = (N CVN² - 1)/(N - 1); the left side from sums over pairs of rows, the right side from the mean unit row."""
    gram = states.moments.unit
    if gram is None or gram.count < 2:
        return []
    n, total = gram.count, gram.matrix[:-2, -1]
    by_pairs = 1.0 + (total @ total - n * gram.matrix[-2, -1]) / (n * (n - 1.0))
    by_center = (n * float(np.sum(gram.mean() ** 2)) - 1.0) / (n - 1.0)
    if abs(by_pairs - by_center) > _TIGHT:
        return [f"I1: mean cosine {by_pairs:.12g} over pairs differs from {by_center:.12g} from the center vector"]
    return []


def _total_law(states: GeometryStates) -> list[str]:
    """I4: the mean and variance over all labelled pairs are the mixture of same-class and different-class pairs.

    The mixture comes from sums over rows and class sums, the total from ‖UᵀU‖² and the mean unit row (I1, I3).
    """
    if "cosine_sums" not in states.__dict__ or states.n_labelled != states.n_unit:
        return []
    totals = states.cosine_sums.totals()
    (same_mean, same_var), (other_mean, other_var) = totals.same(), totals.different()
    if not totals.same_n or totals.same_n == totals.all_n:
        return []
    p = totals.same_n / totals.all_n
    variance = p * same_var + (1 - p) * other_var + p * (1 - p) * (same_mean - other_mean) ** 2
    n, second = states.unit_gram.count, states.unit_gram.second_moment()
    by_center = (n * float(np.sum(states.unit_gram.mean() ** 2)) - 1.0) / (n - 1.0)
    by_gram = (float(np.einsum("ij,ij->", second, second)) - n) / (n * (n - 1.0)) - by_center**2
    mean = p * same_mean + (1 - p) * _different_mean_by_classes(states)
    failures = []
    if abs(mean - by_center) > _TIGHT:
        failures.append(f"I4: mean cosine {by_center:.12g} differs from the mixture of its classes, {mean:.12g}")
    if abs(variance - by_gram) > _TIGHT:
        failures.append(f"I4: variance of cosines {by_gram:.12g} differs from the mixture of its classes, {float(variance):.12g}")
    return failures


def _different_mean_by_classes(states: GeometryStates) -> float:
    """(‖S‖² - Σ‖S_k‖²)/(N² - Σ n_k²) from the class sums (identity I2)."""
    means, counts = states.centroids.means, states.centroids.counts
    sums = means * counts[:, None]
    total = sums.sum(axis=0)
    return float((total @ total - np.sum(sums * sums)) / (counts.sum() ** 2 - np.sum(counts**2)))


def _rank_chain(states: GeometryStates) -> list[str]:
    """I8: 1 <= 1/top share <= participation ratio <= exp H(λ) <= exp H(σ) <= rank, on one spectrum."""
    failures = []
    for center in (False, True):
        try:
            spectrum = states.spectrum(center=center) if (False, center) in states._spectra else None
        except UndefinedMeasure:
            continue
        if spectrum is None:
            continue
        chain = (1.0, 1.0 / spectrum.top_share(), spectrum.participation_ratio(), spectrum.eigenvalue_rank(), spectrum.effective_rank(),
                 float(spectrum.rank))  # fmt: skip
        if any(low > high * (1.0 + _TIGHT) for low, high in pairwise(chain)):
            numbers = ", ".join(f"{x:.9g}" for x in chain)
            failures.append(f"I8: 1 <= 1/top share <= participation ratio <= rank(λ) <= rank(σ) <= rank broken: {numbers}")
    return failures


def _histogram(states: GeometryStates) -> list[str]:
    """The pair pass against itself and against the moments: every pair is counted once, and the histograms carry the exact mean."""
    if "angles" not in states.__dict__:
        return []
    found = states.angles
    counts = found.histograms["all"]
    if int(counts.sum()) != found.n_pairs:
        return [f"pair pass: {int(counts.sum())} angles counted, {found.n_pairs} pairs exist"]
    if (found.histograms["labelled"] < found.histograms["positive"]).any():
        return ["pair pass: more same-class than labelled pairs in a bin"]
    by_bins = float(counts @ ((np.arange(N_BINS) + 0.5) * BIN)) / found.n_pairs
    if abs(by_bins - found.mean_and_std()[0]) > BIN:
        return [f"pair pass: mean angle {found.mean_and_std()[0]:.6f} differs from its histogram's {by_bins:.6f}"]
    return []


def _squares(states: GeometryStates) -> list[str]:
    """I3 across both passes: mean squared cosine from class Grams and from the histograms of angles, to the width of a bin."""
    if "cosine_sums" not in states.__dict__ or "angles" not in states.__dict__ or not states.angles.histograms["positive"].any():
        return []
    totals, found = states.cosine_sums.totals(), states.angles.histograms
    squares = np.cos(np.radians((np.arange(N_BINS) + 0.5) * BIN)) ** 2
    same = totals.same_n, totals.same_1, totals.same_2
    other = totals.all_n - totals.same_n, totals.all_1 - totals.same_1, totals.all_2 - totals.same_2
    failures = []
    apart = found["labelled"] - found["positive"]
    for kind, (n, first, second), counts in (("same", same, found["positive"]), ("different", other, apart)):
        if not n:
            continue
        by_gram, by_bins = 1.0 + float(2.0 * first + second) / float(n), float(counts @ squares) / float(counts.sum())
        if abs(by_gram - by_bins) > np.radians(BIN):
            failures.append(f"I3: mean squared cosine of {kind}-class pairs {by_gram:.9g} differs from its histogram's {by_bins:.9g}")
    return failures
