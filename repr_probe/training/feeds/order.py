"""Which images form which batch: a function of the seed and the epoch, shared out among the ranks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from repr_probe.errors import UsageError


def epoch_order(n: int, *, seed: int, epoch: int) -> np.ndarray:
    """(n,) a permutation of 0 ... n - 1, uniform over all, by (seed, epoch).

    >>> sorted(epoch_order(5, seed=0, epoch=3).tolist())
    [0, 1, 2, 3, 4]
    """
    return np.random.default_rng((seed, epoch)).permutation(n)


@dataclass(frozen=True)
class BatchPlan:
    """The batches of one rank: of step s it has the r-th of `world_size` equal parts, `batch_size` images each.

    So the ranks of a step together have what one rank with the whole batch would have, in its order; the last images of an epoch, too few
    for a step, are left out (other ones in every epoch). Raises UsageError when not even one step can be filled.
    """

    n_images: int
    batch_size: int
    seed: int
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("seed", 0), ("rank", 0), ("world_size", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise UsageError(f"{name} must be an integer of {least} or more; got {value!r}")
        if self.rank >= self.world_size:
            raise UsageError(f"rank must be below world_size ({self.world_size}); got {self.rank}")
        if self.n_steps < 1:
            asked = f"{self.batch_size}" + (f" on each of {self.world_size} ranks" if self.world_size > 1 else "")
            raise UsageError(f"batch_size must leave one step or more of the {self.n_images} images; got {asked}")

    @property
    def n_steps(self) -> int:
        return self.n_images // (self.batch_size * self.world_size)

    def rows(self, epoch: int, step: int) -> np.ndarray:
        """(batch_size,) int64: the images of this rank in a step."""
        start = (step * self.world_size + self.rank) * self.batch_size
        return _order(self.n_images, self.seed, epoch)[start : start + self.batch_size].copy()

    def steps(self, start_step: int) -> range:
        """The steps that remain of an epoch; start_step may be n_steps, then none do."""
        if isinstance(start_step, bool) or not isinstance(start_step, int | np.integer) or not 0 <= start_step <= self.n_steps:
            raise UsageError(f"start_step must be between 0 and the {self.n_steps} steps of an epoch; got {start_step!r}")
        return range(start_step, self.n_steps)


@lru_cache(maxsize=2)
def _order(n: int, seed: int, epoch: int) -> np.ndarray:
    order = epoch_order(n, seed=seed, epoch=epoch)
    order.setflags(write=False)
    return order
