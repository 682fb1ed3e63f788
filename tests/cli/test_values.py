from __future__ import annotations

import pytest

from repr_probe.cli.values import parse_channels, parse_image_size, parse_pairs
from repr_probe.errors import UsageError


@pytest.mark.parametrize(("text", "size"), [("224", 224), (" 8 ", 8), ("224x192", (224, 192)), ("224 x 192", (224, 192)), (None, None)])
def test_image_size(text, size):
    assert parse_image_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "224x0", "-3", "224x192x3", "a", "1e3", "2.5"])
def test_bad_image_size(text):
    with pytest.raises(UsageError, match="--image-size must be one positive number or two, 224 or 224x192; got"):
        parse_image_size(text)


@pytest.mark.parametrize(
    ("text", "numbers"), [("0.5", (0.5,)), ("0.1,0.2,0.3", (0.1, 0.2, 0.3)), ("0.1 0.2  0.3", (0.1, 0.2, 0.3)), (None, None)]
)
def test_channels(text, numbers):
    assert parse_channels(text, option="--mean") == numbers


@pytest.mark.parametrize("text", ["", "0.1,0.2", "1,2,3,4", "a", "nan", "inf", "0.1;0.2;0.3"])
def test_bad_channels(text):
    with pytest.raises(UsageError, match=r"--std must be one number or three, 0\.5 or 0\.485,0\.456,0\.406; got"):
        parse_channels(text, option="--std")


@pytest.mark.parametrize("text", ["0", "0.5,0,0.5", "-1"])
def test_a_standard_deviation_is_positive(text):
    with pytest.raises(UsageError, match="--std must be positive; got"):
        parse_channels(text, option="--std")
    assert parse_channels(text, option="--mean") is not None


def test_pairs():
    assert parse_pairs("exact") == "exact"
    assert parse_pairs("sample:5000") == 5000


@pytest.mark.parametrize("text", ["", "Exact", "sample", "sample:", "sample:0", "sample:999", "sample:-1", "sample:1e6", "5000"])
def test_bad_pairs(text):
    with pytest.raises(UsageError, match="--pairs must be exact or sample:M with M pairs, 1000 or more; got"):
        parse_pairs(text)
