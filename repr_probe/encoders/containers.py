"""Where in a checkpoint the weights are: plain, or inside the dictionaries that training programs wrap around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from repr_probe.encoders.prefixes import strip_wrappers
from repr_probe.errors import CheckpointError
from repr_probe.files.printable import listed, printable

DEPTH = 3
# What lies beside weights and has tensors of its own.
NOT_WEIGHTS = ("optim", "opt", "amp", "scaler", "sched", "callback", "loop", "queue", "rng", "loss", "meter", "hyper_parameters", "args")
# Averaged weights beside raw ones: the program that writes both evaluates the average (timm, DeiT).
AVERAGED = {"state_dict": "state_dict_ema", "model": "model_ema"}


@dataclass(frozen=True)
class Container:
    """Tensors by name as they stand at `path` in the file ("" is the top); wrappers such as `module.` are off their names.

    stripped: the wrappers taken off.  others: number of entries beside the tensors.
    """

    path: str
    tensors: Mapping[str, torch.Tensor]
    stripped: tuple[str, ...]

    def __str__(self) -> str:
        return f"'{self.path}'" if self.path else "the top of the file"


def find_containers(content: Any) -> list[Container]:
    """Every map of names to two or more tensors, from the top three levels; CheckpointError says what is there when there is none."""
    if isinstance(content, torch.Tensor):
        shape = tuple(content.shape)
        raise CheckpointError(f"checkpoint must hold tensors by name; got one tensor of shape {shape}; is it a matrix of features?")
    if not isinstance(content, Mapping):
        raise CheckpointError(f"checkpoint must hold tensors by name; got a {type(content).__name__}; save model.state_dict()")
    found: list[Container] = []
    level: list[tuple[str, Mapping[Any, Any]]] = [("", content)]
    for _ in range(DEPTH):
        deeper: list[tuple[str, Mapping[Any, Any]]] = []
        for path, entries in level:
            tensors = {name: value for name, value in entries.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}
            if len(tensors) >= 2:
                names, stripped = strip_wrappers(tensors)
                found.append(Container(path, names, stripped))
            deeper += [(f"{path}.{key}".lstrip("."), value) for key, value in entries.items() if _may_hold_weights(key, value)]
        level = deeper
    if not found:
        kinds = [f"{printable(key, limit=30)}: {type(value).__name__}" for key, value in content.items()]
        raise CheckpointError(f"checkpoint must hold two or more tensors by name; got {listed(kinds) or 'nothing'}")
    return found


def _may_hold_weights(key: object, value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(key, str) and not key.lower().startswith(NOT_WEIGHTS)
