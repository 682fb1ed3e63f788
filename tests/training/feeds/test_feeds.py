"""What both feeds promise, and where they differ."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from repr_probe.errors import DatasetError, ReprProbeError, UsageError
from repr_probe.preprocessing import InputSpec
from repr_probe.training.feeds import choose
from repr_probe.training.feeds.choose import choose_workers, free_memory, open_feed
from repr_probe.training.feeds.pixels import UnequalSizes, all_pixels, pixels_of
from repr_probe.training.feeds.resident import ResidentFeed
from repr_probe.training.feeds.stream import StreamFeed
from repr_probe.views.recipe import dino_views

RECIPE = dino_views(global_size=12, local_size=6, n_local=2)
both_feeds = pytest.mark.parametrize("feed", [ResidentFeed, StreamFeed], ids=["resident", "stream"])


def same(one, other):
    """Bit for bit the same batch."""
    assert torch.equal(one.rows, other.rows)
    assert all(torch.equal(a, b) for a, b in zip(one.views, other.views, strict=True))
    assert (one.labels is None) == (other.labels is None)
    assert one.labels is None or torch.equal(one.labels, other.labels)


@both_feeds
def test_batches(feed, packed):
    feed = feed(packed, RECIPE, batch_size=4, seed=0)
    batches = list(feed.epoch(0))
    assert len(batches) == feed.n_steps == 5
    for batch in batches:
        assert [tuple(view.shape) for view in batch.views] == [(4, 3, 12, 12)] * 2 + [(4, 3, 6, 6)] * 2
        assert all(view.dtype == torch.float32 and torch.isfinite(view).all() for view in batch.views)
        assert np.array_equal(batch.labels, packed.labels[batch.rows])
        assert batch.wait > 0
    assert len(torch.cat([batch.rows for batch in batches]).unique()) == 20
    later = next(feed.epoch(1))
    assert not torch.equal(later.rows, batches[0].rows)


@both_feeds
@pytest.mark.parametrize("start", [1, 3, 5])
def test_start_in_the_middle_of_an_epoch(feed, start, packed):
    whole = list(feed(packed, RECIPE, batch_size=4, seed=3).epoch(2))
    rest = list(feed(packed, RECIPE, batch_size=4, seed=3).epoch(2, start_step=start))
    assert len(rest) == 5 - start
    for one, other in zip(whole[start:], rest, strict=True):
        same(one, other)


@both_feeds
def test_two_ranks_have_what_one_process_has(feed, packed):
    alone = feed(packed, RECIPE, batch_size=8, seed=1)
    ranks = [feed(packed, RECIPE, batch_size=4, seed=1, rank=rank, world_size=2) for rank in range(2)]
    for one, *parts in zip(alone.epoch(0), *(rank.epoch(0) for rank in ranks), strict=True):
        assert torch.equal(one.rows, torch.cat([part.rows for part in parts]))
        for view, *halves in zip(one.views, *(part.views for part in parts), strict=True):
            torch.testing.assert_close(view, torch.cat(halves), atol=1e-5, rtol=0)


@both_feeds
def test_unlabelled_and_grey_sets(feed, unlabelled, grey):
    assert next(feed(unlabelled, RECIPE, batch_size=4, seed=0).epoch(0)).labels is None
    batch = next(feed(grey, RECIPE, batch_size=4, seed=0).epoch(0))
    assert batch.views[0].shape == (4, 1, 12, 12)


@both_feeds
def test_blue_first(feed, packed):
    rgb = next(feed(packed, RECIPE, batch_size=4, seed=0).epoch(0))
    spec = InputSpec((16, 16), packed.input.mean[::-1], packed.input.std[::-1], order="bgr")
    bgr = next(feed(replace(packed, input=spec), RECIPE, batch_size=4, seed=0).epoch(0))
    for one, other in zip(rgb.views, bgr.views, strict=True):
        assert torch.equal(one, other.flip(1))


@both_feeds
def test_generators_of_the_caller_are_left_alone(feed, packed):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    list(feed(packed, RECIPE, batch_size=4, seed=0).epoch(0))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_both_feeds_show_the_same_crops_and_colours(packed):
    """Up to the rounding of the streamed crops to whole grey levels."""
    resident = next(ResidentFeed(packed, RECIPE, batch_size=16, seed=0).epoch(4))
    stream = next(StreamFeed(packed, RECIPE, batch_size=16, seed=0).epoch(4))
    assert torch.equal(resident.rows, stream.rows)
    for one, other in zip(resident.views, stream.views, strict=True):
        assert (one - other).abs().median() < 1 / 255 / 0.2


def test_number_of_workers_changes_nothing(photographs):
    feeds = [StreamFeed(photographs, RECIPE, batch_size=3, seed=0, workers=workers) for workers in (0, 1, 3)]
    for epoch in range(2):  # the second one by the same workers
        for batches in zip(*(feed.epoch(epoch) for feed in feeds), strict=True):
            same(batches[0], batches[1])
            same(batches[0], batches[2])
    for feed in feeds:
        feed.close()
    assert multiprocessing.active_children() == []


def test_an_epoch_left_early_leaves_no_process(photographs):
    feed = StreamFeed(photographs, RECIPE, batch_size=2, seed=0, workers=2)
    whole = list(feed.epoch(0))
    batches = feed.epoch(0)
    same(next(batches), whole[0])
    batches.close()
    assert multiprocessing.active_children() == []
    for one, other in zip(feed.epoch(0, start_step=2), whole[2:], strict=True):
        same(one, other)
    feed.close()


def test_a_killed_worker(photographs):
    feed = StreamFeed(photographs, RECIPE, batch_size=1, seed=0, workers=1)
    batches = feed.epoch(0)
    next(batches)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    with pytest.raises(ReprProbeError, match=r"workers must stay alive; got .*; use --workers 0, or give more"):
        list(batches)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_image_is_named(workers, photographs, tmp_path):
    path = tmp_path / "photographs" / photographs.ids[4]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"^image must be readable; got .*class0/8.jpg: [^\n]*$"):
        list(StreamFeed(photographs, RECIPE, batch_size=5, seed=0, workers=workers).epoch(0))
    with pytest.raises(DatasetError, match=r"image must be readable; got .*class0/8.jpg"):
        ResidentFeed(photographs, RECIPE, batch_size=5, seed=0, size=(16, 16))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_tiny_image_is_named(workers, photographs, tmp_path):
    Image.new("RGB", (9, 1)).save(tmp_path / "photographs" / photographs.ids[0])
    with pytest.raises(DatasetError, match=r"image must have 2 x 2 pixels or more; got 1 x 9 in class0/0.jpg; remove it"):
        list(StreamFeed(photographs, RECIPE, batch_size=10, seed=0, workers=workers).epoch(0))


def test_stored_pixels(photographs, packed):
    assert pixels_of(photographs, 0).shape == (3, 24, 30)
    assert torch.equal(pixels_of(photographs, 0), torch.from_numpy(np.array(photographs.image(0))).permute(2, 0, 1))
    assert all_pixels(photographs, (16, 20)).shape == (10, 3, 16, 20)
    assert torch.equal(all_pixels(packed)[7], pixels_of(packed, 7))
    with pytest.raises(UnequalSizes, match=r"images must have one size to stay on the device together; got 24 x 30 in class0/0.jpg and 24 x 38 in"):
        all_pixels(photographs)


def test_choice(packed, photographs, monkeypatch):
    how = {"batch_size": 4, "seed": 0}
    assert isinstance(open_feed(packed, RECIPE, **how), ResidentFeed)
    assert isinstance(open_feed(photographs, RECIPE, **how), StreamFeed)  # sizes differ
    assert isinstance(open_feed(photographs, RECIPE, size=(16, 16), **how), ResidentFeed)
    assert isinstance(open_feed(packed, RECIPE, kind="stream", **how), StreamFeed)
    needed = 23 * 14 * 14 * 3
    monkeypatch.setattr(choose, "free_memory", lambda device: needed / 0.4 + 1)
    assert isinstance(open_feed(packed, RECIPE, **how), ResidentFeed)
    assert isinstance(open_feed(packed, RECIPE, world_size=2, **how), StreamFeed)  # two copies in one memory
    monkeypatch.setattr(choose, "free_memory", lambda device: needed / 0.4)
    assert isinstance(open_feed(packed, RECIPE, **how), StreamFeed)
    assert isinstance(open_feed(packed, RECIPE, kind="resident", **how), ResidentFeed)


def test_impossible_choices(packed, photographs):
    with pytest.raises(UsageError, match="feed must be one of auto, resident, stream; got 'steam'"):
        open_feed(packed, RECIPE, kind="steam", batch_size=4)
    with pytest.raises(UsageError, match="batch_size must leave one step or more of the 23 images; got 24"):
        open_feed(packed, RECIPE, batch_size=24)
    with pytest.raises(UsageError, match="workers must be an integer of 0 or more; got -1"):
        open_feed(packed, RECIPE, kind="stream", batch_size=4, workers=-1)
    with pytest.raises(UnequalSizes, match="state a size, or use the stream feed"):
        open_feed(photographs, RECIPE, kind="resident", batch_size=4)


def test_workers_of_a_rank(monkeypatch):
    monkeypatch.setattr(choose, "available_cores", lambda: 16)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert [choose_workers(None, 1000, 1), choose_workers(None, 1000, 4), choose_workers(3, 10, 1), choose_workers(None, 10, 1)] == [16, 4, 3, 0]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert choose_workers(None, 1000, 32) == 2


def test_free_memory_of_this_machine():
    assert 2**20 < free_memory(torch.device("cpu")) < 2**50
