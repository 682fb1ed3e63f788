from __future__ import annotations

import pytest

from repr_probe import progress
from repr_probe.progress import Forecast


@pytest.fixture
def clock(monkeypatch):
    """now[0] is the time of day in seconds; what is noted comes second."""
    now, said = [100.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "note", said.append)
    return now, said


def tell(seconds, rate):
    return f"{seconds:.0f} s at {rate:.0f} a second"


def test_long_work_is_told_once_from_its_own_rate(clock):
    now, said = clock
    forecast = Forecast(1000, tell)
    for seconds in (20.0, 1.0, 1.0, 1.0, 1.0, 1.0):  # the first steps wait for processes to start
        now[0] += seconds
        forecast.advance(10)
    assert said == ["100 s at 10 a second"]


@pytest.mark.parametrize(("total", "told"), [(299, 0), (301, 1)])
def test_work_below_half_a_minute_is_not(clock, total, told):
    now, said = clock
    forecast = Forecast(total, tell)
    for _ in range(8):
        now[0] += 1.0
        forecast.advance(10)
    assert len(said) == told


def test_short_work_ends_before_it_is_measured(clock):
    _, said = clock
    forecast = Forecast(10_000_000, tell)
    forecast.advance(1)
    forecast.advance(1)
    assert said == []
