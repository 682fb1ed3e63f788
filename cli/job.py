"""A command that several processes share under torchrun: who speaks, and what becomes of a failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from repr_probe.ranks import Ranks, joined, one_voice

from .display import shown

if TYPE_CHECKING:
    import torch


@contextmanager
def job(device: str, quiet: bool) -> Iterator[Ranks]:
    """The ranks of this command; only the first one shows progress and notes, and only one of them says what went wrong."""
    with shown(quiet), joined(device, _resolve) as ranks, one_voice(ranks):
        yield ranks


def _resolve(device: str) -> torch.device:
    from repr_probe.encoders.devices import resolve_device

    return resolve_device(device)
