"""What a run is made of, however it was built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repr_probe.training.config import TrainConfig
    from repr_probe.training.feeds.batch import Feed
    from repr_probe.training.objectives.objective import Objective
    from repr_probe.training.ranks import Ranks


@dataclass(frozen=True)
class Parts:
    """objective: what is trained.  feed: this rank's batches.  n_images, fingerprint: of the data set, to know it again."""

    objective: Objective
    feed: Feed
    n_images: int
    fingerprint: str


Assemble = Callable[["TrainConfig", "Ranks"], Parts]
