"""Turned views: what is drawn depends on seed, epoch, step and rank alone; a quarter turn is exact; black stays black."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from repr_probe.training.feeds.batch import Batch
from repr_probe.training.turned_feed import TurnedFeed, draw_places


class Still:
    """Three steps an epoch of the same two views of four images."""

    n_steps = 3

    def __init__(self) -> None:
        self.views = [torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(size)) for size in (1, 2)]

    def epoch(self, epoch: int, *, start_step: int = 0) -> Iterator[Batch]:
        for _ in range(start_step, self.n_steps):
            yield Batch(views=[view.clone() for view in self.views], labels=None, rows=torch.arange(4), wait=0.0)


def turned(**options) -> TurnedFeed:
    return TurnedFeed(Still(), **{"turn": 15.0, "shrink": 0.2, "mean": (0.3,), "std": (0.4,), "seed": 0, "rank": 0, **options})


def drawn(feed: TurnedFeed, epoch: int = 0, start_step: int = 0) -> list[torch.Tensor]:
    return [torch.cat(batch.views) for batch in feed.epoch(epoch, start_step=start_step)]


def test_an_epoch_goes_on_in_the_middle_with_the_same_views():
    whole, rest = drawn(turned()), drawn(turned(), start_step=1)
    assert turned().n_steps == 3 and all(map(torch.equal, whole[1:], rest))


@pytest.mark.parametrize("other", [drawn(turned(seed=1)), drawn(turned(rank=1)), drawn(turned(), epoch=1), drawn(turned())[1:]])
def test_seed_rank_epoch_and_step_each_change_what_is_drawn(other):
    assert not torch.equal(drawn(turned())[0], other[0])


def test_no_turn_and_no_shrinking_changes_nothing():
    still = torch.cat(Still().views)
    assert all(torch.allclose(views, still, atol=1e-6) for views in drawn(turned(turn=0.0, shrink=0.0)))


def test_what_comes_in_from_outside_is_black():
    feed = turned(turn=45.0, shrink=1.0)
    black = torch.full((2, 1, 8, 8), -0.3 / 0.4)
    assert torch.allclose(feed._turned(black, torch.Generator().manual_seed(0)), black, atol=1e-6)


def test_places_stay_inside_their_limits():
    places = draw_places(20_000, turn=30.0, shrink=0.5, generator=torch.Generator().manual_seed(0))
    scale = places[:, :, :2].det().sqrt()
    angle = torch.atan2(places[:, 1, 0], places[:, 0, 0]).rad2deg()
    assert 1.0 <= scale.min() < 1.01 and 1.49 < scale.max() <= 1.5001
    assert -30.001 <= angle.min() < -29.9 and 29.9 < angle.max() <= 30.001 and abs(angle.mean()) < 0.5
    assert (places[:, :, 2].abs() <= (scale - 1)[:, None] + 1e-6).all()  # a shrunk view stays whole
