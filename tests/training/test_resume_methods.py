"""Every method, on either feed, goes on bit for bit: through the parts that a configuration describes, with nothing of our own but the signal."""

from __future__ import annotations

import os
import runpy
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from repr_probe.training.assembly import assemble
from repr_probe.training.config import read_config
from repr_probe.training.loop import run_training
from repr_probe.training.objectives.build import METHODS
from repr_probe.training.run_folder import RunFolder
from repr_probe.training.run_state import read_state

assert_same = runpy.run_path(str(Path(__file__).with_name("test_resume.py")))["assert_same"]
SMALL = {"dataset": "digits", "limit": 80, "batch_size": 16, "n_local": 1, "epochs": 2, "warmup_epochs": 1, "device": "cpu", "projector": [16, 8]}
OPTIONS = {"swav": {"n_prototypes": 12, "queue": 32}, "dino": {"n_prototypes": 12}}
STATEFUL = ["hydes", "byol", "swav"]  # a teacher; a queue and frozen prototypes
OTHERS = [pytest.param(method, marks=pytest.mark.slow) for method in METHODS if method not in STATEFUL]


class Interrupted:
    """A feed that sends its process SIGTERM when so many batches have been asked for."""

    def __init__(self, feed, after: int) -> None:
        self.feed, self.left, self.n_steps = feed, after, feed.n_steps

    def epoch(self, epoch, *, start_step=0):
        for batch in self.feed.epoch(epoch, start_step=start_step):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch


def interrupted_after(count: int):
    def build(config, ranks):
        parts = assemble(config, ranks)
        return replace(parts, feed=Interrupted(parts.feed, count))

    return build


def assert_goes_on(tmp_path, settings) -> None:
    config = read_config(None, settings)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run_training(config, RunFolder(tmp_path / "whole"), resume=False)
        parts = RunFolder(tmp_path / "parts")
        assert run_training(config, parts, resume=False, assemble=interrupted_after(7)).step == 7  # of 10, in the second epoch
        torch.manual_seed(4711)
        assert run_training(config, parts, resume=True).done
    finally:
        torch.set_num_threads(threads)
    assert_same(*(read_state(tmp_path / name / "ckpt_00000010.pt") for name in ("whole", "parts")))


@pytest.mark.parametrize("method", [*STATEFUL, *OTHERS])
def test_every_method_goes_on_bit_for_bit(tmp_path, method):
    assert_goes_on(tmp_path, {**SMALL, "method": method, "options": OPTIONS.get(method, {})})


@pytest.mark.slow
def test_the_stream_feed_with_workers_goes_on_bit_for_bit(tmp_path):
    assert_goes_on(tmp_path, {**SMALL, "feed": "stream", "workers": 2})
