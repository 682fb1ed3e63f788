"""From rows to a pass: what is chosen, what is said, and what happens where the kernel cannot be trusted."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from repr_probe import progress
from repr_probe.errors import InputError
from repr_probe.metrics.fused.choosing import Choice, Sample, chosen, failure, judge
from repr_probe.metrics.fused.fused_pass import fused_pass
from repr_probe.metrics.fused.modes import MODES, Tiling

TILE = Tiling(32, 64, 32, 2, 4, 1)
TILINGS = {True: (TILE,), False: (TILE,)}


@pytest.fixture
def said():
    notes: list[str] = []
    reporter = type("Notes", (), {"note": lambda _, text: notes.append(text), "task": lambda *_: nullcontext(lambda steps: None)})()
    with progress.reporting(reporter):
        yield notes


@pytest.fixture
def sample(device, make_cloud):
    cloud = make_cloud(n=64, width=40)
    return Sample(torch.from_numpy(cloud.unit).float().to(device), cloud.codes, cloud.groups, 1.43, 2.0)


def passed(cloud, device, *, matmul="exact", tilings=TILINGS, free_bytes=1 << 30):
    return fused_pass(cloud.rows, cloud.codes, cloud.groups, shift=82.0, kernel=2.0, device=device, matmul=matmul,
                      free_bytes=free_bytes, tilings=tilings)  # fmt: skip


def test_an_exact_mode_is_within_a_millionth(sample, said):
    choice = chosen(sample, matmul="exact", tilings=TILINGS)
    assert choice.mode.name == "float32" or judge(sample, choice.mode, TILE)[1] <= 1e-6
    assert len(said) == (choice.mode.name != "float32")


def test_fast_is_said(sample, said):
    choice = chosen(sample, matmul="fast", tilings=TILINGS)
    assert len(said) == 1
    assert said[0].startswith("fast products")
    trial, _ = judge(sample, choice.mode, TILE)
    assert max(trial.mean, trial.std) <= 1e-3


def test_the_error_of_a_mode_is_that_of_its_angles(sample):
    errors = [judge(sample, MODES[name], TILE) for name in ("float32", "bf16x3", "bf16")]
    assert errors[0][1] < errors[1][1] < errors[2][1]
    assert errors[0][0].single < 1e-4 < errors[2][0].single
    assert errors[0][0].n_pairs == 64 * 63 // 2


def test_a_sound_kernel_is_trusted(sample):
    assert failure(sample, Choice(MODES["float32"], TILE, 1e-4)) is None


def test_a_kernel_that_is_off_is_not(sample):
    assert failure(sample, Choice(MODES["bf16"], TILE, 0.0)) is not None


def test_what_a_kernel_cannot_do_is_left_to_others(device, make_cloud, said):
    cloud = make_cloud(n=60)
    crooked = Tiling(24, 64, 32, 2, 4, 1)  # sizes have to be powers of 2
    assert passed(cloud, device, tilings={True: (crooked,), False: (crooked,)}) is None
    assert len(said) == 1
    assert said[0].startswith("the fused pair kernel is left out (")
    assert said[0].endswith("); the pair pass goes step by step")
    assert "\n" not in said[0]


def test_from_rows_to_sums(device, make_cloud):
    cloud = make_cloud(n=60)
    work, into = passed(cloud, device), cloud.zeros(kernel=2.0)
    for _ in work.run(work.shares()):
        pass
    cloud.repaired(into, work.collect(into), kernel=2.0)
    expected = cloud.by_steps(kernel=2.0)
    n = len(cloud.rows)
    assert into.histograms["all"].sum() == n * (n - 1) // 2
    np.testing.assert_allclose(into.sums["all_1"], np.radians(expected.first), rtol=1e-6, atol=n * 1e-6)
    np.testing.assert_allclose(into.kernel, expected.kernel, rtol=2e-6)


def test_too_small_a_device(device, make_cloud):
    with pytest.raises(InputError, match=r"^device must have \d\.\d\d GiB of free memory for the pair pass over 40 rows; got 0\.00 GiB; use"):
        passed(make_cloud(n=40, unlabelled=5), device, free_bytes=100_000)
