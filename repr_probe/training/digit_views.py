"""Random views of small grey images, batched: every image draws its own crop, turn, stretch, contrast and noise.

No flips: a mirrored 2 is no digit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import affine_grid, grid_sample


@dataclass(frozen=True)
class ViewRecipe:
    """How one kind of view is drawn; all draws are uniform.

    area: fraction of the image that the crop shows, (low, high); above 1 the image shrinks into a black border.
    turn: largest rotation in degrees.  stretch: largest ratio of width to height of the crop, and its inverse.
    contrast: brightness is multiplied by a number from [1 - contrast, 1 + contrast].  noise: standard deviation of added Gaussian noise.
    """

    area: tuple[float, float]
    turn: float = 15.0
    stretch: float = 4 / 3
    contrast: float = 0.4
    noise: float = 0.05


def draw_views(pixels: torch.Tensor, recipe: ViewRecipe, generator: torch.Generator) -> torch.Tensor:
    """One view of each image: pixels (n_images, 1, height, width) in [0, 1] -> the same shape and range."""
    crops = affine_grid(_draw_crops(len(pixels), recipe, generator), list(pixels.shape), align_corners=False)
    views = grid_sample(pixels, crops, mode="bilinear", padding_mode="zeros", align_corners=False)
    strength = 1 + recipe.contrast * _between(-1.0, 1.0, len(pixels), generator)[:, None, None, None]
    noise = recipe.noise * torch.randn(views.shape, generator=generator)
    return (views * strength + noise).clamp(0.0, 1.0)


def _draw_crops(n_images: int, recipe: ViewRecipe, generator: torch.Generator) -> torch.Tensor:
    """Affine matrices (n_images, 2, 3) from the view's coordinates to the image's, both in [-1, 1]."""
    side = _between(*recipe.area, n_images, generator).sqrt()
    widen = torch.exp(_between(-1.0, 1.0, n_images, generator) * math.log(recipe.stretch) / 2)
    turn = math.radians(recipe.turn) * _between(-1.0, 1.0, n_images, generator)
    width, height = side * widen, side / widen
    right = (1 - width) * _between(-1.0, 1.0, n_images, generator)  # the crop stays inside, or the shrunk image does
    down = (1 - height) * _between(-1.0, 1.0, n_images, generator)
    cosine, sine = turn.cos(), turn.sin()
    rows = [torch.stack([width * cosine, -height * sine, right], 1), torch.stack([width * sine, height * cosine, down], 1)]
    return torch.stack(rows, dim=1)


def _between(low: float, high: float, n_images: int, generator: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(n_images, generator=generator)
