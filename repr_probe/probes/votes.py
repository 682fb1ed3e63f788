"""Votes of neighbours: scores of classes, the strict rank of the true class, and whether rounding could have decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repr_probe.metrics.neighbours import ROUNDING, Neighbours
from repr_probe.ranks import Ranks

_CHUNK_NUMBERS = 1 << 22  # scores held at a time, (queries, classes)


@dataclass(frozen=True, eq=False)
class Votes:
    """What one setting says of each query.

    winner: (n,) predicted class.  rank: (n,) place of the true class among the voted ones, 0 for the first, n_classes where it got no vote.
    n_voted: (n,) classes with a vote.  doubtful: (n,) bool, another rounding of the cosines could change `winner` or a place up to 5.
    """

    winner: np.ndarray
    rank: np.ndarray
    n_voted: np.ndarray
    doubtful: np.ndarray

    def together(self, ranks: Ranks, n: int) -> Votes:
        """Of all n queries, on all ranks, of which each has those of its `run_of(n)`."""
        winner, rank, n_voted = (ranks.whole(column, n) for column in (self.winner, self.rank, self.n_voted))
        return Votes(winner, rank, n_voted, ranks.whole(self.doubtful.view(np.uint8), n).view(bool))


def count_votes(neighbours: Neighbours, bank_codes: np.ndarray, codes: np.ndarray, n_classes: int, k: int, temperature: float | None) -> Votes:
    """Each of the k nearest votes for its class with weight exp(cosine / temperature), or 1 (temperature None).

    Classes are ranked by score, equal scores by their nearest neighbour, equal neighbours by the lower class; classes without a vote have no
    rank. Only differences of a query's cosines count. codes: (n,) true classes.
    """
    step = max(1, _CHUNK_NUMBERS // n_classes)
    parts = []
    for start in range(0, max(1, len(codes)), step):
        cosines, index = (part[start : start + step] for part in (neighbours.cosines, neighbours.index))
        parts.append(_count(cosines, bank_codes[index[:, :k]], codes[start : start + step], n_classes, k, temperature))
    return Votes(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _count(
    cosines: np.ndarray, voted: np.ndarray, codes: np.ndarray, n_classes: int, k: int, temperature: float | None
) -> tuple[np.ndarray, ...]:
    row = np.arange(len(codes))
    near = cosines[:, :k].astype(np.float64)
    weights = np.ones_like(near) if temperature is None else np.exp((near - near[:, :1]) / temperature)
    place = (row[:, None] * n_classes + voted).ravel()
    score = np.bincount(place, weights.ravel(), len(row) * n_classes).reshape(-1, n_classes)
    closest = np.full(score.size, -np.inf)
    closest[place[::-1]] = near.ravel()[::-1]  # the last value written to a place stays: that of the nearest neighbour
    closest = closest.reshape(score.shape)
    has_vote = np.isfinite(closest)
    best = score.max(axis=1, keepdims=True)
    winner = np.where((score == best) & has_vote, closest, -np.inf).argmax(axis=1)
    mine, near_mine = score[row, codes][:, None], closest[row, codes][:, None]
    lower = np.arange(n_classes) < codes[:, None]
    ahead = (score > mine) | ((score == mine) & ((closest > near_mine) | ((closest == near_mine) & lower)))
    rank = np.where(has_vote[row, codes], (ahead & has_vote).sum(axis=1), n_classes)
    doubtful = _rivals(score, closest, has_vote, winner, temperature) | _rivals(score, closest, has_vote, codes, temperature)
    if cosines.shape[1] > k:
        doubtful |= cosines[:, k - 1] - cosines[:, k] <= ROUNDING
    return winner, rank, has_vote.sum(axis=1), doubtful


def _rivals(score: np.ndarray, closest: np.ndarray, has_vote: np.ndarray, codes: np.ndarray, temperature: float | None) -> np.ndarray:
    """(n,) bool: another voted class is so near to class `codes` that rounding could turn their order."""
    row = np.arange(len(codes))
    mine, near_mine = score[row, codes][:, None], closest[row, codes][:, None]
    if temperature is None:
        level = score == mine
        level &= np.abs(closest - np.where(np.isfinite(near_mine), near_mine, 0.0)) <= ROUNDING
    else:
        level = np.abs(score - mine) <= mine * (2 * ROUNDING / temperature)
    level &= has_vote & has_vote[row, codes][:, None]
    return level.sum(axis=1) > 1
