from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

import pytest
import torch

from repr_probe.errors import DatasetError, ReprProbeError, UsageError
from repr_probe.loading import available_cores, choose_workers, image_batches


class Counting:
    """A data set of 20 images, each filled with its own number."""

    input = SimpleNamespace(size=(8, 8))

    def __len__(self):
        return 20

    def __getitem__(self, row):
        return torch.full((1, 8, 8), float(row))

    def image(self, row):
        return row

    def transform(self, image):
        return self[image]


class Broken(Counting):
    def __init__(self, failure):
        self.failure = failure

    def __getitem__(self, row):
        if row == 13:
            self.failure()
        return super().__getitem__(row)


def damaged():
    raise DatasetError("image must be readable; got 13.png")


def numbers(batches):
    return [batch.flatten(1)[:, 0].int().tolist() for batch in batches]


@pytest.mark.parametrize("workers", [0, 2])
def test_rows_in_order_from_any_start(workers):
    batches = image_batches(Counting(), start=10, batch_size=4, workers=workers)
    assert numbers(batches) == [[10, 11, 12, 13], [14, 15, 16, 17], [18, 19]]


@pytest.mark.parametrize("workers", [0, 2])
def test_plain_image_first_then_its_views(workers):
    view = lambda image, row, view: torch.full((1, 8, 8), 100.0 * row + view)  # noqa: E731
    (batch,) = image_batches(Counting(), start=0, batch_size=20, workers=workers, view_transform=view, n_views=2)
    assert batch.shape == (20, 3, 1, 8, 8)
    assert batch[7, :, 0, 0, 0].tolist() == [7, 700, 701]


@pytest.mark.parametrize("workers", [0, 2])
def test_error_of_the_data_set_arrives_as_it_was(workers):
    with pytest.raises(DatasetError) as caught:
        numbers(image_batches(Broken(damaged), start=0, batch_size=4, workers=workers))
    assert str(caught.value) == "image must be readable; got 13.png"


def test_a_killed_worker_is_one_clear_line():
    dataset = Broken(lambda: os.kill(os.getpid(), signal.SIGKILL))
    message = r"^workers must stay alive; got '.*'; use --workers 0, or give more \(shared\) memory$"
    with pytest.raises(ReprProbeError, match=message) as caught:
        numbers(image_batches(dataset, start=0, batch_size=4, workers=1))
    assert "\n" not in str(caught.value)


def test_other_errors_are_not_dressed_up():
    def bug():
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug") as caught:
        numbers(image_batches(Broken(bug), start=0, batch_size=4, workers=0))
    assert not isinstance(caught.value, ReprProbeError)


def test_closing_midway_ends_the_workers_at_once():
    batches = image_batches(Counting(), start=0, batch_size=2, workers=2)
    next(batches)
    before = time.monotonic()
    batches.close()
    assert time.monotonic() - before < 4  # left to itself the loader waits 5 s for each worker


def test_random_state_of_the_caller():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    for workers in (0, 1):
        numbers(image_batches(Counting(), start=0, batch_size=8, workers=workers))
    assert torch.equal(before, torch.random.get_rng_state())


class Sized:
    def __init__(self, count, side):
        self.count, self.input = count, SimpleNamespace(size=(side, side))

    def __len__(self):
        return self.count


def test_default_number_of_workers():
    cores = min(available_cores(), 8)
    assert choose_workers(None, Sized(5000, 224)) == cores
    assert choose_workers(None, Sized(100, 224)) == 0
    assert choose_workers(None, Sized(100, 224), n_views=8) == cores
    assert choose_workers(None, Sized(5000, 32)) == 0
    assert choose_workers(3, Sized(10, 8)) == 3
    for wrong in (-1, 1.5, True):
        with pytest.raises(UsageError, match=r"^workers must be an integer of 0 or more"):
            choose_workers(wrong, Sized(10, 8))
