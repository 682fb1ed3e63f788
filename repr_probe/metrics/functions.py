"""The measures as plain functions: features in, a float out; UndefinedMeasure with the reason where there is no number.

Each takes what `as_features` takes and does only the work its own number needs. Reports give intervals as well.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from repr_probe.errors import InputError, UndefinedMeasure
from repr_probe.features.door import as_features
from repr_probe.metrics.centroids import Centroids, centroid_rank_of
from repr_probe.metrics.class_measures import d_prime_of
from repr_probe.metrics.rows import Rows, row_norms
from repr_probe.metrics.spectrum import Spectrum, rankme_from_sigma, second_moment, spectrum_of
from repr_probe.metrics.states import GeometryStates, Options
from repr_probe.metrics.view_pairs import view_pairs

_AT_ONCE = 1 << 18  # numbers of a block that is read three times while it lies in the processor's cache


class Angles(NamedTuple):
    """Mean and population SD of angles over pairs, degrees; None where there is no such pair."""

    all_mean: float
    all_std: float
    positive_mean: float | None
    positive_std: float | None
    negative_mean: float | None
    negative_std: float | None


def _states(features: Any, labels: Any = None, **options: Any) -> GeometryStates:
    return GeometryStates(as_features(features, labels), Options(intervals=False, **options))


def _spectrum(features: Any, *, center: bool, normalize: bool) -> tuple[GeometryStates, Spectrum]:
    states = _states(features)
    rows = states.spectral_rows(unit=normalize)
    if not len(rows):
        raise UndefinedMeasure("all rows are zero")
    if center and len(rows) < 2:
        raise UndefinedMeasure(f"needs 2 rows; got {len(rows)}")
    if center:
        return states, states.spectrum(unit=normalize, center=True)
    return states, spectrum_of(second_moment(rows), len(rows), n_features=states.features.n_features, vectors=False)


def anisotropy(features: Any, *, center: bool = False, normalize: bool = False) -> float:
    """Share of the second moment on its main axis: low is isotropic, 1 is a line.

    λ₁/Σλ, λ the eigenvalues of (1/N) XᵀX (`center`: of the covariance; `normalize`: of unit rows).  features: (n_samples, n_features).
    Range [1/min(N, D), 1].  Source: ANISO in Table III of HyDeS (arXiv 2604.24498).  Related: never below ‖mean x‖²/mean ‖x‖².

    >>> round(anisotropy([[2.0, 0.0], [0.0, 1.0]]), 12)
    0.8
    """
    return _spectrum(features, center=center, normalize=normalize)[1].top_share()


def feature_correlation(features: Any) -> float:
    """How much features repeat one another: mean |Pearson r| over pairs of different, non-constant features.

    features: (n_samples, n_features).  Range [0, 1]; independent features read about √(2/(πN)), copies 1.
    Source: CORR in Table III of HyDeS (arXiv 2604.24498).

    >>> round(feature_correlation([[0.0, 0.0], [1.0, -2.0], [2.0, -4.0]]), 12)
    1.0
    """
    return _states(features).correlation.mean_absolute()


def _center(features: Any) -> tuple[np.ndarray, int]:
    """(mean of the unit rows, their number): lengths and sums in one reading."""
    rows = Rows(as_features(features).values)
    total, count = np.zeros(rows.n_features), 0
    for _, block in rows.blocks(max(1, _AT_ONCE // rows.n_features)):
        lengths = row_norms(block)
        inverse = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        total += np.einsum("i,ij->j", inverse, block)
        count += int(np.count_nonzero(lengths))
    if not count:
        raise UndefinedMeasure("all rows are zero")
    return total / count, count


def center_vector_norm(features: Any) -> float:
    """How far the cloud of directions is from balanced: 0 balanced, 1 collapsed.

    ‖mean of uᵢ‖ with uᵢ = featuresᵢ/‖featuresᵢ‖; zero rows are left out.  features: (n_samples, n_features).
    Source: CVN in Table III of HyDeS (arXiv 2604.24498) and Jha et al. (arXiv 2402.14957).

    >>> center_vector_norm([[1.0, 0.0], [-1.0, 0.0]])
    0.0
    """
    return min(1.0, float(np.linalg.norm(_center(features)[0])))


def mean_cosine(features: Any) -> float:
    """Mean cosine over all pairs of different rows: 0 isotropic, 1 collapsed; exact without forming a pair.

    (N·CVN² - 1)/(N - 1).  features: (n_samples, n_features).  Range [-1/(N-1), 1].  Source: Ethayarajh 2019, there by sampling.

    >>> round(mean_cosine([[1.0, 0.0], [0.0, 3.0], [-2.0, 0.0]]), 6)
    -0.333333
    """
    center, n = _center(features)
    if n < 2:
        raise UndefinedMeasure(f"needs 2 non-zero rows; got {n}")
    return float((n * (center @ center) - 1.0) / (n - 1.0))


def effective_rank(features: Any, *, center: bool = False, normalize: bool = False, spectrum: str = "sigma") -> float:
    """Number of directions in use, counted by entropy: 1 for a line, D when all directions weigh alike.

    exp(-Σ p ln p), p = σ/Σσ, σ the singular values of the features (`spectrum="lambda"`: their squares; `center`: columns centred first;
    `normalize`: unit rows).  features: (n_samples, n_features).  Range [1, min(N, D)]; grows with N until N is about 10 D.
    Source: Roy & Vetterli 2007; EMBED. RANK in Table III of HyDeS (arXiv 2604.24498).

    >>> round(effective_rank([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), 12)
    3.0
    """
    if spectrum not in ("sigma", "lambda"):
        raise InputError(f"spectrum must be 'sigma' or 'lambda'; got {spectrum!r}")
    found = _spectrum(features, center=center, normalize=normalize)[1]
    return found.effective_rank() if spectrum == "sigma" else found.eigenvalue_rank()


def rankme(features: Any, *, epsilon: float = 1e-7) -> float:
    """RankMe as published (Garrido et al. 2023): effective rank of the raw features with p = σ/Σσ + epsilon, not rescaled.

    features: (n_samples, n_features).  `epsilon=1e-5` gives stable-pretraining's reading, which exceeds D on flat spectra.

    >>> round(rankme([[1.0, 0.0], [0.0, 1.0]]), 5)
    2.0
    """
    states, found = _spectrum(features, center=False, normalize=False)
    return rankme_from_sigma(np.sqrt(found.values), min(states.features.n_samples, states.features.n_features), epsilon)


def participation_ratio(features: Any, *, center: bool = True, normalize: bool = False) -> float:
    """Number of directions that carry variance: (Σλ)²/Σλ² of the covariance.

    features: (n_samples, n_features).  Range [1, min(D, N-1)]; biased low when N is small (reports give a debiased one).

    >>> round(participation_ratio([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 12)
    2.0
    """
    return _spectrum(features, center=center, normalize=normalize)[1].participation_ratio()


def centroid_rank(features: Any, labels: Any, *, center: bool = False) -> float:
    """Number of directions the classes span: effective rank of the K x D matrix of class means of unit rows.

    features: (n_samples, n_features); labels: one per row.  Range [1, min(K, D)] (`center`: K - 1), falls with CVN unless centred.
    Source: CENTROID RANK in Table III of HyDeS (arXiv 2604.24498).

    >>> round(centroid_rank([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], ["a", "a", "b"]), 12)
    2.0
    """
    return centroid_rank_of(_centroids(_states(features, labels)).means, center=center)


def _centroids(states: GeometryStates) -> Centroids:
    """Class means of unit rows, without the Gram matrices."""
    states.require_labels()
    index, codes, _ = states.order
    sums, counts = np.zeros((states.n_classes, states.features.n_features)), np.bincount(codes).astype(np.float64)
    rows = Rows(states.features.values, index[: len(codes)], unit=True, lengths=states.lengths)
    for start, block in rows.blocks():
        part = codes[start : start + len(block)]
        edges = np.flatnonzero(np.r_[True, part[1:] != part[:-1]])
        np.add.at(sums, part[edges], np.add.reduceat(block, edges, axis=0))
    return Centroids(sums / counts[:, None], counts, np.arange(len(counts)))


def d_prime(features: Any, labels: Any) -> float:
    """How far same-class pairs stand out from different-class pairs, in standard deviations of the cosine; higher is better.

    (mean₊ - mean₋)/√((var₊ + var₋)/2) over all pairs, exact without forming them.  features: (n_samples, n_features); labels: one per row.
    Raises UndefinedMeasure without both kinds of pairs; ±inf where both variances are 0.
    Source: d′ in Table III of HyDeS (arXiv 2604.24498).

    >>> round(d_prime([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], ["a", "a", "b"]), 6)  # same: √½; different: 0 and √½; so √½/2 over √(⅛/2)
    1.414214
    """
    states = _states(features, labels)
    states.require_pairs()
    return float(d_prime_of(states.class_cosine_totals()))


def angles(features: Any, labels: Any = None, *, device: str = "cpu") -> Angles:
    """Angles between rows in degrees: mean and SD over all pairs, and over same-class and different-class pairs where there are labels.

    features: (n_samples, n_features); every pair counts once, by tiles, with no N x N matrix.  90 is orthogonal.
    Source: ALL and POSITIVE PAIRWISE ANGLE in Table III of HyDeS (arXiv 2604.24498).

    >>> round(angles([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]).all_mean, 4)
    120.0
    """
    states = _states(features, labels, kernel=False, device=device)
    found = states.angles
    labelled = found.labelled.totals() if found.labelled is not None else None
    parts: list[float | None] = []
    for moments in (labelled.same(), labelled.different()) if labelled is not None else ():
        parts += [None, None] if np.isnan(moments[0]) else [float(np.clip(moments[0], 0.0, 180.0)), float(np.sqrt(moments[1]))]
    mean, std = found.mean_and_std()
    return Angles(mean, std, *(parts or [None] * 4))


def uniformity(features: Any, *, device: str = "cpu") -> float:
    """How evenly directions fill the sphere: ln mean exp(-2‖uᵢ - uⱼ‖²) over pairs i < j; lower is more uniform.

    features: (n_samples, n_features).  About -4 for the uniform distribution, 0 when collapsed.  Source: Wang & Isola 2020, exact here.

    >>> round(uniformity([[1.0, 0.0], [-1.0, 0.0]]), 6)
    -8.0
    """
    states = _states(features, device=device)
    kernel = states.angles.kernel
    if kernel is None:
        raise UndefinedMeasure("the pair pass ran without the kernel sums")
    n = len(kernel)
    return min(0.0, float(np.log(kernel.sum() / (n * (n - 1.0)))))


def alignment(views: Any) -> float:
    """How closely views of one image agree: mean ‖u - u′‖² over pairs of views; 0 is invariance, 2 is chance in high dimension.

    views: (n_images, n_views, n_features), two views or more.  Range [0, 4].  Source: Wang & Isola 2020 (alpha = 2).

    >>> round(alignment([[[1.0, 0.0], [0.0, 1.0]]]), 12)
    2.0
    """
    array = np.asarray(views.detach().cpu() if hasattr(views, "detach") else views, dtype=np.float64)
    if array.ndim != 3:
        raise InputError(f"views must be (n_images, n_views, n_features); got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"views must be finite; image {int(np.argmin(np.isfinite(array).all(axis=(1, 2))))} is not")
    return float(view_pairs(array).distance.mean())
