"""GridPG with a query: does the map of "similar to this photo" light up the cell of a 2 x 2 grid that holds the photo?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from repr_probe.errors import UsageError
from repr_probe.visual.localise.finding import Finding, mean_finding, share_finding
from repr_probe.visual.localise.shares import energy_inside, pointing_hits
from repr_probe.visual.localise.subject import Subject
from repr_probe.visual.targets import Target, similar_to

SIDE = 2  # cells a side
CELLS = SIDE * SIDE
CHANCE = 1 / CELLS


def draw_grids(n_pictures: int, n_grids: int, *, labels: Sequence[str] | None = None, seed: int = 0) -> np.ndarray:
    """(n_grids, 4) numbers of pictures: four different ones a grid, of four classes where there are labels, every picture about as often.

    Raises UsageError for fewer than four pictures or classes.
    """
    owners = np.arange(n_pictures) if labels is None else np.unique(np.asarray(labels), return_inverse=True)[1]
    if len(np.unique(owners)) < CELLS:
        what = "pictures" if labels is None else "classes"
        raise UsageError(f"the folder must hold {CELLS} {what} or more for grids; got {len(np.unique(owners))}")
    rng = np.random.default_rng(seed)
    used = np.zeros(n_pictures, dtype=int)
    grids = np.empty((n_grids, CELLS), dtype=np.int64)
    for grid in grids:
        open_to = np.ones(n_pictures, dtype=bool)
        for cell in range(CELLS):
            least = np.flatnonzero(open_to & (used == used[open_to].min()))
            grid[cell] = rng.choice(least)
            used[grid[cell]] += 1
            open_to &= owners != owners[grid[cell]]
        rng.shuffle(grid)
    return grids


def grid_pictures(pixels: np.ndarray, grids: np.ndarray) -> np.ndarray:
    """(n_grids, H, W, 3) uint8: each picture of (n, H, W, 3) shrunk to half its sides, cells in reading order."""
    height, width = pixels.shape[1:3]
    made = np.empty((len(grids), height, width, 3), dtype=np.uint8)
    for canvas, grid in zip(made, grids):
        for number, picture in enumerate(grid):
            rows, columns = _cell(number, height, width)
            size = (columns.stop - columns.start, rows.stop - rows.start)
            canvas[rows, columns] = np.asarray(Image.fromarray(pixels[picture]).resize(size, Image.Resampling.BICUBIC))
    return made


def cell_masks(height: int, width: int) -> np.ndarray:
    """(4, height, width) bool, one cell each."""
    masks = np.zeros((CELLS, height, width), dtype=bool)
    for number in range(CELLS):
        masks[(number, *_cell(number, height, width))] = True
    return masks


def grid_check(
    subject: Subject, pixels: np.ndarray, *, labels: Sequence[str] | None = None, n_grids: int = 16, seed: int = 0
) -> list[Finding]:
    """Share of the query's map in its own cell, and pointing hits, chance 0.25; beside them the same for random directions.

    pixels: (n, H, W, 3) uint8, the pictures at the network's size.  For every cell the target is the centred cosine between the grid's
    embedding and that of the cell's whole picture, the mean of all pictures taken off; the control has a random direction in its place.
    Sources: GridPG, Boehle et al., CVPR 2021, and Rao et al., CVPR 2022, with a query where they have a class.
    """
    grids = draw_grids(len(pixels), n_grids, labels=labels, seed=seed)
    whole = subject.embed(subject.normalised(pixels))  # (n, D)
    images = subject.normalised(grid_pictures(pixels, grids)).repeat_interleave(CELLS, 0)  # (4 n_grids, C, H, W)
    inside = np.tile(cell_masks(*pixels.shape[1:3]), (n_grids, 1, 1))
    mean = whole.mean(0)
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn((len(images), whole.shape[1]), generator=generator)
    targets = {
        "query": similar_to(whole[torch.from_numpy(grids.ravel())], mean, name="query"),
        "random direction": similar_to(directions, name="random direction"),
    }
    owners = np.repeat(np.arange(n_grids), CELLS)
    return [finding for name, target in targets.items() for finding in _findings(subject, images, inside, owners, name, target, seed)]


def _findings(
    subject: Subject, images: torch.Tensor, inside: np.ndarray, owners: np.ndarray, name: str, target: Target, seed: int
) -> list[Finding]:  # fmt: skip
    found = []
    for maps, heat in subject.explain(images, target).items():
        energy, hits = energy_inside(heat, inside), pointing_hits(heat, inside)
        found.append(mean_finding(energy, check="grid", maps=maps, target=name, measure="energy", chance=CHANCE, unit="cells",
                                  groups=owners, seed=seed))  # fmt: skip
        found.append(share_finding(hits, check="grid", maps=maps, target=name, chance=CHANCE, unit="cells"))
    return found


def _cell(number: int, height: int, width: int) -> tuple[slice, slice]:
    row, column = divmod(number, SIDE)
    edges = lambda place, side: slice(round(place * side / SIDE), round((place + 1) * side / SIDE))  # noqa: E731
    return edges(row, height), edges(column, width)
