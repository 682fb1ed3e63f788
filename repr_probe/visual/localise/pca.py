"""Whether the colours of a hypercolumn PCA follow things: the share of their variance that a known region explains."""

from __future__ import annotations

import numpy as np

from repr_probe.visual.localise.finding import Finding, percentiles, resample_means


def eta_squared(scores: np.ndarray, inside: np.ndarray) -> float:
    """Variance between inside and outside over the whole variance, of all components together and within each image; in [0, 1].

    scores: (n, H, W, k) principal components.  inside: (n, H, W) bool.  0: the colours inside are those outside; 1: one colour each.
    Source: eta squared of a one-way analysis of variance, sums of squares added over images and components.

    >>> eta_squared(np.array([[[[1.0], [1.0], [5.0], [5.0]]]]), np.array([[[True, True, False, False]]]))
    1.0
    """
    between, whole = sums_of_squares(scores, inside).sum(0)
    return float(between / whole) if whole > 0 else float("nan")


def sums_of_squares(scores: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(n, 2): of each image, the sum of squares between its two regions, and the whole, over all components."""
    n, components = len(scores), scores.shape[-1]
    values = scores.reshape(n, -1, components).astype(np.float64)
    region = inside.reshape(n, -1, 1)
    values = values - values.mean(1, keepdims=True)
    counts = [region.sum(1), (~region).sum(1)]  # (n, 1) each
    sums = [(values * region).sum(1), (values * ~region).sum(1)]  # (n, k)
    between = sum(np.where(count > 0, total**2 / np.maximum(count, 1), 0.0).sum(1) for count, total in zip(counts, sums))
    return np.stack([np.asarray(between), (values**2).sum((1, 2))], axis=1)


def pca_findings(learned: np.ndarray, random: np.ndarray | None, inside: np.ndarray, *, seed: int = 0) -> list[Finding]:
    """Eta squared of a network's components, of the random-initialised network's, and their ratio; (n, H, W, 3) scores on the same images.

    The random network is the measure of chance: position and colour alone tell a region from its surroundings a little.
    """
    own = sums_of_squares(learned, inside)
    if random is None:
        return [_finding("PCA", "eta squared", *_ratio(own, None, seed), None, len(own))]
    other = sums_of_squares(random, inside)
    chance = float(other[:, 0].sum() / other[:, 1].sum())
    return [
        _finding("PCA", "eta squared", *_ratio(own, None, seed), chance, len(own)),
        _finding("PCA, random weights", "eta squared", *_ratio(other, None, seed), chance, len(own)),
        _finding("PCA over random weights", "ratio", *_ratio(own, other, seed), 1.0, len(own)),
    ]


def _ratio(own: np.ndarray, other: np.ndarray | None, seed: int) -> tuple[float, tuple[float, float]]:
    """Eta squared of `own`, over that of `other` where given, and its bootstrap interval over images."""
    rows = own if other is None else np.concatenate([own, other], axis=1)
    eta = lambda means: means[..., 0] / means[..., 1] / (1.0 if other is None else means[..., 2] / means[..., 3])  # noqa: E731
    return float(eta(rows.mean(0))), percentiles(eta(resample_means(rows, seed)))


def _finding(maps: str, measure: str, value: float, ci: tuple[float, float], chance: float | None, n: int) -> Finding:
    return Finding("pca", maps, "none", measure, value, ci, f"bootstrap over {n} images", chance, n, "images")
