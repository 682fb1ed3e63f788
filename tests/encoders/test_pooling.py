"""From outputs to vectors."""

from __future__ import annotations

import pytest
import torch

from repr_probe.encoders.pooling import Tokens, pool_output
from repr_probe.errors import UsageError

PLAIN = Tokens(0, False, None)
WITH_CLASS = Tokens(1, True, 4)


def pool(output: object, tokens: Tokens = PLAIN, how: str | None = None, channels_last: bool | None = None) -> torch.Tensor:
    return pool_output(output, layer="here", batch=2, tokens=tokens, channels_last=channels_last, pool=how)


def test_the_equal_dimensions_are_the_places() -> None:
    first = torch.randn(2, 5, 3, 3)
    assert torch.equal(pool(first), first.mean((2, 3)))
    last = torch.randn(2, 3, 3, 5)
    assert torch.equal(pool(last), last.mean((1, 2)))


def test_otherwise_the_network_says() -> None:
    maps = torch.randn(2, 5, 5, 5)
    assert torch.equal(pool(maps, channels_last=True), maps.mean((1, 2)))
    assert torch.equal(pool(maps, channels_last=False), maps.mean((2, 3)))
    with pytest.raises(UsageError, match=r"whose channels can be told; 'here' gives shape \(2, 5, 5, 5\)"):
        pool(maps)


def test_tokens() -> None:
    tokens = torch.randn(2, 5, 7)
    assert torch.equal(pool(tokens, WITH_CLASS), tokens[:, 0])
    assert torch.equal(pool(tokens, WITH_CLASS, "avg"), tokens[:, 1:].mean(1))
    assert torch.equal(pool(tokens, WITH_CLASS, "max"), tokens[:, 1:].amax(1))
    assert torch.equal(pool(tokens), tokens.mean(1))
    assert torch.equal(pool(tokens[:, :4], WITH_CLASS), tokens[:, :4].mean(1))  # patches only, before the class token is added
    with pytest.raises(UsageError, match="its tokens have no class token"):
        pool(tokens, PLAIN, "cls")


def test_registers_are_not_patches() -> None:
    tokens = torch.randn(2, 9, 7)
    registers = Tokens(5, True, 4)
    assert torch.equal(pool(tokens, registers), tokens[:, 0]) and torch.equal(pool(tokens, registers, "avg"), tokens[:, 5:].mean(1))


@pytest.mark.parametrize("output", [torch.zeros(2), torch.zeros(3, 4), torch.zeros(2, 3, 4, 5, 6), torch.zeros(2, 3, dtype=torch.int64)])
def test_shapes_without_a_reading(output: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="layer must give maps, tokens or features of 2 images"):
        pool(output)


def test_the_output_is_never_handed_out_itself() -> None:
    vectors = torch.zeros(2, 3)
    pool(vectors).add_(1)
    assert not vectors.any()
