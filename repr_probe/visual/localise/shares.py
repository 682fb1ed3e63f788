"""How much of a map lies inside a region, and whether its highest place does."""

from __future__ import annotations

import numpy as np
import torch

from repr_probe.errors import InputError


def energy_inside(heat: np.ndarray, inside: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Share of each map's positive values that lies inside its region; (n, h, w), (n, H, W) bool -> (n,) in [0, 1], chance the area's share.

    The map is resized to the region, bilinear between the centres of its cells.  valid: (n, H, W) bool, the pixels that count at all.
    NaN for a map without a positive value: it says nothing, and nothing is made of it.
    Source: energy-based pointing game, Wang et al., Score-CAM, 2020; "relevance mass accuracy" of Arras et al., 2022.

    >>> energy_inside(np.array([[[3.0, 1.0]]]), np.array([[[True, False]]])).tolist()
    [0.75]
    """
    values, region, counted = _at_pixels(heat, inside, valid)
    total = (values * counted).sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, (values * (region & counted)).sum((1, 2)) / total, np.nan)


def pointing_hits(heat: np.ndarray, inside: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """1 where the highest place of a map lies inside its region, 0 where not, the share of them where several are equally high; (n,).

    Shapes as in `energy_inside`; NaN for a map without a positive value. Source: Zhang et al., Excitation Backprop, 2016, without their
    tolerance of 15 pixels.

    >>> pointing_hits(np.array([[[3.0, 1.0]]]), np.array([[[True, False]]])).tolist()
    [1.0]
    """
    values, region, counted = _at_pixels(heat, inside, valid)
    values = np.where(counted, values, -1.0)
    top = values.max((1, 2), keepdims=True)
    highest = values >= top
    shares = (highest & region).sum((1, 2)) / highest.sum((1, 2))
    return np.where(top[:, 0, 0] > 0, shares, np.nan)


def area_share(inside: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """(n,) share of the counted pixels inside each region: what a flat map, or a place drawn at random, gets."""
    counted = np.ones_like(inside, dtype=bool) if valid is None else valid
    return (inside & counted).sum((1, 2)) / counted.sum((1, 2))


def centre_prior(size: tuple[int, int]) -> np.ndarray:
    """(height, width) Gaussian around the middle, SD a quarter of each side: the map of who knows only that things are in the middle."""
    rows, columns = (((np.arange(side) + 0.5) / side - 0.5) / 0.25 for side in size)
    return np.exp(-0.5 * (rows[:, None] ** 2 + columns[None] ** 2))


def at_size(heat: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(n, h, w) maps at (n, height, width), bilinear (align_corners=False)."""
    maps = torch.from_numpy(np.ascontiguousarray(heat, dtype=np.float64))[:, None]
    return torch.nn.functional.interpolate(maps, size, mode="bilinear", align_corners=False)[:, 0].numpy()


def _at_pixels(heat: np.ndarray, inside: np.ndarray, valid: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    heat, region = np.asarray(heat), np.asarray(inside, dtype=bool)
    if heat.ndim != 3 or region.ndim != 3 or len(heat) != len(region):
        raise InputError(f"maps and regions must be (n, height, width) of the same images; got {heat.shape} and {region.shape}")
    counted = np.ones_like(region) if valid is None else np.asarray(valid, dtype=bool)
    return at_size(np.nan_to_num(heat, nan=0.0).clip(min=0.0), region.shape[1:]), region, counted
