"""Collapse and signals, apart from the loop."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import torch

from repr_probe.training.stopping import CollapseWatch, SpreadOfBackbone, StopRequest, spread


def test_spread_is_the_share_of_variance():
    rows = torch.randn(50, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 2
    expected = rows.var(dim=0, correction=0).sum() / rows.square().sum(dim=1).mean()
    assert spread(rows).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_spread_does_not_depend_on_scale(scale):
    rows = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    assert spread(rows * scale).item() == pytest.approx(spread(rows).item(), rel=1e-5)


def test_spread_of_random_features_is_no_collapse():
    """A random ReLU network gives features within a few degrees of each other; training starts from there."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torch.nn.Sequential(*[torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU()) for _ in range(6)])
        value = spread(network(torch.randn(32, 64))).item()
    assert value > 100 * CollapseWatch().floor


def test_only_the_first_call_of_a_training_step_counts():
    network = torch.nn.Identity()
    watch = SpreadOfBackbone(network)
    network.eval()
    network(torch.zeros(2, 3))
    network.train()
    network(torch.eye(2))
    network(torch.zeros(2, 3))
    assert watch.take() == 0.5 and watch.take() is None
    watch.remove()
    network(torch.eye(2))
    assert watch.take() is None


def test_a_spread_in_between_starts_the_count_anew():
    watch = CollapseWatch(patience=3)
    assert [watch.sees(value) for value in (0, 0, 1, 0, 0, 0)] == [False] * 5 + [True]


def test_a_signal_raises_the_flag_and_the_callers_handler_returns():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with StopRequest() as stop:
            assert stop.name is None
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.name == "SIGTERM" and not heard
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_the_main_thread_nothing_is_installed():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with StopRequest():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_worker_dies_of_sigterm_and_leaves_ctrl_c_to_its_parent():
    with StopRequest() as stop:
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)  # not reached
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM
        assert stop.name is None
