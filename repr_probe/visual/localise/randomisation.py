"""Model-parameter randomisation: a map that stays the same when the weights are random does not speak of what was learned."""

from __future__ import annotations

import numpy as np
import torch

from repr_probe.visual.localise.finding import Finding, mean_finding
from repr_probe.visual.localise.subject import Subject
from repr_probe.visual.targets import OwnTarget, Target


def randomisation_check(subject: Subject, twin: Subject, images: torch.Tensor, target: Target | OwnTarget, *, seed: int = 0) -> list[Finding]:
    """Mean Spearman correlation between the maps of a network and of the same architecture with random weights; 0 where unrelated.

    Low is good: near 1 the map shows the architecture and the picture (edges, brightness), not the weights.
    Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018.
    """
    learned, random = subject.explain(images, target), twin.explain(images, target)
    return [
        mean_finding(rank_correlations(heat, random[name]), check="randomisation", maps=name, target=target.name,
                     measure="Spearman", chance=0.0, seed=seed)
        for name, heat in learned.items()
    ]  # fmt: skip


def rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) Spearman correlations of two stacks of maps (n, h, w), ties at their mean rank; NaN where a map is flat.

    >>> rank_correlations(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 4.0, 9.0]]])).round(6).tolist()
    [1.0]
    """
    from scipy.stats import rankdata

    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    centred = [rank - rank.mean(1, keepdims=True) for rank in ranks]
    lengths = [np.sqrt((rank**2).sum(1)) for rank in centred]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lengths[0] * lengths[1] > 0, (centred[0] * centred[1]).sum(1) / (lengths[0] * lengths[1]), np.nan)
