"""Networks of any size can be named by a file; those beyond every real one are refused before they are built."""

from __future__ import annotations

import pytest

from repr_probe.encoders.architectures import resolve_architecture
from repr_probe.encoders.networks import build_network
from repr_probe.errors import CheckpointError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("repr_probe:resnet(layers=65536-65536-65536-65536)", "layers as whole numbers such as 3-4-6-3, up to 200"),
        ("repr_probe:resnet(stem=clip, layers=201-1-1-1)", "layers as whole numbers"),
        ("repr_probe:resnet(width=16384)", "3 or 4 stages and up to 16384 channels"),
        ("repr_probe:resnet(width=16385)", "width as a whole number from 1 to 16384"),
        ("repr_probe:resnet(stem_kernel=33)", "stem_kernel as a whole number from 0 to 31"),
        ("repr_probe:vit(depth=60000)", "depth of 1 to 200; got depth=60000"),
        ("repr_probe:vit(width=16385)", "width of 1 to 16384"),
        ("repr_probe:vit(eps=0.0)", "eps of 1e-15 to 0.1"),
        ("repr_probe:vit(patch=2000)", "patch as in patch=16 or patch=16x8, up to 1024; got patch=2000"),
        ("repr_probe:vit(" + "x" * 400 + "=1)", "options of repr_probe:vit; got 'xxxx"),
    ],
)
def test_sizes_beyond_every_network(text: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        build_network(resolve_architecture(text))
    assert len(str(caught.value)) < 600


def test_names_without_end() -> None:
    with pytest.raises(CheckpointError, match=r"arch must be a name of at most 1000 characters; got 3000000, 'x+\.\.\.'"):
        resolve_architecture("x" * 3_000_000)
