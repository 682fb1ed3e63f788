from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import UsageError
from repr_probe.training.feeds.order import BatchPlan, epoch_order


def test_order_is_a_permutation_by_seed_and_epoch():
    orders = [epoch_order(50, seed=seed, epoch=epoch) for seed, epoch in [(0, 0), (0, 1), (1, 0), (1, 1)]]
    for order in orders:
        assert np.array_equal(np.sort(order), np.arange(50))
    assert len({tuple(order) for order in orders}) == 4
    assert np.array_equal(orders[0], epoch_order(50, seed=0, epoch=0))


@pytest.mark.parametrize(("n", "batch", "ranks"), [(23, 4, 1), (24, 4, 2), (23, 3, 3), (7, 7, 1)])
def test_ranks_share_out_the_order_of_one_process(n, batch, ranks):
    alone = BatchPlan(n, batch * ranks, seed=5)
    plans = [BatchPlan(n, batch, seed=5, rank=rank, world_size=ranks) for rank in range(ranks)]
    assert {plan.n_steps for plan in plans} == {alone.n_steps} == {n // (batch * ranks)}
    for step in range(alone.n_steps):
        assert np.array_equal(np.concatenate([plan.rows(2, step) for plan in plans]), alone.rows(2, step))
    seen = np.concatenate([alone.rows(2, step) for step in range(alone.n_steps)])
    assert len(set(seen)) == alone.n_steps * batch * ranks  # nothing twice


def test_what_is_left_out_differs_between_epochs():
    plan = BatchPlan(10, 4, seed=0)
    left_out = [frozenset(range(10)) - set(np.concatenate([plan.rows(epoch, step) for step in range(2)])) for epoch in range(20)]
    assert frozenset.union(*left_out) == frozenset(range(10))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_images": 5, "batch_size": 6}, "batch_size must leave one step or more of the 5 images; got 6$"),
        ({"n_images": 5, "batch_size": 3, "world_size": 2}, "batch_size must leave one step or more of the 5 images; got 3 on each of 2 ranks"),
        ({"n_images": 5, "batch_size": 0}, "batch_size must be an integer of 1 or more; got 0"),
        ({"n_images": 5, "batch_size": 2, "rank": 1}, r"rank must be below world_size \(1\); got 1"),
    ],
)
def test_impossible_plans(options, text):
    with pytest.raises(UsageError, match=text):
        BatchPlan(seed=0, **options)


@pytest.mark.parametrize("start", [-1, 6, 1.0])
def test_impossible_start(start):
    with pytest.raises(UsageError, match="start_step must be between 0 and the 5 steps of an epoch; got"):
        BatchPlan(10, 2, seed=0).steps(start)


def test_an_epoch_may_be_over():
    assert list(BatchPlan(10, 2, seed=0).steps(5)) == []
