"""Two gloo processes against one: the same losses and the same gradients, for the loss of the paper and for every method."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from repr_probe.training.gathering import gather_rows, ranks

SCRIPT = Path(__file__).with_name("two_ranks.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def one() -> dict[str, list[torch.Tensor]]:
    spec = importlib.util.spec_from_file_location("two_ranks", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.compute(0, 1)


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> list[dict[str, list[torch.Tensor]]]:
    folder = tmp_path_factory.mktemp("ranks")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, str(SCRIPT), str(rank), "2", str(folder / "meeting"), str(folder)], env=environment, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", ["dense", "blocks", "negatives", "plain", "ceiling", "nt_xent", "barlow", "vicreg"])
def test_two_ranks_have_the_loss_and_gradient_of_one(one, two, name):
    for rank in two:
        for value, expected in zip(rank[name], one[name], strict=True):
            torch.testing.assert_close(value, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("method", ["hydes", "simclr", "byol", "swav", "barlow-twins", "vicreg", "dino", "resa"])
def test_two_ranks_train_a_method_as_one(one, two, method):
    """Loss, weights, teachers, centres and queues after three steps."""
    for rank in two:
        for value, expected in zip(rank[f"objective {method}"], one[f"objective {method}"], strict=True):
            torch.testing.assert_close(value, expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", ["shortcut", "alone"])
def test_the_usual_shortcuts_learn_something_else(one, two, name):
    """Rows of other ranks without gradient: the right value, another gradient. No gathering: another value as well."""
    (value, *gradients), (expected_value, *expected) = two[0][name], one["plain"]
    assert (name == "shortcut") == torch.isclose(value, expected_value, atol=1e-12, rtol=0).item()
    assert max((gradient - other).abs().max().item() for gradient, other in zip(gradients, expected)) > 0.01


def test_rows_come_in_order_of_rank(one, two):
    torch.testing.assert_close(two[0]["rows"][0], one["rows"][0], atol=1e-12, rtol=0)
    torch.testing.assert_close(two[1]["rows"][0], one["rows"][0], atol=1e-12, rtol=0)


def test_one_process_gathers_nothing():
    x = torch.ones(2, 3, requires_grad=True)
    assert ranks() == (0, 1)
    assert gather_rows(x) is x
