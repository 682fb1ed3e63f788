"""The random numbers of views: a function of the seed, the row and the view alone, drawn on the CPU.

Philox (Salmon et al. 2011) is a generator by counting: number k of a stream is a hash of (key, k). The key comes from the seed, the row is a
word of the counter, so each row has a stream of its own, and its numbers are the same on any device and in any batch, rank or worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from repr_probe.errors import UsageError
from repr_probe.views.boxes import N_BOX_NUMBERS
from repr_probe.views.recipe import MultiCrop, ViewRecipe

# Columns of the uniform numbers of one view, after those of the box. All are drawn, needed or not: then no draw shifts another.
_FLIP, _JITTER, _GREY, _BLUR, _SIGMA, _SOLARISE = range(N_BOX_NUMBERS, N_BOX_NUMBERS + 6)
_FACTORS = slice(N_BOX_NUMBERS + 6, N_BOX_NUMBERS + 10)
_ORDER = slice(N_BOX_NUMBERS + 10, N_BOX_NUMBERS + 14)
N_NUMBERS = N_BOX_NUMBERS + 14


def uniform_numbers(seed: Sequence[int], rows: np.ndarray, count: int) -> np.ndarray:
    """(n_rows, count) float64 in [0, 1): the first `count` numbers of the stream of each row.

    Raises UsageError when the seed is not a tuple of non-negative integers.
    """
    if not seed or not all(isinstance(part, int | np.integer) and not isinstance(part, bool) and part >= 0 for part in seed):
        raise UsageError(f"seed must be one or more non-negative integers; got {seed!r}")
    # The length goes in too: numpy's SeedSequence takes (1,) and (1, 0) for the same.
    key = np.random.SeedSequence([len(seed), *map(int, seed)]).generate_state(2, np.uint64)
    bits = np.random.Philox(key=key)
    generator, state = np.random.Generator(bits), bits.state
    numbers = np.empty((len(rows), count))
    for row, out in zip(rows, numbers, strict=True):
        state["state"]["counter"][:] = (0, int(row), 0, 0)
        bits.state = state
        generator.random(out=out)
    return numbers


def draw_numbers(seed: Sequence[int], rows: np.ndarray, recipe: MultiCrop) -> np.ndarray:
    """(n_views, n_rows, N_NUMBERS) uniform numbers, enough for every view of every row."""
    return uniform_numbers(seed, rows, recipe.n_views * N_NUMBERS).reshape(len(rows), recipe.n_views, N_NUMBERS).swapaxes(0, 1)


@dataclass(frozen=True)
class Photometry:
    """What happens to the colours of views, decided beforehand; the leading axes are those of the views, (n,) or (k views, n images).

    jitter: (...,) bool.  factors: (..., 4) brightness, contrast and saturation factor, hue turn.  order: (..., 4) which of them comes 1st ... 4th.
    grey, solarise: (...,) bool.  sigma: (...,) of the blur in pixels, 0 for none.
    """

    jitter: np.ndarray
    factors: np.ndarray
    order: np.ndarray
    grey: np.ndarray
    sigma: np.ndarray
    solarise: np.ndarray

    def of_images(self, part: slice) -> Photometry:
        """The k views of a part of the images, view by view: (k * n_part,)."""
        blocks = (getattr(self, field.name)[:, part] for field in fields(self))
        return Photometry(*(block.reshape(-1, *block.shape[2:]) for block in blocks))


def flips_of(numbers: np.ndarray, views: Sequence[ViewRecipe]) -> np.ndarray:
    """(k, n) bool: which views are mirrored; numbers: (k, n, N_NUMBERS), one recipe per view."""
    return numbers[..., _FLIP] < np.array([[view.flip] for view in views])


def photometry_of(numbers: np.ndarray, views: Sequence[ViewRecipe]) -> Photometry:
    """The colours of k views of n images: numbers (k, n, N_NUMBERS), one recipe per view."""
    parts = [_colours_of(block, view) for block, view in zip(numbers, views, strict=True)]
    return Photometry(*(np.stack(column) for column in zip(*parts, strict=True)))


def _colours_of(numbers: np.ndarray, view: ViewRecipe) -> tuple[np.ndarray, ...]:
    widths = (view.brightness, view.contrast, view.saturation)
    low = np.array([max(0.0, 1 - width) for width in widths] + [-view.hue])
    high = np.array([1 + width for width in widths] + [view.hue])
    least, most = view.blur_sigma
    return (
        numbers[:, _JITTER] < view.jitter_p,
        low + (high - low) * numbers[:, _FACTORS],
        numbers[:, _ORDER].argsort(axis=1, kind="stable"),  # the ranks of four uniform numbers are a uniform permutation
        numbers[:, _GREY] < view.grey,
        np.where(numbers[:, _BLUR] < view.blur_p, least + (most - least) * numbers[:, _SIGMA], 0.0),
        numbers[:, _SOLARISE] < view.solarise_p,
    )
