"""InputSpec: what no image can have is refused where the specification is made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from repr_probe.errors import UsageError
from repr_probe.preprocessing import InputSpec

GOOD: dict[str, Any] = {"size": (8, 8), "mean": (0.5,), "std": (0.5,)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (0, 8)}, r"size must be positive: height and width as whole numbers up to 16384; got \(0, 8\)"),
        ({"size": (8, 16385)}, "size must be positive"),
        ({"size": (8.0, 8)}, "size must be positive"),
        ({"size": 8}, "size must be positive: .*; got 8"),
        ({"mean": (float("nan"),)}, r"mean must be finite numbers, one for each channel; got \(nan,\)"),
        ({"mean": (10**400,)}, "mean must be finite numbers"),
        ({"mean": ()}, "mean must be finite numbers"),
        ({"std": ("1",)}, "std must be finite numbers"),
        ({"std": (1.0, 1.0)}, "std must have as many values as mean; got 2 for 1"),
        ({"std": (0.0,)}, r"std must be positive; got \(0.0,\)"),
        ({"interpolation": "evil"}, "interpolation must be one of nearest, bilinear, bicubic, lanczos, box; got 'evil'"),
        ({"crop_pct": 0}, "crop_pct must be between 0.01 and 2; got 0"),
        ({"crop_pct": float("inf")}, "crop_pct must be between 0.01 and 2; got inf"),
        ({"order": "gbr"}, "order must be one of rgb, bgr; got 'gbr'"),
    ],
)
def test_what_no_image_can_have(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        InputSpec(**{**GOOD, **changes})
    with pytest.raises(UsageError, match=message):
        InputSpec(**GOOD).override("test", **changes)


def test_numbers_of_numpy() -> None:
    assert InputSpec((int(np.int64(8)), 8), (np.float32(0.5),), (np.float64(0.5),)).channels == 1
