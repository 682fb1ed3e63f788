"""The exact numbers: from their definitions, in float64, every pair formed (a band of rows at a time), nothing of the package used.

Singular values are LAPACK's of the rows themselves, so no Gram matrix halves their digits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BAND = 500


def unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# --- pairs ------------------------------------------------------------------------------------------------------------


def _bands(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """((b,) numbers of the rows, (b, n) products with all of `right`)."""
    for start in range(0, len(left), _BAND):
        each = np.arange(start, min(start + _BAND, len(left)))
        yield each, left[each] @ right.T


def _pair_mean(rows: np.ndarray, function: np.ufunc | None = None) -> float:
    """Mean over ordered pairs of different rows of a function of the cosine; each band is summed about its own mean."""
    u = unit(rows)
    sums = []
    for each, cosine in _bands(u, u):
        values = np.clip(cosine, -1.0, 1.0) if function is None else function(np.clip(cosine, -1.0, 1.0))
        values[np.arange(len(each)), each] = 0.0
        sums.append(values.sum())
    return float(np.sum(sums) / (len(u) * (len(u) - 1.0)))


def mean_cosine(rows: np.ndarray) -> float:
    return _pair_mean(rows)


def cosine_moments(rows: np.ndarray) -> tuple[float, float]:
    """Mean and population SD."""
    mean = _pair_mean(rows)
    return mean, float(np.sqrt(_pair_mean(rows, lambda cosine: (cosine - mean) ** 2)))  # type: ignore[arg-type]


def mean_angle(rows: np.ndarray) -> float:
    return _pair_mean(rows, lambda cosine: np.degrees(np.arccos(cosine)))  # type: ignore[arg-type]


def uniformity(rows: np.ndarray) -> float:
    return float(np.log(_pair_mean(rows, lambda cosine: np.exp(-2.0 * (2.0 - 2.0 * cosine)))))  # type: ignore[arg-type]


def center_vector_norm(rows: np.ndarray) -> float:
    return float(np.linalg.norm(unit(rows).mean(axis=0)))


# --- spectra ----------------------------------------------------------------------------------------------------------


def sigma(rows: np.ndarray, *, center: bool = False) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return np.linalg.svd(rows - rows.mean(axis=0) if center else rows, compute_uv=False)


def eigenvalues(rows: np.ndarray, *, center: bool = False) -> np.ndarray:
    return sigma(rows, center=center) ** 2


def _entropy_rank(weights: np.ndarray) -> float:
    share = weights[weights > 0] / weights.sum()
    return float(np.exp(-(share @ np.log(share))))


def effective_rank(rows: np.ndarray, *, center: bool = False) -> float:
    return _entropy_rank(sigma(rows, center=center))


def eigenvalue_rank(rows: np.ndarray, *, center: bool = False) -> float:
    return _entropy_rank(eigenvalues(rows, center=center))


def participation_ratio(rows: np.ndarray) -> float:
    values = eigenvalues(rows, center=True)
    return float(values.sum() ** 2 / (values @ values))


def top_share(rows: np.ndarray, *, center: bool = False) -> float:
    values = eigenvalues(rows, center=center)
    return float(values[0] / values.sum())


def rankme_of(weights: np.ndarray, epsilon: float = 1e-7) -> float:
    share = weights / weights.sum() + epsilon
    return float(np.exp(-(share @ np.log(share))))


def alpha(rows: np.ndarray) -> float:
    """-slope of ln λⱼ on ln j, j = 11 to 100, weights 1/j."""
    index = np.arange(11, 101)
    values = np.log(eigenvalues(rows, center=True)[10:100])
    return -float(np.polyfit(np.log(index), values, 1, w=index**-0.5)[0])


# --- neighbours -------------------------------------------------------------------------------------------------------


def nearest(rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """((n, k) nearest other rows by Euclid, ties to the lower one; (n, k) their distances, from differences)."""
    rows = np.asarray(rows, np.float64)
    rows = rows - rows.mean(axis=0)
    square = np.einsum("ij,ij->i", rows, rows)
    index, distance = [], []
    for each, product in _bands(rows, rows):
        rank = square - 2.0 * product
        rank[np.arange(len(each)), each] = np.inf
        likely = np.sort(np.argpartition(rank, k + 6, axis=1)[:, : k + 6], axis=1)
        apart = np.stack([np.linalg.norm(rows[near] - rows[i], axis=1) for i, near in zip(each, likely, strict=True)])
        order = np.argsort(apart, axis=1, kind="stable")[:, :k]
        index.append(np.take_along_axis(likely, order, axis=1))
        distance.append(np.take_along_axis(apart, order, axis=1))
    return np.concatenate(index), np.concatenate(distance)


def log_ratios(rows: np.ndarray) -> np.ndarray:
    """ln(r₂/r₁), ascending; rows with r₁ = 0 are left out."""
    distance = nearest(rows, 2)[1]
    distance = distance[distance[:, 0] > 0]
    return np.sort(np.log(distance[:, 1] / distance[:, 0]))


def kept(ratios: np.ndarray) -> np.ndarray:
    return ratios[: int(0.9 * len(ratios))]


def likelihood(ratios: np.ndarray) -> float:
    return (len(ratios) - 1.0) / float(ratios.sum())


def slope(ratios: np.ndarray) -> float:
    """Of -ln(1 - i/n) on the smallest nine tenths, through 0."""
    small = kept(ratios)
    return float(small @ -np.log(1.0 - np.arange(1, len(small) + 1) / len(ratios)) / (small @ small))


def slope_with_intercept(ratios: np.ndarray) -> float:
    small = kept(ratios)
    return -float(np.polyfit(small, np.log(1.0 - np.arange(1, len(small) + 1) / len(ratios)), 1)[0])


def hubs(rows: np.ndarray, k: int = 10) -> tuple[float, float]:
    """Skewness of how often a row is among the k nearest of another by cosine, and the share of rows that never are."""
    count = np.bincount(nearest(unit(rows), k)[0].ravel(), minlength=len(rows)).astype(np.float64)
    moved = count - count.mean()
    return float((moved**3).mean() / (moved**2).mean() ** 1.5), float((count == 0).mean())


# --- classes ----------------------------------------------------------------------------------------------------------


def neural_collapse(rows: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """(NC1 = tr(W B⁺)/K, SD/mean of the lengths of the means, mean |cosine + 1/(K - 1)| of pairs), classes alike."""
    rows = np.asarray(rows, np.float64)
    classes = np.unique(labels)
    means = np.stack([rows[labels == one].mean(axis=0) for one in classes])
    moved = means - means.mean(axis=0)
    inner = sum(np.cov(rows[labels == one], rowvar=False, bias=True) for one in classes) / len(classes)
    left, size, _ = np.linalg.svd(moved.T / np.sqrt(len(classes)), full_matrices=False)
    axes, size = left[:, : len(classes) - 1], size[: len(classes) - 1]
    nc1 = float((np.einsum("ij,ij->j", axes, inner @ axes) / size**2).sum() / len(classes))
    length = np.linalg.norm(moved, axis=1)
    cosine = (moved @ moved.T / np.outer(length, length))[np.triu_indices(len(classes), 1)]
    return nc1, float(length.std() / length.mean()), float(np.abs(cosine + 1.0 / (len(classes) - 1.0)).mean())


def silhouette(rows: np.ndarray, labels: np.ndarray) -> float:
    """Mean over rows of (b - a)/max(a, b), distances 1 - cosine."""
    u = unit(rows)
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    member = (codes[:, None] == np.arange(len(classes))).astype(np.float64)
    scores = []
    for each, cosine in _bands(u, u):
        distance = 1.0 - cosine
        distance[np.arange(len(each)), each] = 0.0
        total = distance @ member
        inside = total[np.arange(len(each)), codes[each]] / (counts[codes[each]] - 1.0)
        mean = total / counts
        mean[np.arange(len(each)), codes[each]] = np.inf
        rival = mean.min(axis=1)
        scores.append((rival - inside) / np.maximum(rival, inside))
    return float(np.concatenate(scores).mean())


# --- two representations ----------------------------------------------------------------------------------------------


def _centered_bands(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(numbers of the rows, bands of the two Gram matrices) of rows about their means."""
    x, y = (np.asarray(one, np.float64) for one in (x, y))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    for (each, k), (_, m) in zip(_bands(x, x), _bands(y, y), strict=True):
        yield each, k, m


def _hsic1(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. 2012, equation 5, times n (n - 3): Gram matrices without their diagonals."""
    n = len(x)
    product, first, second = 0.0, np.zeros(n), np.zeros(n)
    for each, k, m in _centered_bands(x, y):
        place = np.arange(len(each)), each
        k[place], m[place] = 0.0, 0.0
        product += float(np.einsum("ij,ij->", k, m))
        first[each], second[each] = k.sum(axis=1), m.sum(axis=1)
    return product + float(first.sum() * second.sum() / ((n - 1.0) * (n - 2.0)) - 2.0 * (first @ second) / (n - 2.0))


def cka(x: np.ndarray, y: np.ndarray) -> float:
    return _hsic1(x, y) / float(np.sqrt(_hsic1(x, x) * _hsic1(y, y)))


def cka_biased(x: np.ndarray, y: np.ndarray) -> float:
    cross, first, second = (sum(float(np.einsum("ij,ij->", k, m)) for _, k, m in _centered_bands(*pair)) for pair in ((x, y), (x, x), (y, y)))
    return cross / float(np.sqrt(first * second))
