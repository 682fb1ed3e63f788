"""Composites: a photo pasted at a quarter of the area on a background with natural colours and scales but no things; the box is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from repr_probe.errors import UsageError
from repr_probe.visual.localise.finding import Finding, mean_finding, share_finding
from repr_probe.visual.localise.shares import area_share, centre_prior, energy_inside, pointing_hits
from repr_probe.visual.localise.subject import Subject
from repr_probe.visual.targets import OwnTarget, Target


@dataclass(frozen=True, eq=False)
class Composites:
    """pixels: (n, H, W, 3) uint8.  inside: (n, H, W) bool, where the photo was pasted."""

    pixels: np.ndarray
    inside: np.ndarray


def make_composites(pixels: np.ndarray, *, seed: int = 0) -> Composites:
    """One composite a photo of (n, H, W, 3) uint8: the photo at half its sides, in a random corner of the scrambled next photo.

    In a corner, because a box of half the sides covers the middle of the picture wherever else it lies, and pointing at the middle would
    always be right. Raises UsageError for a single photo, which would lie on a background of its own colours.
    """
    if len(pixels) < 2:
        raise UsageError(f"the folder must hold 2 pictures or more for composites; got {len(pixels)}")
    rng = np.random.default_rng(seed)
    n, height, width = pixels.shape[:3]
    half = (height // 2, width // 2)
    made, inside = np.empty_like(pixels), np.zeros(pixels.shape[:3], dtype=bool)
    for number in range(n):
        made[number] = phase_scrambled(pixels[(number + 1) % n], rng)
        top, left = (int(rng.integers(0, 2)) * (side - part) for side, part in zip((height, width), half))
        place = slice(top, top + half[0]), slice(left, left + half[1])
        made[(number, *place)] = np.asarray(Image.fromarray(pixels[number]).resize(half[::-1], Image.Resampling.BICUBIC))
        inside[(number, *place)] = True
    return Composites(made, inside)


def phase_scrambled(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 with the picture's spectrum and random phases, the same shift in all three channels so that colours stay together.

    Mean and SD of each channel are the picture's before values are cut to 0 ... 255.
    """
    values = picture.astype(np.float64)
    shift = np.angle(np.fft.fft2(rng.standard_normal(picture.shape[:2])))  # of a real image, so the result is real
    spectrum = np.fft.fft2(values, axes=(0, 1)) * np.exp(1j * shift)[..., None]
    spectrum[0, 0] = values.sum((0, 1))
    scrambled = np.fft.ifft2(spectrum, axes=(0, 1)).real
    return np.round(scrambled).clip(0, 255).astype(np.uint8)


def composite_check(subject: Subject, composites: Composites, target: Target | OwnTarget, *, seed: int = 0) -> list[Finding]:
    """Share of the map in the pasted photo, and pointing hits; chance is its share of the area. The centre prior's line stands beside."""
    inside = composites.inside
    maps = dict(subject.explain(subject.normalised(composites.pixels), target))
    maps["centre prior"] = np.repeat(centre_prior(inside.shape[1:])[None], len(inside), 0)
    chance = float(area_share(inside).mean())
    found = []
    for name, heat in maps.items():
        explained = "none" if name == "centre prior" else target.name
        facts: dict[str, Any] = {"check": "composite", "maps": name, "target": explained}
        found.append(mean_finding(energy_inside(heat, inside), **facts, measure="energy", chance=chance, seed=seed))
        found.append(share_finding(pointing_hits(heat, inside), **facts, chance=chance))
    return found
