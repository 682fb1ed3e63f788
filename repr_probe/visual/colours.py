"""Colours for the scores of a PCA: signs by a rule, one range for all images, and the best match to the colours of another network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from repr_probe.errors import InputError

PERCENTILES = (1.0, 99.0)
_LEVEL = 1e-6  # of the standard deviation: a border mean this small says nothing


def border_signs(scores: np.ndarray) -> np.ndarray:
    """(n, height, width, k) -> (k,) of ±1 that make the border of the images negative on average, so that what stands inside is positive.

    The sign of a principal component is arbitrary and differs between solvers; with this rule it follows from the scores. Where the border
    has mean 0, the skewness becomes positive.

    >>> scores = np.zeros((1, 3, 3, 1)); scores[0, 1, 1, 0] = -8; scores += 8 / 9
    >>> border_signs(scores).tolist()
    [-1.0]
    """
    edge = np.ones(scores.shape[1:3], dtype=bool)
    edge[1:-1, 1:-1] = False
    values = scores.reshape(-1, scores.shape[-1])
    border, spread = scores[:, edge].mean((0, 1)), values.std(0)
    skewness = ((values - values.mean(0)) ** 3).mean(0)
    decided = np.where(np.abs(border) > _LEVEL * spread, -border, skewness)
    return np.where(decided < 0, -1.0, 1.0)


def robust_limits(scores: np.ndarray) -> np.ndarray:
    """(n, height, width, k) -> (k, 2): the 1st and 99th percentile over all images, the range of the colours.

    >>> robust_limits(np.arange(101.0).reshape(1, 101, 1, 1)).tolist()
    [[1.0, 99.0]]
    """
    return np.percentile(scores.reshape(-1, scores.shape[-1]), PERCENTILES, axis=0).T


def coloured(scores: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """(n, height, width, >= 3) scores -> (n, height, width, 3) uint8: components 1, 2, 3 as red, green, blue, clipped to `limits` (k, 2).

    A component without a range has the middle of its colour everywhere, never rounding noise stretched to a picture.
    """
    if scores.ndim != 4 or scores.shape[-1] < 3:
        raise InputError(f"scores must have 3 components or more for colours; got shape {scores.shape}")
    low, width = limits[:3, 0], limits[:3, 1] - limits[:3, 0]
    flat = width <= 1e-6 * width.max()
    share = (scores[..., :3] - low) / np.where(flat, 1.0, width)
    return np.round(255 * np.clip(np.where(flat, 0.5, share), 0, 1)).astype(np.uint8)


@dataclass(frozen=True)
class SignedMatch:
    """Component `order[i]` times `signs[i]` is shown in the place of component i of the reference, with which it correlates at `correlations[i]`."""

    order: tuple[int, int, int]
    signs: tuple[float, float, float]
    correlations: tuple[float, float, float]

    def applied(self, scores: np.ndarray) -> np.ndarray:
        """(..., >= 3) -> the same scores, the first three matched."""
        matched = scores[..., list(self.order)] * np.asarray(self.signs, scores.dtype)
        return np.concatenate([matched, scores[..., 3:]], -1)


def best_match(scores: np.ndarray, reference: np.ndarray) -> SignedMatch:
    """Of the 48 signed permutations of the first three components the one with the largest sum of correlations with the reference.

    scores, reference: (n, height, width, >= 3), of the same pixels. The scores of every component keep their values: colours become
    comparable, nothing is rotated. A correlation near 0 says that the colours of that component mean something else in the two networks.
    """
    if scores.shape[:3] != reference.shape[:3] or min(scores.shape[-1], reference.shape[-1]) < 3:
        raise InputError(f"scores must be of the pixels of the reference, with 3 components; got {scores.shape} and {reference.shape}")
    table = _correlations(scores[..., :3], reference[..., :3])  # (own component, that of the reference)
    order = max(permutations(range(3)), key=lambda order: sum(abs(table[own, place]) for place, own in enumerate(order)))
    found = [float(table[own, place]) for place, own in enumerate(order)]
    signs = [-1.0 if value < 0 else 1.0 for value in found]
    return SignedMatch(_three(order), _three(signs), _three([abs(value) for value in found]))


def _three(values: Sequence) -> tuple:
    first, second, third = values
    return first, second, third


def _correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(3, 3) Pearson correlations over all pixels; 0 for a component that does not vary."""
    a, b = (each.reshape(-1, 3).astype(np.float64) for each in (one, other))
    a, b = a - a.mean(0), b - b.mean(0)
    scale = np.sqrt(np.outer((a * a).sum(0), (b * b).sum(0)))
    return np.divide(a.T @ b, scale, out=np.zeros((3, 3)), where=scale > 0)
