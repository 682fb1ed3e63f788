"""Insertion and deletion without labels: how fast the embedding comes back, and goes, when the map's highest places are shown, or blurred."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from repr_probe.visual.localise.finding import Finding, mean_finding
from repr_probe.visual.localise.shares import at_size, centre_prior
from repr_probe.visual.localise.subject import Subject
from repr_probe.visual.targets import OwnTarget, Target

STEPS = 12
BLUR = 1 / 20  # SD of the blur as a share of the shorter side


def insertion_deletion_check(
    subject: Subject, images: torch.Tensor, mean: torch.Tensor, target: Target | OwnTarget, *, steps: int = STEPS, seed: int = 0
) -> list[Finding]:
    """Area under the insertion curve minus that under the deletion curve: 0 for a map that knows nothing, up to 1.

    The score is the cosine between the embedding of what is shown and that of the whole picture, `mean` (n_features,) of the data taken off
    both; what is hidden is blurred. Two maps that know no network stand beside: random ranks of 7 x 7 fields, and the centre prior, which
    gets a good part of the score because photographers aim.
    Source: Petsiuk et al., RISE, BMVC 2018, with an embedding in the place of a class probability.
    """
    size = (images.shape[2], images.shape[3])
    rng = np.random.default_rng(seed)
    maps = dict(subject.explain(images, target))
    maps["random map"] = rng.random((len(images), 7, 7))
    maps["centre prior"] = np.repeat(centre_prior(size)[None], len(images), 0)
    own = subject.embed(images) - mean
    hidden = blurred(images)
    found = []
    for name, heat in maps.items():
        score = np.full(len(images), np.nan)
        live = np.flatnonzero(np.nan_to_num(heat).max((1, 2)) > 0)
        for row in live:
            order = reveal_order(at_size(heat[row : row + 1], size)[0], rng)
            score[row] = _difference(subject, images[row], hidden[row], order, own[row], mean, steps)
        explained = target.name if name not in ("random map", "centre prior") else "none"
        found.append(mean_finding(score, check="insertion-deletion", maps=name, target=explained, measure="ins - del", chance=0.0, seed=seed))
    return found


def blurred(images: torch.Tensor, share: float = BLUR) -> torch.Tensor:
    """(n, C, H, W) under a Gaussian of SD `share` of the shorter side, edges repeated."""
    sd = share * min(images.shape[2:])
    reach = max(1, round(3 * sd))
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sd) ** 2)
    kernel = (kernel / kernel.sum()).repeat(images.shape[1], 1, 1, 1)  # (C, 1, 1, 2 reach + 1)
    padded = torch.nn.functional.pad(images, (reach,) * 4, mode="replicate")
    rows = torch.nn.functional.conv2d(padded, kernel, groups=images.shape[1])
    return torch.nn.functional.conv2d(rows, kernel.transpose(2, 3), groups=images.shape[1])


def reveal_order(heat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) rank of every pixel, 0 for the highest; pixels of equal value in random order, so that no corner is favoured."""
    order = np.lexsort((rng.random(heat.size), -heat.ravel()))
    ranks = np.empty(heat.size, dtype=np.int64)
    ranks[order] = np.arange(heat.size)
    return ranks.reshape(heat.shape)


def _difference(
    subject: Subject, image: torch.Tensor, hidden: torch.Tensor, order: np.ndarray, own: torch.Tensor, mean: torch.Tensor, steps: int
) -> float:
    counts = np.round(np.linspace(0, order.size, steps + 1)).astype(int)
    shown = torch.from_numpy(order[None] < counts[:, None, None])[:, None]  # (steps + 1, 1, H, W)
    curves: Mapping[str, torch.Tensor] = {"insertion": torch.where(shown, image, hidden), "deletion": torch.where(shown, hidden, image)}
    area = {}
    for name, pictures in curves.items():
        scores = torch.nn.functional.cosine_similarity(subject.embed(pictures) - mean, own[None], dim=1)
        area[name] = float(torch.trapezoid(scores, dx=1 / steps))
    return area["insertion"] - area["deletion"]
