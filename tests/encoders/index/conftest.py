from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from repr_probe.encoders.index.elastic import Axis
from repr_probe.encoders.index.index_file import Index, pack, unpack
from repr_probe.encoders.index.record import Record

Shapes = dict[str, tuple[int, ...]]


def blocks(count: int, width: int = 8) -> Shapes:
    found: Shapes = {"stem.weight": (width, 3, 4, 4)}
    for number in range(count):
        found |= {f"blocks.{number}.fc.weight": (width, width), f"blocks.{number}.norm.running_mean": (width,)}
    return found | {"norm.weight": (width,)}


def record(name: str, shapes: Shapes, **more: object) -> Record:
    options: dict[str, object] = {"stem": "stem.weight", "head": ((len(shapes), "head.weight"), (len(shapes), "head.bias")), **more}
    return Record(name, tuple(shapes.items()), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def small_index() -> Index:
    """One family of two depths, a network with a table, and two that share all tensors and compute different things."""
    table = (("pos", (Axis(1, "square", 1, 14),)),)
    return unpack(
        pack(
            [
                record("timm:deep4", blocks(4)),
                record("timm:deep2", blocks(2)),
                record("timm:wide_224", blocks(2, 16) | {"pos": (1, 197, 16)}, tables=table, kind=1),
                record("timm:wide_tall", blocks(2, 12), kind=1, mean_std="mean 0"),
                record("timm:wide_tall_too", blocks(2, 12), kind=1, mean_std="mean 1"),
                record("timm:tf_wide_tall", blocks(2, 12), kind=2),
                record("timm:plain50", blocks(3, 20), kind=1),
                record("timm:plainblur50", blocks(3, 20), kind=2),
            ]
        )
    )


@pytest.fixture(scope="session")
def shapes_of_network() -> Callable[[str], Shapes]:
    """Names and shapes of a network of timm or torchvision with its classifier, in order, straight from the library."""

    def build(name: str) -> nn.Module:
        library, _, plain = name.partition(":")
        if library == "timm":
            import timm

            return timm.create_model(plain)
        from torchvision.models import get_model

        return get_model(plain, weights=None)

    def shapes(name: str) -> Shapes:
        try:
            with torch.device("meta"):
                module = build(name)
        except (NotImplementedError, RuntimeError):  # torchvision's RegNets compute with numbers while they are built
            module = build(name)
        return {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}

    return shapes


@pytest.fixture(scope="session", name="blocks")
def blocks_fixture() -> Callable[..., Shapes]:
    return blocks
