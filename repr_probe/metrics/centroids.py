"""Class centroids, how many directions they span, and how much of that is noise of small classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.errors import UndefinedMeasure
from repr_probe.metrics.spectrum import entropy_rank

_EPS = 2.0**-52


@dataclass(frozen=True, eq=False)
class Centroids:
    """Class means of unit rows, c_k = mean of uᵢ in class k, not rescaled: means (K, D), counts (K,), codes (K,) which class each is."""

    means: np.ndarray
    counts: np.ndarray
    codes: np.ndarray

    def cosine(self) -> np.ndarray:
        """(K, K) cosines of the centroids; NaN for a centroid of length 0."""
        length = np.linalg.norm(self.means, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = self.means / length[:, None]
        return np.clip(unit @ unit.T, -1.0, 1.0)

    def noise_share(self, keep: np.ndarray | None = None) -> float:
        """mean_k [Σᵢ‖uᵢ - c_k‖² / (n_k(n_k - 1))] / [(1/K) Σ‖c_k - mean c‖²], classes with two rows or more in the numerator."""
        means, counts = (self.means, self.counts) if keep is None else (self.means[keep], self.counts[keep])
        several = counts >= 2
        if not several.any():
            raise UndefinedMeasure("needs a class with two rows")
        spread = np.mean(np.sum((means - means.mean(axis=0)) ** 2, axis=1))
        if len(counts) < 2 or spread <= 0:
            raise UndefinedMeasure("needs two different class means")
        scatter = np.maximum(1.0 - np.sum(means[several] ** 2, axis=1), 0.0)  # mean of ‖uᵢ - c_k‖² over the class
        return float(np.mean(scatter / (counts[several] - 1.0)) / spread)


def centroid_rank_of(means: np.ndarray, *, center: bool = False, eigenvalues: bool = False) -> float:
    """exp entropy of the singular values (or their squares) of the K x D matrix of class means, by SVD.

    Raises UndefinedMeasure when all means are equal (centred) or zero.
    """
    length = np.sqrt(np.sum(means * means))
    matrix = means - means.mean(axis=0) if center else means
    sigma = np.linalg.svd(matrix, compute_uv=False)
    if sigma[0] <= len(means) * _EPS * length:
        raise UndefinedMeasure("class means must differ; all are equal" if center else "class means must not all be zero")
    sigma = sigma[sigma * sigma > max(means.shape) * _EPS * sigma[0] ** 2]
    return entropy_rank(sigma * sigma if eigenvalues else sigma)


def leave_group_out_ranks(means: np.ndarray, groups: np.ndarray, *, center: bool) -> np.ndarray:
    """Centroid rank without each group of classes, (n_groups,): from the K x K Gram matrix, where leaving out is cutting out."""
    from scipy.linalg import eigvalsh

    shifted = means - means.mean(axis=0) if center else means
    gram = shifted @ shifted.T
    ranks = []
    for group in range(int(groups.max()) + 1):
        keep = groups != group
        part = gram[np.ix_(keep, keep)]
        if center:
            column = part.mean(axis=0)
            part = part - column - column[:, None] + column.mean()
        values = eigvalsh(part, check_finite=False)[::-1]
        if values[0] <= 0.0:
            raise UndefinedMeasure("without one group of classes the class means are all equal")
        ranks.append(entropy_rank(np.sqrt(values[values > len(part) * 8.0 * _EPS * values[0]])))
    return np.array(ranks)
