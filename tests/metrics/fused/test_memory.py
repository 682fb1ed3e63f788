from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from repr_probe.errors import InputError
from repr_probe.metrics.fused.memory import plan
from repr_probe.ranks import Ranks

ROWS = {"row_bytes": 8192, "loading_bytes": 49152, "fixed_bytes": 10**8}


def bytes_of(found, n):
    slots = 0 if found.resident else 2 * found.block
    return (found.held + slots) * ROWS["row_bytes"] + found.block * ROWS["loading_bytes"] + ROWS["fixed_bytes"]


@pytest.mark.parametrize("n", [10, 1000, 1025, 50_000, 1_281_167])
@pytest.mark.parametrize("gigabytes", [0.2, 0.25, 0.5, 1.0, 3.0, 12.0, 80.0])
def test_a_plan_fits(n, gigabytes):
    try:
        found = plan(n, free_bytes=int(gigabytes * 1e9), **ROWS)
    except InputError:
        assert gigabytes == 0.2 or n * 8192 + min(n, 1024) * 49152 + 10**8 > 0.9 * gigabytes * 1e9
        return
    assert bytes_of(found, n) <= 0.9 * gigabytes * 1e9
    assert found.resident == (found.held == n)
    assert found.height % found.block == 0 or found.held == n


def test_all_rows_of_imagenet_stay_on_a_large_gpu():
    assert plan(1_281_167, free_bytes=80 * 10**9, **ROWS).resident


def test_less_memory_holds_fewer_rows():
    held = [plan(1_281_167, free_bytes=gigabytes * 10**9, **ROWS).held for gigabytes in (1, 2, 4, 8, 80)]
    assert held == sorted(held)
    assert held[0] >= 2 * 1024


def test_a_gpu_too_small_for_one_strip():
    with pytest.raises(InputError, match=r"^device must have 0\.\d\d GiB of free memory for the pair pass over 1000000 rows; got 0\.12 GiB; use"):
        plan(1_000_000, free_bytes=1 << 27, **ROWS)


def test_the_least_memory_decides_for_all_ranks():
    @dataclass(frozen=True)
    class WithASmallerOne(Ranks):
        def sum(self, values: np.ndarray) -> None:
            values[1] = 2048, 1024

    found = plan(50_000, free_bytes=80 * 10**9, ranks=WithASmallerOne(0, 2, None), **ROWS)
    assert (found.held, found.block, found.resident) == (2048, 1024, False)
