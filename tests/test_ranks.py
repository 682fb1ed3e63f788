"""Shares of the work, and who speaks when a job fails; real jobs are in test_together.py."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch.distributed as dist

from repr_probe.errors import InputError
from repr_probe.ranks import ALONE, LostProcess, Ranks, ToldElsewhere, one_voice


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
@pytest.mark.parametrize(("n", "step"), [(0, 1), (1, 1), (10, 4), (24, 5), (100, 1)])
def test_runs_cover_everything_once_and_begin_at_whole_steps(n, step, world_size):
    runs = [Ranks(rank, world_size, None).run_of(n, step=step) for rank in range(world_size)]
    assert [row for start, stop in runs for row in range(start, stop)] == list(range(n))
    assert all(start % step == 0 or start == n for start, _ in runs)


def test_alone_nothing_is_shared():
    values = np.arange(3.0)
    ALONE.sum(values)
    ALONE.require_alike(anything="at all")
    ALONE.wait()
    assert values.tolist() == [0.0, 1.0, 2.0]
    assert ALONE.merge(5, max) == 5
    assert ALONE.whole(values, 3) is values
    assert ALONE.of_first("mine") == "mine"
    assert ALONE.device_name("cuda:1") == "cuda:1"
    with ALONE.in_turn():
        pass


def test_the_first_that_fails_says_why_and_the_others_nothing():
    store = dist.HashStore()
    for rank, expected in ((2, InputError), (0, ToldElsewhere), (1, ToldElsewhere)):
        with pytest.raises(expected, match=r"features must|another process"), one_voice(Ranks(rank, 3, None, store)):
            raise InputError("features must be good")


def test_alone_an_error_is_an_error():
    for _ in range(2):
        with pytest.raises(InputError, match="features must be good"), one_voice(ALONE):
            raise InputError("features must be good")


def test_sigterm_ends_a_rank_with_a_line():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(LostProcess, match="all 2 processes must stay alive to the end; got SIGTERM in process 1"), one_voice(Ranks(1, 2, None)):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_silence_on_the_command_line(capsys):
    failures = pytest.importorskip("repr_probe.cli.failures")
    assert failures.explain(ToldElsewhere("somebody else")) == 1
    assert capsys.readouterr() == ("", "")
