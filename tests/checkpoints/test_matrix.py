"""Every layout of the matrix: opened without being told what it is, its features equal those of the network it comes from; spoiled, it is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts.layout import SPOILED, Layout
from layouts.registry import LAYOUTS

from repr_probe.encoders.encoder import Encoder
from repr_probe.encoders.load import load_encoder
from repr_probe.errors import CheckpointError, FileFormatError

TOLERANCE = 1e-5  # of the largest feature


@pytest.fixture(scope="module", params=[pytest.param(one, id=one.name, marks=[pytest.mark.slow] * one.slow) for one in LAYOUTS])
def layout(request: pytest.FixtureRequest) -> Iterator[Layout]:
    """Module scope: all tests of one layout run in a row, so that its network is built once."""
    if request.param.missing():
        pytest.skip(f"{', '.join(request.param.missing())} is not installed")
    return request.param


def open_(path: Path, layout: Layout) -> Encoder:
    return load_encoder(path, device="cpu", **layout.options)


def test_the_features_are_those_of_the_reference(layout: Layout, tmp_path: Path):
    path = layout.write(tmp_path)
    if layout.refused:
        with pytest.raises(CheckpointError) as refusal:
            open_(path, layout)
        assert refusal.value.code == layout.refused
        return
    encoder = open_(path, layout)
    images = layout.images()
    wanted, got = layout.reference(images), encoder.features(images)["pooled"].numpy()
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= TOLERANCE * np.abs(wanted).max()
    assert differences(encoder, layout.expect) == {}


def differences(encoder: Encoder, expect: Any) -> dict[str, tuple[Any, Any]]:
    """What was found in place of what was expected."""
    found = {name: getattr(encoder.input, name, encoder.facts.get(name)) for name in expect}
    if "architecture" in expect:
        known = re.match(expect["architecture"], encoder.architecture)
        found["architecture"] = expect["architecture"] if known else encoder.architecture
    same = {name: close(found[name], value) for name, value in expect.items()}
    return {name: (found[name], value) for name, value in expect.items() if not same[name]}


def close(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple) and isinstance(found, tuple):
        return len(found) == len(wanted) and np.allclose(found, wanted, atol=5e-5)
    return found == wanted


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_copy_is_refused(layout: Layout, how: str, tmp_path: Path):
    path = layout.write(tmp_path, how)
    with pytest.raises((CheckpointError, FileFormatError)) as refusal:
        open_(path, layout)
    assert refusal.value.code.startswith("E_")
    assert "\n" not in str(refusal.value)
    if how == "rival" and not layout.refused:
        assert refusal.value.code == "E_AMBIGUOUS"
