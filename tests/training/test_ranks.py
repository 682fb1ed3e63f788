"""torchrun's environment, and two real processes over gloo."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from repr_probe.errors import UsageError
from repr_probe.training.ranks import Ranks, joined

ALONE = Ranks(rank=0, world_size=1, device=torch.device("cpu"))


@pytest.fixture(autouse=True)
def no_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


def test_without_torchrun_a_process_is_alone():
    with joined("cpu") as ranks:
        assert ranks == ALONE and ranks.is_first
        assert not torch.distributed.is_initialized()


def test_alone_every_agreement_is_ones_own():
    module = torch.nn.Linear(2, 2)
    assert ALONE.wrap(module) is module
    assert (ALONE.agree(True), ALONE.agree(False), ALONE.first_does(lambda: 3)) == (True, False, 3)
    assert torch.equal(ALONE.mean(torch.tensor([1.0, 2.0])), torch.tensor([1.0, 2.0]))


def test_a_batch_falls_into_equal_shares():
    with pytest.raises(UsageError, match="batch_size must be a multiple of the 3 processes; got 128"):
        Ranks(0, 3, torch.device("cpu")).share(128)


def test_an_environment_that_torchrun_did_not_set(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(UsageError, match="WORLD_SIZE must be a whole number, as torchrun sets it; got 'two'"), joined("cpu"):
        pass


SCRIPT = """
import os, sys, torch
os.environ |= {"RANK": sys.argv[1], "LOCAL_RANK": sys.argv[1], "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": sys.argv[2]}
from repr_probe import progress
from repr_probe.errors import StoreError
from repr_probe.training.ranks import joined

class Notes:
    heard = []
    def note(self, text):
        self.heard.append(text)

def fail():
    raise StoreError("the disk must have room")

with progress.reporting(Notes()), joined("cpu") as ranks:
    me = ranks.rank
    assert ranks.mean(torch.tensor([float(me), 1.0])).tolist() == [0.5, 1.0]
    assert ranks.mean(torch.tensor([float("nan") if me else 1.0])).isnan().all()
    assert ranks.agree(me == 1) and not ranks.agree(False)
    assert ranks.first_does(lambda: ("from", me)) == ("from", 0)
    try:
        ranks.first_does(fail)
    except StoreError as failure:
        assert str(failure) == "the disk must have room"
    else:
        raise SystemExit("no rank may go on")
    progress.note("heard")
    assert Notes.heard == (["heard"] if me == 0 else [])
assert not torch.distributed.is_initialized()
"""


@pytest.mark.slow
def test_two_processes(tmp_path):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [subprocess.Popen([sys.executable, "-c", SCRIPT, rank, port], stderr=subprocess.PIPE, text=True) for rank in ("0", "1")]
    for process in processes:
        _, trouble = process.communicate(timeout=100)
        assert process.returncode == 0, trouble
