"""What a configuration must not ask for, and what a run refuses before it has begun."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from repr_probe.errors import CheckpointError, DatasetError, UsageError
from repr_probe.training.assembly import assemble, views_of
from repr_probe.training.config import read_config
from repr_probe.training.ranks import Ranks

ALONE = Ranks(rank=0, world_size=1, device=torch.device("cpu"))
SMALL = {"dataset": "digits", "limit": 80, "batch_size": 16, "device": "cpu", "projector": [16, 8]}


def refused(**settings):
    return assemble(read_config(None, {**SMALL, **settings}), ALONE)


def test_the_parts_of_a_run():
    parts = refused(n_local=2)
    assert (parts.n_images, parts.feed.n_steps) == (80, 5)
    batch = next(parts.feed.epoch(0))
    assert [tuple(view.shape) for view in batch.views] == [(16, 1, 8, 8)] * 4
    assert torch.isfinite(parts.objective(batch.views, batch.labels).loss)


def test_the_weights_are_the_seeds_alone():
    torch.manual_seed(1)
    one = refused().objective.state_dict()
    before = torch.random.get_rng_state()
    two = refused().objective.state_dict()
    other = refused(seed=1).objective.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_views_follow_the_configuration():
    recipe = views_of(read_config(None, {**SMALL, "n_global": 1, "n_local": 3, "local_size": 6, "flip": 0.25, "local_area": [0.1, 0.3]}))
    assert (recipe.n_global, recipe.n_views) == (1, 4)
    assert (recipe.views[3].size, recipe.views[3].area, recipe.views[3].flip) == (6, (0.1, 0.3), 0.25)


def test_more_in_a_batch_than_there_is():
    with pytest.raises(UsageError, match="batch_size must be at most the 80 images of digits train; got 96"):
        refused(batch_size=96)


def test_a_batch_that_cannot_be_shared():
    config = read_config(None, {**SMALL, "batch_size": 15})
    with pytest.raises(UsageError, match="batch_size must be a multiple of the 2 processes; got 15"):
        assemble(config, Ranks(0, 2, torch.device("cpu")))


def test_one_image_a_process_has_no_other_to_be_told_from():
    config = read_config(None, {**SMALL, "batch_size": 2})
    with pytest.raises(UsageError, match="batch_size must be at least 2 images for each of the 2 processes; got 2"):
        assemble(config, Ranks(0, 2, torch.device("cpu")))


def test_labels_that_are_not_there(tmp_path):
    for number in range(8):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(tmp_path / f"{number}.png")
    settings = {"dataset": str(tmp_path), "split": "all", "method": "supervised", "batch_size": 4, "global_size": 32, "local_size": 16, "limit": None}
    with pytest.raises(UsageError, match=r"dataset must have labels for supervised; got \S+ \S+ without"):
        refused(**settings, arch="repr_probe:resnet(width=8)", mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"method": "hydse"}, UsageError, "hydes"),
        ({"dataset": "digit"}, DatasetError, "digits"),
        ({"arch": "torchvision:resnet19"}, CheckpointError, "resnet18"),
        ({"options": {"kapa": 1.0}}, UsageError, "kappa"),
        ({"batch_size": 1}, UsageError, "batch_size must be at least 2"),
        ({"n_global": 1, "n_local": 0}, UsageError, "at least 2 views"),
    ],
)
def test_names_and_numbers_that_cannot_be(settings, error, match):
    with pytest.raises(error, match=match) as caught:
        refused(**settings)
    assert "\n" not in str(caught.value)
